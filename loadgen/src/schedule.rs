//! Intended times: pure, seeded, finite, one schedule for the whole run.
//!
//! A schedule is a *unit process* (how requests follow each other at a rate of one: evenly or at random) pushed
//! through a *profile* (how the rate goes over time). Times are generated as they are asked for and never stored.
//! Workers and shards each take every n-th request, so that they need not talk to each other and their union is the
//! schedule itself.

mod file;
mod profile;
mod unit;

pub use file::{ArrivalFile, FileError};
pub use profile::{Profile, ProfileError, Stage};

use aefm_workloads::load::Arrival;
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::sync::Arc;
use unit::Unit;

/// A request that is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intended {
    /// Its number in the whole schedule, from 0.
    pub number: u64,
    /// When, in ns since time zero.
    pub offset_ns: u64,
}

/// Every `of`-th request, from number `index` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// The first request's number.
    pub index: u64,
    /// The step; at least 1.
    pub of: u64,
}

impl Share {
    /// All of it.
    pub const WHOLE: Self = Self { index: 0, of: 1 };

    /// The part of this share that falls to one of `of` takers.
    #[must_use]
    pub const fn part(self, index: u64, of: u64) -> Self {
        Self {
            index: self.index + self.of * index,
            of: self.of * of,
        }
    }
}

/// Where intended times come from.
#[derive(Clone, Debug)]
enum Times {
    Drawn { arrival: Arrival, profile: Profile },
    Listed(Arc<[u64]>),
}

/// A finite schedule.
#[derive(Clone, Debug)]
pub struct Schedule {
    times: Times,
    seed: u64,
    end_ns: u64,
    limit: u64,
    share: Share,
}

impl Schedule {
    /// The schedule of this arrival process and profile in `[0, end_ns)`.
    #[must_use]
    pub fn new(arrival: Arrival, profile: Profile, seed: u64, end_ns: u64) -> Self {
        Self {
            times: Times::Drawn { arrival, profile },
            seed,
            end_ns,
            limit: u64::MAX,
            share: Share::WHOLE,
        }
    }

    /// The listed times (ascending) in `[0, end_ns)`.
    #[must_use]
    pub fn listed(times_ns: Arc<[u64]>, end_ns: u64) -> Self {
        Self {
            times: Times::Listed(times_ns),
            seed: 0,
            end_ns,
            limit: u64::MAX,
            share: Share::WHOLE,
        }
    }

    /// The same process, seed and length with another profile; a list of times stays as it is.
    #[must_use]
    pub fn at(mut self, rate: Profile) -> Self {
        if let Times::Drawn { profile, .. } = &mut self.times {
            *profile = rate;
        }
        self
    }

    /// At most the first `limit` requests of the whole schedule.
    #[must_use]
    pub fn limited(mut self, limit: u64) -> Self {
        self.limit = limit;
        self
    }

    /// Only this shard's requests.
    #[must_use]
    pub fn sharded(mut self, share: Share) -> Self {
        self.share = share;
        self
    }

    /// The end of the schedule, ns since time zero; no request is intended at or after it.
    #[must_use]
    pub const fn end_ns(&self) -> u64 {
        self.end_ns
    }

    /// How many requests the whole schedule has at most, where that was said.
    #[must_use]
    pub fn limit(&self) -> Option<u64> {
        (self.limit < u64::MAX).then_some(self.limit)
    }

    /// The mean rate asked for in `[from_ns, end_ns)`, all shards together, in Hz.
    #[must_use]
    pub fn mean_rate_hz(&self, from_ns: u64) -> f64 {
        let span_s = self.end_ns.saturating_sub(from_ns) as f64 / 1e9;
        let requests = match &self.times {
            Times::Drawn { profile, .. } => {
                profile.expected(self.end_ns) - profile.expected(from_ns)
            }
            Times::Listed(times) => times
                .iter()
                .filter(|&&t| t >= from_ns && t < self.end_ns)
                .count() as f64,
        };
        if span_s > 0.0 { requests / span_s } else { 0.0 }
    }

    /// This shard's requests.
    #[must_use]
    pub fn times(&self) -> Part {
        self.part(0, 1)
    }

    /// The requests of worker `index` of `of`.
    #[must_use]
    pub fn part(&self, index: u64, of: u64) -> Part {
        let share = self.share.part(index, of);
        let source = match &self.times {
            Times::Drawn { arrival, profile } => Source::Drawn {
                unit: Unit::new(*arrival, self.seed),
                profile: profile.cursor(),
            },
            Times::Listed(times) => Source::Listed(Arc::clone(times)),
        };
        Part {
            source,
            next: share.index,
            drawn: 0,
            step: share.of,
            end_ns: self.end_ns,
            limit: self.limit,
            last_ns: 0,
        }
    }
}

enum Source {
    Drawn {
        unit: Unit,
        profile: profile::Cursor,
    },
    Listed(Arc<[u64]>),
}

/// An iterator over a part of a schedule, in time order.
pub struct Part {
    source: Source,
    next: u64,
    drawn: u64,
    step: u64,
    end_ns: u64,
    limit: u64,
    last_ns: u64,
}

impl Iterator for Part {
    type Item = Intended;

    fn next(&mut self) -> Option<Intended> {
        if self.next >= self.limit {
            return None;
        }
        let number = self.next;
        let offset_ns = match &mut self.source {
            Source::Drawn { unit, profile } => {
                let position = unit.advance(number + 1 - self.drawn);
                self.drawn = number + 1;
                profile.time_ns(position)?
            }
            Source::Listed(times) => *times.get(usize::try_from(number).ok()?)?,
        };
        if offset_ns >= self.end_ns {
            self.limit = 0;
            return None;
        }
        self.next += self.step;
        // Rounding must never turn time back.
        self.last_ns = self.last_ns.max(offset_ns);
        Some(Intended {
            number,
            offset_ns: self.last_ns,
        })
    }
}

/// The schedule's fingerprint: SHA-256 over the offsets in ns as little-endian u64.
#[derive(Clone, Default)]
pub struct Fingerprint(Sha256);

impl Fingerprint {
    /// Adds the next offset.
    pub fn add(&mut self, offset_ns: u64) {
        self.0.update(offset_ns.to_le_bytes());
    }

    /// The fingerprint in lower-case hex.
    #[must_use]
    pub fn finish(self) -> String {
        self.0
            .finalize()
            .iter()
            .fold(String::with_capacity(64), |mut hex, byte| {
                write!(hex, "{byte:02x}").expect("a string takes any text");
                hex
            })
    }
}

#[cfg(test)]
mod tests;
