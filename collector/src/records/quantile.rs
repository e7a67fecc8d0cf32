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

/// How sure one has to be that the true quantile is not above what was seen.
const CONFIDENCE: f64 = 0.99;

/// Whether `count` samples carry the `p`-quantile: the rule by which MLPerf's LoadGen stops early, with one sample
/// over. Were the true quantile higher than the second largest sample, fewer than two of `count` samples would have come
/// out above it; that must have had a chance below 1 %. So p50 wants 11 samples, p90 64, p95 130, p99 662.
#[must_use]
#[expect(
    clippy::cast_precision_loss,
    reason = "a count of requests is far below 2^53"
)]
pub fn supported(count: u64, p: f64) -> bool {
    let n = count as f64;
    // The binomial distribution's chance of none or one above the quantile; the logarithm keeps large counts exact.
    let none = (n * p.ln()).exp();
    let one = n * (1.0 - p) / p * none;
    count > 1 && none + one <= 1.0 - CONFIDENCE
}

/// The `p`-quantile in ns; none where there are too few samples for it.
#[must_use]
pub fn quantile(hist: &Histogram<u64>, p: f64) -> Option<u64> {
    supported(hist.len(), p).then(|| hist.value_at_quantile(p))
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

#[cfg(test)]
mod tests {
    use super::supported;

    /// The table in the documentation of MLPerf's LoadGen, for one query over.
    #[test]
    fn a_quantile_wants_as_many_samples_as_loadgen_does() {
        for (p, least) in [(0.5, 11), (0.9, 64), (0.95, 130), (0.99, 662)] {
            let smallest = (0..1000).find(|&count| supported(count, p));
            assert_eq!(smallest, Some(least), "p{p}");
            assert!((least..100_000).all(|count| supported(count, p)));
        }
    }
}
