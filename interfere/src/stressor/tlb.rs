//! `tlb`: address translations a second on each named core, by loads from more pages than any translation cache holds.

use super::{Ask, Descriptor, StartError, Stressor, two_percent};
use crate::crew::Shift;
use crate::kernels::pages::Pages;
use crate::limits::explained;
use crate::paced::{Pace, Paced, Scale};
use aefm_workloads::interference::Kind;
use std::sync::Arc;

/// 128 MiB of addresses: several times what second-level translation caches hold.
const PAGES: usize = 32_768;
/// Loads in one piece.
const PIECE: u64 = 2_048;

fn start(ask: &Ask<'_>) -> Result<Box<dyn Stressor>, StartError> {
    let pace = Pace {
        period_ns: 2_000_000,
        quantum: PIECE,
        grain: 64.0,
        carry: 5.0,
        make: Arc::new(|_| {
            let mut pages = Pages::new(PAGES)
                .map_err(|error| format!("map {PAGES} pages: {}", explained(&error.into())))?;
            Ok(Box::new(move |shift: &Shift, amount: u64| {
                pages.walk(amount);
                shift.add(amount);
                Ok(amount)
            }))
        }),
    };
    let cores: Vec<_> = ask.cores.iter().copied().map(Some).collect();
    Ok(Box::new(Paced::start(
        &cores,
        pace,
        Scale::of(ask.unit, ask.peak("walk")),
        None,
    )?))
}

/// See the module.
pub(super) static TLB: Descriptor = Descriptor {
    kind: Kind::Tlb,
    about: "loads a second that each need an address translation, or percent of the measured peak",
    tolerance: two_percent,
    has_peak: true,
    support: |_| Ok(()),
    start,
};
