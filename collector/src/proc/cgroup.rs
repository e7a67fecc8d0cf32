//! Where a process's cgroups are, and what they count: one view of v1 and v2.

use super::kept::{Kept, Room};
use super::parse::{self, Hierarchy};
use std::path::PathBuf;

/// The folders of one cgroup, by what is read from them. Under v2 all are the same one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Folders {
    cpu: Option<PathBuf>,
    cpuacct: Option<PathBuf>,
    memory: Option<PathBuf>,
    blkio: Option<PathBuf>,
    unified: Option<PathBuf>,
}

/// Counters of a cgroup at one instant; what the kernel does not offer is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counters {
    pub(super) cpu_ns: Option<u64>,
    pub(super) throttled_ns: Option<u64>,
    pub(super) memory_bytes: Option<u64>,
    pub(super) disk: Option<(u64, u64)>,
    pub(super) pressure_us: [Option<u64>; 3],
}

/// Finds the folders of the cgroups in the text of `/proc/PID/cgroup`. A root cgroup is none: it is the node.
pub(super) fn locate(cgroup_text: &str, hierarchies: &[Hierarchy]) -> Folders {
    let memberships = parse::memberships(cgroup_text);
    let folder = |controller: Option<&str>| {
        let membership = memberships.iter().find(|membership| match controller {
            Some(name) => membership
                .controllers
                .iter()
                .any(|controller| controller == name),
            None => membership.controllers.is_empty(),
        })?;
        let hierarchy =
            hierarchies
                .iter()
                .find(|hierarchy| match (controller, &hierarchy.controllers) {
                    (Some(name), Some(controllers)) => {
                        controllers.iter().any(|controller| controller == name)
                    }
                    (None, None) => true,
                    _ => false,
                })?;
        // A container's mount may begin below the hierarchy's root; a path outside of it cannot be seen.
        let path = membership
            .path
            .strip_prefix(hierarchy.root.trim_end_matches('/'))?
            .trim_matches('/');
        (!path.is_empty()).then(|| hierarchy.mounted_at.join(path))
    };
    Folders {
        cpu: folder(Some("cpu")),
        cpuacct: folder(Some("cpuacct")),
        memory: folder(Some("memory")),
        blkio: folder(Some("blkio")),
        unified: folder(None),
    }
}

impl Folders {
    /// There is no cgroup but the root.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Opens what there is to read.
    pub(super) fn open(&self, room: &mut Room) -> Files {
        let mut file =
            |folder: &Option<PathBuf>, name: &str| Kept::open(folder.as_ref()?.join(name), room);
        let memory = [(&self.unified, MEMORY_V2), (&self.memory, MEMORY_V1)];
        let memory = memory.into_iter().find_map(|(folder, (usage, key))| {
            Some(Memory {
                usage: file(folder, usage)?,
                stat: file(folder, "memory.stat"),
                key,
                inactive_bytes: 0,
                next_look_ns: 0,
            })
        });
        let disk = file(&self.unified, "io.stat").map(Disk::V2);
        let v1 = |file| Disk::V1 {
            file,
            ran_ns: None,
            bytes: None,
        };
        let disk = disk.or_else(|| file(&self.blkio, "blkio.throttle.io_service_bytes").map(v1));
        Files {
            memory,
            disk,
            ..self.open_delays(room)
        }
    }

    /// Opens only what tells how its tasks are held up: what a process is not itself asked for.
    pub(super) fn open_delays(&self, room: &mut Room) -> Files {
        let mut file =
            |folder: &Option<PathBuf>, name: &str| Kept::open(folder.as_ref()?.join(name), room);
        Files {
            stat_v2: file(&self.unified, "cpu.stat"),
            throttled_v1: file(&self.cpu, "cpu.stat").map(Throttled::of),
            usage_v1: file(&self.cpuacct, "cpuacct.usage"),
            memory: None,
            disk: None,
            pressure: ["cpu.pressure", "memory.pressure", "io.pressure"]
                .map(|name| file(&self.unified, name)),
        }
    }
}

/// The file of a cgroup's usage, and the key in `memory.stat` of what of it the kernel may drop at any time.
const MEMORY_V2: (&str, &str) = ("memory.current", "inactive_file");
const MEMORY_V1: (&str, &str) = ("memory.usage_in_bytes", "total_inactive_file");

/// Time for which the last look into `memory.stat` holds. It is the longest of the files and costs as much as all others
/// together; what it is asked for, file pages that were not used for a while, is slow by its nature.
const LOOK_NS: u64 = 2_900_000_000;

#[derive(Debug)]
struct Memory {
    usage: Kept,
    stat: Option<Kept>,
    key: &'static str,
    inactive_bytes: u64,
    next_look_ns: u64,
}

/// Version 1's `cpu.stat`. Only where a quota's periods were counted can there be throttling: elsewhere a look now and
/// then is enough to see one come.
#[derive(Debug)]
struct Throttled {
    file: Kept,
    has_quota: bool,
    ns: Option<u64>,
    next_look_ns: u64,
}

