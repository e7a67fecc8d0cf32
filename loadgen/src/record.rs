//! What happened, counted: one bin per second of intended times, and totals, both in histograms of ns.
//!
//! Pure: all times are arguments. A worker records; the reporter adds workers' bins up.

mod bin;
mod calendar;
mod flight;
mod recorder;
mod totals;

pub use bin::Bin;
pub use calendar::Calendar;
pub use flight::{End, Flight, LATE_NS, Parts, notable};
pub use recorder::Recorder;
pub use totals::Totals;

use hdrhistogram::Histogram;

/// A histogram of ns: up to 1 hour, 3 digits throughout. Longer times count as an hour.
pub type Hist = Histogram<u64>;

/// The longest time a histogram tells apart.
pub const LONGEST_NS: u64 = 3_600_000_000_000;

/// An empty histogram.
#[must_use]
pub fn hist() -> Hist {
    Hist::new_with_bounds(1, LONGEST_NS, 3).expect("constant bounds that are tested")
}

/// Adds up histograms of the same bounds.
pub(crate) fn add(sum: &mut Hist, part: &Hist) {
    sum.add(part).expect("both have the bounds of `hist`");
}

#[cfg(test)]
mod tests;
