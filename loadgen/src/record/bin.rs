//! One second of intended times.

use super::{Hist, add, hist};
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
            service: hist(),
            lag: hist(),
        }
    }

    /// Requests that have ended.
    #[must_use]
    pub fn ended(&self) -> u64 {
        self.outcomes.iter().sum()
    }

    /// Adds another's requests to this one's.
    pub fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.bytes += other.bytes;
        for (sum, count) in self.outcomes.iter_mut().zip(other.outcomes) {
            *sum += count;
        }
        add(&mut self.response, &other.response);
        add(&mut self.service, &other.service);
        add(&mut self.lag, &other.lag);
    }
}
