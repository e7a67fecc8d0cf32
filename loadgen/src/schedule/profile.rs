//! How the asked rate goes over time: a piecewise linear function, its integral, and the inverse of the integral.

use aefm_workloads::unit::{parse_duration, parse_number};
use std::str::FromStr;
use thiserror::Error;

/// Why a rate profile cannot be used.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum ProfileError {
    /// A rate that no schedule can follow.
    #[error("use the rate {0}: it has to be a number above 0 (fractions are fine, such as 0.5)")]
    Rate(f64),
    /// Text that is not `TIME:RATE,...`.
    #[error("read the stage `{0}`: write TIME:RATE, such as `0s:100,30s:2000,1m:2000`")]
    Stage(String),
    /// Times that run backwards.
    #[error("use the stage at {0} s: stages have to be in order of time, the first at 0s")]
    Order(f64),
    /// No requests at all.
    #[error("use these stages: the rate is 0 throughout")]
    Empty,
}

/// A point of the profile; between points the rate is linear, after the last it stays.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stage {
    /// Seconds since time zero.
    pub at_s: f64,
    /// Requests per second there.
    pub rate_hz: f64,
}

/// From `start_s` on, `rate_hz + slope * t` until the next segment.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Segment {
    start_s: f64,
    end_s: f64,
    /// Requests expected before the segment.
    before: f64,
    rate_hz: f64,
    slope: f64,
}

impl Segment {
    fn expected(&self, at_s: f64) -> f64 {
        let t = at_s.clamp(self.start_s, self.end_s) - self.start_s;
        self.rate_hz * t + self.slope * t * t / 2.0
    }

    /// Nanoseconds since time zero at which `position` requests are expected to have been, if within the segment.
    fn time_ns(&self, position: f64) -> f64 {
        let due = position - self.before;
        if due <= 0.0 && self.slope > 0.0 {
            return self.start_s * 1e9;
        }
        if self.slope == 0.0 {
            return self.start_s * 1e9 + due * 1e9 / self.rate_hz;
        }
        // The root of slope/2 t^2 + rate t = due in the form that does not cancel.
        let root = (self.rate_hz * self.rate_hz + 2.0 * self.slope * due)
            .max(0.0)
            .sqrt();
        self.start_s * 1e9 + 2.0 * due * 1e9 / (self.rate_hz + root)
    }
}

/// The asked rate over time.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    segments: Vec<Segment>,
}

impl Profile {
    /// One rate throughout.
    ///
    /// # Errors
    /// The rate is not a number above zero.
    pub fn constant(rate_hz: f64) -> Result<Self, ProfileError> {
        if !(rate_hz.is_finite() && rate_hz > 0.0) {
            return Err(ProfileError::Rate(rate_hz));
        }
        Self::stages(&[Stage { at_s: 0.0, rate_hz }])
    }

    /// Linear between the stages (two stages at one time are a step), constant after the last.
    ///
    /// # Errors
    /// Stages out of order, not starting at 0, with a rate below 0, or without any request.
    pub fn stages(stages: &[Stage]) -> Result<Self, ProfileError> {
        let mut segments = Vec::with_capacity(stages.len());
        let mut before = 0.0;
        for (index, stage) in stages.iter().enumerate() {
            if !(stage.rate_hz.is_finite() && stage.rate_hz >= 0.0) {
                return Err(ProfileError::Rate(stage.rate_hz));
            }
            let previous_s = if index == 0 {
                0.0
            } else {
                stages[index - 1].at_s
            };
            if stage.at_s < previous_s
                || (index == 0 && stage.at_s != 0.0)
                || !stage.at_s.is_finite()
            {
                return Err(ProfileError::Order(stage.at_s));
            }
            let (end_s, end_rate) = stages
                .get(index + 1)
                .map_or((f64::INFINITY, stage.rate_hz), |next| {
                    (next.at_s, next.rate_hz)
                });
            let length_s = end_s - stage.at_s;
            if length_s > 0.0 {
                let slope = if length_s.is_finite() {
                    (end_rate - stage.rate_hz) / length_s
                } else {
                    0.0
                };
                let segment = Segment {
                    start_s: stage.at_s,
                    end_s,
                    before,
                    rate_hz: stage.rate_hz,
                    slope,
                };
                before += segment.expected(end_s);
                segments.push(segment);
            }
        }
        if segments
            .iter()
            .all(|segment| segment.rate_hz == 0.0 && segment.slope == 0.0)
        {
            return Err(ProfileError::Empty);
        }
        Ok(Self { segments })
    }

    /// Requests expected in `[0, at_ns)`.
    #[must_use]
    pub fn expected(&self, at_ns: u64) -> f64 {
        let at_s = at_ns as f64 / 1e9;
        self.segments
            .iter()
            .filter(|s| s.start_s < at_s)
            .map(|s| s.expected(at_s))
            .sum()
    }

    pub(super) fn cursor(&self) -> Cursor {
        Cursor {
            profile: self.clone(),
            segment: 0,
        }
    }
}

impl FromStr for Profile {
    type Err = ProfileError;

    /// Reads `0s:100,30s:2000`.
    fn from_str(text: &str) -> Result<Self, ProfileError> {
        let stage = |part: &str| -> Option<Stage> {
            let (at, rate) = part.trim().split_once(':')?;
            let at_s = parse_duration(at).ok()?.as_secs_f64();
            Some(Stage {
                at_s,
                rate_hz: parse_number(rate).ok()?,
            })
        };
        let stages: Result<Vec<_>, _> = text
            .split(',')
            .map(|part| stage(part).ok_or_else(|| ProfileError::Stage(part.to_owned())))
            .collect();
        Self::stages(&stages?)
    }
}

/// Inverts the integral for ascending positions.
pub(super) struct Cursor {
    profile: Profile,
    segment: usize,
}

impl Cursor {
    /// When the request at `position` is due, ns since time zero; never if the rate has gone to 0 for good.
    pub(super) fn time_ns(&mut self, position: f64) -> Option<u64> {
        let segments = &self.profile.segments;
        while segments
            .get(self.segment + 1)
            .is_some_and(|next| position >= next.before)
        {
            self.segment += 1;
        }
        let segment = segments[self.segment];
        let time = segment.time_ns(position);
        // The hundredth of a ns outweighs rounding in the division, so that k / R does not fall short of a whole ns.
        (time.is_finite() && !time.is_nan()).then_some((time + 0.01) as u64)
    }
}
