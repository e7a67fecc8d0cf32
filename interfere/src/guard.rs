//! What keeps a stressor from outliving its purpose: the parent's death, signals, and dying first when memory ends.

use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::{Pid, getppid};

/// Signals that end a run, the limit of CPU time (`ulimit -t`) among them.
const ENDS: [Signal; 4] = [
    Signal::SIGINT,
    Signal::SIGTERM,
    Signal::SIGHUP,
    Signal::SIGXCPU,
];

/// Lets a write beyond the largest size of a file (`ulimit -f`) fail with an error, instead of ending the process by a
/// signal. Call it before the first thread starts.
pub fn outlive_file_limits() {
    let mut set = SigSet::empty();
    set.add(Signal::SIGXFSZ);
    // It cannot fail for a set of this process's own.
    let _ = set.thread_block();
}

/// Why a guard could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// Signals cannot be received.
    #[error("receive signals: {0}")]
    Signals(nix::Error),
}

/// Takes signals that end a run from now on as events of a descriptor. Call it before the first thread starts:
/// threads inherit what is blocked.
///
/// # Errors
/// When the system refuses the descriptor.
pub fn signals() -> Result<SignalFd, GuardError> {
    let mut set = SigSet::empty();
    for signal in ENDS {
        set.add(signal);
    }
    set.thread_block().map_err(GuardError::Signals)?;
    SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
        .map_err(GuardError::Signals)
}

/// Asks for SIGTERM when the parent dies. False: it is dead already.
#[must_use]
pub fn end_with_parent() -> bool {
    let parent = getppid();
    // It cannot fail with a valid signal; were it to, the deadline and the end of input remain.
    let _ = prctl::set_pdeathsig(Signal::SIGTERM);
    // Its parent may have died between the two calls: then init (or a reaper) is the parent now.
    getppid() == parent && parent != Pid::from_raw(0)
}

/// Makes this process the first to die when memory ends. Raising the score needs no right.
pub fn die_first() {
    // Where /proc is not mounted nothing can be done, and the limits still hold.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
}
