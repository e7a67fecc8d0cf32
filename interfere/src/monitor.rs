//! From windows to samples: what was asked, what was reached, whether it is held, and the means of the whole run.
//! Pure: clocks are arguments.

use crate::hindrance::{Hindrance, Tally};
use crate::holding::{Holding, State, Tolerance, Window, seconds};
use aefm_workloads::interference::{InterferenceSample, Kind, Why};

/// The first second of a run, in which every stressor may settle, does not count in its means.
const SETTLING_NS: u64 = 1_000_000_000;
/// A miss of less time than this is too little to call the machine's limit.
const LEAST_JUDGED_S: f64 = 0.5;

/// An instant on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instant {
    /// Monotonic, ns.
    pub mono_ns: u64,
    /// Wall clock, ns since the epoch.
    pub wall_ns: i64,
}

/// What one window brought.
#[derive(Clone, Debug, PartialEq)]
pub struct Reached {
    /// Mean intensity in the spec's unit.
    pub achieved: f64,
    /// The physical quantity behind it, where there is one.
    pub bytes_per_s: Option<f64>,
    /// What keeps it from the request, if it knows of anything.
    pub hindrance: Option<Hindrance>,
}

impl Reached {
    /// That much, with nothing in the way.
    #[must_use]
    pub fn of(achieved: f64) -> Self {
        Self {
            achieved,
            bytes_per_s: None,
            hindrance: None,
        }
    }
}

/// Time-weighted sums.
#[derive(Clone, Copy, Debug, Default)]
struct Area {
    span_s: f64,
    requested: f64,
    /// The one request of all of it, while there was no other.
    constant: Option<f64>,
    achieved: f64,
    bytes: Option<f64>,
}

impl Area {
    fn add(&mut self, span_s: f64, requested: f64, reached: &Reached) {
        // A mean of equal values is that value, to the last bit.
        let first = self.span_s == 0.0;
        self.constant = if first {
            Some(requested)
        } else {
            self.constant.filter(|constant| *constant == requested)
        };
        self.span_s += span_s;
        self.requested += requested * span_s;
        self.achieved += reached.achieved * span_s;
        if let Some(rate) = reached.bytes_per_s {
            *self.bytes.get_or_insert(0.0) += rate * span_s;
        }
    }

    fn mean(&self, area: f64) -> f64 {
        if self.span_s > 0.0 {
            area / self.span_s
        } else {
            0.0
        }
    }
}

/// Watches one stressor.
#[derive(Clone, Debug)]
pub struct Monitor {
    kind: Kind,
    unit: String,
    tolerance: Tolerance,
    holding: Holding,
    requested: f64,
    start_ns: u64,
    last_ns: u64,
    /// Whether it has been held since the last change of the request, with nothing since that would start it over.
    settled: bool,
    /// It was settled in the time of the sample to come, and then was not: however it ends, that sample is not held.
    lost: bool,
    /// What the sample to come rests on.
    report: Stretch,
    /// Of the report, what was reached since it settled.
    held: Area,
    whole: Stretch,
    judged: Stretch,
}

/// A stretch of time: what was reached in it, and what was in the way.
#[derive(Clone, Debug, Default)]
struct Stretch {
    area: Area,
    hindrances: Tally,
}

impl Stretch {
    fn add(&mut self, length_ns: u64, requested: f64, reached: &Reached) {
        self.area.add(seconds(length_ns), requested, reached);
        if let Some(hindrance) = &reached.hindrance {
            self.hindrances.add(hindrance, length_ns);
        }
    }
}

impl Monitor {
    /// A run that starts now.
    #[must_use]
    pub fn new(kind: Kind, unit: &str, tolerance: Tolerance, requested: f64, now_ns: u64) -> Self {
        Self {
            kind,
            unit: unit.to_owned(),
            tolerance,
            holding: Holding::new(tolerance, requested),
            requested,
            start_ns: now_ns,
            last_ns: now_ns,
            settled: false,
            lost: false,
            report: Stretch::default(),
            held: Area::default(),
            whole: Stretch::default(),
            judged: Stretch::default(),
        }
    }

    /// A new request from now on.
    pub fn request(&mut self, requested: f64) {
        self.requested = requested;
        self.settled &= self.holding.request(requested);
        if !self.settled {
            self.held = Area::default();
        }
    }

