//! A worker: one thread, one epoll loop, its share of the schedule and of the connections. It shares nothing that is
//! written while the run goes on, so workers scale.
//!
//! Any free connection takes the worker's oldest due request. The backlog is the range between the next request of
//! the schedule and now, so it needs no memory however long a server stalls.

mod attend;
mod budget;
mod end;
mod hooks;
mod http2;
mod open;
mod receive;
mod send;

use crate::attention::{Attention, BEAT_NS};
use crate::clock;
use crate::conn::{Conn, State};
use crate::control::Control;
use crate::fifo::Fifo;
use crate::ledger::Ledger;
use crate::plan::Plan;
use crate::poll::{Poll, WAKE};
use crate::record::{Bin, Recorder, Totals};
use crate::request_log::RowQueue;
use crate::requests::Requests;
use crate::source::Source;
use crate::stall::Stalled;
use crate::target::Addresses;
use crate::tls::TlsConfig;
use nix::sys::epoll::EpollFlags;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use thiserror::Error;

/// Why a worker cannot work.
#[derive(Debug, Error)]
pub enum WorkerError {
    /// The kernel refuses epoll or timers.
    #[error("wait for events: {0}")]
    Poll(#[from] nix::Error),
    /// It panicked, which is a fault of this program.
    #[error("finish: a worker broke off")]
    Broken,
}

/// What a worker tells the reporter.
pub(crate) enum Told {
    /// All its connections have come about or failed once; how many are open, and why others are not.
    Ready { open: usize, fault: Option<String> },
    /// The next of its bins. In order, without gaps.
    Bin { worker: usize, bin: Box<Bin> },
    /// Something kept it from its work for a while.
    Stalled(Box<Stalled>),
    /// Its script has stopped it: it sends nothing intended after this, ns since time zero.
    Stopped { at_ns: u64 },
    /// It is through.
    Ended { totals: Box<Totals> },
    /// It could not go on.
    Failed(WorkerError),
    /// Not a worker, but someone outside.
    Command(crate::commands::Command),
}

/// What all workers of a run have in common.
pub(crate) struct Shared {
    pub(crate) plan: Arc<Plan>,
    pub(crate) control: Control,
    pub(crate) addresses: Addresses,
    pub(crate) tls: Option<TlsConfig>,
}

pub(crate) struct Worker {
    index: usize,
    shared: Arc<Shared>,
    poll: Poll,
    conns: Vec<Conn>,
    /// Free connections, longest free first; entries whose connection has gone away meanwhile are skipped.
    idle: VecDeque<(u32, u32)>,
    /// Requests under way in the order of sending, each by its key: in HTTP/1.1 the connection that carries it.
    busy: Fifo,
    /// Deadlines of opening links, and times of next tries: (when, connection, generation).
    timers: BinaryHeap<Reverse<(u64, u32, u32)>>,
    /// Connections that had more to say than a turn allows, with their generations.
    hungry: VecDeque<(u32, u32)>,
    /// Connections without a link that rest after a failure, those first that had one before.
    resting: VecDeque<(u32, u32)>,
    /// Connections that are open or opening.
    hopeful: usize,
    /// Of these, those that are opening.
    opening: usize,
    /// When a resting connection was last opened because a request wanted one.
    reopened_ns: u64,
    /// Connections whose first link has not come about or failed yet.
    untried: usize,
    last_fault: Option<String>,
    source: Source,
    requests: Requests,
    /// What HTTP/2 needs, if it is spoken.
    http2: Option<http2::Http2>,
    recorder: Recorder,
    attention: Attention,
    ledger: Ledger,
    /// At the end: how much earlier a connection would have been free for what is left.
    owed_ns: u64,
    /// All that had happened by then has been handled.
    looked_ns: u64,
    scratch: Box<[u8]>,
    zero_ns: u64,
    tell: Sender<Told>,
    log: Option<RowQueue>,
    connections_max: usize,
    /// Within [`Self::release`].
    releasing: bool,
    /// Its script has stopped it: it waits for the end of the run.
    stopped: bool,
    /// The last intended time of a pipeline, ns since time zero.
    ahead_ns: u64,
}

impl Worker {
    pub(crate) fn new(
        index: usize,
        shared: &Arc<Shared>,
        requests: Requests,
        tell: Sender<Told>,
        log: Option<RowQueue>,
    ) -> Result<Self, WorkerError> {
        let plan = &shared.plan;
        let workers = plan.workers();
        // The remainder of c / t goes to the first workers.
        let split = |all: usize| all / workers + usize::from(index < all % workers);
        let connections = split(plan.connections).max(1);
        let poll = Poll::new()?;
        poll.watch_input(shared.control.waker(index), WAKE)?;
        Ok(Self {
            index,
            shared: Arc::clone(shared),
            poll,
            conns: (0..connections)
                .map(|_| Conn::new(requests.hears()))
                .collect(),
            idle: VecDeque::with_capacity(connections),
            busy: Fifo::new(connections),
            timers: BinaryHeap::new(),
            hungry: VecDeque::new(),
            resting: VecDeque::new(),
            hopeful: 0,
            opening: 0,
            reopened_ns: 0,
            untried: if plan.keepalive { connections } else { 0 },
            last_fault: None,
            source: plan.source(index, workers),
            requests,
            http2: http2::Http2::new(plan),
            recorder: Recorder::new(plan.calendar()),
            attention: Attention::default(),
            ledger: Ledger::default(),
            owed_ns: 0,
            looked_ns: 0,
            scratch: vec![0; 64 * 1024].into_boxed_slice(),
            zero_ns: 0,
            tell,
            log,
            connections_max: split(plan.connections_max).max(connections),
            releasing: false,
            stopped: false,
            ahead_ns: 0,
        })
    }

