//! Which request a worker sends next: the schedule's, or in the closed loop one whenever a connection is free.

use crate::schedule::{Intended, Part};
use std::iter::Peekable;

/// A worker's share of what there is to send. Times are ns since time zero.
pub(crate) struct Source {
    kind: Kind,
    end_ns: u64,
    limited: bool,
}

enum Kind {
    Open(Peekable<Part>),
    Closed { next: u64, step: u64, limit: u64 },
}

impl Source {
    pub(crate) fn open(part: Part, end_ns: u64, limited: bool) -> Self {
        Self {
            kind: Kind::Open(part.peekable()),
            end_ns,
            limited,
        }
    }

    /// Requests `first`, `first + step`, ... below `limit`, each due when a connection is free.
    pub(crate) fn closed(first: u64, step: u64, limit: u64, end_ns: u64) -> Self {
        Self {
            kind: Kind::Closed {
                next: first,
                step,
                limit,
            },
            end_ns,
            limited: limit < u64::MAX,
        }
    }

    /// The run ends early.
    pub(crate) fn cut(&mut self, cut_ns: u64) {
        self.end_ns = self.end_ns.min(cut_ns);
    }

    pub(crate) fn end_ns(&self) -> u64 {
        self.end_ns
    }

    /// Whether the run is over when all requests are, rather than at a time.
    pub(crate) fn limited(&self) -> bool {
        self.limited
    }

    /// Whether requests are due by the clock.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.kind, Kind::Open(_))
    }

    /// When the next request of the schedule is due; none in the closed loop, and at the end.
    pub(crate) fn due_ns(&mut self) -> Option<u64> {
        match &mut self.kind {
            Kind::Open(part) => part
                .peek()
                .map(|next| next.offset_ns)
                .filter(|&due_ns| due_ns < self.end_ns),
            Kind::Closed { .. } => None,
        }
    }

    /// No request before this time is to come.
    pub(crate) fn next_ns(&mut self, now_ns: u64) -> u64 {
        match self.kind {
            Kind::Open(_) => self.due_ns().unwrap_or(u64::MAX),
            Kind::Closed { .. } => now_ns,
        }
    }

    pub(crate) fn exhausted(&mut self) -> bool {
        match self.kind {
            Kind::Open(_) => self.due_ns().is_none(),
            Kind::Closed { next, limit, .. } => next >= limit,
        }
    }

    /// The next request, if it is due.
    pub(crate) fn take(&mut self, now_ns: u64) -> Option<Intended> {
        match &mut self.kind {
            Kind::Open(part) => {
                part.next_if(|next| next.offset_ns <= now_ns && next.offset_ns < self.end_ns)
            }
            Kind::Closed { next, step, limit } => {
                let number = *next;
                if number >= *limit || now_ns >= self.end_ns {
                    return None;
                }
                *next += *step;
                Some(Intended {
                    number,
                    offset_ns: now_ns,
                })
            }
        }
    }

    /// The next request, due or not: it goes behind the one taken before.
    pub(crate) fn take_along(&mut self, now_ns: u64) -> Option<Intended> {
        match &mut self.kind {
            Kind::Open(part) => part.next_if(|next| next.offset_ns < self.end_ns),
            Kind::Closed { .. } => self.take(now_ns),
        }
    }

    /// At the end: the next request of the schedule that was not sent.
    pub(crate) fn take_left(&mut self) -> Option<Intended> {
        match &mut self.kind {
            Kind::Open(part) => part.next_if(|next| next.offset_ns < self.end_ns),
            Kind::Closed { .. } => None,
        }
    }

    /// Whether a request is due now.
    pub(crate) fn is_due(&mut self, now_ns: u64) -> bool {
        match self.kind {
            Kind::Open(_) => self.due_ns().is_some_and(|due_ns| due_ns <= now_ns),
            Kind::Closed { .. } => now_ns < self.end_ns && !self.exhausted(),
        }
    }
}
