//! Header fields (RFC 7541): requests as literals that no table remembers, and the two fields of an answer that count.
//!
//! The decoder has no dynamic table, since we tell the server that it has no room. So a block can be read without the
//! blocks before it, and the only Huffman codes that matter are those of digits.

use super::fault::{Code, Fault};
use std::io::Write;

/// Places of names (and some values) in the static table.
mod known {
    pub(super) const AUTHORITY: usize = 1;
    pub(super) const METHOD_GET: usize = 2;
    pub(super) const METHOD_POST: usize = 3;
    pub(super) const PATH_ROOT: usize = 4;
    pub(super) const SCHEME_HTTP: usize = 6;
    pub(super) const SCHEME_HTTPS: usize = 7;
    /// Seven values of `:status` from here on.
    pub(super) const STATUS: usize = 8;
    pub(super) const CONTENT_LENGTH: usize = 28;
    /// The last one.
    pub(super) const LAST: usize = 61;
}

const STATUSES: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];

/// Appends a number that shares its first byte with `flags`, the `bits` lowest of which are its own.
fn push_number(block: &mut Vec<u8>, flags: u8, bits: u32, number: usize) {
    let most = (1 << bits) - 1;
    if number < most {
        block.push(flags | number as u8);
        return;
    }
    block.push(flags | most as u8);
    let mut rest = number - most;
    while rest >= 0x80 {
        block.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    block.push(rest as u8);
}

fn push_known(block: &mut Vec<u8>, place: usize) {
    push_number(block, 0x80, 7, place);
}

fn push_named(block: &mut Vec<u8>, place: usize, value: &str) {
    push_number(block, 0, 4, place);
    push_number(block, 0, 7, value.len());
    block.extend_from_slice(value.as_bytes());
}

/// Appends the fields that every request starts with.
pub(super) fn push_request(
    block: &mut Vec<u8>,
    method: &str,
    https: bool,
    authority: &str,
    path: &str,
) {
    match method {
        "GET" => push_known(block, known::METHOD_GET),
        "POST" => push_known(block, known::METHOD_POST),
        other => push_named(block, known::METHOD_GET, other),
    }
    push_known(
        block,
        if https {
            known::SCHEME_HTTPS
        } else {
            known::SCHEME_HTTP
        },
    );
    match path {
        "/" => push_known(block, known::PATH_ROOT),
        other => push_named(block, known::PATH_ROOT, other),
    }
    push_named(block, known::AUTHORITY, authority);
}

/// Appends the body's length.
pub(super) fn push_length(block: &mut Vec<u8>, length: usize) {
    let mut digits = [0; 20];
    let mut rest = &mut digits[..];
    // 20 digits hold any length.
    let _ = write!(rest, "{length}");
    let count = 20 - rest.len();
    push_number(block, 0, 4, known::CONTENT_LENGTH);
    push_number(block, 0, 7, count);
    block.extend_from_slice(&digits[..count]);
}

/// Appends any other field up to its value, of which only the length is written: the value has to follow.
pub(super) fn push_name(block: &mut Vec<u8>, name: &str, value_bytes: usize) {
    block.push(0);
    push_number(block, 0, 7, name.len());
    block.extend(name.bytes().map(|byte| byte.to_ascii_lowercase()));
    push_number(block, 0, 7, value_bytes);
}

/// What counts in the head of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    /// `:status`.
    pub(super) status: Option<u16>,
    /// `content-length`.
    pub(super) length: Option<u64>,
    /// One of them is no number, or is there twice with different values.
    pub(super) malformed: bool,
}

impl Head {
    /// Reads a whole header block.
    ///
    /// # Errors
    /// It is no header block, or needs a table that we do not have.
    pub(super) fn read(block: &[u8]) -> Result<Self, Fault> {
        let mut head = Self::default();
        let mut reader = Reader(block);
        head.walk(&mut reader).ok_or(Fault::Broken(
            Code::COMPRESSION,
            "a header block cannot be read",
        ))?;
        Ok(head)
    }

    /// None: the block is broken.
    fn walk(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        while let Some(first) = reader.byte() {
            match first {
                // A field that is in the table.
                0x80.. => {
                    let place = reader
                        .number(first, 7)
                        .filter(|place| (1..=known::LAST).contains(place))?;
                    if let Some(status) = place
                        .checked_sub(known::STATUS)
                        .and_then(|at| STATUSES.get(at))
                    {
                        self.set_status(Some(u64::from(*status)));
                    }
                }
                // A field to be put into the table, which has no room.
                0x40.. => self.literal(reader, first, 6)?,
                // The table's new size.
                0x20.. => reader
                    .number(first, 5)
                    .filter(|&size| size == 0)
                    .map(|_| ())?,
                _ => self.literal(reader, first, 4)?,
            }
        }
        Some(())
    }

