//! Times in which the generator did not do its work: for how long, and what kept it from it.

use crate::attention::Gap;
use aefm_workloads::load;
use std::fmt;

/// What the kernel had counted of a thread, and the script of its memory, at some moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spent {
    /// Time on a core, ns.
    pub(crate) cpu_ns: u64,
    /// Time it could have run and did not, ns.
    pub(crate) delay_ns: u64,
    /// Page faults that waited for a disk.
    pub(crate) faults: u64,
    /// Memory of the script, bytes.
    pub(crate) script_bytes: usize,
}

/// A stall as its worker saw it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stalled {
    /// When, ns since time zero.
    pub(crate) gap: Gap,
    /// What was spent on what, before and after.
    pub(crate) before: Spent,
    pub(crate) after: Spent,
    /// The core it ran on afterwards.
    pub(crate) core: Option<usize>,
    /// It runs a script.
    pub(crate) script: bool,
}

/// What most likely kept a worker from its work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It was neither at work nor able to be.
    Stopped,
    /// It could have run, and its core was not its own.
    CoreShared {
        /// The core.
        core: Option<usize>,
        /// Who ran there instead, as far as that can be seen: PID and name.
        with: Option<(u32, String)>,
    },
    /// A quota of its cgroup had run out.
    Throttled,
    /// It waited for memory to come from a disk.
    Paging,
    /// The script's memory was cleared up.
    Collection,
    /// A function of the script took that long.
    Hook,
    /// It was at work.
    Busy,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped => f.write_str("stopped"),
            Self::CoreShared { core, with } => {
                match core {
                    Some(core) => write!(f, "core {core} shared")?,
                    None => f.write_str("core shared")?,
                }
                match with {
                    Some((pid, name)) => write!(f, " with PID {pid} ({name})"),
                    None => f.write_str(" with other processes"),
                }
            }
            Self::Throttled => f.write_str("throttled by the CPU quota of its cgroup"),
            Self::Paging => f.write_str("paging"),
            Self::Collection => f.write_str("garbage collection in the script"),
            Self::Hook => f.write_str("slow script hook"),
            Self::Busy => f.write_str("busy with its own work"),
        }
    }
}

/// What is done about it.
impl Cause {
    pub(crate) const fn advice(&self) -> &'static str {
        match self {
            Self::Stopped => "let it run through",
            Self::CoreShared { .. } => "give the generator a core of its own",
            Self::Throttled => "raise its CPU limit",
            Self::Paging => "give it more memory",
            Self::Collection | Self::Hook => "make the script do less, or use more threads (-t)",
            Self::Busy => "use more threads (-t)",
        }
    }
}

impl Stalled {
    /// The likely cause. `throttled_ns`: what the cgroup's quota has held back meanwhile; `sharer`: who runs on a core.
    pub(crate) fn cause(
        &self,
        throttled_ns: u64,
        sharer: impl FnOnce(usize) -> Option<(u32, String)>,
    ) -> Cause {
        let length_ns = self.gap.length_ns();
        let cpu_ns = self.after.cpu_ns.saturating_sub(self.before.cpu_ns);
        let delay_ns = self.after.delay_ns.saturating_sub(self.before.delay_ns);
        let rest_ns = length_ns.saturating_sub(cpu_ns + delay_ns);
        let (before, after) = (self.before.script_bytes, self.after.script_bytes);
        if throttled_ns >= length_ns / 2 {
            Cause::Throttled
        } else if delay_ns >= cpu_ns.max(rest_ns) {
            Cause::CoreShared {
                core: self.core,
                with: self.core.and_then(sharer),
            }
        } else if cpu_ns >= rest_ns {
            match self.script {
                true if after < before - before / 4 => Cause::Collection,
                true => Cause::Hook,
                false => Cause::Busy,
            }
        } else if self.after.faults > self.before.faults {
            Cause::Paging
        } else if self.script && !self.gap.waiting {
            // It sleeps, or waits for something.
            Cause::Hook
        } else {
            Cause::Stopped
        }
    }
}

/// A stall with its cause. Times are ns since time zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stall {
    /// Its begin.
    pub from_ns: u64,
    /// Its end.
    pub to_ns: u64,
    /// What most likely made it.
    pub cause: Cause,
}

