//! One connection of a worker: its state, and the request it carries.

use crate::http1::Answer;
use crate::http2::Session;
use crate::link::Link;
use crate::record::Flight;
use aefm_workloads::load::Outcome;
use std::collections::VecDeque;

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Without a link, waiting for its next try.
    Closed,
    /// Without a link, which it opens for each request (`--no-keepalive`).
    Parked,
    /// Waiting for the connect, or the TLS handshake.
    Opening,
    /// Open, and free for a request.
    Idle,
    /// Free, but resting: a script's `delay`.
    Resting,
    /// Answered, but it is not known yet whether the server has said more than it was asked: then it is not used again.
    Draining,
    /// Carrying a request; in HTTP/2 as many as it takes.
    Busy,
}

/// A request that was written behind another one.
#[derive(Debug)]
pub(crate) struct Behind {
    pub(crate) flight: Flight,
    /// Its answer has no body.
    pub(crate) bodiless: bool,
}

/// The end of a request that is told with that of the last one of its pipeline.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) flight: Flight,
    pub(crate) outcome: Outcome,
    pub(crate) status: u16,
    pub(crate) received: u64,
}

#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) state: State,
    pub(crate) link: Option<Link>,
    /// Goes up with every change of the link: events and timers of former links are told by it.
    pub(crate) generation: u32,
    /// When the link's opening began, monotonic ns.
    pub(crate) opening_ns: u64,
    /// When TCP was there and TLS began; 0 before.
    pub(crate) connected_ns: u64,
    /// Since when it would be free if the generator were never late, monotonic ns.
    pub(crate) free_since_ns: u64,
    /// How much earlier it would have come to where it is.
    pub(crate) late_ns: u64,
    /// Until when it rests, monotonic ns.
    pub(crate) rests_until_ns: u64,
    /// Links in a row that ended without one answer.
    pub(crate) failures: u32,
    /// Answers on this link.
    pub(crate) answers: u64,
    /// Whether its last link came about.
    pub(crate) reached: bool,
    /// Whether its first link has come about or failed.
    pub(crate) tried: bool,
    /// A request waits for the link, or is under way on it.
    pub(crate) carries: bool,
    pub(crate) flight: Flight,
    /// What comes behind it in a pipeline.
    pub(crate) behind: VecDeque<Behind>,
    /// What has ended of it, where whole pipelines are measured.
    pub(crate) ended: Vec<Ended>,
    pub(crate) answer: Answer,
    /// Bytes received for the request under way.
    pub(crate) received: u64,
    /// What the kernel has not yet taken of the request.
    pub(crate) unwritten: Vec<u8>,
    /// HTTP/2 on this link.
    pub(crate) session: Option<Box<Session>>,
    /// Another connection has taken its place; it ends with its last answer.
    pub(crate) replaced: bool,
    /// It had more to say than a turn of the worker's allows: it is in the worker's list of those that go on.
    pub(crate) hungry: bool,
    /// The server has closed its side, though there may be something left to read.
    pub(crate) closing: bool,
}

impl Conn {
    /// `hears`: answers are kept.
    pub(crate) fn new(hears: bool) -> Self {
        Self {
            state: State::Closed,
            link: None,
            generation: 0,
            opening_ns: 0,
            connected_ns: 0,
            free_since_ns: 0,
            late_ns: 0,
            rests_until_ns: 0,
            failures: 0,
            answers: 0,
            reached: false,
            tried: false,
            carries: false,
            flight: Flight::default(),
            behind: VecDeque::new(),
            ended: Vec::new(),
            answer: Answer::new(hears),
            received: 0,
            unwritten: Vec::new(),
            session: None,
            replaced: false,
            hungry: false,
            closing: false,
        }
    }

    /// Another link: events of the former one are for nobody.
    pub(crate) fn next_generation(&mut self) {
        self.generation = self.generation.wrapping_add(1);
        self.hungry = false;
        self.closing = false;
    }

    /// Whether it takes a request now. One that is idle and does not is busy from now on.
    pub(crate) fn takes_request(&mut self) -> bool {
        if self.state == State::Idle
            && self
                .session
                .as_ref()
                .is_some_and(|session| !session.has_room())
        {
            self.state = State::Busy;
        }
        matches!(self.state, State::Idle | State::Parked)
    }

    /// Whether nothing is under way on it, and it can carry something.
    pub(crate) fn is_free(&self) -> bool {
        matches!(self.state, State::Idle | State::Parked | State::Resting)
    }

    /// The token of this link's events.
    pub(crate) fn token(&self, index: u32) -> u64 {
        u64::from(self.generation) << 32 | u64::from(index)
    }
}

/// How long to wait before try number `failures` (from 1): 10 ms, doubling to half a second.
pub(crate) fn back_off_ns(failures: u32) -> u64 {
    (10_000_000u64 << failures.saturating_sub(1).min(10)).min(500_000_000)
}
