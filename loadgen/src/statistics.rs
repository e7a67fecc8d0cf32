//! Quantiles that say how much they can be believed.

mod batches;
mod quantile;

pub use batches::{Batches, Trend};
pub use quantile::{Bound, bounded, quantile, quantiles};

/// The quantiles that are reported, in the order of the JSON.
pub const REPORTED: [(&str, f64); 7] =
    [("p50", 0.50), ("p75", 0.75), ("p90", 0.90), ("p95", 0.95), ("p99", 0.99), ("p99.9", 0.999), ("p99.99", 0.9999)];

/// Samples that have to lie beyond a quantile for it to be given.
pub const BEYOND_MIN: f64 = 10.0;

#[cfg(test)]
mod tests;
