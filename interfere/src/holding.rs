//! Whether the intensity that was asked for is held. Pure: fed with what each short window reached.

pub use aefm_workloads::interference::Tolerance;
use aefm_workloads::interference::Why;
use std::collections::VecDeque;

/// Windows that must agree before an intensity counts as held.
const HELD_NS: u64 = 300_000_000;
/// How long an intensity may be missed before the machine counts as saturated.
const SATURATED_NS: u64 = 500_000_000;

/// One short window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    /// Its length.
    pub length_ns: u64,
    /// Mean intensity reached in it.
    pub achieved: f64,
    /// What kept it back, if anything did: a miss under it is no saturation.
    pub why: Option<Why>,
}

/// What can be said of the last windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Too early to say, or above the request.
    Settling,
    /// At the request.
    Held,
    /// Below the request, and nothing but the machine's own limit explains it.
    Saturated,
    /// Kept from the request by something else.
    Hindered(Why),
}

/// Judges the windows since the last change of the request.
#[derive(Clone, Debug)]
pub struct Holding {
    tolerance: Tolerance,
    requested: f64,
    windows: VecDeque<Window>,
    /// Of the last window.
    why: Option<Why>,
}

impl Holding {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(tolerance: Tolerance, requested: f64) -> Self {
        Self {
            tolerance,
            requested,
            windows: VecDeque::new(),
            why: None,
        }
    }

    /// A new request. False: it is far from the old one, so that what was seen before says nothing about it.
    pub fn request(&mut self, requested: f64) -> bool {
        // A schedule that creeps must not reset the verdict at each of its steps.
        let is_near = (requested - self.requested).abs() <= self.tolerance.at(self.requested);
        if !is_near {
            self.windows.clear();
        }
        self.requested = requested;
        is_near
    }

    /// One more window.
    pub fn push(&mut self, window: Window) {
        self.why = window.why;
        if matches!(window.why, Some(Why::Filling | Why::Measuring)) {
            // Neither it nor what was before it says anything about what will be held.
            self.windows.clear();
            return;
        }
        self.windows.push_back(window);
        while self.span_ns() - self.windows[0].length_ns >= SATURATED_NS {
            self.windows.pop_front();
        }
    }

    /// The verdict.
    #[must_use]
    pub fn state(&self) -> State {
        // What presses elsewhere than it was told to holds nothing, whatever it reaches.
        if let Some(why @ (Why::Taken | Why::Filling | Why::Measuring)) = self.why {
            return State::Hindered(why);
        }
        if self.requested == 0.0 {
            return State::Held;
        }
        let miss = self.requested - self.recent_mean(HELD_NS);
        let allowed = self.tolerance.at(self.requested);
        if self.span_ns() >= HELD_NS && miss.abs() <= allowed {
            return State::Held;
        }
        let short = self.requested - self.recent_mean(SATURATED_NS) > allowed;
        if !short || self.span_ns() < SATURATED_NS {
            return State::Settling;
        }
        match self.windows.iter().rev().find_map(|window| window.why) {
            Some(why) => State::Hindered(why),
            None => State::Saturated,
        }
    }

    fn span_ns(&self) -> u64 {
        self.windows.iter().map(|window| window.length_ns).sum()
    }

    /// The mean over the last windows that together are at least that long (all, where they are less).
    fn recent_mean(&self, length_ns: u64) -> f64 {
        let (mut span, mut area) = (0, 0.0);
        for window in self.windows.iter().rev() {
            span += window.length_ns;
            area += window.achieved * seconds(window.length_ns);
            if span >= length_ns {
                break;
            }
        }
        if span == 0 { 0.0 } else { area / seconds(span) }
    }
}

/// ns as seconds.
#[must_use]
#[expect(
    clippy::cast_precision_loss,
    reason = "intervals of less than 104 days are exact"
)]
pub fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TOLERANCE: Tolerance = Tolerance {
        absolute: 1.0,
        relative: 0.0,
    };

    fn after(requested: f64, achieved: &[f64]) -> State {
        let mut holding = Holding::new(TOLERANCE, requested);
        for achieved in achieved {
            holding.push(Window {
                length_ns: 100_000_000,
                achieved: *achieved,
                why: None,
            });
        }
        holding.state()
    }

    #[test]
    fn three_windows_at_the_request_are_held() {
        assert_eq!(after(50.0, &[50.0, 50.5]), State::Settling);
        assert_eq!(after(50.0, &[50.0, 50.5, 49.2]), State::Held);
        assert_eq!(after(50.0, &[0.0, 50.0, 50.5, 49.2]), State::Held);
        assert_eq!(after(0.0, &[]), State::Held);
    }

    #[test]
    fn a_miss_is_saturation_within_a_second_and_passes_with_its_cause() {
        assert_eq!(after(50.0, &[20.0; 4]), State::Settling);
        assert_eq!(after(50.0, &[20.0; 5]), State::Saturated);
        assert_eq!(
            after(50.0, &[20.0, 20.0, 20.0, 20.0, 20.0, 50.0, 50.0, 50.0]),
            State::Held
        );
    }

    #[test]
    fn too_much_is_neither() {
        assert_eq!(after(50.0, &[70.0; 20]), State::Settling);
    }

    #[test]
    fn what_is_still_filling_is_not_saturated() {
        let mut holding = Holding::new(TOLERANCE, 50.0);
        for _ in 0..20 {
            holding.push(Window {
                length_ns: 100_000_000,
                achieved: 20.0,
                why: Some(Why::Filling),
            });
        }
        assert_eq!(holding.state(), State::Hindered(Why::Filling));
    }

    #[test]
    fn a_miss_with_another_cause_is_no_saturation_and_what_was_taken_away_is_never_held() {
        let mut holding = Holding::new(TOLERANCE, 50.0);
        let mut push = |achieved, why| {
            for _ in 0..5 {
                holding.push(Window {
                    length_ns: 100_000_000,
                    achieved,
                    why,
                });
            }
            holding.state()
        };
        assert_eq!(
            push(20.0, Some(Why::Throttled)),
            State::Hindered(Why::Throttled)
        );
        // Throttled a little, and yet at the request.
        assert_eq!(push(50.0, Some(Why::Throttled)), State::Held);
        assert_eq!(push(50.0, Some(Why::Taken)), State::Hindered(Why::Taken));
        assert_eq!(push(50.0, None), State::Held);
        assert_eq!(push(20.0, None), State::Saturated);
    }

    #[test]
    fn a_new_request_starts_over() {
        let mut holding = Holding::new(TOLERANCE, 50.0);
        for _ in 0..5 {
            holding.push(Window {
                length_ns: 100_000_000,
                achieved: 50.0,
                why: None,
            });
        }
        holding.request(80.0);
        assert_eq!(holding.state(), State::Settling);
    }

    proptest! {
        /// Whatever comes before, half a second of misses is said, and half a second at the request is said.
        #[test]
        fn the_last_half_second_decides(before in prop::collection::vec(0.0..100.0f64, 0..50), length in 20..200u64) {
            let push = |holding: &mut Holding, achieved| {
                holding.push(Window { length_ns: length * 1_000_000, achieved, why: None });
            };
            let mut holding = Holding::new(TOLERANCE, 50.0);
            before.iter().for_each(|achieved| push(&mut holding, *achieved));
            let mut short = holding.clone();
            for _ in 0..=(500 / length) {
                push(&mut holding, 50.2);
                push(&mut short, 40.0);
            }
            prop_assert_eq!(holding.state(), State::Held);
            prop_assert_eq!(short.state(), State::Saturated);
        }
    }
}