    /// Runs to the end; what there is to say goes through the channel.
    pub(crate) fn run(mut self) {
        let tell = self.tell.clone();
        // The receiver is only gone when the whole run is.
        let _ = match self.work() {
            Ok(()) => self.wind_up(),
            Err(error) => tell.send(Told::Failed(error)),
        };
    }

    fn work(&mut self) -> Result<(), WorkerError> {
        self.open_all();
        self.get_ready()?;
        self.begin_attention();
        let cpu_ns = clock::thread_cpu_ns();
        while let Some(now_ns) = self.still_going() {
            self.expire();
            self.release(now_ns);
            self.heed_stop(now_ns);
            self.close_bins(now_ns);
            self.arm(now_ns)?;
            self.turn()?;
        }
        self.look_once_more()?;
        let totals = self.recorder.totals_mut();
        totals.cpu_ns = clock::thread_cpu_ns() - cpu_ns;
        totals.wall_ns = clock::now_ns().saturating_sub(self.zero_ns);
        Ok(())
    }

    /// Opens connections until time zero is there.
    fn get_ready(&mut self) -> Result<(), WorkerError> {
        let mut told = false;
        loop {
            if self.untried == 0 && !told {
                told = true;
                let open = self.conns.iter().filter(|conn| conn.is_free()).count();
                let _ = self.tell.send(Told::Ready {
                    open,
                    fault: self.last_fault.clone(),
                });
            }
            let now_ns = clock::now_ns();
            if let Some(zero_ns) = self.shared.control.zero_ns() {
                self.zero_ns = zero_ns;
                self.poll.wake_at(zero_ns, true)?;
                if now_ns >= zero_ns {
                    return Ok(());
                }
            }
            if self.shared.control.abandoned() {
                return Ok(());
            }
            self.looked_ns = now_ns;
            self.expire();
            if let Some(Reverse((at_ns, ..))) = self.timers.peek() {
                self.poll.wake_at(*at_ns, false)?;
            }
            self.turn()?;
        }
    }

    /// The time, unless the run is over.
    fn still_going(&mut self) -> Option<u64> {
        let control = &self.shared.control;
        self.source.cut(control.cut_ns());
        if control.abandoned() || self.zero_ns == 0 {
            return None;
        }
        let now_ns = self.now_ns();
        let at_ns = now_ns - self.zero_ns;
        let through = self.busy.first().is_none() && (self.stopped || self.source.exhausted());
        let over = at_ns >= self.source.end_ns() + self.shared.plan.grace_ns
            || (through && (at_ns >= self.source.end_ns() || self.source.limited()));
        (!over).then_some(now_ns)
    }

