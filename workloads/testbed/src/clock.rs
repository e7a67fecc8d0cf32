//! The one place that reads clocks: wall time for when, monotonic time for how long, CPU time for how much work.

use nix::time::{ClockId, clock_gettime};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The start of something that will have a duration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp {
    wall_ns: u64,
    start: Instant,
}

impl Stamp {
    /// Now.
    pub(crate) fn now() -> Self {
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            wall_ns: nanos(wall),
            start: Instant::now(),
        }
    }

    /// Start and end in ns since the epoch: the wall clock read once, so that a step of it cannot bend a duration.
    pub(crate) fn until_now_ns(self) -> (u64, u64) {
        (self.wall_ns, self.wall_ns + nanos(self.start.elapsed()))
    }
}

/// CPU time that this thread has used.
pub(crate) fn thread_cpu() -> Duration {
    // The clock of the calling thread is always there; were it not, no work is better than endless work.
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::MAX, Duration::from)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
