//! Where a process's cgroups are, and what they count: one view of v1 and v2.

use super::parse::{self, Hierarchy};
use std::path::{Path, PathBuf};

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
            Some(name) => membership.controllers.iter().any(|controller| controller == name),
            None => membership.controllers.is_empty(),
        })?;
        let hierarchy = hierarchies.iter().find(|hierarchy| match (controller, &hierarchy.controllers) {
            (Some(name), Some(controllers)) => controllers.iter().any(|controller| controller == name),
            (None, None) => true,
            _ => false,
        })?;
        // A container's mount may begin below the hierarchy's root; a path outside of it cannot be seen.
        let path = membership.path.strip_prefix(hierarchy.root.trim_end_matches('/'))?.trim_matches('/');
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

    /// Reads what there is.
    pub(super) fn read(&self) -> Counters {
        let text = |folder: &Option<PathBuf>, file: &str| read(folder.as_deref()?, file);
        let cpu_stat = text(&self.unified, "cpu.stat");
        let v2 = |key| cpu_stat.as_deref().and_then(|text| parse::keyed(text, key)).map(|us| us * 1_000);
        let v1_throttled = || parse::keyed(&text(&self.cpu, "cpu.stat")?, "throttled_time");
        let v1_usage = || parse::number(&text(&self.cpuacct, "cpuacct.usage")?);
        let pressure = |file| parse::pressure_some_us(&text(&self.unified, file)?);
        Counters {
            cpu_ns: v2("usage_usec").or_else(v1_usage),
            throttled_ns: v2("throttled_usec").or_else(v1_throttled),
            memory_bytes: self.working_set(),
            disk: text(&self.unified, "io.stat")
                .map(|text| parse::io_stat_bytes(&text))
                .or_else(|| text(&self.blkio, "blkio.throttle.io_service_bytes").map(|text| parse::blkio_bytes(&text))),
            pressure_us: ["cpu.pressure", "memory.pressure", "io.pressure"].map(pressure),
        }
    }

    /// Usage without the file pages that the kernel may drop at any time: what the kubelet calls the working set.
    fn working_set(&self) -> Option<u64> {
        let of = |folder: &Option<PathBuf>, usage, inactive| {
            let folder = folder.as_deref()?;
            let usage = parse::number(&read(folder, usage)?)?;
            let inactive = read(folder, "memory.stat").and_then(|text| parse::keyed(&text, inactive)).unwrap_or(0);
            Some(usage.saturating_sub(inactive))
        };
        of(&self.unified, "memory.current", "inactive_file")
            .or_else(|| of(&self.memory, "memory.usage_in_bytes", "total_inactive_file"))
    }
}

fn read(folder: &Path, file: &str) -> Option<String> {
    std::fs::read_to_string(folder.join(file)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn v2_counters_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("app/web");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("cpu.stat"), "usage_usec 500\nthrottled_usec 20\n").unwrap();
        fs::write(folder.join("memory.current"), "1000\n").unwrap();
        fs::write(folder.join("memory.stat"), "anon 600\ninactive_file 300\n").unwrap();
        fs::write(folder.join("io.stat"), "8:0 rbytes=10 wbytes=20\n").unwrap();
        fs::write(folder.join("cpu.pressure"), "some avg10=0 avg60=0 avg300=0 total=7\n").unwrap();
        let hierarchy = Hierarchy { root: "/".to_owned(), mounted_at: dir.path().to_owned(), controllers: None };
        let folders = locate("0::/app/web\n", &[hierarchy]);
        let expected = Counters {
            cpu_ns: Some(500_000),
            throttled_ns: Some(20_000),
            memory_bytes: Some(700),
            disk: Some((10, 20)),
            pressure_us: [Some(7), None, None],
        };
        assert_eq!(folders.read(), expected);
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
        hierarchies.push(Hierarchy { root: "/".to_owned(), mounted_at: dir.path().join("v2"), controllers: None });
        let cpu = dir.path().join("cpu,cpuacct/web");
        fs::write(cpu.join("cpuacct.usage"), "777\n").unwrap();
        fs::write(cpu.join("cpu.stat"), "nr_periods 3\nnr_throttled 1\nthrottled_time 55\n").unwrap();
        fs::write(dir.path().join("memory/web/memory.usage_in_bytes"), "4096\n").unwrap();
        fs::write(dir.path().join("blkio/web/blkio.throttle.io_service_bytes"), "8:0 Read 1\n8:0 Write 2\n").unwrap();
        let text = "3:cpu,cpuacct:/web\n2:memory:/web\n1:blkio:/web\n0::/\n";
        let counters = locate(text, &hierarchies).read();
        assert_eq!((counters.cpu_ns, counters.throttled_ns), (Some(777), Some(55)));
        assert_eq!((counters.memory_bytes, counters.disk), (Some(4096), Some((1, 2))));
    }

    #[test]
    fn the_root_is_no_cgroup_of_its_own() {
        let v2 = Hierarchy { root: "/".to_owned(), mounted_at: "/sys/fs/cgroup".into(), controllers: None };
        assert!(locate("0::/\n", &[v2]).is_empty());
        // A container whose mount shows only its own part sees that part as its root.
        let nested = Hierarchy { root: "/pod".to_owned(), mounted_at: "/sys/fs/cgroup".into(), controllers: None };
        assert!(locate("0::/pod\n", std::slice::from_ref(&nested)).is_empty());
        assert!(locate("0::/elsewhere\n", std::slice::from_ref(&nested)).is_empty());
        assert_eq!(locate("0::/pod/c\n", &[nested]).unified, Some("/sys/fs/cgroup/c".into()));
    }
}
