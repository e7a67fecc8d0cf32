//! How far from the request an intensity may be and still count as at it.

use super::{InterferenceSample, Kind};
use crate::quantity::Unit;

/// How far from the request still counts as at it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerance {
    /// In units of the intensity.
    pub absolute: f64,
    /// As a share of the request.
    pub relative: f64,
}

impl Tolerance {
    /// What a stressor of this kind promises, in this unit. Whoever makes the pressure and whoever judges it afterwards
    /// use the same.
    #[must_use]
    pub const fn of(kind: Kind, unit: Unit) -> Self {
        let is_percent = matches!(unit, Unit::Percent);
        match kind {
            Kind::Cpu => Self {
                absolute: 1.0,
                relative: 0.0,
            },
            // Two percent of the request, but no finer than a few pages a worker.
            Kind::MemCapacity => Self {
                absolute: if is_percent { 0.5 } else { 1_048_576.0 },
                relative: 0.02,
            },
            _ => Self {
                absolute: if is_percent { 0.5 } else { 0.0 },
                relative: 0.02,
            },
        }
    }

    /// The larger of the two at that request.
    #[must_use]
    pub fn at(self, requested: f64) -> f64 {
        self.absolute.max(self.relative * requested)
    }
}

impl InterferenceSample {
    /// Whether what was reached is within the tolerance of this request.
    #[must_use]
    pub fn is_at(&self, requested: f64) -> bool {
        let unit = Unit::from_name(&self.unit).unwrap_or(Unit::Percent);
        (self.achieved - requested).abs() <= Tolerance::of(self.kind, unit).at(requested)
    }

    /// Whether the stressor has obeyed this request and settled, be it below it for want of room.
    #[must_use]
    pub fn has_settled(&self, requested: f64) -> bool {
        #[expect(
            clippy::float_cmp,
            reason = "the sample repeats the number that was sent"
        )]
        let obeys = self.requested == requested;
        obeys && (self.is_final() || requested == 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_larger_of_the_two_counts() {
        let of = |kind, unit, requested| Tolerance::of(kind, unit).at(requested);
        assert_eq!(of(Kind::Cpu, Unit::Percent, 80.0), 1.0);
        assert_eq!(of(Kind::Llc, Unit::Percent, 10.0), 0.5);
        assert_eq!(of(Kind::Llc, Unit::Percent, 50.0), 1.0);
        assert_eq!(of(Kind::Network, Unit::BitsPerS, 1e8), 2e6);
        assert_eq!(of(Kind::MemCapacity, Unit::Bytes, 1e6), 1_048_576.0);
    }
}
