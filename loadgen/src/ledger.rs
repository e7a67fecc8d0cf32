//! What the kernel has counted of the calling thread: on a core, waiting for one, waiting for memory.

use crate::clock;
use crate::stall::Spent;
use nix::sys::resource::{UsageWho, getrusage};
use std::fs::File;
use std::os::unix::fs::FileExt;

/// How often it is looked up while all goes well, ns: a stall is told from what was before by this.
const EVERY_NS: u64 = 10_000_000;

/// The last look.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    schedstat: Option<File>,
    at_ns: u64,
    last: Spent,
}

impl Ledger {
    /// Of the calling thread, which alone may use it.
    pub(crate) fn of_this_thread() -> Self {
        Self {
            schedstat: File::open("/proc/thread-self/schedstat").ok(),
            ..Self::default()
        }
    }

    /// Whether the last look is long ago.
    pub(crate) const fn is_old(&self, now_ns: u64) -> bool {
        now_ns - self.at_ns >= EVERY_NS
    }

    /// Looks. Tells what there was the last time, and what there is now.
    pub(crate) fn look(&mut self, now_ns: u64, script_bytes: usize) -> (Spent, Spent) {
        let faults =
            getrusage(UsageWho::RUSAGE_THREAD).map_or(0, |usage| usage.major_page_faults());
        let spent = Spent {
            cpu_ns: clock::thread_cpu_ns(),
            delay_ns: self.delay_ns().unwrap_or(0),
            faults: faults.cast_unsigned(),
            script_bytes,
        };
        self.at_ns = now_ns;
        (std::mem::replace(&mut self.last, spent), spent)
    }

    /// Run delay so far; none where the kernel keeps no such statistics.
    pub(crate) fn delay_ns(&self) -> Option<u64> {
        let mut text = [0; 96];
        let count = self.schedstat.as_ref()?.read_at(&mut text, 0).ok()?;
        delay_of(&text[..count])
    }
}

/// The second of three numbers: time on a core, time waiting for one, turns.
fn delay_of(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    text.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_run_delay_is_the_second_number() {
        assert_eq!(delay_of(b"12345 678 9\n"), Some(678));
        assert_eq!(delay_of(b""), None);
        let mut ledger = Ledger::of_this_thread();
        let (before, after) = ledger.look(1, 7);
        assert_eq!((before, after.script_bytes), (Spent::default(), 7));
        assert!(ledger.is_old(EVERY_NS + 1) && !ledger.is_old(EVERY_NS));
    }
}
