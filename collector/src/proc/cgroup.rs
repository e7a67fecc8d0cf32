//! Where a process's cgroups are, and what they count: one view of v1 and v2.

mod files;

pub(super) use files::Files;

use super::devices::Apart;
use super::kept::{Kept, Room};
use super::parse::{self, Hierarchy};
use files::{Disk, MEMORY_V1, MEMORY_V2, Memory, Throttled};
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

    /// Opens what there is to read. Traffic of devices `apart` passes others, too, and does not count.
    pub(super) fn open(&self, room: &mut Room, apart: &Apart) -> Files {
        let mut file =
            |folder: &Option<PathBuf>, name: &str| Kept::open(folder.as_ref()?.join(name), room);
        let memory = [(&self.unified, MEMORY_V2), (&self.memory, MEMORY_V1)];
        let memory = memory.into_iter().find_map(|(folder, (usage, key))| {
            Some(Memory::of(
                file(folder, usage)?,
                file(folder, "memory.stat"),
                key,
            ))
        });
        let disk = file(&self.unified, "io.stat").map(|file| Disk::v2(file, apart));
        let disk = disk.or_else(|| {
            file(&self.blkio, "blkio.throttle.io_service_bytes").map(|file| Disk::v1(file, apart))
        });
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

#[cfg(test)]
mod tests;
