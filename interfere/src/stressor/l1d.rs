//! `l1d`: a share of each named core's first-level data cache, kept in use.

use super::{Ask, Descriptor, StartError, Stressor, two_percent};
use crate::machine::Machine;
use crate::sweep::{self, Target};
use aefm_workloads::interference::Kind;

/// All of it is touched again that often: about once a time slice of whoever shares the core.
const REFRESH_NS: u64 = 1_000_000;

fn start(ask: &Ask<'_>) -> Result<Box<dyn Stressor>, StartError> {
    let worker_bytes = ask
        .cores
        .iter()
        .filter_map(|core| ask.machine.data_cache(*core, 1))
        .map(|cache| cache.bytes)
        .max();
    sweep::data(
        ask,
        Target {
            worker_bytes: worker_bytes.unwrap_or(0),
            refresh_ns: REFRESH_NS,
        },
    )
}

fn support(machine: &Machine) -> Result<(), String> {
    let known = machine
        .allowed()
        .first()
        .and_then(|core| machine.data_cache(*core, 1));
    known
        .map(|_| ())
        .ok_or_else(|| "the kernel does not say how large that cache is".to_owned())
}

/// See the module.
pub(super) static L1D: Descriptor = Descriptor {
    kind: Kind::L1d,
    about: "percent of each named core's first-level data cache, touched again every 1 ms",
    tolerance: two_percent,
    has_peak: false,
    support,
    start,
};
