//! A run, validated: everything the engine needs to know, wherever it came from.

use crate::content::{Content, Fields};
use crate::context::Context;
use crate::record::Calendar;
use crate::schedule::{Schedule, Share};
use crate::source::Source;
use crate::target::Target;
use crate::tls::TlsOptions;
use aefm_workloads::load::RequestsSink;

/// How requests follow each other.
#[derive(Clone, Debug)]
pub enum Loop {
    /// By a schedule, whatever the server does.
    Open(Schedule),
    /// The next one whenever a connection is free.
    Closed {
        /// At most so many.
        limit: Option<u64>,
    },
}

/// Which HTTP to speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2, by ALPN over TLS and by prior knowledge without.
    Http2 {
        /// Requests under way on one connection at most.
        streams: u32,
    },
}

impl Protocol {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http1 => "HTTP/1.1",
            Self::Http2 { .. } => "HTTP/2",
        }
    }

    /// Requests under way on one connection at most.
    #[must_use]
    pub const fn streams(self) -> u32 {
        match self {
            Self::Http1 => 1,
            Self::Http2 { streams } => streams,
        }
    }
}

/// A run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where to send.
    pub target: Target,
    /// Where to connect instead of the URL's host and port.
    pub connect_to: Option<Target>,
    /// Which protocol.
    pub protocol: Protocol,
    /// TLS, where the URL asks for it.
    pub tls: TlsOptions,
    /// What to send.
    pub content: Content,
    /// Header fields of all requests.
    pub fields: Fields,
    /// The trace context.
    pub context: Option<Context>,
    /// Seed of the trace ids, where there is a context.
    pub trace_seed: Option<u64>,
    /// When to send.
    pub load: Loop,
    /// The part of the schedule that is sent here; its index is the shard's number.
    pub share: Share,
    /// Seed of schedule and contents.
    pub seed: u64,
    /// Warm-up, in front of the measured phase.
    pub warmup_ns: u64,
    /// The measured phase.
    pub duration_ns: u64,
    /// How long answers are awaited after the end of the schedule.
    pub grace_ns: u64,
    /// Worker threads.
    pub threads: usize,
    /// Cores to pin them to, one each, round and round; none: not pinned.
    pub cores: Vec<usize>,
    /// Connections to hold open, all workers together.
    pub connections: usize,
    /// To how many they may grow when all are busy.
    pub connections_max: usize,
    /// Use connections again.
    pub keepalive: bool,
    /// When a request is given up, from when it was sent.
    pub timeout_ns: u64,
    /// When a connect is given up, TLS included.
    pub connect_timeout_ns: u64,
    /// Spin instead of sleeping until the next intended time.
    pub spin: bool,
    /// Time zero on the wall clock; none: as soon as the connections are there.
    pub start_at_ns: Option<i64>,
    /// All requests of a pipeline end with the last one (wrk2's `-B`).
    pub whole_pipelines: bool,
    /// Where the `requests` table goes.
    pub requests: Option<RequestsSink>,
}

impl Plan {
    /// Worker threads: at least one, and none without a connection.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.threads.min(self.connections).max(1)
    }

    /// The end of the schedule, ns since time zero.
    #[must_use]
    pub const fn end_ns(&self) -> u64 {
        self.warmup_ns + self.duration_ns
    }

    /// Its bins.
    #[must_use]
    pub const fn calendar(&self) -> Calendar {
        Calendar {
            warmup_ns: self.warmup_ns,
            end_ns: self.end_ns(),
        }
    }

    /// The same, but for only this part of the schedule.
    #[must_use]
    pub fn sharded(mut self, share: Share) -> Self {
        if let Loop::Open(schedule) = self.load {
            self.load = Loop::Open(schedule.sharded(share));
        }
        self.share = share;
        self
    }

    /// The schedule, in an open loop.
    #[must_use]
    pub const fn schedule(&self) -> Option<&Schedule> {
        match &self.load {
            Loop::Open(schedule) => Some(schedule),
            Loop::Closed { .. } => None,
        }
    }

    /// The measured phase's rate that this process is asked for; none in the closed loop.
    #[must_use]
    pub fn rate_asked_hz(&self) -> Option<f64> {
        self.schedule()
            .map(|schedule| schedule.mean_rate_hz(self.warmup_ns) / self.share.of as f64)
    }

    pub(crate) fn source(&self, worker: usize, workers: usize) -> Source {
        let (worker, workers) = (worker as u64, workers as u64);
        match &self.load {
            Loop::Open(schedule) => Source::open(
                schedule.part(worker, workers),
                self.end_ns(),
                schedule.limit().is_some(),
            ),
            Loop::Closed { limit } => {
                let share = self.share.part(worker, workers);
                Source::closed(
                    share.index,
                    share.of,
                    limit.unwrap_or(u64::MAX),
                    self.end_ns(),
                )
            }
        }
    }
}
