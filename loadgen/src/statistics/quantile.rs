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

/// Lower bounds may be this share of the samples beyond a quantile for it to count as known.
const OPEN_SHARE_MAX: f64 = 0.1;

/// The `p`-quantile in ns; none with fewer than ten samples beyond it.
#[must_use]
pub fn quantile(hist: &Hist, p: f64) -> Option<u64> {
    // The small amount is for 10,000 * (1 - 0.999), which is not quite 10 in binary.
    (hist.len() as f64 * (1.0 - p) + 1e-6 >= BEYOND_MIN).then(|| hist.value_at_quantile(p))
}

/// The `p`-quantile of `all`, of which `censored` are lower bounds.
///
/// A lower bound above the quantile leaves it as it is, however long the request would have taken. One at or below it
/// may belong above: where such samples are more than a tenth of those beyond, the quantile could lie well higher.
#[must_use]
pub fn bounded(all: &Hist, censored: &Hist, p: f64) -> Option<Bound> {
    let ns = quantile(all, p)?;
    let open = censored.count_between(0, ns) as f64;
    let beyond = all.len() as f64 * (1.0 - p);
    Some(if open > beyond * OPEN_SHARE_MAX { Bound::AtLeast(ns) } else { Bound::Exact(ns) })
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
