//! The one place of this crate that reads clocks.

use nix::time::{ClockId, clock_gettime};
use std::time::{SystemTime, UNIX_EPOCH};

fn read_ns(clock: ClockId) -> u64 {
    // These clocks exist on every Linux; a failure could only mean a broken kernel.
    clock_gettime(clock).map_or(0, |time| {
        time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64
    })
}

/// Monotonic time in ns: the clock of every interval, and of the timers.
#[must_use]
pub(crate) fn now_ns() -> u64 {
    read_ns(ClockId::CLOCK_MONOTONIC)
}

/// CPU time that the calling thread has used, in ns.
#[must_use]
pub(crate) fn thread_cpu_ns() -> u64 {
    read_ns(ClockId::CLOCK_THREAD_CPUTIME_ID)
}

/// Wall-clock time in ns since the epoch: to name time zero, and to see how long ago the kernel stamped a segment. No
/// interval between two events is taken from it.
#[must_use]
pub(crate) fn wall_ns() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
        })
}

/// A seed that no other run has: from the wall clock and the process.
#[must_use]
pub(crate) fn seed() -> u64 {
    aefm_workloads::draw::derive(wall_ns().cast_unsigned(), u64::from(std::process::id()))
}
