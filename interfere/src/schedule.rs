//! Intensity over time: a pure function of the time since the start. The same seed gives the same walk everywhere.

use aefm_workloads::draw::{Stream, draw};
use rand::RngExt;

/// Shapes without steps are followed at this grain: fine enough to look smooth at ten samples a second.
const GRAIN_NS: u64 = 50_000_000;

/// Intensity over time.
#[derive(Clone, Debug, PartialEq)]
pub enum Schedule {
    /// Always the same.
    Constant(f64),
    /// Each value from its time on, until the next.
    Steps(Points),
    /// Straight lines between the values.
    Lines(Points),
    /// mean + amplitude * sin(2 pi t / period), never below zero.
    Sine {
        /// Its middle.
        mean: f64,
        /// How far it goes from there.
        amplitude: f64,
        /// Its period.
        period_ns: u64,
    },
}

/// Values at ascending times; before the first the first holds, after the last the last.
#[derive(Clone, Debug, PartialEq)]
pub struct Points(Vec<(u64, f64)>);

/// Why points make no schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PointsError {
    /// None at all.
    #[error("follow a schedule of no points: give at least one")]
    Empty,
    /// Not ascending.
    #[error("follow a schedule that goes back in time at its point {index} (counted from 0)")]
    Order {
        /// The point that is not after the one before it.
        index: usize,
    },
    /// Not a number, or negative.
    #[error("follow a schedule whose point {index} (counted from 0) is negative or no number")]
    Value {
        /// The point.
        index: usize,
    },
}

impl Points {
    /// Checked points (ns since the start, intensity).
    ///
    /// # Errors
    /// When there is none, they do not ascend, or an intensity is negative or not finite.
    pub fn new(points: Vec<(u64, f64)>) -> Result<Self, PointsError> {
        if points.is_empty() {
            return Err(PointsError::Empty);
        }
        if let Some(index) = points.windows(2).position(|pair| pair[1].0 <= pair[0].0) {
            return Err(PointsError::Order { index: index + 1 });
        }
        if let Some(index) = points
            .iter()
            .position(|(_, value)| !value.is_finite() || *value < 0.0)
        {
            return Err(PointsError::Value { index });
        }
        Ok(Self(points))
    }

    /// The largest value.
    #[must_use]
    pub fn peak(&self) -> f64 {
        self.0.iter().map(|(_, value)| *value).fold(0.0, f64::max)
    }

    fn after(&self, t_ns: u64) -> usize {
        self.0.partition_point(|(at, _)| *at <= t_ns)
    }
}

impl Schedule {
    /// From zero to `intensity` in a straight line over `over_ns`, then constant.
    #[must_use]
    pub fn ramp(intensity: f64, over_ns: u64) -> Self {
        if over_ns == 0 {
            Self::Constant(intensity)
        } else {
            Self::Lines(Points(vec![(0, 0.0), (over_ns, intensity)]))
        }
    }

    /// A seeded random walk within `low..=high`: every `every_ns` it moves by up to `step` either way, and is reflected
    /// at the bounds.
    #[must_use]
    pub fn walk(
        seed: u64,
        (low, high): (f64, f64),
        step: f64,
        every_ns: u64,
        length_ns: u64,
    ) -> Self {
        let mut rng = draw(seed, Stream::Intensity, 0);
        let mut value = f64::midpoint(low, high);
        let steps = length_ns / every_ns.max(1);
        let points = (0..=steps).map(|index| {
            let point = (index * every_ns, value);
            let moved = value + step * (2.0 * rng.random::<f64>() - 1.0);
            let reflected = if moved > high {
                2.0 * high - moved
            } else if moved < low {
                2.0 * low - moved
            } else {
                moved
            };
            value = reflected.clamp(low, high);
            point
        });
        Self::Steps(Points(points.collect()))
    }

    /// The intensity at that time since the start.
    #[must_use]
    pub fn at(&self, t_ns: u64) -> f64 {
        match self {
            Self::Constant(value) => *value,
            Self::Steps(points) => points.0[points.after(t_ns).saturating_sub(1)].1,
            Self::Lines(points) => line(points, t_ns / GRAIN_NS * GRAIN_NS),
            Self::Sine {
                mean,
                amplitude,
                period_ns,
            } => {
                let phase = ratio(t_ns / GRAIN_NS * GRAIN_NS, *period_ns) * std::f64::consts::TAU;
                (mean + amplitude * phase.sin()).max(0.0)
            }
        }
    }

