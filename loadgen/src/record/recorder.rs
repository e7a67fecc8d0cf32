//! A worker's record: open bins, closed in order as soon as all their requests have ended.

use super::{Bin, Calendar, End, Flight, Parts, Totals, hist};
use aefm_workloads::load::{Outcome, Phase};
use std::collections::VecDeque;

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
        let wait_ns = flight.wait_ns();
        if wait_ns > 0 && self.measured(number) {
            self.totals.wait.saturating_record(wait_ns);
        }
    }

    /// A request that was sent has ended. Tells where its time went.
    pub fn done(
        &mut self,
        flight: &Flight,
        outcome: Outcome,
        end: &End,
        status: u16,
        bytes: u64,
    ) -> Parts {
        let number = self.calendar.bin(flight.intended_ns);
        let parts = flight.parts(end);
        let (bin, under_way) = self.bin(number);
        *under_way -= 1;
        bin.outcomes[outcome as usize] += 1;
        bin.bytes += bytes;
        if outcome == Outcome::Ok {
            let service_ns = end.done_ns.saturating_sub(flight.sent_ns);
            bin.service.saturating_record(service_ns);
        }
        bin.headline(outcome, &parts);
        if self.measured(number) {
            self.total(outcome, parts.response_ns());
            if let Some(count) = self.status.get_mut(usize::from(status.wrapping_sub(100))) {
                *count += 1;
            }
            if flight.first_byte_ns > 0 {
                self.totals
                    .first_byte
                    .saturating_record(flight.first_byte_ns.saturating_sub(flight.sent_ns));
            }
        }
        parts
    }

    /// A request ended without having been sent.
    pub fn not_sent(&mut self, intended_ns: u64, outcome: Outcome, parts: &Parts) {
        let number = self.calendar.bin(intended_ns);
        let (bin, _) = self.bin(number);
        bin.outcomes[outcome as usize] += 1;
        bin.headline(outcome, parts);
        if self.measured(number) {
            self.total(outcome, parts.response_ns());
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