    fn literal(&mut self, reader: &mut Reader<'_>, first: u8, bits: u32) -> Option<()> {
        let place = match reader.number(first, bits)? {
            0 => reader.text()?.place(),
            place if place <= known::LAST => place,
            _ => return None,
        };
        let value = reader.text()?;
        if (known::STATUS..known::STATUS + STATUSES.len()).contains(&place) {
            self.set_status(value.digits());
        } else if place == known::CONTENT_LENGTH {
            let length = value.digits();
            self.malformed |=
                length.is_none() || self.length.is_some_and(|other| Some(other) != length);
            self.length = length;
        }
        Some(())
    }

    fn set_status(&mut self, status: Option<u64>) {
        let status = status
            .and_then(|status| u16::try_from(status).ok())
            .filter(|status| (100..1000).contains(status));
        self.malformed |= status.is_none() || self.status.is_some();
        self.status = status;
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// The number whose first byte, of which the `bits` lowest are its own, was just read.
    fn number(&mut self, first: u8, bits: u32) -> Option<usize> {
        let most = (1 << bits) - 1;
        let start = usize::from(first) & most;
        if start < most {
            return Some(start);
        }
        let mut rest = 0;
        // Four bytes more than hold any length or place that can be right.
        for shift in [0, 7, 14, 21] {
            let byte = self.byte()?;
            rest |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(most + rest);
            }
        }
        None
    }

    fn text(&mut self) -> Option<Text<'a>> {
        let first = self.byte()?;
        let length = self.number(first, 7)?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(Text {
            huffman: first & 0x80 != 0,
            bytes,
        })
    }
}

#[derive(Clone, Copy)]
struct Text<'a> {
    huffman: bool,
    bytes: &'a [u8],
}

impl Text<'_> {
    /// The place in the static table of a name that we look for; 0 for all others.
    fn place(self) -> usize {
        match (self.huffman, self.bytes) {
            (false, b":status") | (true, [0xb8, 0x84, 0x8d, 0x36, 0xa3]) => known::STATUS,
            (false, b"content-length")
            | (true, [0x21, 0xea, 0x49, 0x6a, 0x4a, 0xd4, 0x16, 0xa9, 0x93, 0x3f]) => {
                known::CONTENT_LENGTH
            }
            _ => 0,
        }
    }

    /// The number in decimal digits that it is.
    fn digits(self) -> Option<u64> {
        let mut number = Some(0u64).filter(|_| !self.bytes.is_empty());
        let mut add = |digit: u64| {
            number = number.and_then(|number| number.checked_mul(10)?.checked_add(digit))
        };
        if self.huffman {
            huffman_digits(self.bytes, &mut add)?;
        } else {
            for byte in self.bytes {
                add(u64::from(
                    byte.checked_sub(b'0').filter(|&digit| digit < 10)?,
                ));
            }
        }
        number
    }
}

/// Digits in the code of RFC 7541, appendix B: 0 to 2 have five bits, 3 to 9 six. None: there is something else.
fn huffman_digits(bytes: &[u8], digit: &mut impl FnMut(u64)) -> Option<()> {
    let (mut bits, mut held) = (0u64, 0u32);
    for &byte in bytes {
        bits = (bits << 8 | u64::from(byte)) & 0xffff;
        held += 8;
        loop {
            let next = |count: u32| {
                held.checked_sub(count)
                    .map(|rest| (bits >> rest & ((1 << count) - 1), rest))
            };
            match (next(5), next(6)) {
                (Some((code @ 0..=2, rest)), _) => {
                    digit(code);
                    held = rest;
                }
                (_, Some((code @ 0x19..=0x1f, rest))) => {
                    digit(code - 0x19 + 3);
                    held = rest;
                }
                // Ones may be padding, of which there is less than a byte; other bits are no digit.
                (_, Some((0x3f, _))) if held < 8 => break,
                (_, Some(_)) => return None,
                _ => break,
            }
        }
    }
    (bits & ((1 << held) - 1) == (1 << held) - 1).then_some(())
}

#[cfg(test)]
mod tests;
