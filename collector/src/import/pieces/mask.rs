//! Which of 64 bytes are a given one, as the bits of a word, the first byte lowest.

/// One bit a byte: whether it is `wanted`.
#[cfg(target_arch = "x86_64")]
#[expect(
    unsafe_code,
    reason = "the compiler makes a shift a byte of what is one instruction for sixteen"
)]
pub(super) fn mask(block: &[u8; 64], wanted: u8) -> u64 {
    use std::arch::x86_64::{
        __m128i, _mm_cmpeq_epi8, _mm_movemask_epi8, _mm_set_epi64x, _mm_set1_epi8,
    };
    #[target_feature(enable = "sse2")]
    fn equal(bytes: &[u8; 16], wanted: __m128i) -> u64 {
        let (words, _) = bytes.as_chunks::<8>();
        let lanes = _mm_set_epi64x(i64::from_le_bytes(words[1]), i64::from_le_bytes(words[0]));
        u64::from(_mm_movemask_epi8(_mm_cmpeq_epi8(lanes, wanted)).cast_unsigned())
    }
    let (lanes, _) = block.as_chunks::<16>();
    // SAFETY: every x86-64 has SSE2, and nothing here takes an address.
    unsafe {
        let wanted = _mm_set1_epi8(wanted.cast_signed());
        equal(&lanes[0], wanted)
            | equal(&lanes[1], wanted) << 16
            | equal(&lanes[2], wanted) << 32
            | equal(&lanes[3], wanted) << 48
    }
}

/// One bit a byte: whether it is `wanted`.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn mask(block: &[u8; 64], wanted: u8) -> u64 {
    let is_wanted = |mask: u64, byte: &u8| mask >> 1 | u64::from(*byte == wanted) << 63;
    block.iter().fold(0, is_wanted)
}

/// Each bit: whether an odd number of bits is set up to it, itself included.
pub(super) const fn parity(mut bits: u64) -> u64 {
    bits ^= bits << 1;
    bits ^= bits << 2;
    bits ^= bits << 4;
    bits ^= bits << 8;
    bits ^= bits << 16;
    bits ^ bits << 32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_bit_is_what_its_byte_is(bytes in prop::array::uniform32(0..4_u8), more in prop::array::uniform32(0..4_u8)) {
            let mut block = [0; 64];
            block[..32].copy_from_slice(&bytes);
            block[32..].copy_from_slice(&more);
            let bits = mask(&block, 2);
            let mut odd = false;
            for (place, byte) in block.iter().enumerate() {
                prop_assert_eq!(bits >> place & 1 == 1, *byte == 2);
                odd ^= *byte == 2;
                prop_assert_eq!(parity(bits) >> place & 1 == 1, odd);
            }
        }
    }
}