    /// Books the window that ends now.
    pub fn push(&mut self, now_ns: u64, reached: &Reached) {
        let length_ns = now_ns.saturating_sub(self.last_ns);
        if length_ns == 0 {
            return;
        }
        self.holding.push(Window {
            length_ns,
            achieved: reached.achieved,
            why: reached.hindrance.as_ref().map(|hindrance| hindrance.why),
        });
        match self.holding.state() {
            State::Held => self.settled = true,
            State::Settling => {}
            State::Saturated | State::Hindered(_) => {
                self.lost |= self.settled;
                self.settled = false;
            }
        }
        if self.settled {
            self.held.add(seconds(length_ns), self.requested, reached);
        } else {
            self.held = Area::default();
        }
        self.report.add(length_ns, self.requested, reached);
        self.whole.add(length_ns, self.requested, reached);
        let is_on_its_way = reached
            .hindrance
            .as_ref()
            .is_some_and(Hindrance::is_on_its_way);
        if self.last_ns >= self.start_ns + SETTLING_NS && !is_on_its_way {
            self.judged.add(length_ns, self.requested, reached);
        }
        self.last_ns = now_ns;
    }

    /// The sample since the last one: means over that time, of the request, too, where it changed in it.
    pub fn sample(&mut self, now: Instant) -> InterferenceSample {
        let report = std::mem::take(&mut self.report);
        let held = std::mem::take(&mut self.held);
        let state = self.holding.state();
        let lost = std::mem::take(&mut self.lost);
        let is_held = self.settled
            && !lost
            && self.is_at_request(&held)
            && !report.hindrances.has(Why::Taken);
        let why = match state {
            _ if is_held => None,
            State::Saturated => None,
            State::Hindered(why) => Some(why),
            State::Settling if !self.settled => Some(Why::Settling),
            State::Held | State::Settling => Some(
                report
                    .hindrances
                    .main()
                    .map_or(Why::Missed, |main| main.why),
            ),
        };
        InterferenceSample {
            held: is_held,
            saturated: !is_held && state == State::Saturated,
            summary: false,
            ..self.row(now, &report, why)
        }
    }

    /// Whether the mean of a stretch is at its mean request; a stretch of no time is.
    fn is_at_request(&self, area: &Area) -> bool {
        let (requested, achieved) = (area.mean(area.requested), area.mean(area.achieved));
        (requested - achieved).abs() <= self.tolerance.at(requested)
    }

    /// The last line: means over the run without its first second, and without the time in which it was still filling or
    /// measuring its peak (over all of a run that had nothing else).
    #[must_use]
    pub fn summary(&self, now: Instant) -> InterferenceSample {
        let stretch = if self.judged.area.span_s > 0.0 {
            &self.judged
        } else {
            &self.whole
        };
        let main = stretch.hindrances.main().map(|main| main.why);
        let is_taken = stretch.hindrances.has(Why::Taken);
        let at_request = self.is_at_request(&stretch.area);
        let (requested, achieved) = (
            stretch.area.mean(stretch.area.requested),
            stretch.area.mean(stretch.area.achieved),
        );
        let held = at_request && !is_taken;
        let why = match main {
            _ if held => None,
            Some(why) => Some(why),
            None if self.judged.area.span_s < LEAST_JUDGED_S => Some(Why::TooShort),
            // Too much, or short of it only for a part of the time.
            None if achieved > requested || self.holding.state() != State::Saturated => {
                Some(Why::Missed)
            }
            None => None,
        };
        InterferenceSample {
            held,
            saturated: !held && why.is_none(),
            summary: true,
            ..self.row(now, stretch, why)
        }
    }

    fn row(&self, now: Instant, stretch: &Stretch, why: Option<Why>) -> InterferenceSample {
        let Stretch { area, hindrances } = stretch;
        let detail = why
            .and_then(|why| hindrances.of(why))
            .map(|found| found.detail.clone());
        InterferenceSample {
            kind: self.kind,
            requested: match area.constant {
                Some(constant) => constant,
                None if area.span_s > 0.0 => area.mean(area.requested),
                None => self.requested,
            },
            achieved: area.mean(area.achieved),
            unit: self.unit.clone(),
            saturated: false,
            held: false,
            why,
            detail: detail.filter(|detail| !detail.is_empty()),
            wall_ns: now.wall_ns,
            mono_ns: i64::try_from(now.mono_ns).unwrap_or(i64::MAX),
            bytes_per_s: area.bytes.map(|bytes| area.mean(bytes)),
            summary: false,
        }
    }
}

#[cfg(test)]
mod tests;
