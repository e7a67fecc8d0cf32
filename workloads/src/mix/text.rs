//! Random text, fast enough for every request.

use crate::draw::{Draw, mix};
use rand::RngExt;
use std::fmt;
use std::io::Write;

const ALPHANUMERICS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/// Bits that choose a word.
const BITS: usize = 10;
const WORDS: usize = 1 << BITS;
/// Characters of a word.
const LENGTH: usize = 8;

/// Random words in which each letter and digit is about as frequent. A text of them is what a service cannot tell from
/// one drawn letter by letter (the shortest, a link of 64, still has 80 random bits), and costs an eighth of it.
static ALPHANUMERIC_WORDS: [[u8; LENGTH]; WORDS] = words(ALPHANUMERICS);
static DIGIT_WORDS: [[u8; LENGTH]; WORDS] = words(b"0123456789");

/// Each character as often as the others (but for one), in an order that is shuffled once and for all.
const fn words<const N: usize>(of: &[u8; N]) -> [[u8; LENGTH]; WORDS] {
    let (mut words, mut at) = ([[0; LENGTH]; WORDS], 0);
    while at < LENGTH * WORDS {
        let other = (mix(at as u64) % (at as u64 + 1)) as usize;
        words[at / LENGTH][at % LENGTH] = words[other / LENGTH][other % LENGTH];
        words[other / LENGTH][other % LENGTH] = of[at % N];
        at += 1;
    }
    words
}

/// Adds so many letters and digits.
pub(crate) fn alphanumerics(draw: &mut Draw, count: usize, out: &mut Vec<u8>) {
    characters(draw, &ALPHANUMERIC_WORDS, count, out);
}

/// Adds so many digits.
pub(crate) fn digits(draw: &mut Draw, count: usize, out: &mut Vec<u8>) {
    characters(draw, &DIGIT_WORDS, count, out);
}

fn characters(draw: &mut Draw, words: &[[u8; LENGTH]; WORDS], count: usize, out: &mut Vec<u8>) {
    let mut bits: u64 = 0;
    let mut word = |number: usize| {
        bits = if number.is_multiple_of(64 / BITS) {
            draw.random()
        } else {
            bits >> BITS
        };
        words[bits as usize % WORDS]
    };
    let start = out.len();
    out.resize(start + count, 0);
    let (whole, rest) = out[start..].as_chunks_mut::<LENGTH>();
    let next = whole.len();
    whole
        .iter_mut()
        .enumerate()
        .for_each(|(number, to)| *to = word(number));
    if !rest.is_empty() {
        rest.copy_from_slice(&word(next)[..rest.len()]);
    }
}

/// Adds texts and numbers one after another; a quarter of what formatting them takes.
macro_rules! append {
    ($out:expr, $($part:expr),+ $(,)?) => {{ $( $crate::mix::text::Append::append($part, $out); )+ }};
}
pub(crate) use append;

/// What text is added to.
pub(crate) trait Sink {
    fn text(&mut self, text: &str);
    fn ascii(&mut self, bytes: &[u8]);
}

impl Sink for Vec<u8> {
    fn text(&mut self, text: &str) {
        self.extend_from_slice(text.as_bytes());
    }
    fn ascii(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

impl Sink for String {
    fn text(&mut self, text: &str) {
        self.push_str(text);
    }
    fn ascii(&mut self, bytes: &[u8]) {
        self.extend(bytes.iter().map(|&byte| char::from(byte)));
    }
}

/// What [`append`] takes.
pub(crate) trait Append {
    fn append(self, out: &mut impl Sink);
}

impl Append for &str {
    fn append(self, out: &mut impl Sink) {
        out.text(self);
    }
}

impl Append for u32 {
    fn append(self, out: &mut impl Sink) {
        let (mut digits, mut at, mut rest) = ([0; 10], 10, self);
        loop {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        out.ascii(&digits[at..]);
    }
}

/// Thousandths, as a decimal number in its shortest digits.
pub(crate) struct Thousandths(pub(crate) i32);

impl Append for Thousandths {
    fn append(self, out: &mut impl Sink) {
        let (whole, rest) = (self.0.unsigned_abs() / 1000, self.0.unsigned_abs() % 1000);
        if self.0 < 0 {
            out.text("-");
        }
        whole.append(out);
        if rest > 0 {
            let digits = [rest / 100, rest / 10 % 10, rest % 10].map(|digit| b'0' + digit as u8);
            let shown = if rest % 100 == 0 {
                1
            } else {
                3 - usize::from(rest % 10 == 0)
            };
            out.text(".");
            out.ascii(&digits[..shown]);
        }
    }
}

/// A number of two digits, from 0 to 99.
pub(crate) struct TwoDigits(pub(crate) u32);

impl Append for TwoDigits {
    fn append(self, out: &mut impl Sink) {
        out.ascii(&[self.0 / 10 % 10, self.0 % 10].map(|digit| b'0' + digit as u8));
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

    #[test]
    fn letters_and_digits_are_alike_and_texts_are_not() {
        let mut draw = crate::draw::draw(5, crate::draw::Stream::Content, 0);
        let (mut out, mut counts) = (Vec::new(), [0_u32; 256]);
        (0..2_000).for_each(|_| alphanumerics(&mut draw, 62, &mut out));
        out.iter().for_each(|&byte| counts[usize::from(byte)] += 1);
        let seen: Vec<_> = counts.into_iter().filter(|&count| count > 0).collect();
        // 2,000 of each, and four standard deviations of their number.
        assert!(
            seen.len() == 62 && seen.iter().all(|count| (1_820..2_180).contains(count)),
            "{seen:?}"
        );
        let texts: std::collections::HashSet<_> = out.chunks(62).collect();
        assert_eq!(texts.len(), 2_000);
    }

    proptest! {
        #[test]
        fn numbers_are_appended_as_they_are_formatted(number: u32) {
            let mut out = Vec::new();
            append!(&mut out, "a", number, "b");
            prop_assert_eq!(String::from_utf8(out).unwrap(), format!("a{number}b"));
        }

        #[test]
        fn decimals_are_in_their_shortest_digits(thousandths in -200_000..200_000) {
            let mut out = String::new();
            append!(&mut out, Thousandths(thousandths));
            prop_assert_eq!(out, (f64::from(thousandths) / 1000.0).to_string());
        }

        #[test]
        fn days_have_two_digits(day in 0..100_u32) {
            let mut out = String::new();
            append!(&mut out, TwoDigits(day));
            prop_assert_eq!(out, format!("{day:02}"));
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
