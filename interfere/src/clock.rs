//! The one place of the package where clocks are read: everything else takes time as an argument.

use nix::sys::time::TimeSpec;
use nix::time::{ClockId, ClockNanosleepFlags, clock_gettime, clock_nanosleep};
use std::time::Duration;

/// A second in ns.
pub const SECOND_NS: u64 = 1_000_000_000;

/// The monotonic clock in ns: for intervals, never stepped.
#[must_use]
pub fn mono_ns() -> u64 {
    read(ClockId::CLOCK_MONOTONIC).unsigned_abs()
}

/// The wall clock in ns since the epoch: for joining with others' records, never for intervals.
#[must_use]
pub fn wall_ns() -> i64 {
    read(ClockId::CLOCK_REALTIME)
}

/// CPU time that the calling thread has used, in ns.
#[must_use]
pub fn thread_cpu_ns() -> u64 {
    read(ClockId::CLOCK_THREAD_CPUTIME_ID).unsigned_abs()
}

/// CPU time that all threads of this process have used, in ns.
#[must_use]
pub fn process_cpu_ns() -> u64 {
    read(ClockId::CLOCK_PROCESS_CPUTIME_ID).unsigned_abs()
}

/// Sleeps until the monotonic clock shows `deadline_ns`; returns at once when that has passed.
pub fn sleep_until(deadline_ns: u64) {
    let deadline = TimeSpec::from_duration(Duration::from_nanos(deadline_ns));
    // A signal may end the sleep early (its handler has run by then): the rest is slept at once.
    while clock_nanosleep(
        ClockId::CLOCK_MONOTONIC,
        ClockNanosleepFlags::TIMER_ABSTIME,
        &deadline,
    ) == Err(nix::Error::EINTR)
    {}
}

/// These clocks exist on every Linux, so reading one cannot fail; were it to, zero time passes.
fn read(clock: ClockId) -> i64 {
    clock_gettime(clock).map_or(0, |now| now.tv_sec() * 1_000_000_000 + now.tv_nsec())
}
