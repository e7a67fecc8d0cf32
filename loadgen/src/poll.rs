//! One epoll instance with an absolute timer: what a worker waits on.

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use std::os::fd::AsFd;

/// Events taken from the kernel at once.
const EVENTS: usize = 256;
/// The token of the timer and of the waker; connections have their own.
pub(crate) const WAKE: u64 = u64::MAX;

/// All edge-triggered: whoever gets an event reads until there is no more.
pub(crate) struct Poll {
    epoll: Epoll,
    timer: TimerFd,
    armed_ns: u64,
    events: Vec<EpollEvent>,
    ready: usize,
}

impl Poll {
    pub(crate) fn new() -> nix::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let timer = TimerFd::new(
            ClockId::CLOCK_MONOTONIC,
            TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC,
        )?;
        epoll.add(
            &timer,
            EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLET, WAKE),
        )?;
        Ok(Self {
            epoll,
            timer,
            armed_ns: u64::MAX,
            events: vec![EpollEvent::empty(); EVENTS],
            ready: 0,
        })
    }

    /// Watches both directions from now on, until the file is closed.
    pub(crate) fn watch(&self, file: impl AsFd, token: u64) -> nix::Result<()> {
        let both = EpollFlags::EPOLLIN
            | EpollFlags::EPOLLOUT
            | EpollFlags::EPOLLRDHUP
            | EpollFlags::EPOLLET;
        self.epoll.add(file, EpollEvent::new(both, token))
    }

    /// Watches for input only.
    pub(crate) fn watch_input(&self, file: impl AsFd, token: u64) -> nix::Result<()> {
        self.epoll.add(
            file,
            EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLET, token),
        )
    }

    /// Sees to it that [`Self::wait`] returns at `at_ns` (monotonic) at the latest, and not much earlier than
    /// `exactly` requires: a wake-up too early costs less than a system call per request to put the timer off.
    pub(crate) fn wake_at(&mut self, at_ns: u64, exactly: bool) -> nix::Result<()> {
        if at_ns == self.armed_ns || (!exactly && self.armed_ns < at_ns) {
            return Ok(());
        }
        self.armed_ns = at_ns;
        // Zero would disarm it.
        let at = TimeSpec::new(
            (at_ns / 1_000_000_000) as i64,
            (at_ns % 1_000_000_000).max(1) as i64,
        );
        self.timer.set(
            Expiration::OneShot(at),
            TimerSetTimeFlags::TFD_TIMER_ABSTIME,
        )
    }

    /// Waits for events; `spin` only looks.
    pub(crate) fn wait(&mut self, spin: bool) -> nix::Result<usize> {
        let timeout = if spin {
            EpollTimeout::ZERO
        } else {
            EpollTimeout::NONE
        };
        self.ready = match self.epoll.wait(&mut self.events, timeout) {
            // A stop and its end interrupt the wait. What came meanwhile must be seen before time-outs are looked at.
            Err(nix::errno::Errno::EINTR) => self.epoll.wait(&mut self.events, EpollTimeout::ZERO),
            done => done,
        }
        .or_else(|error| match error {
            nix::errno::Errno::EINTR => Ok(0),
            error => Err(error),
        })?;
        Ok(self.ready)
    }

    /// Whether [`Self::wait`] has taken all events that there were.
    pub(crate) fn took_all(&self) -> bool {
        self.ready < EVENTS
    }

    /// When the timer goes off.
    pub(crate) const fn armed_ns(&self) -> u64 {
        self.armed_ns
    }

    /// The timer has gone off, or will at once: it has to be armed anew.
    pub(crate) fn timer_passed(&mut self, now_ns: u64) {
        if self.armed_ns <= now_ns {
            self.armed_ns = u64::MAX;
        }
    }

    pub(crate) fn event(&self, index: usize) -> (u64, EpollFlags) {
        (self.events[index].data(), self.events[index].events())
    }
}
