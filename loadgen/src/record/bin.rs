//! One second of intended times.

use super::{Hist, Parts, add, hist};
use aefm_workloads::load::Outcome;

/// Counts and histograms of the requests intended in one bin of the [`super::Calendar`].
#[derive(Clone, Debug, PartialEq)]
pub struct Bin {
    /// The bin's number.
    pub number: u64,
    /// Requests sent; those that no connection could be had for are not.
    pub sent: u64,
    /// Requests by their end, in the order of [`Outcome::ALL`].
    pub outcomes: [u64; Outcome::ALL.len()],
    /// Bytes of answers received.
    pub bytes: u64,
    /// Done minus intended: ok, and time-outs, unfinished and unsent at their age when given up.
    pub response: Hist,
    /// The same requests without the generator's part.
    pub unhindered: Hist,
    /// The generator's part of the same requests.
    pub generator: Hist,
    /// That part, summed up, ns.
    pub generator_ns: u64,
    /// Done minus sent: ok.
    pub service: Hist,
    /// How much later than it could a request was sent; see [`super::Flight::lag_ns`].
    pub lag: Hist,
}

impl Bin {
    /// An empty bin.
    #[must_use]
    pub fn new(number: u64) -> Self {
        Self {
            number,
            sent: 0,
            outcomes: Default::default(),
            bytes: 0,
            response: hist(),
            unhindered: hist(),
            generator: hist(),
            generator_ns: 0,
            service: hist(),
            lag: hist(),
        }
    }

    /// Requests that have ended.
    #[must_use]
    pub fn ended(&self) -> u64 {
        self.outcomes.iter().sum()
    }

    /// Takes a request that has ended into the headline, if it belongs there: answered, or given up as a lower bound.
    /// Errors that ended by themselves would flatter it.
    pub(super) fn headline(&mut self, outcome: Outcome, parts: &Parts) {
        let (Outcome::Ok | Outcome::Timeout | Outcome::Unfinished | Outcome::Unsent) = outcome
        else {
            return;
        };
        self.response.saturating_record(parts.response_ns());
        self.unhindered
            .saturating_record(parts.wait_ns + parts.server_ns);
        self.generator.saturating_record(parts.generator_ns);
        self.generator_ns += parts.generator_ns;
    }

    /// Adds another's requests to this one's.
    pub fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.bytes += other.bytes;
        for (sum, count) in self.outcomes.iter_mut().zip(other.outcomes) {
            *sum += count;
        }
        add(&mut self.response, &other.response);
        self.generator_ns += other.generator_ns;
        add(&mut self.unhindered, &other.unhindered);
        add(&mut self.generator, &other.generator);
        add(&mut self.service, &other.service);
        add(&mut self.lag, &other.lag);
    }
}
