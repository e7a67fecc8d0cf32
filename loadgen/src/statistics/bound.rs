//! Quantiles of which some samples are lower bounds.

use super::quantile;
use crate::record::Hist;

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

/// The `p`-quantile of `all`, of which `censored` are lower bounds.
///
/// A lower bound above the quantile leaves it as it is, however long the request would have taken. One at or below it
/// may belong above: where such samples are more than a tenth of those beyond, the quantile could lie well higher.
#[must_use]
pub fn bounded(all: &Hist, censored: &Hist, p: f64) -> Option<Bound> {
    let ns = quantile(all, p)?;
    let open = censored.count_between(0, ns) as f64;
    let beyond = all.len() as f64 * (1.0 - p);
    Some(if open > beyond * OPEN_SHARE_MAX {
        Bound::AtLeast(ns)
    } else {
        Bound::Exact(ns)
    })
}
