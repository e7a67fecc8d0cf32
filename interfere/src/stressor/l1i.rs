//! `l1i`: a share of each named core's instruction cache, kept in use by running through code of that size.

use super::{Ask, Descriptor, StartError, Stressor, two_percent};
use crate::kernels::code::{self, Chain};
use crate::machine::Machine;
use crate::sweep::{self, Target};
use aefm_workloads::interference::Kind;
use std::sync::Arc;

/// All of it is run through that often: about once a time slice of whoever shares the core.
const REFRESH_NS: u64 = 1_000_000;

fn start(ask: &Ask<'_>) -> Result<Box<dyn Stressor>, StartError> {
    let bytes = ask
        .cores
        .iter()
        .filter_map(|core| ask.machine.instruction_cache(*core))
        .map(|cache| cache.bytes)
        .max();
    let target = Target {
        worker_bytes: bytes.unwrap_or(0),
        refresh_ns: REFRESH_NS,
    };
    sweep::start(
        ask,
        target,
        Arc::new(move |_| {
            let chain = Chain::new(target.worker_bytes).map_err(|error| {
                format!(
                    "make code of {} bytes (memory that is executable may be forbidden here): {error}",
                    target.worker_bytes
                )
            })?;
            Ok(sweep::sweeper(target, move |footprint| {
                chain.run(footprint);
            }))
        }),
    )
}

fn support(machine: &Machine) -> Result<(), String> {
    if !code::SUPPORTED {
        return Err("code can be made for x86-64 and aarch64 only".to_owned());
    }
    let known = machine
        .allowed()
        .first()
        .and_then(|core| machine.instruction_cache(*core));
    known
        .map(|_| ())
        .ok_or_else(|| "the kernel does not say how large that cache is".to_owned())
}

/// See the module.
pub(super) static L1I: Descriptor = Descriptor {
    kind: Kind::L1i,
    about: "percent of each named core's instruction cache, run through every 1 ms",
    tolerance: two_percent,
    has_peak: false,
    support,
    start,
};
