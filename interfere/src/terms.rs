//! What a stressor was given to run with, looked at again while it runs: the cores of its threads, the CPU quotas of its
//! control groups, and whether the process runs at all. Others may change each of them at any time.

use crate::crew::Crew;
use crate::hindrance::Hindrance;
use crate::holding::seconds;
use crate::machine::Machine;
use aefm_workloads::interference::Why;

/// Quotas are looked at this often: each look reads a file a control group.
const LOOK_NS: u64 = 400_000_000;
/// Waking up later than this is no matter of a busy core.
const STOPPED_NS: u64 = 200_000_000;
/// Of the time between two looks, so much under throttling explains a miss.
const THROTTLED_SHARE: f64 = 0.005;

/// The terms of one run.
#[derive(Debug)]
pub struct Terms {
    quota: Quota,
    /// How long this process was stopped since the last look.
    stopped_ns: u64,
    /// Nanoseconds for which this thread waited for a core, since it began.
    waited_ns: u64,
}

/// What the quotas of the control groups withheld.
#[derive(Debug, Default)]
struct Quota {
    looked_ns: u64,
    throttled_ns: u64,
    found: Option<Hindrance>,
}

impl Terms {
    /// As they are now.
    #[must_use]
    pub fn new(machine: &Machine, now_ns: u64) -> Self {
        let quota = Quota {
            looked_ns: now_ns,
            throttled_ns: machine.throttled_ns(),
            found: None,
        };
        Self {
            quota,
            stopped_ns: 0,
            waited_ns: waited_ns(machine),
        }
    }

    /// Books that this thread woke up at `now_ns`, where it was to wake up at `due_ns` at the latest.
    pub fn woke(&mut self, machine: &Machine, due_ns: u64, now_ns: u64) {
        let late_ns = now_ns.saturating_sub(due_ns);
        let waited_ns = waited_ns(machine);
        let waited = waited_ns.saturating_sub(std::mem::replace(&mut self.waited_ns, waited_ns));
        // What waits for a core is not stopped: others are in its way, as they may be in its threads'.
        if late_ns >= STOPPED_NS && waited < late_ns / 2 {
            self.stopped_ns += late_ns;
        }
    }

    /// What is in the way now.
    pub fn look(
        &mut self,
        machine: &Machine,
        crew: Option<&Crew>,
        now_ns: u64,
    ) -> Option<Hindrance> {
        let stopped_ns = std::mem::take(&mut self.stopped_ns);
        let moved = crew.and_then(Crew::moved);
        let taken = moved.map(|detail| Hindrance::new(Why::Taken, detail));
        let stopped = (stopped_ns > 0).then(|| {
            let detail = format!("for {:.1} s", seconds(stopped_ns));
            Hindrance::new(Why::Stopped, detail)
        });
        self.quota.look(machine, now_ns);
        taken.or(stopped).or_else(|| self.quota.found.clone())
    }
}

impl Quota {
    fn look(&mut self, machine: &Machine, now_ns: u64) {
        let span_ns = now_ns.saturating_sub(self.looked_ns);
        if span_ns < LOOK_NS {
            return;
        }
        let all_ns = machine.throttled_ns();
        let throttled_ns = all_ns.saturating_sub(self.throttled_ns);
        (self.looked_ns, self.throttled_ns) = (now_ns, all_ns);
        let share = seconds(throttled_ns) / seconds(span_ns);
        self.found = (share > THROTTLED_SHARE).then(|| {
            // The time of all its threads together may be more than the time that passed.
            Hindrance::new(
                Why::Throttled,
                format!("the CPU quota of its control group withheld {share:.1} cores"),
            )
        });
    }
}

/// How long the calling thread has been ready to run and did not; zero where the kernel does not say.
fn waited_ns(machine: &Machine) -> u64 {
    let text = machine
        .read("proc/thread-self/schedstat")
        .unwrap_or_default();
    let field = text.split_whitespace().nth(1);
    field.and_then(|field| field.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;

    fn machine(root: &Path, throttled_us: u64, waited_ns: u64) -> Machine {
        for folder in ["proc/self", "proc/thread-self", "sys/fs/cgroup/pod"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        let put = |file: &str, text: String| fs::write(root.join(file), text).unwrap();
        put("proc/self/cgroup", "0::/pod\n".to_owned());
        put("proc/thread-self/schedstat", format!("5 {waited_ns} 9\n"));
        put(
            "sys/fs/cgroup/pod/cpu.stat",
            format!("usage_usec 7\nnr_throttled 3\nthrottled_usec {throttled_us}\n"),
        );
        Machine::at(root, vec![0])
    }

    #[test]
    fn a_quota_that_withholds_is_seen_and_forgotten_when_it_does_no_more() {
        let root = tempfile::tempdir().unwrap();
        let here = machine(root.path(), 1_000, 0);
        let mut terms = Terms::new(&here, 0);
        assert_eq!(terms.look(&here, None, 500_000_000), None);
        machine(root.path(), 401_000, 0);
        let found = terms.look(&here, None, 1_000_000_000).unwrap();
        assert_eq!(found.why, Why::Throttled);
        assert!(
            found.detail.contains("withheld 0.8 cores"),
            "{}",
            found.detail
        );
        // Between two looks it holds.
        assert!(terms.look(&here, None, 1_100_000_000).is_some());
        assert_eq!(terms.look(&here, None, 1_500_000_000), None);
    }

    #[test]
    fn late_is_stopped_unless_it_waited_for_a_core() {
        let root = tempfile::tempdir().unwrap();
        let here = machine(root.path(), 0, 0);
        let mut terms = Terms::new(&here, 0);
        terms.woke(&here, 100_000_000, 150_000_000);
        assert_eq!(terms.look(&here, None, 150_000_000), None);
        terms.woke(&here, 200_000_000, 1_500_000_000);
        let found = terms.look(&here, None, 1_500_000_000).unwrap();
        assert_eq!(
            (found.why, found.detail.as_str()),
            (Why::Stopped, "for 1.3 s")
        );
        assert_eq!(terms.look(&here, None, 1_600_000_000), None);
        machine(root.path(), 0, 900_000_000);
        terms.woke(&here, 1_700_000_000, 2_700_000_000);
        assert_eq!(terms.look(&here, None, 2_700_000_000), None);
    }
}
