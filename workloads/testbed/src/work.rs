//! The work of a call: CPU time really spent and memory really touched.

use crate::clock::thread_cpu;
use aefm_workloads::draw::{Stream, draw, mix};
use aefm_workloads::graph::Operation;
use rand_distr::{Distribution, StandardNormal};
use std::hint::black_box;
use std::time::Duration;

/// Words in a cache line: touching one word brings the whole line in.
const LINE: usize = 8;
/// Rounds between two looks at the CPU clock, about a microsecond's worth.
const ROUNDS: usize = 512;
/// A draw is at most so many medians: one call must not stop a service.
const LONGEST: f64 = 10.0;

/// Memory to touch, and where the next call goes on touching it.
pub(crate) struct Work {
    memory: Vec<u64>,
    next: usize,
}

impl Work {
    /// Memory for the largest of these operations, written once so that it is resident before the first call.
    pub(crate) fn for_operations(operations: &[Operation]) -> Self {
        let kib = operations
            .iter()
            .map(|operation| operation.memory_kib)
            .max()
            .unwrap_or(0)
            .max(1);
        let words = kib as usize * 1024 / size_of::<u64>();
        Self {
            memory: (0..words as u64).map(mix).collect(),
            next: 0,
        }
    }

    /// Touches `memory_kib` KiB, then computes on that memory until the thread has used `cpu` for both.
    pub(crate) fn burn(&mut self, cpu: Duration, memory_kib: u32) {
        let start = thread_cpu();
        let mut word = self.touch(memory_kib as usize * 1024 / size_of::<u64>() / LINE);
        while thread_cpu().saturating_sub(start) < cpu {
            word = (0..ROUNDS).fold(word, |word, _| mix(word));
            self.memory[self.next] ^= word;
        }
        black_box(word);
    }

    fn touch(&mut self, lines: usize) -> u64 {
        let mut word = 0;
        for _ in 0..lines {
            self.memory[self.next] = self.memory[self.next].wrapping_add(word | 1);
            word ^= self.memory[self.next];
            self.next = (self.next + LINE) % self.memory.len();
        }
        word
    }
}

/// The CPU time of call `number`: log-normal around the operation's median.
pub(crate) fn cpu_time(operation: &Operation, seed: u64, number: u64) -> Duration {
    if operation.cpu_sigma == 0.0 {
        return micros(operation.cpu_us);
    }
    let normal: f64 = StandardNormal.sample(&mut draw(seed, Stream::Service, number));
    micros(operation.cpu_us * (operation.cpu_sigma * normal).exp().min(LONGEST))
}

fn micros(us: f64) -> Duration {
    Duration::from_secs_f64(us / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aefm_workloads::graph::ServiceGraph;

    fn nearby() -> Operation {
        let graph = ServiceGraph::of_app("hotel-reservation").unwrap();
        graph
            .service("search")
            .unwrap()
            .operation("nearby")
            .unwrap()
            .clone()
    }

    #[test]
    fn burning_uses_the_cpu_time_asked_for() {
        let mut work = Work::for_operations(&[nearby()]);
        for us in [0, 50, 300, 3_000] {
            let asked = Duration::from_micros(us);
            let start = thread_cpu();
            work.burn(asked, 128);
            let used = thread_cpu() - start;
            assert!(used >= asked, "{used:?} of {asked:?}");
            // Touching the memory is part of it; what is above is one round and, on a busy machine, cold caches.
            assert!(
                used < asked + Duration::from_millis(1),
                "{used:?} of {asked:?}"
            );
        }
    }

    #[test]
    fn touching_writes_every_line_once() {
        let mut work = Work::for_operations(&[nearby()]);
        let before = work.memory.clone();
        work.touch(before.len() / LINE);
        let changed = before
            .iter()
            .zip(&work.memory)
            .filter(|(old, new)| old != new)
            .count();
        assert_eq!(changed, before.len() / LINE);
    }

    #[test]
    fn cpu_times_have_the_median_and_the_spread_of_the_graph() {
        let operation = nearby();
        let mut times: Vec<_> = (0..4_001)
            .map(|number| cpu_time(&operation, 7, number).as_secs_f64() * 1e6)
            .collect();
        times.sort_by(f64::total_cmp);
        let (median, p84) = (times[2_000], times[3_365]);
        assert!(
            (median / operation.cpu_us - 1.0).abs() < 0.03,
            "median {median} us"
        );
        assert!(
            ((p84 / median).ln() / operation.cpu_sigma - 1.0).abs() < 0.1,
            "p84 {p84} us"
        );
        assert_eq!(cpu_time(&operation, 7, 5), cpu_time(&operation, 7, 5));
    }
}