#[derive(Debug)]
enum Disk {
    V2(Kept),
    /// Counts what its tasks ask for, as they do: while none of them ran nothing changed.
    V1 {
        file: Kept,
        /// CPU time at the last look, and what was seen.
        ran_ns: Option<u64>,
        bytes: Option<(u64, u64)>,
    },
}

/// What a cgroup's counters are read from. Where both versions count CPU time, the second is asked first.
#[derive(Debug)]
pub(super) struct Files {
    stat_v2: Option<Kept>,
    throttled_v1: Option<Throttled>,
    usage_v1: Option<Kept>,
    memory: Option<Memory>,
    disk: Option<Disk>,
    pressure: [Option<Kept>; 3],
}

impl Files {
    /// Reads what there is at this time of the monotonic clock. The buffer is scratch.
    pub(super) fn read(&mut self, now_ns: u64, buffer: &mut Vec<u8>) -> Counters {
        let stat = self
            .stat_v2
            .as_ref()
            .and_then(|file| file.read(buffer))
            .unwrap_or_default();
        let ns = |key| parse::keyed(stat, key).map(|us| us * 1_000);
        let (used, throttled) = (ns("usage_usec"), ns("throttled_usec"));
        let cpu_ns = used.or_else(|| parse::number(self.usage_v1.as_ref()?.read(buffer)?));
        Counters {
            cpu_ns,
            throttled_ns: throttled.or_else(|| self.throttled_v1.as_mut()?.read(now_ns, buffer)),
            memory_bytes: self
                .memory
                .as_mut()
                .and_then(|memory| memory.working_set(now_ns, buffer)),
            disk: self
                .disk
                .as_mut()
                .and_then(|disk| disk.read(cpu_ns, buffer)),
            pressure_us: self
                .pressure
                .each_ref()
                .map(|file| parse::pressure_some_us(file.as_ref()?.read(buffer)?)),
        }
    }
}

impl Memory {
    /// Usage without the file pages that the kernel may drop at any time: what the kubelet calls the working set.
    fn working_set(&mut self, now_ns: u64, buffer: &mut Vec<u8>) -> Option<u64> {
        let usage = parse::number(self.usage.read(buffer)?)?;
        if now_ns >= self.next_look_ns {
            self.next_look_ns = now_ns + LOOK_NS;
            let inactive = self
                .stat
                .as_ref()
                .and_then(|stat| parse::keyed(stat.read(buffer)?, self.key));
            self.inactive_bytes = inactive.unwrap_or(0);
        }
        Some(usage.saturating_sub(self.inactive_bytes))
    }
}

impl Throttled {
    fn of(file: Kept) -> Self {
        Self {
            file,
            has_quota: false,
            ns: None,
            next_look_ns: 0,
        }
    }

    fn read(&mut self, now_ns: u64, buffer: &mut Vec<u8>) -> Option<u64> {
        if self.has_quota || now_ns >= self.next_look_ns {
            self.next_look_ns = now_ns + LOOK_NS;
            let text = self.file.read(buffer)?;
            self.has_quota = parse::keyed(text, "nr_periods").is_none_or(|periods| periods > 0);
            self.ns = parse::keyed(text, "throttled_time");
        }
        self.ns
    }
}

