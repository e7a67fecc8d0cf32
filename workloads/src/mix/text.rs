//! Random text, fast enough for every request.

use crate::draw::Draw;
use rand::RngExt;
use std::fmt;
use std::io::Write;

const ALPHANUMERICS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const DIGITS: &[u8; 10] = b"0123456789";

/// All pairs of letters and digits: two characters a look-up.
static ALPHANUMERIC_PAIRS: [[u8; 2]; 62 * 62] = pairs(ALPHANUMERICS);
static DIGIT_PAIRS: [[u8; 2]; 10 * 10] = pairs(DIGITS);

const fn pairs<const N: usize, const PAIRS: usize>(of: &[u8; N]) -> [[u8; 2]; PAIRS] {
    let mut pairs = [[0; 2]; PAIRS];
    let mut at = 0;
    while at < PAIRS {
        pairs[at] = [of[at / N], of[at % N]];
        at += 1;
    }
    pairs
}

/// Adds so many letters and digits.
pub(crate) fn alphanumerics(draw: &mut Draw, count: usize, out: &mut Vec<u8>) {
    characters(draw, &ALPHANUMERIC_PAIRS, count, out);
}

/// Adds so many digits.
pub(crate) fn digits(draw: &mut Draw, count: usize, out: &mut Vec<u8>) {
    characters(draw, &DIGIT_PAIRS, count, out);
}

/// Four characters a draw, each pair from 32 bits: the bias of the multiplication is below 2^-20.
fn characters<const PAIRS: usize>(draw: &mut Draw, pairs: &[[u8; 2]; PAIRS], count: usize, out: &mut Vec<u8>) {
    let pick = |bits: u64| pairs[(((bits & 0xffff_ffff) * PAIRS as u64) >> 32) as usize];
    let mut next = || {
        let bits: u64 = draw.random();
        let ([one, two], [three, last]) = (pick(bits), pick(bits >> 32));
        [one, two, three, last]
    };
    let start = out.len();
    out.resize(start + count, 0);
    let (fours, rest) = out[start..].as_chunks_mut::<4>();
    fours.fill_with(&mut next);
    if !rest.is_empty() {
        rest.copy_from_slice(&next()[..rest.len()]);
    }
}

/// Adds texts and numbers one after another; a quarter of what formatting them takes.
macro_rules! append {
    ($out:expr, $($part:expr),+ $(,)?) => {{ $( $crate::mix::text::Append::append($part, $out); )+ }};
}
pub(crate) use append;

/// What [`append`] takes.
pub(crate) trait Append {
    fn append(self, out: &mut Vec<u8>);
}

impl Append for &str {
    fn append(self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }
}

impl Append for u32 {
    fn append(self, out: &mut Vec<u8>) {
        let (mut digits, mut at, mut rest) = ([0; 10], 10, self);
        loop {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        out.extend_from_slice(&digits[at..]);
    }
}

/// Adds formatted text.
pub(crate) fn format(out: &mut Vec<u8>, text: fmt::Arguments<'_>) {
    // A vector takes any bytes: there is no error to lose.
    let _ = out.write_fmt(text);
}

/// Adds a text as a form's value: what is not a letter, a digit, `.`, `-` or a space becomes `%XX`, a space `+`.
pub(crate) fn form_value(text: &str, out: &mut Vec<u8>) {
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' => out.push(byte),
            b' ' => out.push(b'+'),
            other => format(out, format_args!("%{other:02X}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_are_appended_as_they_are_formatted(number: u32) {
            let mut out = Vec::new();
            append!(&mut out, "a", number, "b");
            prop_assert_eq!(String::from_utf8(out).unwrap(), format!("a{number}b"));
        }

        #[test]
        fn characters_are_as_many_as_asked_for_and_behind_what_is_there(seed: u64, count in 0..70usize) {
            let mut draw = crate::draw::draw(seed, crate::draw::Stream::Content, 0);
            let mut out = b"-".to_vec();
            alphanumerics(&mut draw, count, &mut out);
            prop_assert!(out.len() == count + 1 && out[0] == b'-' && out[1..].iter().all(u8::is_ascii_alphanumeric));
        }
    }
}
