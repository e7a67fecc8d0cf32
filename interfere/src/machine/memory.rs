//! Memory that may be taken: what the kernel calls available, less a reserve, within every control group's limit
//! (version 1 and 2), and how hard memory is pressed already.

use super::groups::{Group, field};
use super::{Machine, MachineError};

/// Memory of the whole machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// All there is.
    pub total_bytes: u64,
    /// What can be had without swapping.
    pub available_bytes: u64,
}

impl Machine {
    /// Memory of the whole machine.
    ///
    /// # Errors
    /// When `/proc/meminfo` cannot be read or does not say.
    pub fn memory(&self) -> Result<Memory, MachineError> {
        let text = self.read("proc/meminfo")?;
        let find = |what: &'static str| {
            field_kib(&text, what).ok_or_else(|| MachineError::Missing {
                what,
                path: self.path("proc/meminfo"),
            })
        };
        Ok(Memory {
            total_bytes: find("MemTotal")?,
            available_bytes: find("MemAvailable")?,
        })
    }

    /// Bytes that this process may still take: the smallest of the machine's available memory less the reserve and
    /// each control group's room on the way to the root. Negative when too much is taken already.
    ///
    /// # Errors
    /// When the machine does not say what is available.
    pub fn headroom_bytes(&self, reserve_bytes: u64) -> Result<i64, MachineError> {
        let less = |room: u64, margin: u64| room.cast_signed().saturating_sub_unsigned(margin);
        let available = less(self.memory()?.available_bytes, reserve_bytes);
        // Within a control group a smaller margin is enough: it is not the node's.
        let groups = self
            .groups("memory")
            .into_iter()
            .filter_map(|group| group.room_bytes());
        Ok(groups
            .map(|room| less(room, GROUP_MARGIN_BYTES))
            .fold(available, i64::min))
    }

    /// The same, zero when there is none.
    ///
    /// # Errors
    /// When the machine does not say what is available.
    pub fn room_bytes(&self, reserve_bytes: u64) -> Result<u64, MachineError> {
        Ok(self.headroom_bytes(reserve_bytes)?.max(0).cast_unsigned())
    }

    /// Which control group's memory limit leaves less than the machine does; none where it is the machine that is short.
    #[must_use]
    pub fn tightest_group(&self, reserve_bytes: u64) -> Option<String> {
        let available = self
            .memory()
            .ok()?
            .available_bytes
            .saturating_sub(reserve_bytes);
        let groups = self.groups("memory");
        let rooms = groups.iter().filter_map(|group| {
            Some((
                group.room_bytes()?.saturating_sub(GROUP_MARGIN_BYTES),
                group,
            ))
        });
        let (room, group) = rooms.min_by_key(|(room, _)| *room)?;
        (room < available).then(|| group.folder.display().to_string())
    }

    /// Bytes of this process that are resident, by the kernel's count; none where it does not say.
    #[must_use]
    pub fn resident_bytes(&self) -> Option<u64> {
        let text = self.read("proc/self/statm").ok()?;
        let pages: u64 = text.split_whitespace().nth(1)?.parse().ok()?;
        let page_bytes = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok()??;
        Some(pages * page_bytes.cast_unsigned())
    }

    /// The reserve when none is named: a twentieth of all memory, and no less than 256 MiB (nor more than a quarter).
    ///
    /// # Errors
    /// When the machine does not say what it has.
    pub fn default_reserve_bytes(&self) -> Result<u64, MachineError> {
        let total = self.memory()?.total_bytes;
        Ok((total / 20).max(256 << 20).min(total / 4))
    }

    /// Share of the last ten seconds in which some task waited for memory, in percent; none where the kernel does
    /// not account for it.
    #[must_use]
    pub fn memory_pressure(&self) -> Option<f64> {
        parse_pressure(&self.read("proc/pressure/memory").ok()?)
    }
}

/// Page tables and the process itself have to fit, too.
const GROUP_MARGIN_BYTES: u64 = 16 << 20;

impl Group {
    /// Limit less use; use without what can be dropped at once (inactive file pages). None: no limit.
    fn room_bytes(&self) -> Option<u64> {
        let read = |file: &str| self.read(file);
        let (limit, usage, droppable) = if self.version == 2 {
            (
                read("memory.max")?,
                read("memory.current")?,
                "inactive_file",
            )
        } else {
            (
                read("memory.limit_in_bytes")?,
                read("memory.usage_in_bytes")?,
                "total_inactive_file",
            )
        };
        let limit: u64 = limit.trim().parse().ok()?;
        // Version 1 writes "no limit" as the largest number of pages.
        if limit >= 1 << 60 {
            return None;
        }
        let usage: u64 = usage.trim().parse().ok()?;
        let dropped = read("memory.stat")
            .and_then(|stat| field(&stat, droppable))
            .unwrap_or(0);
        Some(limit.saturating_sub(usage.saturating_sub(dropped)))
    }
}

