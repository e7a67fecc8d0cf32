//! What the cache kinds share: a part of a cache, gone over again in every refresh period.
//!
//! Intensity is the share of the capacity that is touched again in each period, so it is held by the same account as a
//! rate, and what was reached is what was really touched: a sweeper that is starved holds less of the cache, and says so.

use crate::crew::Shift;
use crate::kernels::{Vectors, stream};
use crate::limits::explained;
use crate::mapping::{Mapping, Pages};
use crate::paced::{Pace, Paced, Scale, Work};
use crate::stressor::{Ask, StartError, Stressor};
use std::sync::Arc;

/// A cache to hold a share of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// What each worker sweeps at 100 %.
    pub worker_bytes: usize,
    /// How often all of it is touched again.
    pub refresh_ns: u64,
}

/// Starts a sweeper a core, over data.
///
/// # Errors
/// When the system gives no threads.
pub fn data(ask: &Ask<'_>, target: Target) -> Result<Box<dyn Stressor>, StartError> {
    start(
        ask,
        target,
        Arc::new(move |_| {
            let vectors = Vectors::detect();
            let bytes = target.worker_bytes;
            let mut memory = Mapping::new(bytes, Pages::Huge)
                .map_err(|error| format!("map {bytes} bytes: {}", explained(&error.into())))?;
            memory.touch(0);
            Ok(sweeper(target, move |footprint| {
                stream::read(
                    vectors,
                    &memory.words()[..footprint / 64 * stream::LINE_WORDS],
                );
            }))
        }),
    )
}

/// Starts workers that hold a share of a cache, with the work that `make` makes.
///
/// # Errors
/// When the system gives no threads.
pub fn start(
    ask: &Ask<'_>,
    target: Target,
    make: crate::paced::Make,
) -> Result<Box<dyn Stressor>, StartError> {
    let pace = Pace {
        period_ns: target.refresh_ns,
        quantum: u64::MAX,
        grain: 64.0,
        carry: 1.0,
        make,
    };
    let cores: Vec<_> = ask.cores.iter().copied().map(Some).collect();
    let per_s = total_bytes_per_s(target, cores.len());
    Ok(Box::new(Paced::start(
        &cores,
        pace,
        Scale::Fixed(per_s / 100.0),
        Some(1.0),
    )?))
}

/// The work of one sweeper: each call sweeps the footprint that the dial asks for, once.
pub fn sweeper(target: Target, mut sweep: impl FnMut(usize) + 'static) -> Work {
    Box::new(move |shift: &Shift, amount: u64| {
        let footprint = footprint_bytes(target, shift.dial());
        // A call for a small rest of a period waits for the next one: half a sweep holds nothing.
        if footprint == 0 || amount < footprint as u64 / 2 {
            return Ok(0);
        }
        sweep(footprint);
        shift.add(footprint as u64);
        Ok(footprint as u64)
    })
}

/// Bytes of whole lines that a dial (bytes a second) means in one period, within the target.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a dial is positive, and bounded below"
)]
fn footprint_bytes(target: Target, dial: f64) -> usize {
    let wanted = (dial * crate::holding::seconds(target.refresh_ns))
        .round()
        .min(target.worker_bytes as f64);
    (wanted as usize).div_ceil(64) * 64
}

#[expect(
    clippy::cast_precision_loss,
    reason = "caches are far below 2^52 bytes"
)]
fn total_bytes_per_s(target: Target, workers: usize) -> f64 {
    (target.worker_bytes * workers) as f64 / crate::holding::seconds(target.refresh_ns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The footprint follows the intensity, in whole lines, and never leaves the target.
        #[test]
        fn a_footprint_is_the_share_of_the_cache(kib in 1..65_536usize, percent in 0.0..=100.0f64) {
            let target = Target { worker_bytes: kib * 1024, refresh_ns: 2_000_000 };
            let dial = total_bytes_per_s(target, 1) * percent / 100.0;
            let footprint = footprint_bytes(target, dial);
            prop_assert!(footprint.is_multiple_of(64) && footprint <= target.worker_bytes);
            prop_assert!((footprint as f64 - target.worker_bytes as f64 * percent / 100.0).abs() <= 65.0);
        }
    }
}
