//! What the machine allows: files, cores, and how much a cgroup holds us back.

use super::RunError;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::Pid;
use std::fs;

/// Takes as many open files as the system grants without asking.
pub(super) fn raise_file_limit() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
    {
        // If it is refused the soft limit stays, and connections beyond it fail with their reason.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

/// Keeps this thread and all it starts on these cores.
pub(super) fn pin_process(cores: &[usize]) -> Result<(), RunError> {
    if cores.is_empty() {
        return Ok(());
    }
    let mut set = CpuSet::new();
    let all: nix::Result<()> = cores.iter().try_for_each(|&core| set.set(core));
    all.and_then(|()| sched_setaffinity(Pid::from_raw(0), &set))
        .map_err(|_| RunError::Cores(cores.to_vec()))
}

/// Who runs on that core just now, apart from this process, as far as that can be seen: PID and name. Of several the one
/// that has used most CPU time.
pub(super) fn runs_on(core: usize) -> Option<(u32, String)> {
    let own = std::process::id();
    let all = fs::read_dir("/proc").ok()?.flatten();
    all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|&pid| pid != own)
        .filter_map(|pid| {
            let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            let (name, used) = running_on(&text, core)?;
            Some((used, pid, name))
        })
        .max()
        .map(|(_, pid, name)| (pid, name))
}

/// Name and CPU time (ticks) of a process, from its `stat` (proc(5)), if it runs or can run, last on this core.
fn running_on(stat: &str, core: usize) -> Option<(String, u64)> {
    let (head, tail) = stat.rsplit_once(") ")?;
    let name = head.split_once('(')?.1.to_owned();
    let fields: Vec<&str> = tail.split_ascii_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    // From the state on, which is the third field: utime is the 14th, stime the 15th, the core the 39th.
    let here = *fields.first()? == "R" && number(36)? == core as u64;
    here.then_some((name, number(11)? + number(12)?))
}

/// What a cgroup's CPU quota has cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Throttling {
    /// Periods in which the quota ran out.
    pub periods: u64,
    /// Time held back, ns, all threads of the cgroup together.
    pub held_ns: u64,
}

impl Throttling {
    /// The counters of this process's cgroup, of either version; nothing where there are none.
    pub(super) fn now() -> Self {
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        stat_paths(&groups)
            .iter()
            .find_map(|path| fs::read_to_string(path).ok())
            .map(|text| Self::parse(&text))
            .unwrap_or_default()
    }

    pub(super) fn since(self, before: Self) -> Self {
        Self {
            periods: self.periods.saturating_sub(before.periods),
            held_ns: self.held_ns.saturating_sub(before.held_ns),
        }
    }

    /// Reads `cpu.stat`, whose time is in us in version 2 and in ns in version 1.
    fn parse(text: &str) -> Self {
        let value = |key: &str| {
            text.lines().find_map(|line| {
                line.strip_prefix(key)?
                    .strip_prefix(' ')?
                    .trim()
                    .parse::<u64>()
                    .ok()
            })
        };
        let held_ns = value("throttled_usec")
            .map(|us| us * 1000)
            .or_else(|| value("throttled_time"));
        Self {
            periods: value("nr_throttled").unwrap_or(0),
            held_ns: held_ns.unwrap_or(0),
        }
    }
}

/// Where `cpu.stat` may be, given `/proc/self/cgroup`. In a container the group's own path is mounted as the root.
fn stat_paths(groups: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) =
            (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let roots: &[&str] = match controllers {
            "" => &["/sys/fs/cgroup"],
            some if some.split(',').any(|one| one == "cpu") => {
                &["/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct"]
            }
            _ => continue,
        };
        for root in roots {
            paths.push(format!("{root}{}/cpu.stat", path.trim_end_matches('/')));
            paths.push(format!("{root}/cpu.stat"));
        }
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_runs_on_a_core_is_read_from_stat() {
        let stat = |state, core| {
            let rest = "0 ".repeat(8) + "70 5 " + &"0 ".repeat(23);
            format!("42 (a (b) c) {state} 1 1 {rest}{core} 0 0")
        };
        assert_eq!(
            running_on(&stat("R", 3), 3),
            Some(("a (b) c".to_owned(), 75))
        );
        assert_eq!(running_on(&stat("S", 3), 3), None);
        assert_eq!(running_on(&stat("R", 2), 3), None);
        assert_eq!(running_on("", 3), None);
        // This test runs itself: its own line is read.
        let own = fs::read_to_string("/proc/thread-self/stat").unwrap();
        assert!(
            (0..4096).any(|core| running_on(&own, core).is_some()),
            "{own}"
        );
    }

    #[test]
    fn both_versions_are_read() {
        let two = "usage_usec 5\nnr_periods 9\nnr_throttled 3\nthrottled_usec 1200\n";
        let one = "nr_periods 9\nnr_throttled 3\nthrottled_time 1200000\n";
        let expected = Throttling {
            periods: 3,
            held_ns: 1_200_000,
        };
        assert_eq!(Throttling::parse(two), expected);
        assert_eq!(Throttling::parse(one), expected);
        assert_eq!(Throttling::parse(""), Throttling::default());
        assert_eq!(
            stat_paths("0::/user.slice\n")[0],
            "/sys/fs/cgroup/user.slice/cpu.stat"
        );
        assert_eq!(
            stat_paths("4:cpu,cpuacct:/x\n3:memory:/y\n")[0],
            "/sys/fs/cgroup/cpu/x/cpu.stat"
        );
    }
}
