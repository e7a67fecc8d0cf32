//! Work that uses a core's execution units and nothing else: no memory beyond registers and a little stack.

#![expect(
    unsafe_code,
    reason = "calling code compiled for vectors that were found at run time"
)]

use super::Vectors;
use aefm_workloads::interference::CpuWork;
use std::hint::black_box;

/// Lanes of the vector work: eight 512-bit registers of doubles, enough to fill the multipliers' pipelines.
const LANES: usize = 64;

/// Work in rounds of a tuned length.
#[derive(Clone, Copy, Debug)]
pub struct Burn {
    work: CpuWork,
    vectors: Vectors,
    steps: u32,
}

impl Burn {
    /// Work of that sort; a round is short until it is tuned.
    #[must_use]
    pub fn new(work: CpuWork) -> Self {
        Self {
            work,
            vectors: Vectors::detect(),
            steps: 64,
        }
    }

    /// Makes a round take about `round_ns` of what `clock` shows.
    pub fn tune(&mut self, round_ns: u64, clock: impl Fn() -> u64) {
        while self.steps < 1 << 24 {
            let start = clock();
            self.round();
            let took = clock() - start;
            if took >= round_ns / 2 {
                let scaled = u64::from(self.steps) * round_ns / took.max(1);
                self.steps = u32::try_from(scaled).unwrap_or(u32::MAX).max(1);
                return;
            }
            self.steps *= 2;
        }
    }

    /// One round.
    pub fn round(&self) {
        match self.work {
            CpuWork::Integer => integer(self.steps),
            CpuWork::Float => float(self.steps),
            CpuWork::Simd => simd(self.vectors, self.steps),
        }
    }
}

fn integer(steps: u32) {
    let mut words = black_box([1_u64, 2, 3, 4]);
    for _ in 0..steps {
        for word in &mut words {
            *word = (*word ^ (*word >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        }
    }
    black_box(words);
}

fn float(steps: u32) {
    let mut values = black_box([1.1_f64, 1.2, 1.3, 1.4]);
    for _ in 0..steps {
        for value in &mut values {
            *value = *value * 0.999_999 + 0.5;
        }
    }
    black_box(values);
}

fn simd(vectors: Vectors, steps: u32) {
    match vectors {
        // SAFETY: `Vectors::detect` found these instructions on this machine.
        #[cfg(target_arch = "x86_64")]
        Vectors::Avx512 => unsafe { simd_avx512(steps) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Vectors::Avx2 => unsafe { simd_avx2(steps) },
        _ => multiply_add(steps, |a, b, c| a * b + c),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,fma")]
fn simd_avx512(steps: u32) {
    multiply_add(steps, |a, b, c| a.mul_add(b, c));
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn simd_avx2(steps: u32) {
    multiply_add(steps, |a, b, c| a.mul_add(b, c));
}

/// Inlined into its callers, it is compiled for their vectors.
#[inline(always)]
fn multiply_add(steps: u32, step: impl Fn(f64, f64, f64) -> f64) {
    let mut values = black_box([1.000_1_f64; LANES]);
    for _ in 0..steps {
        for value in &mut values {
            *value = step(*value, 0.999_999, 1e-6);
        }
    }
    black_box(values);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::thread_cpu_ns;

    #[test]
    fn a_round_takes_about_what_it_was_tuned_to() {
        for work in [CpuWork::Integer, CpuWork::Float, CpuWork::Simd] {
            let mut burn = Burn::new(work);
            burn.tune(50_000, thread_cpu_ns);
            let start = thread_cpu_ns();
            (0..100).for_each(|_| burn.round());
            let round_ns = (thread_cpu_ns() - start) / 100;
            assert!(
                (5_000..500_000).contains(&round_ns),
                "{work:?}: {round_ns} ns"
            );
        }
    }
}
