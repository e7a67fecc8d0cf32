//! Quantiles of a histogram, given only where there are samples enough to say anything of them.

use aefm_workloads::load::Quantiles;
use hdrhistogram::Histogram;

/// The quantiles that are reported, in the order of the JSON.
pub const REPORTED: [(&str, f64); 7] = [
    ("p50", 0.50),
    ("p75", 0.75),
    ("p90", 0.90),
    ("p95", 0.95),
    ("p99", 0.99),
    ("p99.9", 0.999),
    ("p99.99", 0.9999),
];

/// Samples that have to lie beyond a quantile for it to be given.
pub const BEYOND_MIN: f64 = 10.0;

/// The `p`-quantile in ns; none with fewer than ten samples beyond it.
#[must_use]
#[expect(
    clippy::cast_precision_loss,
    reason = "a count of requests is far below 2^53"
)]
pub fn quantile(hist: &Histogram<u64>, p: f64) -> Option<u64> {
    // The small amount is for 10,000 * (1 - 0.999), which is not quite 10 in binary.
    (hist.len() as f64 * (1.0 - p) + 1e-6 >= BEYOND_MIN).then(|| hist.value_at_quantile(p))
}

/// All reported quantiles of a histogram of ns, in microseconds.
#[must_use]
pub fn quantiles(hist: &Histogram<u64>) -> Quantiles {
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

#[expect(
    clippy::cast_precision_loss,
    reason = "an hour in ns is far below 2^53"
)]
fn us(ns: u64) -> f64 {
    ns as f64 / 1000.0
}