impl Disk {
    /// Bytes read and written, of a cgroup that has had so much CPU time.
    fn read(&mut self, cpu_ns: Option<u64>, buffer: &mut Vec<u8>) -> Option<(u64, u64)> {
        match self {
            Self::V2(file) => Some(parse::io_stat_bytes(file.read(buffer)?)),
            Self::V1 {
                file,
                ran_ns,
                bytes,
            } => {
                if cpu_ns.is_none() || *ran_ns != cpu_ns || bytes.is_none() {
                    *ran_ns = cpu_ns;
                    *bytes = file.read(buffer).map(parse::blkio_bytes);
                }
                *bytes
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn read(folders: &Folders) -> Counters {
        folders.open(&mut Room::make()).read(0, &mut Vec::new())
    }

    #[test]
    fn v2_counters_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("app/web");
        fs::create_dir_all(&folder).unwrap();
        fs::write(
            folder.join("cpu.stat"),
            "usage_usec 500\nthrottled_usec 20\n",
        )
        .unwrap();
        fs::write(folder.join("memory.current"), "1000\n").unwrap();
        fs::write(folder.join("memory.stat"), "anon 600\ninactive_file 300\n").unwrap();
        fs::write(folder.join("io.stat"), "8:0 rbytes=10 wbytes=20\n").unwrap();
        fs::write(
            folder.join("cpu.pressure"),
            "some avg10=0 avg60=0 avg300=0 total=7\n",
        )
        .unwrap();
        let hierarchy = Hierarchy {
            root: "/".to_owned(),
            mounted_at: dir.path().to_owned(),
            controllers: None,
        };
        let folders = locate("0::/app/web\n", &[hierarchy]);
        let expected = Counters {
            cpu_ns: Some(500_000),
            throttled_ns: Some(20_000),
            memory_bytes: Some(700),
            disk: Some((10, 20)),
            pressure_us: [Some(7), None, None],
        };
        assert_eq!(read(&folders), expected);
    }

    #[test]
    fn what_may_be_dropped_is_looked_up_now_and_then() {
        let dir = tempfile::tempdir().unwrap();
        let (usage, stat) = (
            dir.path().join("memory.current"),
            dir.path().join("memory.stat"),
        );
        let set = |used: u64, inactive: u64| {
            fs::write(&usage, used.to_string()).unwrap();
            fs::write(&stat, format!("inactive_file {inactive}\n")).unwrap();
        };
        set(1000, 100);
        let folders = Folders {
            unified: Some(dir.path().to_owned()),
            ..Folders::default()
        };
        let mut files = folders.open(&mut Room::make());
        let mut at = |now_ns| files.read(now_ns, &mut Vec::new()).memory_bytes;
        assert_eq!(at(5), Some(900));
        set(2000, 700);
        assert_eq!(at(5 + LOOK_NS - 1), Some(1900));
        assert_eq!(at(5 + LOOK_NS), Some(1300));
        // Less is used than was inactive at the last look.
        set(400, 0);
        assert_eq!(at(6 + LOOK_NS), Some(0));
    }

    #[test]
    fn v1_counters_are_read_beside_an_empty_v2_tree() {
        let dir = tempfile::tempdir().unwrap();
        let mut hierarchies = Vec::new();
        for name in ["cpu,cpuacct", "memory", "blkio"] {
            fs::create_dir_all(dir.path().join(name).join("web")).unwrap();
            hierarchies.push(Hierarchy {
                root: "/".to_owned(),
                mounted_at: dir.path().join(name),
                controllers: Some(name.split(',').map(str::to_owned).collect()),
            });
        }
        hierarchies.push(Hierarchy {
            root: "/".to_owned(),
            mounted_at: dir.path().join("v2"),
            controllers: None,
        });
        let cpu = dir.path().join("cpu,cpuacct/web");
        fs::write(cpu.join("cpuacct.usage"), "777\n").unwrap();
        fs::write(
            cpu.join("cpu.stat"),
            "nr_periods 3\nnr_throttled 1\nthrottled_time 55\n",
        )
        .unwrap();
        fs::write(
            dir.path().join("memory/web/memory.usage_in_bytes"),
            "4096\n",
        )
        .unwrap();
        fs::write(
            dir.path().join("blkio/web/blkio.throttle.io_service_bytes"),
            "8:0 Read 1\n8:0 Write 2\n",
        )
        .unwrap();
        let text = "3:cpu,cpuacct:/web\n2:memory:/web\n1:blkio:/web\n0::/\n";
        let counters = read(&locate(text, &hierarchies));
        assert_eq!(
            (counters.cpu_ns, counters.throttled_ns),
            (Some(777), Some(55))
        );
        assert_eq!(
            (counters.memory_bytes, counters.disk),
            (Some(4096), Some((1, 2)))
        );
    }

    #[test]
    fn v1_files_that_cannot_have_changed_are_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let set = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
        let disk = "blkio.throttle.io_service_bytes";
        set("cpuacct.usage", "5");
        set("cpu.stat", "nr_periods 0\nthrottled_time 0\n");
        set(disk, "8:0 Read 1\n8:0 Write 2\n");
        let own = Some(dir.path().to_owned());
        let folders = Folders {
            cpu: own.clone(),
            cpuacct: own.clone(),
            blkio: own,
            ..Folders::default()
        };
        let mut files = folders.open(&mut Room::make());
        let mut at = |now_ns| {
            let counters = files.read(now_ns, &mut Vec::new());
            (counters.throttled_ns, counters.disk)
        };
        assert_eq!(at(0), (Some(0), Some((1, 2))));
        set("cpu.stat", "nr_periods 4\nthrottled_time 7\n");
        set(disk, "8:0 Read 10\n8:0 Write 20\n");
        // It did not run, and it had no quota.
        assert_eq!(at(LOOK_NS - 1), (Some(0), Some((1, 2))));
        set("cpuacct.usage", "6");
        assert_eq!(at(LOOK_NS - 1), (Some(0), Some((10, 20))));
        assert_eq!(at(LOOK_NS), (Some(7), Some((10, 20))));
        // With a quota every look counts.
        set("cpu.stat", "nr_periods 5\nthrottled_time 9\n");
        assert_eq!(at(LOOK_NS + 1), (Some(9), Some((10, 20))));
    }

    #[test]
    fn the_root_is_no_cgroup_of_its_own() {
        let v2 = Hierarchy {
            root: "/".to_owned(),
            mounted_at: "/sys/fs/cgroup".into(),
            controllers: None,
        };
        assert!(locate("0::/\n", &[v2]).is_empty());
        // A container whose mount shows only its own part sees that part as its root.
        let nested = Hierarchy {
            root: "/pod".to_owned(),
            mounted_at: "/sys/fs/cgroup".into(),
            controllers: None,
        };
        assert!(locate("0::/pod\n", std::slice::from_ref(&nested)).is_empty());
        assert!(locate("0::/elsewhere\n", std::slice::from_ref(&nested)).is_empty());
        assert_eq!(
            locate("0::/pod/c\n", &[nested]).unified,
            Some("/sys/fs/cgroup/c".into())
        );
    }
}
