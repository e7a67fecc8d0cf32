//! `ctx`: context switches a second on each named core, by two threads that pass a byte to and fro.

use super::{Ask, Descriptor, StartError, Stressor, two_percent};
use crate::crew::{Shift, pin};
use crate::paced::{Pace, Paced, Scale, Work};
use aefm_workloads::interference::Kind;
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::sync::Arc;

/// There and back are two switches.
const SWITCHES: u64 = 2;
/// Switches in one piece: less than a millisecond.
const PIECE: u64 = 128;

fn start(ask: &Ask<'_>) -> Result<Box<dyn Stressor>, StartError> {
    let at = ask.cores.clone();
    let pace = Pace {
        period_ns: 5_000_000,
        quantum: PIECE,
        grain: 2.0,
        carry: 2.0,
        make: Arc::new(move |shift| pair(at[shift.index])),
    };
    let cores: Vec<_> = ask.cores.iter().copied().map(Some).collect();
    Ok(Box::new(Paced::start(
        &cores,
        pace,
        Scale::of(ask.unit, ask.peak("switch")),
        None,
    )?))
}

/// A partner on the same core, and the work of passing bytes to it.
fn pair(core: usize) -> Result<Work, String> {
    let no_pipe = |error: std::io::Error| format!("make a pipe: {error}");
    let (from_us, mut to_partner) = pipe().map_err(no_pipe)?;
    let (mut from_partner, to_us) = pipe().map_err(no_pipe)?;
    let partner = std::thread::Builder::new()
        .name("stress-partner".to_owned())
        .stack_size(128 << 10);
    partner
        .spawn(move || echo(core, from_us, to_us))
        .map_err(|error| format!("start a thread: {error}"))?;
    Ok(Box::new(move |shift: &Shift, amount: u64| {
        let trips = amount.div_ceil(SWITCHES);
        let mut byte = [1];
        for _ in 0..trips {
            let passed = to_partner
                .write_all(&byte)
                .and_then(|()| from_partner.read_exact(&mut byte));
            passed.map_err(|error| format!("pass a byte to and fro: {error}"))?;
        }
        shift.add(trips * SWITCHES);
        Ok(trips * SWITCHES)
    }))
}

/// The partner: sends back what comes, until nothing can come any more.
fn echo(core: usize, mut from: PipeReader, mut to: PipeWriter) {
    // On another core it would be no switch; the worker has been pinned there, so this can be, too.
    let _ = pin(core);
    let mut byte = [0];
    while from.read_exact(&mut byte).is_ok() && to.write_all(&byte).is_ok() {}
}

/// See the module.
pub(super) static CTX: Descriptor = Descriptor {
    kind: Kind::Ctx,
    about: "context switches a second on the named cores, or percent of the measured peak",
    tolerance: two_percent,
    has_peak: true,
    support: |_| Ok(()),
    start,
};