fn field_kib(text: &str, name: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.trim()
        .strip_suffix("kB")?
        .trim()
        .parse::<u64>()
        .ok()
        .map(|kib| kib * 1024)
}

/// `some avg10=0.12 ...` of a pressure file.
fn parse_pressure(text: &str) -> Option<f64> {
    let some = text.lines().find(|line| line.starts_with("some"))?;
    some.split_whitespace()
        .find_map(|field| field.strip_prefix("avg10=")?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;

    const GIB: u64 = 1 << 30;

    fn machine(root: &Path, cgroup: &str) -> Machine {
        fs::create_dir_all(root.join("proc/self")).unwrap();
        fs::write(
            root.join("proc/meminfo"),
            "MemTotal:       16777216 kB\nMemFree:          100 kB\nMemAvailable:    8388608 kB\n",
        )
        .unwrap();
        fs::write(root.join("proc/self/cgroup"), cgroup).unwrap();
        Machine::at(root, vec![0])
    }

    fn put(root: &Path, folder: &str, files: &[(&str, &str)]) {
        let folder = root.join(folder);
        fs::create_dir_all(&folder).unwrap();
        for (file, text) in files {
            fs::write(folder.join(file), text).unwrap();
        }
    }

    #[test]
    fn without_limits_the_machine_is_the_limit() {
        let root = tempfile::tempdir().unwrap();
        let machine = machine(root.path(), "0::/\n");
        assert_eq!(machine.room_bytes(GIB).unwrap(), 7 * GIB);
        assert_eq!(machine.room_bytes(100 * GIB).unwrap(), 0);
        assert_eq!(machine.headroom_bytes(9 * GIB).unwrap(), -GIB.cast_signed());
    }

    #[test]
    fn the_tightest_group_on_the_way_up_counts() {
        let root = tempfile::tempdir().unwrap();
        put(
            root.path(),
            "sys/fs/cgroup/pods/one",
            &[("memory.max", "max\n"), ("memory.current", "5\n")],
        );
        put(
            root.path(),
            "sys/fs/cgroup/pods",
            &[
                ("memory.max", "2147483648\n"),
                ("memory.current", "1610612736\n"),
                ("memory.stat", "anon 7\ninactive_file 536870912\n"),
            ],
        );
        let machine = machine(root.path(), "0::/pods/one\n");
        assert_eq!(machine.room_bytes(0).unwrap(), GIB - GROUP_MARGIN_BYTES);
        let tightest = machine.tightest_group(0).unwrap();
        assert!(tightest.ends_with("/pods"), "{tightest}");
        assert_eq!(
            machine.tightest_group(8 * GIB - 1),
            None,
            "the machine has less"
        );
    }

    #[test]
    fn version_one_is_known_and_its_largest_number_is_no_limit() {
        let root = tempfile::tempdir().unwrap();
        let files = |limit: &'static str| {
            [
                ("memory.limit_in_bytes", limit),
                ("memory.usage_in_bytes", "1048576\n"),
            ]
        };
        put(
            root.path(),
            "sys/fs/cgroup/memory",
            &files("9223372036854771712\n"),
        );
        put(
            root.path(),
            "sys/fs/cgroup/memory/box",
            &files("268435456\n"),
        );
        let unlimited = machine(root.path(), "4:memory:/\n0::/\n");
        assert_eq!(unlimited.room_bytes(0).unwrap(), 8 * GIB);
        let limited = machine(root.path(), "7:cpu,cpuacct:/x\n4:memory:/box\n0::/\n");
        assert_eq!(
            limited.room_bytes(0).unwrap(),
            (255 << 20) - GROUP_MARGIN_BYTES
        );
    }

    #[test]
    fn a_container_whose_path_is_not_mounted_is_its_mount() {
        let root = tempfile::tempdir().unwrap();
        put(
            root.path(),
            "sys/fs/cgroup",
            &[("memory.max", "1073741824\n"), ("memory.current", "0\n")],
        );
        let machine = machine(root.path(), "0::/kubepods/burstable/pod7\n");
        assert_eq!(machine.room_bytes(0).unwrap(), GIB - GROUP_MARGIN_BYTES);
    }

    #[test]
    fn pressure_is_read() {
        assert_eq!(
            parse_pressure("some avg10=1.25 avg60=0.00 avg300=0.00 total=5\nfull avg10=0\n"),
            Some(1.25)
        );
        assert_eq!(parse_pressure(""), None);
    }
}
