//! Turns: a probe of what a core has for itself and a kind's own sweep, one after the other in one thread.
//!
//! On a core that two processes share, switching between them takes a first-level cache by itself, whatever either
//! touches. Without a switch between sweep and probe, what the probe feels is the sweep alone: that is what a sibling
//! hardware thread, or an interrupted victim, feels of it.

use super::chase::Chase;
use super::on_core;
use crate::clock;
use crate::kernels::code::Chain;
use crate::kernels::pages::Pages as Field;
use crate::kernels::{Vectors, stream};
use crate::machine::Machine;
use crate::mapping::{Mapping, Pages};
use aefm_workloads::interference::Kind;

/// Turns of each sort.
const TURNS: usize = 300;
/// Passes that make the probe's own lines resident before each turn.
const WARM_PASSES: usize = 3;
/// Pages of the probe: they fit into a second-level translation cache; and of a sweep: they fill it.
const PROBE_PAGES: usize = 1024;
const SWEEP_PAGES: usize = 8192;

/// Costs of a probe's first pass after a turn, in ns, ascending.
#[derive(Clone, Debug, PartialEq)]
pub struct Turns {
    /// After a sweep.
    swept: Vec<u64>,
    /// After as long a pause that touched nothing.
    idle: Vec<u64>,
}

impl Turns {
    /// Cost after a sweep over cost after a pause, by the medians.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a pass takes far less than 2^52 ns"
        )]
        let median = |costs: &[u64]| costs[costs.len() / 2] as f64;
        median(&self.swept) / median(&self.idle).max(1.0)
    }

    /// Of all pairs of a pass after a sweep and one after a pause, the share in which the former costs more (equal ones
    /// count half): a half where a sweep does nothing.
    #[must_use]
    pub fn dearer(&self) -> f64 {
        let halves = |cost: &u64| {
            self.idle.partition_point(|idle| idle < cost)
                + self.idle.partition_point(|idle| idle <= cost)
        };
        let sum: usize = self.swept.iter().map(halves).sum();
        #[expect(clippy::cast_precision_loss, reason = "there are hundreds of each")]
        let share = sum as f64 / (2 * self.swept.len() * self.idle.len()) as f64;
        share
    }

    /// Whether so many pairs differ that it is no chance: three standard deviations of what equal costs would give. A
    /// neighbour on the core makes both sorts of passes scatter alike, by more than a small cache is worth.
    #[must_use]
    pub fn apart(&self) -> bool {
        #[expect(clippy::cast_precision_loss, reason = "there are hundreds of each")]
        let (swept, idle) = (self.swept.len() as f64, self.idle.len() as f64);
        self.dearer() > 0.5 + 3.0 * ((swept + idle + 1.0) / (12.0 * swept * idle)).sqrt()
    }
}

/// Takes turns on a core. None: the kind presses on nothing that a core has for itself, or this machine lacks it.
#[must_use]
pub fn turns(kind: Kind, core: usize, machine: &Machine) -> Option<Turns> {
    on_core(core, || probe(kind, core, machine))
}

fn probe(kind: Kind, core: usize, machine: &Machine) -> Option<Turns> {
    match kind {
        Kind::L1d => data(machine.data_cache(core, 1)?.bytes, 1, 2),
        Kind::L2 => data(machine.data_cache(core, 2)?.bytes, 1, 2),
        // Others use it, too, and in some processors it holds what the second level drops: a small part of it is the
        // probe, and the sweep goes twice over its size.
        Kind::Llc => data(
            machine
                .last_cache(core)
                .filter(|cache| cache.level >= 3)?
                .bytes,
            2,
            8,
        ),
        Kind::L1i => {
            let bytes = machine.instruction_cache(core)?.bytes;
            let (own, other) = (Chain::new(bytes / 2).ok()?, Chain::new(bytes).ok()?);
            Some(alternate(|| own.run(bytes / 2), || other.run(bytes)))
        }
        Kind::Tlb => {
            let (mut own, mut other) =
                (Field::new(PROBE_PAGES).ok()?, Field::new(SWEEP_PAGES).ok()?);
            Some(alternate(
                || own.walk(PROBE_PAGES as u64),
                || other.walk(SWEEP_PAGES as u64),
            ))
        }
        _ => None,
    }
}

/// Turns on a cache of `bytes`: a sweep over so many times its size, a probe of one part in so many.
fn data(bytes: usize, times: usize, part: usize) -> Option<Turns> {
    let mut own = Chase::new(bytes / part)?;
    let lines = own.lines();
    let mut other = Mapping::new(bytes * times, Pages::Huge).ok()?;
    other.touch(1);
    let vectors = Vectors::detect();
    Some(alternate(
        || own.walk(lines),
        || stream::read(vectors, other.words()),
    ))
}

/// Sweeps in every second turn; in the others it waits for as long as the last sweep took.
fn alternate(mut pass: impl FnMut(), mut sweep: impl FnMut()) -> Turns {
    let mut turns = Turns {
        swept: Vec::with_capacity(TURNS),
        idle: Vec::with_capacity(TURNS),
    };
    for _ in 0..TURNS {
        (0..WARM_PASSES).for_each(|_| pass());
        let start_ns = clock::mono_ns();
        sweep();
        let swept_ns = clock::mono_ns();
        pass();
        turns.swept.push(clock::mono_ns() - swept_ns);
        (0..WARM_PASSES).for_each(|_| pass());
        let until_ns = clock::mono_ns() + (swept_ns - start_ns).min(clock::SECOND_NS / 100);
        let mut now_ns = clock::mono_ns();
        while now_ns < until_ns {
            now_ns = clock::mono_ns();
        }
        pass();
        turns.idle.push(clock::mono_ns() - now_ns);
    }
    turns.swept.sort_unstable();
    turns.idle.sort_unstable();
    turns
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(mut swept: Vec<u64>, mut idle: Vec<u64>) -> Turns {
        swept.sort_unstable();
        idle.sort_unstable();
        Turns { swept, idle }
    }

    #[test]
    fn ratios_are_of_medians_and_pairs_are_counted() {
        let crossed = turns(vec![1, 2, 40, 50], vec![10, 10, 20, 30]);
        assert!((crossed.ratio() - 2.0).abs() < 1e-9);
        assert!((crossed.dearer() - 0.5).abs() < 1e-9);
        assert!((turns(vec![7; 3], vec![7; 5]).dearer() - 0.5).abs() < 1e-9);
    }

    /// As seen beside a neighbour: costs of 500 to 700, a sweep worth 60.
    #[test]
    fn a_small_shift_of_many_scattered_costs_is_told_from_none() {
        let scattered = |seed: u64, least: u64| {
            (0..300)
                .map(|turn| least + aefm_workloads::draw::mix(seed * 1_000 + turn) % 200)
                .collect()
        };
        assert!(turns(scattered(1, 560), scattered(2, 500)).apart());
        let chance = (0..100)
            .filter(|seed| turns(scattered(2 * seed, 500), scattered(2 * seed + 1, 500)).apart())
            .count();
        assert!(chance <= 3, "{chance} of 100 without any sweep");
    }
}
