//! Header fields (RFC 7541): requests as literals that no table remembers, and the heads of answers.

mod head;
mod huffman;

pub(super) use head::Head;
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
    pub(super) const BEHIND_STATUS: usize = 15;
    pub(super) const CONTENT_LENGTH: usize = 28;
    pub(super) const TRANSFER_ENCODING: usize = 57;
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

#[cfg(test)]
mod tests;
