//! From windows to samples: what was asked, what was reached, whether it is held, and the means of the whole run.
//! Pure: clocks are arguments.

use crate::holding::{Holding, State, Tolerance, Window, seconds};
use aefm_workloads::interference::{InterferenceSample, Kind};

/// The first second of a run, in which every stressor may settle, does not count in its means.
const SETTLING_NS: u64 = 1_000_000_000;

/// An instant on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instant {
    /// Monotonic, ns.
    pub mono_ns: u64,
    /// Wall clock, ns since the epoch.
    pub wall_ns: i64,
}

/// What one window brought.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reached {
    /// Mean intensity in the spec's unit.
    pub achieved: f64,
    /// The physical quantity behind it, where there is one.
    pub bytes_per_s: Option<f64>,
    /// See [`Window::settling`].
    pub settling: bool,
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
    since_report: Area,
    whole: Area,
    settled: Area,
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
            since_report: Area::default(),
            whole: Area::default(),
            settled: Area::default(),
        }
    }

    /// A new request from now on.
    pub fn request(&mut self, requested: f64) {
        self.requested = requested;
        self.holding.request(requested);
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
            settling: reached.settling,
        });
        let span_s = seconds(length_ns);
        self.since_report.add(span_s, self.requested, reached);
        self.whole.add(span_s, self.requested, reached);
        if self.last_ns >= self.start_ns + SETTLING_NS {
            self.settled.add(span_s, self.requested, reached);
        }
        self.last_ns = now_ns;
    }

    /// The sample since the last one: means over that time, of the request, too, where it changed in it.
    pub fn sample(&mut self, now: Instant) -> InterferenceSample {
        let area = std::mem::take(&mut self.since_report);
        let state = self.holding.state();
        InterferenceSample {
            held: state != State::Settling,
            saturated: state == State::Saturated,
            summary: false,
            ..self.row(now, &area)
        }
    }

    /// The last line: means over the run without its first second (over all of a run shorter than that).
    #[must_use]
    pub fn summary(&self, now: Instant) -> InterferenceSample {
        let area = if self.settled.span_s > 0.0 {
            &self.settled
        } else {
            &self.whole
        };
        let row = self.row(now, area);
        let miss = row.requested - row.achieved;
        let allowed = self.tolerance.at(row.requested);
        InterferenceSample {
            held: miss.abs() <= allowed,
            saturated: miss > allowed,
            summary: true,
            ..row
        }
    }

    fn row(&self, now: Instant, area: &Area) -> InterferenceSample {
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
            wall_ns: now.wall_ns,
            mono_ns: i64::try_from(now.mono_ns).unwrap_or(i64::MAX),
            bytes_per_s: area.bytes.map(|bytes| area.mean(bytes)),
            summary: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TOLERANCE: Tolerance = Tolerance {
        absolute: 1.0,
        relative: 0.0,
    };

    fn at(mono_ns: u64) -> Instant {
        Instant {
            mono_ns,
            wall_ns: 7,
        }
    }

    fn reached(achieved: f64) -> Reached {
        Reached {
            achieved,
            bytes_per_s: None,
            settling: false,
        }
    }

    #[test]
    fn the_first_second_does_not_count() {
        let mut monitor = Monitor::new(Kind::Cpu, "percent", TOLERANCE, 50.0, 0);
        for tick in 1..=30 {
            monitor.push(
                tick * 100_000_000,
                &reached(if tick <= 10 { 0.0 } else { 50.0 }),
            );
        }
        let summary = monitor.summary(at(3_000_000_000));
        assert!((summary.achieved - 50.0).abs() < 1e-9);
        assert_eq!(
            (summary.held, summary.saturated, summary.summary),
            (true, false, true)
        );
    }

    #[test]
    fn a_run_shorter_than_that_is_taken_whole() {
        let mut monitor = Monitor::new(Kind::Cpu, "percent", TOLERANCE, 50.0, 0);
        monitor.push(400_000_000, &reached(20.0));
        let summary = monitor.summary(at(400_000_000));
        assert!((summary.achieved - 20.0).abs() < 1e-9 && summary.saturated && !summary.held);
    }

    #[test]
    fn a_request_that_changes_within_a_sample_is_averaged_as_what_was_reached_is() {
        let mut monitor = Monitor::new(Kind::Cpu, "percent", TOLERANCE, 60.1, 0);
        monitor.push(100_000_000, &reached(60.1));
        monitor.push(300_000_000, &reached(60.1));
        assert_eq!(monitor.sample(at(1)).requested, 60.1);
        monitor.push(400_000_000, &reached(60.0));
        monitor.request(20.0);
        monitor.push(500_000_000, &reached(20.0));
        let mixed = monitor.sample(at(2));
        assert!((mixed.requested - 40.05).abs() < 1e-9 && (mixed.achieved - 40.0).abs() < 1e-9);
    }

    #[test]
    fn a_run_of_no_length_reports_zeros() {
        let summary = Monitor::new(Kind::Cpu, "percent", TOLERANCE, 0.0, 5).summary(at(5));
        assert_eq!(
            (summary.requested, summary.achieved, summary.held),
            (0.0, 0.0, true)
        );
    }

    proptest! {
        /// Samples weigh windows by their length, and the summary agrees with the samples.
        #[test]
        fn means_are_weighted_by_time(windows in prop::collection::vec((1..500_000_000u64, 0.0..100.0f64), 1..60)) {
            let mut monitor = Monitor::new(Kind::Cpu, "percent", TOLERANCE, 50.0, 0);
            let (mut now, mut area) = (0, 0.0);
            for (length, achieved) in &windows {
                now += length;
                area += seconds(*length) * achieved;
                monitor.push(now, &reached(*achieved));
            }
            let sample = monitor.sample(at(now));
            prop_assert!((sample.achieved - area / seconds(now)).abs() < 1e-6);
            prop_assert_eq!(monitor.sample(at(now)).achieved, 0.0);
        }
    }
}
