//! Quantiles of a histogram, given only where there are samples enough, with lower bounds named.

use super::{BEYOND_MIN, REPORTED};
use crate::record::Hist;
use aefm_workloads::load::Quantiles;

/// What a quantile of partly censored times is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// It is this.
    Exact(u64),
    /// It is at least this: requests that were given up decide it.
    AtLeast(u64),
}

impl Bound {
    /// The number.
    #[must_use]
    pub const fn ns(self) -> u64 {
        match self {
            Self::Exact(ns) | Self::AtLeast(ns) => ns,
        }
    }
}

/// By how much a quantile may move when lower bounds are taken for endless and still count as known.
const MOVES_MAX: f64 = 0.01;

/// The `p`-quantile in ns; none with fewer than ten samples beyond it.
#[must_use]
pub fn quantile(hist: &Hist, p: f64) -> Option<u64> {
    // The small amount is for 10,000 * (1 - 0.999), which is not quite 10 in binary.
    (hist.len() as f64 * (1.0 - p) + 1e-6 >= BEYOND_MIN).then(|| hist.value_at_quantile(p))
}

/// The `p`-quantile of `all`, of whose samples `known` are no lower bounds.
#[must_use]
pub fn bounded(all: &Hist, known: &Hist, p: f64) -> Option<Bound> {
    let low = quantile(all, p)?;
    let share = p * all.len() as f64 / known.len() as f64;
    // With every lower bound moved to the far end, the same rank falls on a later one of the known samples.
    let exact = known.len() > 0 && share <= 1.0 && {
        let high = known.value_at_quantile(share);
        high as f64 <= low as f64 * (1.0 + MOVES_MAX)
    };
    Some(if exact { Bound::Exact(low) } else { Bound::AtLeast(low) })
}

fn us(ns: u64) -> f64 {
    ns as f64 / 1000.0
}

/// All reported quantiles of a histogram, in microseconds.
#[must_use]
pub fn quantiles(hist: &Hist) -> Quantiles {
    let [p50, p75, p90, p95, p99, p99_9, p99_99] = REPORTED.map(|(_, p)| quantile(hist, p).map(us));
    let some = !hist.is_empty();
    Quantiles {
        mean: some.then(|| hist.mean() / 1000.0),
        p50,
        p75,
        p90,
        p95,
        p99,
        p99_9,
        p99_99,
        max: some.then(|| us(hist.max())),
    }
}
