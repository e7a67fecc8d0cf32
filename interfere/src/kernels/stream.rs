//! Going over memory as fast as the machine can: loads, stores, stores past the caches, copies, random lines.

#![expect(
    unsafe_code,
    reason = "vector instructions that were found at run time"
)]

use super::Vectors;
use std::hint::black_box;

/// Words of a cache line.
pub const LINE_WORDS: usize = 8;

/// Loads every word. Slices are whole lines, aligned to one.
pub fn read(vectors: Vectors, words: &[u64]) {
    debug_assert!(whole_lines(words));
    let sum = match vectors {
        // SAFETY: `Vectors::detect` found these instructions on this machine.
        #[cfg(target_arch = "x86_64")]
        Vectors::Avx512 => unsafe { x86::read_avx512(words) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Vectors::Avx2 => unsafe { x86::read_avx2(words) },
        _ => portable_read(words),
    };
    black_box(sum);
}

/// Stores to every word (each line is first loaded into the cache by the machine).
pub fn write(vectors: Vectors, words: &mut [u64], value: u64) {
    debug_assert!(whole_lines(words));
    match vectors {
        // SAFETY: `Vectors::detect` found these instructions on this machine.
        #[cfg(target_arch = "x86_64")]
        Vectors::Avx512 => unsafe { x86::write_avx512(words, value) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Vectors::Avx2 => unsafe { x86::write_avx2(words, value) },
        _ => portable_write(words, value),
    }
}

/// Stores to every word past the caches, where the machine can; else as [`write()`].
pub fn write_past(vectors: Vectors, words: &mut [u64], value: u64) {
    debug_assert!(whole_lines(words));
    match vectors {
        // SAFETY: `Vectors::detect` found these instructions on this machine.
        #[cfg(target_arch = "x86_64")]
        Vectors::Avx512 => unsafe { x86::write_past_avx512(words, value) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Vectors::Avx2 => unsafe { x86::write_past_avx2(words, value) },
        #[cfg(target_arch = "aarch64")]
        _ => arm::write_past(words, value),
        #[cfg(not(target_arch = "aarch64"))]
        _ => portable_write(words, value),
    }
}

/// Loads every word of one slice and stores it to the other, past the caches where the machine can.
pub fn copy(vectors: Vectors, to: &mut [u64], from: &[u64]) {
    debug_assert!(to.len() == from.len() && whole_lines(to) && whole_lines(from));
    match vectors {
        // SAFETY: `Vectors::detect` found these instructions on this machine; the slices are of one length.
        #[cfg(target_arch = "x86_64")]
        Vectors::Avx512 => unsafe { x86::copy_avx512(to, from) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Vectors::Avx2 => unsafe { x86::copy_avx2(to, from) },
        _ => to.copy_from_slice(from),
    }
    black_box(to);
}

/// Loads a word of each of `lines` lines in random order, many in flight at once. The state is carried on.
pub fn random(words: &[u64], lines: usize, state: &mut u64) {
    let all = (words.len() / LINE_WORDS) as u64;
    let mut sum = 0_u64;
    for _ in 0..lines {
        // An address that depends on no load: the machine may have as many in flight as it can.
        *state = state
            .wrapping_mul(0x5851_f42d_4c95_7f2d)
            .wrapping_add(0x1405_7b7e_f767_814f);
        let line = (u128::from(*state) * u128::from(all)) >> 64;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "less than the number of lines"
        )]
        let index = line as usize * LINE_WORDS;
        sum = sum.wrapping_add(words[index]);
    }
    black_box(sum);
}

fn whole_lines(words: &[u64]) -> bool {
    words.len().is_multiple_of(LINE_WORDS) && words.as_ptr().align_offset(64) == 0
}

fn portable_read(words: &[u64]) -> u64 {
    let mut sums = [0_u64; LINE_WORDS];
    for line in words.chunks_exact(LINE_WORDS) {
        for (sum, word) in sums.iter_mut().zip(line) {
            *sum ^= word;
        }
    }
    sums.iter().fold(0, |all, sum| all ^ sum)
}

fn portable_write(words: &mut [u64], value: u64) {
    words.fill(value);
    black_box(words);
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m256i, __m512i, _mm_sfence, _mm256_load_si256, _mm256_set1_epi64x, _mm256_setzero_si256,
        _mm256_store_si256, _mm256_stream_si256, _mm256_xor_si256, _mm512_load_si512,
        _mm512_reduce_add_epi64, _mm512_set1_epi64, _mm512_setzero_si512, _mm512_store_si512,
        _mm512_stream_si512, _mm512_xor_si512,
    };

    /// Lines a step: enough loads in flight for one core to fill its share of the memory's width.
    const STEP: usize = 8;

    #[target_feature(enable = "avx512f")]
    pub(super) fn read_avx512(words: &[u64]) -> u64 {
        let lines = words.as_ptr_range();
        let (mut at, end) = (lines.start.cast::<__m512i>(), lines.end.cast::<__m512i>());
        let mut sums = [_mm512_setzero_si512(); STEP];
        // SAFETY: `at` stays within the slice, which is whole lines aligned to a line.
        unsafe {
            while at.add(STEP) <= end {
                for (index, sum) in sums.iter_mut().enumerate() {
                    *sum = _mm512_xor_si512(*sum, _mm512_load_si512(at.add(index)));
                }
                at = at.add(STEP);
            }
            while at < end {
                sums[0] = _mm512_xor_si512(sums[0], _mm512_load_si512(at));
                at = at.add(1);
            }
        }
        let all = sums.into_iter().fold(_mm512_setzero_si512(), |all, sum| {
            _mm512_xor_si512(all, sum)
        });
        _mm512_reduce_add_epi64(all).cast_unsigned()
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn read_avx2(words: &[u64]) -> u64 {
        let mut sums = [_mm256_setzero_si256(); STEP];
        for step in words.chunks(STEP * 4) {
            for (sum, half) in sums.iter_mut().zip(step.chunks_exact(4)) {
                // SAFETY: four words at a multiple of four words of an aligned slice.
                *sum = _mm256_xor_si256(*sum, unsafe { _mm256_load_si256(half.as_ptr().cast()) });
            }
        }
        let all = sums.into_iter().fold(_mm256_setzero_si256(), |all, sum| {
            _mm256_xor_si256(all, sum)
        });
        // SAFETY: both are 32 bytes of plain data.
        let words: [u64; 4] = unsafe { std::mem::transmute(all) };
        words[0] ^ words[1] ^ words[2] ^ words[3]
    }

    #[target_feature(enable = "avx512f")]
    pub(super) fn write_avx512(words: &mut [u64], value: u64) {
        let value = _mm512_set1_epi64(value.cast_signed());
        for line in words.chunks_exact_mut(8) {
            // SAFETY: a whole line of a slice aligned to a line.
            unsafe { _mm512_store_si512(line.as_mut_ptr().cast::<__m512i>(), value) };
        }
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn write_avx2(words: &mut [u64], value: u64) {
        let value = _mm256_set1_epi64x(value.cast_signed());
        for half in words.chunks_exact_mut(4) {
            // SAFETY: four words at a multiple of four words of an aligned slice.
            unsafe { _mm256_store_si256(half.as_mut_ptr().cast::<__m256i>(), value) };
        }
    }

    #[target_feature(enable = "avx512f")]
    pub(super) fn write_past_avx512(words: &mut [u64], value: u64) {
        let value = _mm512_set1_epi64(value.cast_signed());
        for line in words.chunks_exact_mut(8) {
            // SAFETY: a whole line of a slice aligned to a line; fenced below before anything reads it.
            unsafe { _mm512_stream_si512(line.as_mut_ptr().cast::<__m512i>(), value) };
        }
        _mm_sfence();
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn write_past_avx2(words: &mut [u64], value: u64) {
        let value = _mm256_set1_epi64x(value.cast_signed());
        for half in words.chunks_exact_mut(4) {
            // SAFETY: four words at a multiple of four words of an aligned slice; fenced below.
            unsafe { _mm256_stream_si256(half.as_mut_ptr().cast::<__m256i>(), value) };
        }
        _mm_sfence();
    }

    #[target_feature(enable = "avx512f")]
    pub(super) fn copy_avx512(to: &mut [u64], from: &[u64]) {
        for (to, from) in to.chunks_exact_mut(8).zip(from.chunks_exact(8)) {
            // SAFETY: whole lines of slices aligned to a line; fenced below.
            unsafe {
                let line = _mm512_load_si512(from.as_ptr().cast::<__m512i>());
                _mm512_stream_si512(to.as_mut_ptr().cast::<__m512i>(), line);
            }
        }
        _mm_sfence();
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn copy_avx2(to: &mut [u64], from: &[u64]) {
        for (to, from) in to.chunks_exact_mut(4).zip(from.chunks_exact(4)) {
            // SAFETY: four words at multiples of four words of aligned slices; fenced below.
            unsafe {
                let half = _mm256_load_si256(from.as_ptr().cast::<__m256i>());
                _mm256_stream_si256(to.as_mut_ptr().cast::<__m256i>(), half);
            }
        }
        _mm_sfence();
    }
}

#[cfg(target_arch = "aarch64")]
mod arm {
    /// Pairs of words by `stnp`, which says that they will not be read soon.
    pub(super) fn write_past(words: &mut [u64], value: u64) {
        for pair in words.chunks_exact_mut(2) {
            // SAFETY: stores sixteen bytes to sixteen bytes that are borrowed exclusively.
            unsafe {
                std::arch::asm!(
                    "stnp {value}, {value}, [{at}]",
                    value = in(reg) value,
                    at = in(reg) pair.as_mut_ptr(),
                    options(nostack, preserves_flags),
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::{Mapping, Pages};

    fn all() -> Vec<Vectors> {
        vec![Vectors::detect(), Vectors::Portable]
            .into_iter()
            .chain((Vectors::detect() == Vectors::Avx512).then_some(Vectors::Avx2))
            .collect()
    }

    #[test]
    fn every_kernel_does_what_it_says() {
        let mut first = Mapping::new(1 << 20, Pages::Huge).unwrap();
        let mut second = Mapping::new(1 << 20, Pages::Huge).unwrap();
        for (round, vectors) in all().into_iter().enumerate() {
            let value = 1 + round as u64 * 3;
            write(vectors, first.words_mut(), value);
            assert!(
                first.words().iter().all(|word| *word == value),
                "{vectors:?}"
            );
            copy(vectors, second.words_mut(), first.words());
            assert!(
                second.words().iter().all(|word| *word == value),
                "{vectors:?}"
            );
            write_past(vectors, first.words_mut(), value + 1);
            assert!(
                first.words().iter().all(|word| *word == value + 1),
                "{vectors:?}"
            );
            // A length that is no multiple of a kernel's step.
            write(vectors, &mut first.words_mut()[..LINE_WORDS * 3], 0);
            assert_eq!(
                first.words().iter().filter(|word| **word == 0).count(),
                LINE_WORDS * 3
            );
            read(vectors, &first.words()[..LINE_WORDS * 5]);
            read(vectors, first.words());
        }
    }

    #[test]
    fn random_lines_stay_within_and_move_on() {
        let memory = Mapping::new(4096, Pages::Small).unwrap();
        let mut state = 1;
        random(memory.words(), 10_000, &mut state);
        assert_ne!(state, 1);
    }
}