impl Stall {
    /// As it is told to others.
    #[must_use]
    pub fn to_record(&self) -> load::Stall {
        load::Stall {
            second: (self.from_ns / 1_000_000) as f64 / 1e3,
            length_ms: ((self.to_ns - self.from_ns) / 10_000) as f64 / 1e2,
            cause: self.cause.to_string(),
        }
    }
}

impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from_s, to_s) = (self.from_ns as f64 / 1e9, self.to_ns as f64 / 1e9);
        write!(f, "from second {from_s:.2} to {to_s:.2} ({})", self.cause)
    }
}

/// Stalls that are kept; of a run with more than that the rest is counted.
const STALLS_MAX: usize = 1000;

/// The stalls of all workers.
#[derive(Clone, Debug, Default)]
pub struct Stalls {
    all: Vec<Stall>,
    beyond: u64,
}

impl Stalls {
    /// Adds one. Workers that stall together make one stall.
    pub fn add(&mut self, stall: Stall) {
        let overlaps = |other: &&mut Stall| {
            other.cause == stall.cause && other.from_ns < stall.to_ns && stall.from_ns < other.to_ns
        };
        if let Some(same) = self.all.iter_mut().rev().take(64).find(overlaps) {
            same.from_ns = same.from_ns.min(stall.from_ns);
            same.to_ns = same.to_ns.max(stall.to_ns);
        } else if self.all.len() < STALLS_MAX {
            self.all.push(stall);
        } else {
            self.beyond += 1;
        }
    }

    /// All that are kept, in order of their begin.
    #[must_use]
    pub fn sorted(&self) -> Vec<Stall> {
        let mut all = self.all.clone();
        all.sort_by_key(|stall| stall.from_ns);
        all
    }

    /// How many more there were.
    #[must_use]
    pub const fn beyond(&self) -> u64 {
        self.beyond
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn stalled(cpu_ms: u64, delay_ms: u64, change: impl FnOnce(&mut Stalled)) -> String {
        let gap = Gap {
            from_ns: 2_000 * MS,
            to_ns: 2_100 * MS,
            waiting: false,
        };
        let after = Spent {
            cpu_ns: cpu_ms * MS,
            delay_ns: delay_ms * MS,
            ..Spent::default()
        };
        let mut stalled = Stalled {
            gap,
            before: Spent::default(),
            after,
            core: Some(1),
            script: false,
        };
        change(&mut stalled);
        let throttled_ns = if delay_ms == 99 { 99 * MS } else { 0 };
        let sharer = |core| Some((core as u32 + 40, "spin".to_owned()));
        stalled.cause(throttled_ns, sharer).to_string()
    }

    #[test]
    fn causes_are_told_apart() {
        assert_eq!(stalled(1, 2, |_| {}), "stopped");
        assert_eq!(stalled(1, 90, |_| {}), "core 1 shared with PID 41 (spin)");
        let nowhere = stalled(1, 90, |s| s.core = None);
        assert_eq!(nowhere, "core shared with other processes");
        assert!(stalled(1, 99, |_| {}).contains("quota"));
        assert_eq!(stalled(1, 2, |s| s.after.faults = 3), "paging");
        assert_eq!(stalled(90, 2, |_| {}), "busy with its own work");
        assert_eq!(stalled(90, 2, |s| s.script = true), "slow script hook");
        assert_eq!(stalled(1, 2, |s| s.script = true), "slow script hook");
        let collected = |s: &mut Stalled| {
            s.script = true;
            (s.before.script_bytes, s.after.script_bytes) = (1 << 20, 1 << 16);
        };
        assert_eq!(
            stalled(90, 2, collected),
            "garbage collection in the script"
        );
        let waiting = |s: &mut Stalled| (s.script, s.gap.waiting) = (true, true);
        assert_eq!(stalled(1, 2, waiting), "stopped");
    }

    #[test]
    fn workers_that_stall_together_make_one_stall() {
        let stall = |from_ms, to_ms| Stall {
            from_ns: from_ms * MS,
            to_ns: to_ms * MS,
            cause: Cause::Stopped,
        };
        let mut stalls = Stalls::default();
        stalls.add(stall(500, 520));
        stalls.add(stall(100, 200));
        stalls.add(stall(102, 203));
        assert_eq!(stalls.sorted(), [stall(100, 203), stall(500, 520)]);
        assert_eq!(
            stall(2_000, 3_004).to_string(),
            "from second 2.00 to 3.00 (stopped)"
        );
    }
}
