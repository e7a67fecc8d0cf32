//! Random text, fast enough for every request.

use crate::draw::Draw;
use rand::RngExt;
use std::fmt;
use std::io::Write;

const ALPHANUMERICS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const DIGITS: &[u8; 10] = b"0123456789";

/// Adds so many letters and digits.
pub(crate) fn alphanumerics(draw: &mut Draw, count: usize, out: &mut Vec<u8>) {
    characters(draw, ALPHANUMERICS, count, out);
}

/// Adds so many digits.
pub(crate) fn digits(draw: &mut Draw, count: usize, out: &mut Vec<u8>) {
    characters(draw, DIGITS, count, out);
}

/// Two characters a draw, each from 32 bits: the bias of the multiplication is below 2^-26.
fn characters(draw: &mut Draw, of: &[u8], count: usize, out: &mut Vec<u8>) {
    let pick = |bits: u64| of[(((bits & 0xffff_ffff) * of.len() as u64) >> 32) as usize];
    out.reserve(count);
    for _ in 0..count / 2 {
        let bits: u64 = draw.random();
        out.extend([pick(bits), pick(bits >> 32)]);
    }
    if count % 2 == 1 {
        out.push(pick(draw.random()));
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
