//! Seeded chance: one small generator per (seed, stream, index), so that request n is the same whoever draws it.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;

/// The generator behind every draw of AEFM. Its stream is fixed by its algorithm, not by a crate's version.
pub type Draw = Xoshiro256PlusPlus;

/// Streams keep draws for different purposes apart under one seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Intended send times.
    Arrival = 1,
    /// What a request asks for.
    Content = 2,
    /// Order of test cases.
    Order = 3,
    /// Trace and span ids.
    Trace = 4,
    /// An emulated service's own draws.
    Service = 5,
    /// An intensity that walks at random.
    Intensity = 6,
}

/// Mixes a word so that every input bit moves every output bit (the finaliser of SplitMix64, a bijection).
#[must_use]
pub const fn mix(mut word: u64) -> u64 {
    word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// Undoes [`mix`].
#[must_use]
pub const fn unmix(mut word: u64) -> u64 {
    word ^= (word >> 31) ^ (word >> 62);
    word = word.wrapping_mul(0x3196_42b2_d24d_8ec3);
    word ^= (word >> 27) ^ (word >> 54);
    word = word.wrapping_mul(0x96de_1b17_3f11_9089);
    word ^= (word >> 30) ^ (word >> 60);
    word.wrapping_sub(0x9e37_79b9_7f4a_7c15)
}

/// A seed derived from another one and a word: `derive(derive(run, case), round)` and so on.
#[must_use]
pub const fn derive(seed: u64, word: u64) -> u64 {
    mix(mix(seed) ^ mix(word).rotate_left(32))
}

/// A seed derived from a text, for names (workloads, run ids) that take part in a seed.
#[must_use]
pub fn derive_text(seed: u64, text: &str) -> u64 {
    text.bytes()
        .fold(derive(seed, text.len() as u64), |state, byte| {
            derive(state, u64::from(byte))
        })
}

/// The generator of item `index` of `stream` under `seed`.
#[must_use]
pub fn draw(seed: u64, stream: Stream, index: u64) -> Draw {
    Draw::seed_from_u64(derive(derive(seed, stream as u64), index))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand_xoshiro::rand_core::Rng;

    proptest! {
        #[test]
        fn unmix_undoes_mix(word: u64) {
            prop_assert_eq!(unmix(mix(word)), word);
            prop_assert_eq!(mix(unmix(word)), word);
        }

        #[test]
        fn neighbours_do_not_share_a_stream(seed: u64, index in 0..u64::MAX - 1) {
            let first = draw(seed, Stream::Content, index).next_u64();
            prop_assert_ne!(first, draw(seed, Stream::Content, index + 1).next_u64());
            prop_assert_ne!(first, draw(seed, Stream::Trace, index).next_u64());
        }
    }

    /// The stream is part of the promise "same seed, same requests": a new crate version must not move it.
    #[test]
    fn the_stream_is_pinned() {
        assert_eq!(
            draw(42, Stream::Content, 7).next_u64(),
            18_172_266_472_236_977_607
        );
    }
}