    /// When it next may differ, after that time; none: never.
    #[must_use]
    pub fn next_change(&self, t_ns: u64) -> Option<u64> {
        let grain = (t_ns / GRAIN_NS + 1) * GRAIN_NS;
        match self {
            Self::Constant(_) => None,
            Self::Steps(points) => points.0.get(points.after(t_ns)).map(|(at, _)| *at),
            Self::Lines(points) => points
                .0
                .last()
                .filter(|(at, _)| t_ns <= *at + GRAIN_NS)
                .map(|_| grain),
            Self::Sine { .. } => Some(grain),
        }
    }

    /// The largest intensity it ever asks for.
    #[must_use]
    pub fn peak(&self) -> f64 {
        match self {
            Self::Constant(value) => *value,
            Self::Steps(points) | Self::Lines(points) => points.peak(),
            Self::Sine {
                mean, amplitude, ..
            } => mean + amplitude.abs(),
        }
    }
}

fn line(points: &Points, t_ns: u64) -> f64 {
    let after = points.after(t_ns);
    match (
        after.checked_sub(1).map(|before| points.0[before]),
        points.0.get(after).copied(),
    ) {
        (Some((from, low)), Some((to, high))) => low + (high - low) * ratio(t_ns - from, to - from),
        (Some((_, value)), None) | (None, Some((_, value))) => value,
        (None, None) => 0.0,
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "times within a run are far below 2^52 ns"
)]
fn ratio(part_ns: u64, whole_ns: u64) -> f64 {
    part_ns as f64 / whole_ns.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const S: u64 = 1_000_000_000;

    #[test]
    fn steps_hold_and_lines_connect() {
        let points = || Points::new(vec![(0, 10.0), (2 * S, 30.0), (4 * S, 0.0)]).unwrap();
        let steps = Schedule::Steps(points());
        assert_eq!(
            [0, S, 2 * S, 9 * S].map(|t| steps.at(t)),
            [10.0, 10.0, 30.0, 0.0]
        );
        assert_eq!(
            [0, 2 * S, 4 * S].map(|t| steps.next_change(t)),
            [Some(2 * S), Some(4 * S), None]
        );
        let lines = Schedule::Lines(points());
        assert_eq!(
            [0, S, 2 * S, 3 * S, 9 * S].map(|t| lines.at(t)),
            [10.0, 20.0, 30.0, 15.0, 0.0]
        );
        assert_eq!(lines.next_change(9 * S), None);
    }

    #[test]
    fn a_ramp_and_a_sine_go_where_they_should() {
        assert_eq!(Schedule::ramp(80.0, 4 * S).at(S), 20.0);
        assert_eq!(Schedule::ramp(80.0, 0), Schedule::Constant(80.0));
        let sine = Schedule::Sine {
            mean: 40.0,
            amplitude: 30.0,
            period_ns: 4 * S,
        };
        assert!((sine.at(S) - 70.0).abs() < 1e-9 && (sine.at(3 * S) - 10.0).abs() < 1e-9);
        assert_eq!(sine.peak(), 70.0);
    }

    #[test]
    fn points_that_make_no_schedule_are_refused() {
        assert_eq!(Points::new(vec![]), Err(PointsError::Empty));
        assert_eq!(
            Points::new(vec![(5, 1.0), (5, 2.0)]),
            Err(PointsError::Order { index: 1 })
        );
        assert_eq!(
            Points::new(vec![(5, -1.0)]),
            Err(PointsError::Value { index: 0 })
        );
    }

    proptest! {
        #[test]
        fn a_walk_is_the_same_for_the_same_seed_and_stays_within(
            seed: u64, low in 0.0..50.0f64, span in 0.0..50.0f64, step in 0.0..200.0f64,
        ) {
            let bounds = (low, low + span);
            let walk = Schedule::walk(seed, bounds, step, S, 60 * S);
            prop_assert_eq!(&walk, &Schedule::walk(seed, bounds, step, S, 60 * S));
            for second in 0..70 {
                let value = walk.at(second * S);
                prop_assert!(value >= low && value <= low + span);
            }
        }

        /// Between two changes nothing changes: whoever sleeps until the next one misses none.
        #[test]
        fn nothing_changes_before_the_next_change(t in 0..20 * S, within in 0.0..1.0f64, which in 0..3usize) {
            let points = Points::new(vec![(S, 10.0), (3 * S, 30.0), (7 * S, 0.0)]).unwrap();
            let schedule = match which {
                0 => Schedule::Steps(points),
                1 => Schedule::Lines(points),
                _ => Schedule::Sine { mean: 40.0, amplitude: 30.0, period_ns: 4 * S },
            };
            let next = schedule.next_change(t).unwrap_or(t + 100 * S);
            prop_assert!(next > t);
            let between = t + ((next - t - 1) as f64 * within) as u64;
            prop_assert_eq!(schedule.at(t), schedule.at(between));
        }
    }
}
