//! Adds workers' bins up to the run's seconds, checks them against the schedule, and keeps what the summary needs.

use crate::record::{Bin, Calendar, Totals};
use crate::schedule::{Fingerprint, Part, Schedule};
use crate::statistics::Batches;
use aefm_workloads::load::{Outcome, Phase};
use std::collections::VecDeque;
use std::iter::Peekable;

/// After this long, a second's answers are worth asking for.
const OVERDUE_NS: u64 = 1_000_000_000;

/// Seconds whose sums are kept: a day.
const SECONDS_MAX: usize = 86_400;

/// A second of the run, all workers together.
#[derive(Clone, Debug)]
pub struct Second {
    /// Warm-up or measured.
    pub phase: Phase,
    /// Whole seconds since time zero.
    pub second: u64,
    /// What happened in it.
    pub bin: Bin,
}

/// The schedule as the reporter sees it: it counts for itself what workers have to account for.
struct Audit {
    times: Peekable<Part>,
    fingerprint: Fingerprint,
    cut_ns: u64,
}

impl Audit {
    /// Requests intended before `until_ns` that were not counted yet.
    fn count(&mut self, until_ns: u64) -> u64 {
        let mut count = 0;
        while let Some(request) = self
            .times
            .next_if(|r| r.offset_ns < until_ns.min(self.cut_ns))
        {
            self.fingerprint.add(request.offset_ns);
            count += 1;
        }
        count
    }
}

/// The sum of all workers' records.
pub struct Tally {
    calendar: Calendar,
    queues: Vec<VecDeque<Bin>>,
    next: u64,
    audit: Option<Audit>,
    /// The measured phase's seconds, added up.
    pub measured: Bin,
    /// What is known beyond.
    pub totals: Totals,
    /// The measured phase's response times in batches, for confidence intervals and trends.
    pub batches: Batches,
    /// What the generator added to response times, ns, in each measured second that it added something to: the first
    /// day of them.
    pub generator_ns: Vec<(u64, u64)>,
    /// Requests by which bins and schedule disagreed. Anything but 0 is a fault of this program.
    pub unaccounted: u64,
}

impl Tally {
    /// Nothing yet.
    #[must_use]
    pub fn new(calendar: Calendar, workers: usize, schedule: Option<&Schedule>) -> Self {
        let audit = schedule.map(|schedule| Audit {
            times: schedule.times().peekable(),
            fingerprint: Fingerprint::default(),
            cut_ns: u64::MAX,
        });
        Self {
            calendar,
            queues: vec![VecDeque::new(); workers],
            next: 0,
            audit,
            measured: Bin::new(0),
            totals: Totals::default(),
            batches: Batches::default(),
            generator_ns: Vec::new(),
            unaccounted: 0,
        }
    }

    /// The run was ended early: nothing is intended from here on.
    pub fn cut(&mut self, offset_ns: u64) {
        if let Some(audit) = &mut self.audit {
            audit.cut_ns = audit.cut_ns.min(offset_ns);
        }
    }

    /// Takes a worker's next bin.
    pub fn add(&mut self, worker: usize, bin: Bin) {
        self.queues[worker].push_back(bin);
    }

    /// The next second that all workers are through with.
    pub fn take_second(&mut self) -> Option<Second> {
        if self.queues.iter().any(VecDeque::is_empty) {
            return None;
        }
        Some(self.merge())
    }

    /// The second that is next, if it ended a whole second before `at_ns` and is still not complete.
    #[must_use]
    pub fn overdue(&self, at_ns: u64) -> Option<u64> {
        (self.calendar.end_of(self.next) + OVERDUE_NS <= at_ns)
            .then(|| self.calendar.second(self.next))
    }

    /// At the end, when workers have nothing more to say: the rest, seconds without requests left out.
    pub fn take_rest(&mut self) -> Option<Second> {
        (!self.queues.iter().all(VecDeque::is_empty)).then(|| self.merge())
    }

    fn merge(&mut self) -> Second {
        let mut sum = Bin::new(self.next);
        for bin in self.queues.iter_mut().filter_map(VecDeque::pop_front) {
            debug_assert_eq!(bin.number, self.next, "workers hand in bins without gaps");
            sum.add(&bin);
        }
        let phase = self.calendar.phase(self.next);
        let second = self.calendar.second(self.next);
        if let Some(audit) = &mut self.audit {
            self.unaccounted += audit
                .count(self.calendar.end_of(self.next))
                .abs_diff(sum.ended());
        }
        self.next += 1;
        if phase == Phase::Measure {
            self.measured.add(&sum);
            self.batches.add(&sum.response);
            if sum.generator_ns > 0 && self.generator_ns.len() < SECONDS_MAX {
                self.generator_ns.push((second, sum.generator_ns));
            }
        }
        Second {
            phase,
            second,
            bin: sum,
        }
    }

    /// The schedule's fingerprint as far as it was intended; none in the closed loop. To be called once, at the end.
    #[must_use]
    pub fn fingerprint(&mut self) -> Option<String> {
        let audit = self.audit.as_mut()?;
        self.unaccounted += audit.count(u64::MAX);
        Some(std::mem::take(&mut audit.fingerprint).finish())
    }

    /// The measured phase's count of an outcome.
    #[must_use]
    pub fn count(&self, outcome: Outcome) -> u64 {
        self.measured.outcomes[outcome as usize]
    }
}
