//! `llc`: a share of the last-level cache that the named cores use, kept in use.

use super::{Ask, Descriptor, StartError, Stressor, two_percent};
use crate::machine::Machine;
use crate::machine::caches::Cache;
use crate::sweep::{self, Target};
use aefm_workloads::interference::Kind;

/// All of it is touched again that often: a victim's own accesses need longer to push it out.
const REFRESH_NS: u64 = 10_000_000;

fn start(ask: &Ask<'_>) -> Result<Box<dyn Stressor>, StartError> {
    let caches = last_caches(ask.machine, &ask.cores);
    let total: usize = caches.iter().map(|cache| cache.bytes).sum();
    let worker_bytes = (total / ask.cores.len().max(1)).next_multiple_of(64);
    sweep::data(
        ask,
        Target {
            worker_bytes,
            refresh_ns: REFRESH_NS,
        },
    )
}

/// The last-level caches of these cores, each once.
fn last_caches(machine: &Machine, cores: &[usize]) -> Vec<Cache> {
    let mut caches: Vec<Cache> = Vec::new();
    for cache in cores.iter().filter_map(|core| machine.last_cache(*core)) {
        if !caches.iter().any(|known| known.shared == cache.shared) {
            caches.push(cache);
        }
    }
    caches
}

fn support(machine: &Machine) -> Result<(), String> {
    match machine
        .allowed()
        .first()
        .and_then(|core| machine.last_cache(*core))
    {
        Some(cache) if cache.level >= 3 => Ok(()),
        Some(cache) => Err(format!(
            "its last-level cache is of level {}: press on l2",
            cache.level
        )),
        None => Err("the kernel does not say what caches there are".to_owned()),
    }
}

/// See the module.
pub(super) static LLC: Descriptor = Descriptor {
    kind: Kind::Llc,
    about: "percent of the last-level cache, touched again every 10 ms",
    tolerance: two_percent,
    has_peak: false,
    support,
    start,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_without_a_third_level_says_so() {
        let root = tempfile::tempdir().unwrap();
        let machine = Machine::at(root.path(), vec![0]);
        assert!(support(&machine).unwrap_err().contains("does not say"));
        assert!(last_caches(&machine, &[0]).is_empty());
    }
}
