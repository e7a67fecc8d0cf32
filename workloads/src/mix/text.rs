//! Random text, fast enough for every request.

use crate::draw::Draw;
use rand::RngExt;
use std::fmt;
use std::io::Write;

/// Random words made at once: as many characters as a vector unit likes.
const WORDS: usize = 32;

/// Adds so many letters and digits.
pub(crate) fn alphanumerics(draw: &mut Draw, count: usize, out: &mut Vec<u8>) {
    characters(draw, alphanumeric, count, out);
}

/// Adds so many digits.
pub(crate) fn digits(draw: &mut Draw, count: usize, out: &mut Vec<u8>) {
    characters(draw, |word| b'0' + pick(word, 10) as u8, count, out);
}

/// One of so many, each alike but for a thousandth (65,536 is no multiple of 62).
fn pick(word: u16, of: u16) -> u16 {
    ((u32::from(word) * u32::from(of)) >> 16) as u16
}

/// Without branches, so that a vector unit can do many at once.
fn alphanumeric(word: u16) -> u8 {
    let index = pick(word, 62);
    let lower = u16::from(index >= 26) * (u16::from(b'a' - b'Z') - 1);
    let digit = u16::from(index >= 52) * (u16::from(b'z' - b'0') + 1);
    (u16::from(b'A') + index + lower - digit) as u8
}

/// Four characters a draw. The words are drawn first, so that making characters of them takes no turn of its own each.
fn characters(draw: &mut Draw, of: impl Fn(u16) -> u8, count: usize, out: &mut Vec<u8>) {
    let (mut words, mut text) = ([0; WORDS], [0; WORDS]);
    let mut left = count;
    while left > 0 {
        let wanted = left.min(WORDS);
        for four in &mut words.as_chunks_mut::<4>().0[..wanted.div_ceil(4)] {
            let bits: u64 = draw.random();
            *four = [bits as u16, (bits >> 16) as u16, (bits >> 32) as u16, (bits >> 48) as u16];
        }
        for (to, word) in text.iter_mut().zip(words) {
            *to = of(word);
        }
        out.extend_from_slice(&text[..wanted]);
        left -= wanted;
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
            let shown = if rest % 100 == 0 { 1 } else { 3 - usize::from(rest % 10 == 0) };
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

    /// Chi square of 62 counts: 61 degrees of freedom, 105 is exceeded by chance in 4 of 10,000 seeds.
    #[test]
    fn letters_and_digits_are_alike() {
        let mut draw = crate::draw::draw(5, crate::draw::Stream::Content, 0);
        let (mut out, mut counts) = (Vec::new(), [0_u32; 256]);
        alphanumerics(&mut draw, 62_000, &mut out);
        out.iter().for_each(|&byte| counts[usize::from(byte)] += 1);
        let seen: Vec<_> = counts.iter().filter(|&&count| count > 0).map(|&count| f64::from(count)).collect();
        let chi_square: f64 = seen.iter().map(|count| (count - 1000.0).powi(2) / 1000.0).sum();
        assert!(seen.len() == 62 && chi_square < 105.0, "{} kinds, {chi_square}", seen.len());
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
