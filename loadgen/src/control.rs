//! What the conductor tells workers while they run: time zero, and the end if it comes early.

use nix::sys::eventfd::{EfdFlags, EventFd};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Shared by all workers; written by the conductor only.
#[derive(Debug)]
pub(crate) struct Control {
    /// Time zero on the monotonic clock; 0: not yet.
    zero_ns: AtomicU64,
    /// Requests intended at or after this time (ns since time zero) are not part of the run any more.
    cut_ns: AtomicU64,
    /// End now, whatever is under way.
    abandoned: AtomicBool,
    wakers: Vec<EventFd>,
}

impl Control {
    pub(crate) fn new(workers: usize) -> nix::Result<Self> {
        let waker = || EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC);
        Ok(Self {
            zero_ns: AtomicU64::new(0),
            cut_ns: AtomicU64::new(u64::MAX),
            abandoned: AtomicBool::new(false),
            wakers: (0..workers).map(|_| waker()).collect::<nix::Result<_>>()?,
        })
    }

    fn wake(&self) {
        for waker in &self.wakers {
            // It can only fail when 2^64 wake-ups are pending, and then the worker wakes up, too.
            let _ = waker.write(1);
        }
    }

    pub(crate) fn start(&self, zero_ns: u64) {
        self.zero_ns.store(zero_ns, Ordering::SeqCst);
        self.wake();
    }

    pub(crate) fn cut(&self, offset_ns: u64) {
        self.cut_ns.fetch_min(offset_ns, Ordering::SeqCst);
        self.wake();
    }

    pub(crate) fn abandon(&self) {
        self.abandoned.store(true, Ordering::SeqCst);
        self.wake();
    }

    pub(crate) fn zero_ns(&self) -> Option<u64> {
        Some(self.zero_ns.load(Ordering::Relaxed)).filter(|&zero_ns| zero_ns > 0)
    }

    pub(crate) fn cut_ns(&self) -> u64 {
        self.cut_ns.load(Ordering::Relaxed)
    }

    pub(crate) fn abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Relaxed)
    }

    /// Becomes readable when something has changed.
    pub(crate) fn waker(&self, worker: usize) -> BorrowedFd<'_> {
        self.wakers[worker].as_fd()
    }
}