    /// Gives up what had timed out by the last look, and tries again what was put off. What has come since then may be
    /// an answer that was in time.
    fn expire(&mut self) {
        let now_ns = self.looked_ns;
        let timeout_ns = self.shared.plan.timeout_ns;
        while let Some(key) = self.busy.first() {
            if self.zero_ns + self.flight(key).sent_ns + timeout_ns > now_ns {
                break;
            }
            self.time_out(key, now_ns);
        }
        while let Some(&Reverse((at_ns, index, generation))) = self.timers.peek() {
            if at_ns > now_ns {
                break;
            }
            self.timers.pop();
            if self.conns[index as usize].generation == generation {
                self.timer_fired(index, now_ns);
            }
        }
    }

    fn close_bins(&mut self, now_ns: u64) {
        let next_ns = self.source.next_ns(now_ns - self.zero_ns);
        while let Some(bin) = self
            .recorder
            .take_closed(next_ns.min(now_ns - self.zero_ns))
        {
            let _ = self.tell.send(Told::Bin {
                worker: self.index,
                bin: Box::new(bin),
            });
        }
    }

    /// Arms the timer for whatever comes next.
    fn arm(&mut self, now_ns: u64) -> Result<(), WorkerError> {
        let mut at_ns = self.zero_ns + self.source.end_ns() + self.shared.plan.grace_ns;
        if let Some(key) = self.busy.first() {
            at_ns =
                at_ns.min(self.zero_ns + self.flight(key).sent_ns + self.shared.plan.timeout_ns);
        }
        if let Some(Reverse((timer_ns, ..))) = self.timers.peek() {
            at_ns = at_ns.min(*timer_ns);
        }
        at_ns = at_ns.min(now_ns + BEAT_NS);
        // Seconds without requests end, too.
        at_ns = at_ns.min(self.zero_ns + self.recorder.next_end_ns(now_ns - self.zero_ns));
        match self.source.due_ns() {
            // A request that waits for a connection is sent when one gets free, not at a time.
            Some(due_ns) => {
                let due_ns = self.zero_ns + due_ns;
                let take_ns = self
                    .takes_from_ns()
                    .map_or(u64::MAX, |from_ns| from_ns.max(due_ns));
                self.poll.wake_at(at_ns.min(take_ns), take_ns <= at_ns)?;
            }
            None => self.poll.wake_at(at_ns, false)?,
        }
        Ok(())
    }

    /// Waits, and handles what has happened. Of the connections that have more to say than a turn allows one goes on, so
    /// that all others and the loop's deadlines wait for no more than its next budget.
    fn turn(&mut self) -> Result<(), WorkerError> {
        let spin = self.shared.plan.spin && self.zero_ns > 0;
        let at_work = spin || !self.hungry.is_empty();
        self.turn_with(at_work, at_work)
    }

    /// `spin`: only looks. `at_work`: it was to.
    fn turn_with(&mut self, spin: bool, at_work: bool) -> Result<(), WorkerError> {
        let due_ns = (!at_work).then_some(self.poll.armed_ns());
        let ready = self.poll.wait(spin)?;
        let woke_ns = self.wake(due_ns);
        for event in 0..ready {
            let (token, flags) = self.poll.event(event);
            if token == WAKE {
                self.poll.timer_passed(woke_ns);
                continue;
            }
            let (index, generation) = (token as u32, (token >> 32) as u32);
            if self.conns[index as usize].generation == generation {
                self.ask_for_stamps(index);
                self.on_event(index, flags);
            }
        }
        if self.poll.took_all() {
            self.looked_ns = woke_ns;
        }
        self.feed_one();
        Ok(())
    }

    fn on_event(&mut self, index: u32, flags: EpollFlags) {
        let conn = &mut self.conns[index as usize];
        conn.closing |= flags.contains(EpollFlags::EPOLLRDHUP);
        if conn.hungry {
            // It is read in its turn.
            if conn.session.is_none() && flags.contains(EpollFlags::EPOLLOUT) {
                self.write_rest(index);
            }
            return;
        }
        if conn.session.is_some() {
            return self.converse(index, false);
        }
        match conn.state {
            State::Opening => self.opening(index),
            State::Idle | State::Resting | State::Busy | State::Draining => {
                if flags.contains(EpollFlags::EPOLLOUT) && !self.write_rest(index) {
                    return;
                }
                let input = EpollFlags::EPOLLIN
                    | EpollFlags::EPOLLRDHUP
                    | EpollFlags::EPOLLHUP
                    | EpollFlags::EPOLLERR;
                if flags.intersects(input) {
                    self.receive(index, false);
                }
            }
            State::Closed | State::Parked => {}
        }
    }
}
