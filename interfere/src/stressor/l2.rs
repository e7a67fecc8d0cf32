//! `l2`: a share of each named core's second-level cache, kept in use.

use super::{Ask, Descriptor, StartError, Stressor, two_percent};
use crate::machine::Machine;
use crate::sweep::{self, Target};
use aefm_workloads::interference::Kind;

/// All of it is touched again that often: about once a time slice of whoever shares the core.
const REFRESH_NS: u64 = 2_000_000;

fn start(ask: &Ask<'_>) -> Result<Box<dyn Stressor>, StartError> {
    let worker_bytes = ask
        .cores
        .iter()
        .filter_map(|core| ask.machine.data_cache(*core, 2))
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
        .and_then(|core| machine.data_cache(*core, 2));
    known
        .map(|_| ())
        .ok_or_else(|| "the kernel does not say how large that cache is".to_owned())
}

/// See the module.
pub(super) static L2: Descriptor = Descriptor {
    kind: Kind::L2,
    about: "percent of each named core's second-level cache, touched again every 2 ms",
    tolerance: two_percent,
    has_peak: false,
    support,
    start,
};
