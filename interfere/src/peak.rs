//! Measuring a peak while pressing without limit: the best of a few short windows, the first left out. Pure.

/// The first stretch warms caches, page tables and clocks up.
const WARM_UP_NS: u64 = 100_000_000;
/// How long is measured after that.
const MEASURE_NS: u64 = 300_000_000;

/// A search in progress.
#[derive(Clone, Copy, Debug, Default)]
pub struct PeakSearch {
    seen_ns: u64,
    best: f64,
}

impl PeakSearch {
    /// One more window; the peak when there were enough, and anything was done in them.
    pub fn push(&mut self, length_ns: u64, rate: f64) -> Option<f64> {
        let warm = self.seen_ns >= WARM_UP_NS;
        self.seen_ns += length_ns;
        if warm {
            self.best = self.best.max(rate);
        }
        (self.seen_ns >= WARM_UP_NS + MEASURE_NS && self.best > 0.0).then_some(self.best)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_window_after_the_first_is_the_peak() {
        let mut search = PeakSearch::default();
        let found: Vec<_> = [900.0, 5.0, 9.0, 7.0]
            .map(|rate| search.push(100_000_000, rate))
            .into();
        assert_eq!(found, [None, None, None, Some(9.0)]);
    }

    #[test]
    fn nothing_done_is_no_peak() {
        let mut search = PeakSearch::default();
        assert!((0..20).all(|_| search.push(100_000_000, 0.0).is_none()));
        assert_eq!(search.push(100_000_000, 3.0), Some(3.0));
    }
}
