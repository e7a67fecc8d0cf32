//! From when to when a span was, by one rule for all who tell of it: what does not fit is no time, a span without a start is
//! none, and one without an end is unfinished.

/// A number as somebody told it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Told {
    /// Nothing stands there.
    #[default]
    Absent,
    /// It is this.
    Is(i64),
    /// It is beyond 64 bits, or no instant.
    Beyond,
}

/// A span's times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Times {
    /// Start, ns since the epoch.
    pub(crate) start_ns: i64,
    /// Duration, ns, never negative.
    pub(crate) duration_ns: i64,
    /// It ended before it started.
    pub(crate) negative: bool,
    /// Its end was not said.
    pub(crate) unfinished: bool,
}

impl Told {
    /// The number, if it is there and fits.
    pub(crate) const fn number(self) -> Option<i64> {
        match self {
            Self::Is(number) => Some(number),
            Self::Absent | Self::Beyond => None,
        }
    }

    fn instant(self) -> Option<i64> {
        self.number().filter(|number| *number > 0)
    }
}

impl Times {
    /// By two instants, ns since the epoch. Zero is how protobuf leaves one out.
    pub(crate) fn between(start: Told, end: Told) -> Option<Self> {
        let start_ns = start.instant()?;
        match end {
            Told::Absent | Told::Is(0) => Some(Self::unfinished(start_ns)),
            Told::Is(end_ns) => Self::lasting(start_ns, end_ns.checked_sub(start_ns)?),
            Told::Beyond => None,
        }
    }

    /// By a start and a duration, in microseconds.
    pub(crate) fn lasting_us(start: Told, duration: Told) -> Option<Self> {
        let start_ns = start.instant()?.checked_mul(1_000)?;
        match duration {
            Told::Absent => Some(Self::unfinished(start_ns)),
            Told::Is(us) => Self::lasting(start_ns, us.checked_mul(1_000)?),
            Told::Beyond => None,
        }
    }

    const fn unfinished(start_ns: i64) -> Self {
        Self {
            start_ns,
            duration_ns: 0,
            negative: false,
            unfinished: true,
        }
    }

    fn lasting(start_ns: i64, duration_ns: i64) -> Option<Self> {
        start_ns.checked_add(duration_ns)?;
        Some(Self {
            start_ns,
            duration_ns: duration_ns.max(0),
            negative: duration_ns < 0,
            unfinished: false,
        })
    }
}

/// Microseconds as nanoseconds, as far as these fit.
pub(crate) fn of_us(us: Told) -> Option<i64> {
    us.number()?.checked_mul(1_000)
}

#[cfg(test)]
mod tests {
    use super::Told::{Absent, Beyond, Is};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_left_out_or_does_not_fit_is_no_time() {
        let of = |start_ns, duration_ns, negative, unfinished| {
            Some(Times {
                start_ns,
                duration_ns,
                negative,
                unfinished,
            })
        };
        assert_eq!(Times::between(Is(5), Is(7)), of(5, 2, false, false));
        assert_eq!(Times::between(Is(5), Is(5)), of(5, 0, false, false));
        assert_eq!(Times::between(Is(7), Is(5)), of(7, 0, true, false));
        assert_eq!(Times::between(Is(7), Is(0)), of(7, 0, false, true));
        assert_eq!(Times::between(Is(7), Absent), of(7, 0, false, true));
        assert_eq!(Times::lasting_us(Is(5), Is(0)), of(5_000, 0, false, false));
        assert_eq!(Times::lasting_us(Is(5), Is(-2)), of(5_000, 0, true, false));
        assert_eq!(Times::lasting_us(Is(5), Absent), of(5_000, 0, false, true));
        for (start, end) in [
            (Absent, Is(5)),
            (Is(0), Is(5)),
            (Is(5), Beyond),
            (Beyond, Is(5)),
        ] {
            assert_eq!(Times::between(start, end), None, "{start:?} {end:?}");
            assert_eq!(Times::lasting_us(start, end), None, "{start:?} {end:?}");
        }
        let most_us = Is(i64::MAX / 1_000);
        assert_eq!(Times::lasting_us(most_us, most_us), None);
    }

    proptest! {
        /// Whatever numbers there are: no time is another one than was written.
        #[test]
        fn no_time_is_bent(start: i64, second: i64) {
            if let Some(times) = Times::lasting_us(Is(start), Is(second)) {
                prop_assert_eq!(i128::from(times.start_ns), i128::from(start) * 1_000);
                prop_assert_eq!(i128::from(times.duration_ns), (i128::from(second) * 1_000).max(0));
                prop_assert!(times.start_ns.checked_add(times.duration_ns).is_some());
            }
            if let Some(times) = Times::between(Is(start), Is(second)) {
                prop_assert_eq!(times.start_ns, start);
                prop_assert_eq!(times.negative, second < start && second != 0);
            }
        }
    }
}
