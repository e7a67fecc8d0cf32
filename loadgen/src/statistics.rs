//! Quantiles that say how much they can be believed.

mod batches;
mod bound;

pub use aefm_collector::records::{REPORTED, quantile, quantiles, supported};
pub use batches::{Batches, Trend};
pub use bound::{Bound, bounded};

#[cfg(test)]
mod tests;
