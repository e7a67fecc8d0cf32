//! How a thread's share of its core is secured against others.

#![expect(unsafe_code, reason = "scheduling calls that no safe wrapper offers")]

use aefm_workloads::interference::CpuClass;
use std::io;

/// Shares of a core that the kernel may admit: by default 95 % for all deadline tasks, of which newer kernels keep 5 %
/// for ordinary ones. A request above is held as far as it goes, and then reported as saturated.
const MOST_RESERVED: [f64; 3] = [0.94, 0.89, 0.84];
/// What a reservation has beyond the share: the account decides, the reservation only has to be enough.
const RESERVED_MARGIN: f64 = 1.03;
const RESERVED_EXTRA_NS: f64 = 200_000.0;

/// What came of securing a share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Secured {
    /// As asked.
    Yes,
    /// Without the right to it the share is as any thread's; the reason is to be said.
    Fair(String),
    /// The kernel cannot do that here at all.
    Refused(String),
}

/// Secures `share` of a core for the calling thread.
pub(super) fn secure(class: CpuClass, share: f64, period_ns: u64) -> Secured {
    match class {
        CpuClass::Fair => Secured::Yes,
        CpuClass::Weight => weigh(),
        CpuClass::Reserved => reserve(share, period_ns),
    }
}

/// Nice -20 for the thread and, since that counts only among the threads of one session, for the session's group.
fn weigh() -> Secured {
    // SAFETY: changes the calling thread's priority and touches no memory.
    let done = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, -20) };
    if done != 0 {
        return Secured::Fair(format!("raise the weight: {}", io::Error::last_os_error()));
    }
    // Where there are no such groups there is nothing to raise.
    let _ = std::fs::write("/proc/self/autogroup", "-20");
    Secured::Yes
}

/// Whether the calling thread still has what secured its share, which anybody with the right may have changed.
pub(super) fn is_kept(class: CpuClass, share: f64) -> bool {
    match class {
        CpuClass::Fair => true,
        // SAFETY: both calls ask about the calling thread and touch no memory.
        CpuClass::Weight => unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) == -20 },
        // SAFETY: as above.
        CpuClass::Reserved => {
            let policy = unsafe { libc::sched_getscheduler(0) } & !libc::SCHED_RESET_ON_FORK;
            share <= 0.0 || policy.cast_unsigned() == SCHED_DEADLINE
        }
    }
}

/// `struct sched_attr` of the kernel, as far as it goes back.
#[repr(C)]
#[derive(Debug, Default)]
struct Attributes {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime_ns: u64,
    deadline_ns: u64,
    period_ns: u64,
}

const SCHED_OTHER: u32 = 0;
const SCHED_DEADLINE: u32 = 6;

fn reserve(share: f64, period_ns: u64) -> Secured {
    for most in MOST_RESERVED {
        match set_deadline(runtime_ns(share, most, period_ns), period_ns) {
            Ok(()) => return Secured::Yes,
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {}
            Err(error) => {
                return Secured::Fair(format!("reserve a share by SCHED_DEADLINE: {error}"));
            }
        }
    }
    Secured::Refused(format!(
        "reserve {:.0} % of each core: the kernel admits no more deadline tasks beside those there are; ask for less",
        100.0 * share
    ))
}

/// Makes the calling thread a deadline task (an ordinary one with a run time of zero).
fn set_deadline(runtime_ns: u64, period_ns: u64) -> io::Result<()> {
    let size = u32::try_from(size_of::<Attributes>()).unwrap_or(48);
    let attributes = match runtime_ns {
        0 => Attributes {
            size,
            policy: SCHED_OTHER,
            ..Attributes::default()
        },
        _ => Attributes {
            size,
            policy: SCHED_DEADLINE,
            runtime_ns,
            deadline_ns: period_ns,
            period_ns,
            ..Attributes::default()
        },
    };
    // SAFETY: the kernel reads `size` bytes from where it is told, which is what stands there; thread 0 is the caller.
    let done = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
    if done == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// The reservation for a share: a little more than it, within what is admitted.
#[expect(clippy::cast_precision_loss, reason = "a period is far below 2^52 ns")]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "positive, and less than a period"
)]
fn runtime_ns(share: f64, most: f64, period_ns: u64) -> u64 {
    if share <= 0.0 {
        return 0;
    }
    let period = period_ns as f64;
    (share * period * RESERVED_MARGIN + RESERVED_EXTRA_NS).min(most * period) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_reservation_is_enough_and_admissible(share in 0.001..1.0f64) {
            let runtime = runtime_ns(share, 0.9, 10_000_000) as f64 / 1e7;
            prop_assert!(runtime <= 0.9);
            prop_assert!(runtime >= share.min(0.9) - 1e-6);
        }
    }

    #[test]
    fn nothing_asked_is_nothing_reserved() {
        assert_eq!(runtime_ns(0.0, 0.9, 10_000_000), 0);
        assert_eq!(secure(CpuClass::Fair, 0.5, 10_000_000), Secured::Yes);
    }

    #[test]
    fn a_thread_that_was_never_secured_has_not_kept_it() {
        assert!(is_kept(CpuClass::Fair, 0.5) && is_kept(CpuClass::Reserved, 0.0));
        assert!(!is_kept(CpuClass::Reserved, 0.5));
        assert!(
            !is_kept(CpuClass::Weight, 0.5),
            "tests run at an ordinary weight"
        );
    }
}
