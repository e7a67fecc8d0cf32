//! Quantiles that say how much they can be believed.

mod batches;
mod bound;

pub use aefm_collector::records::{BEYOND_MIN, REPORTED, quantile, quantiles};
pub use batches::{Batches, Trend};
pub use bound::{Bound, bounded};

#[cfg(test)]
mod tests;
