//! How long a run still takes: the plan's estimate until cases have shown what one takes. Pure.

use std::time::Duration;

/// Estimates the end of a run of equal cases.
#[derive(Clone, Debug)]
pub(super) struct Eta {
    cases: usize,
    planned_case: Duration,
    /// When each case so far began, since the run did.
    begins: Vec<Duration>,
}

impl Eta {
    /// A run of so many cases that is planned to take so long.
    pub(super) fn new(cases: usize, planned: Duration) -> Self {
        let planned_case = planned / u32::try_from(cases.max(1)).unwrap_or(u32::MAX);
        Self {
            cases,
            planned_case,
            begins: Vec::new(),
        }
    }

    /// Case `at` begins.
    pub(super) fn begins(&mut self, at: usize, now: Duration) {
        self.begins.truncate(at);
        self.begins.push(now);
    }

    /// Which case of how many.
    pub(super) fn count(&self) -> String {
        format!("{}/{}", self.begins.len(), self.cases)
    }

    /// What a case takes: the mean of those that are over, else as planned.
    fn one(&self) -> Duration {
        match (self.begins.first(), self.begins.last()) {
            (Some(first), Some(last)) if self.begins.len() > 1 => {
                (*last - *first) / u32::try_from(self.begins.len() - 1).unwrap_or(u32::MAX)
            }
            _ => self.planned_case,
        }
    }

    /// Time left. A case that takes longer than usual counts as nearly over, never as less than that.
    pub(super) fn left(&self, now: Duration) -> Duration {
        let over = self.begins.len().saturating_sub(1);
        let rest = u32::try_from(self.cases.saturating_sub(over)).unwrap_or(u32::MAX);
        let spent = self
            .begins
            .last()
            .map_or(Duration::ZERO, |begin| now.saturating_sub(*begin))
            .min(self.one());
        (self.one() * rest).saturating_sub(spent)
    }

    /// Share of the run that is over, 0 to 1.
    pub(super) fn share(&self, now: Duration) -> f64 {
        let total = now + self.left(now);
        if total.is_zero() {
            0.0
        } else {
            now.as_secs_f64() / total.as_secs_f64()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_plan_counts_until_cases_have_shown_what_one_takes() {
        let mut eta = Eta::new(4, s(40));
        assert_eq!(eta.left(s(0)), s(40));
        eta.begins(0, s(2));
        assert_eq!(eta.left(s(5)), s(37));
        eta.begins(1, s(22));
        assert_eq!(eta.left(s(22)), s(60), "one took 20 s, three are left");
        assert_eq!(eta.left(s(32)), s(50));
    }

    #[test]
    fn a_slow_case_never_makes_the_time_left_negative_or_grow() {
        let mut eta = Eta::new(2, s(20));
        eta.begins(0, s(0));
        assert_eq!(eta.left(s(50)), s(10), "the second case still has to come");
        eta.begins(1, s(50));
        assert_eq!(eta.left(s(500)), s(0));
        assert!((eta.share(s(500)) - 1.0).abs() < 1e-9);
    }
}
