//! A worker's record: open bins, closed in order as soon as all their requests have ended.

use super::{Bin, Calendar, Totals, hist};
use aefm_workloads::load::{Outcome, Phase};
use std::collections::VecDeque;

/// A request under way. Times are ns since time zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flight {
    /// Its number in the schedule.
    pub number: u64,
    /// When it was to be sent.
    pub intended_ns: u64,
    /// When it was sent: before it was due, where it is pipelined behind another one.
    pub sent_ns: u64,
    /// When a connection could have taken it: the later of intended and the moment its connection was free.
    pub possible_ns: u64,
    /// When the first byte of its answer came; 0 for not yet.
    pub first_byte_ns: u64,
}

impl Flight {
    /// What the generator itself added: the send lag, without the wait for a free connection, which is the server's
    /// doing and counts in the response time only. Where a connection was free it is sent minus intended.
    #[must_use]
    pub const fn lag_ns(&self) -> u64 {
        self.sent_ns.saturating_sub(self.possible_ns)
    }
}

/// The record of one worker.
#[derive(Debug)]
pub struct Recorder {
    calendar: Calendar,
    /// Bins from the oldest that is open, each with its number of requests under way.
    open: VecDeque<(Bin, u64)>,
    /// The number of the front bin.
    first: u64,
    totals: Totals,
    /// Status counts by `status - 100`, without a search per answer.
    status: Box<[u64; 900]>,
}

impl Recorder {
    /// An empty record.
    #[must_use]
    pub fn new(calendar: Calendar) -> Self {
        Self {
            calendar,
            open: VecDeque::new(),
            first: 0,
            totals: Totals::default(),
            status: Box::new([0; 900]),
        }
    }

    fn bin(&mut self, number: u64) -> &mut (Bin, u64) {
        let index = number.saturating_sub(self.first) as usize;
        while self.open.len() <= index {
            self.open
                .push_back((Bin::new(self.first + self.open.len() as u64), 0));
        }
        &mut self.open[index]
    }

    fn measured(&self, bin: u64) -> bool {
        self.calendar.phase(bin) == Phase::Measure
    }

    /// A request was sent.
    pub fn sent(&mut self, flight: &Flight) {
        let number = self.calendar.bin(flight.intended_ns);
        let (bin, under_way) = self.bin(number);
        bin.sent += 1;
        *under_way += 1;
        bin.lag.saturating_record(flight.lag_ns());
        let wait_ns = flight.possible_ns - flight.intended_ns;
        if wait_ns > 0 && self.measured(number) {
            self.totals.wait.saturating_record(wait_ns);
        }
    }

    /// A request that was sent has ended.
    pub fn done(
        &mut self,
        flight: &Flight,
        outcome: Outcome,
        done_ns: u64,
        status: u16,
        bytes: u64,
    ) {
        let number = self.calendar.bin(flight.intended_ns);
        let response_ns = done_ns - flight.intended_ns.min(flight.sent_ns);
        let (bin, under_way) = self.bin(number);
        *under_way -= 1;
        bin.outcomes[outcome as usize] += 1;
        bin.bytes += bytes;
        match outcome {
            Outcome::Ok => {
                bin.response.saturating_record(response_ns);
                bin.service.saturating_record(done_ns - flight.sent_ns);
            }
            Outcome::Timeout | Outcome::Unfinished | Outcome::Unsent => {
                bin.response.saturating_record(response_ns)
            }
            _ => {}
        }
        if self.measured(number) {
            self.total(outcome, response_ns);
            if let Some(count) = self.status.get_mut(usize::from(status.wrapping_sub(100))) {
                *count += 1;
            }
            if flight.first_byte_ns > 0 {
                self.totals
                    .first_byte
                    .saturating_record(flight.first_byte_ns - flight.sent_ns);
            }
        }
    }

    /// A request has ended without being sent, at `now_ns`.
    pub fn not_sent(&mut self, intended_ns: u64, outcome: Outcome, now_ns: u64) {
        let number = self.calendar.bin(intended_ns);
        let age_ns = now_ns.saturating_sub(intended_ns);
        let (bin, _) = self.bin(number);
        bin.outcomes[outcome as usize] += 1;
        if outcome == Outcome::Unsent {
            bin.response.saturating_record(age_ns);
        }
        if self.measured(number) {
            self.total(outcome, age_ns);
        }
    }

    fn total(&mut self, outcome: Outcome, response_ns: u64) {
        match outcome {
            Outcome::Ok => {}
            Outcome::Timeout | Outcome::Unfinished | Outcome::Unsent => {
                self.totals.censored.saturating_record(response_ns);
            }
            error => self
                .totals
                .errors
                .entry(error)
                .or_insert_with(hist)
                .saturating_record(response_ns),
        }
    }

    /// Totals, for what is counted beyond requests.
    pub fn totals_mut(&mut self) -> &mut Totals {
        &mut self.totals
    }

    /// When the bin of this time ends.
    #[must_use]
    pub fn next_end_ns(&self, at_ns: u64) -> u64 {
        self.calendar.end_of(self.calendar.bin(at_ns))
    }

    /// The next bin of which all requests have ended, given that all requests intended before `until_ns` have been
    /// sent or have ended. Bins without requests come, too.
    pub fn take_closed(&mut self, until_ns: u64) -> Option<Bin> {
        if self.calendar.end_of(self.first) > until_ns
            || self
                .open
                .front()
                .is_some_and(|(_, under_way)| *under_way > 0)
        {
            return None;
        }
        let bin = self
            .open
            .pop_front()
            .map_or_else(|| Bin::new(self.first), |(bin, _)| bin);
        self.first += 1;
        Some(bin)
    }

    /// All that is left, in order, and the totals. No request is under way any more.
    #[must_use]
    pub fn finish(mut self) -> (Vec<Bin>, Totals) {
        for (index, count) in self
            .status
            .iter()
            .enumerate()
            .filter(|(_, count)| **count > 0)
        {
            self.totals.status.insert(index as u16 + 100, *count);
        }
        (
            self.open.into_iter().map(|(bin, _)| bin).collect(),
            self.totals,
        )
    }
}
