//! Where the elements of Jaeger's `data` begin and end, without reading what is in them.

use super::mask::{mask, parity};

/// Finds the elements of the array `data`.
#[derive(Debug, Default)]
pub(super) struct Scan {
    // Within the array.
    is_inside: bool,
    pub(super) is_over: bool,
}

impl Scan {
    /// Where the next element of `bytes` begins and ends, if all of it is there.
    pub(super) fn next_element(
        &mut self,
        bytes: &[u8],
    ) -> Result<Option<(usize, usize)>, &'static str> {
        if self.is_over {
            return Ok(None);
        }
        let mut at = 0;
        if !self.is_inside {
            // A plain array of traces is taken as well as an answer.
            let Some(first) = bytes.iter().position(|byte| !byte.is_ascii_whitespace()) else {
                return Ok(None);
            };
            at = match bytes[first] {
                b'[' => first + 1,
                b'{' => match find_data(&bytes[first..])? {
                    Some(place) => first + place,
                    None => return Ok(None),
                },
                _ => return Err("this is no JSON of Jaeger's: it begins with neither { nor ["),
            };
        }
        loop {
            match bytes.get(at) {
                None => return Ok(None),
                Some(b',') => at += 1,
                Some(byte) if byte.is_ascii_whitespace() => at += 1,
                Some(b']') => {
                    self.is_over = true;
                    return Ok(None);
                }
                Some(b'{') => break,
                // `"data": null` is how nothing found is said.
                Some(b'n') if !self.is_inside => {
                    self.is_over = true;
                    return Ok(None);
                }
                Some(_) => return Err("an element of data is no object"),
            }
        }
        let Some(length) = object_length(&bytes[at..]) else {
            return Ok(None);
        };
        self.is_inside = true;
        Ok(Some((at, at + length)))
    }
}

/// The place after `"data":[` (or at `null`) at the top level of an object.
fn find_data(bytes: &[u8]) -> Result<Option<usize>, &'static str> {
    let mut depth = 0;
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return Err("there is no array data in this object");
                }
            }
            b'"' => {
                let Some(end) = string_end(bytes, at) else {
                    return Ok(None);
                };
                if depth == 1 && &bytes[at..end] == b"\"data\"" {
                    let mut rest = bytes[end..]
                        .iter()
                        .enumerate()
                        .filter(|(_, byte)| !byte.is_ascii_whitespace());
                    if rest.next().is_some_and(|(_, byte)| *byte == b':') {
                        return match rest.next() {
                            Some((place, b'[')) => Ok(Some(end + place + 1)),
                            Some((place, b'n')) => Ok(Some(end + place)),
                            Some(_) => Err("data is no array"),
                            None => Ok(None),
                        };
                    }
                }
                at = end;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    Ok(None)
}

/// The place after the string that begins at `at`.
fn string_end(bytes: &[u8], at: usize) -> Option<usize> {
    let mut place = at + 1;
    loop {
        match bytes.get(place)? {
            b'"' => return Some(place + 1),
            b'\\' => place += 2,
            _ => place += 1,
        }
    }
}

/// The length of the object at the beginning of `bytes`; none if it does not end there.
///
/// It goes by blocks of 64 bytes; only where a block has a backslash, or may have the end, are they looked at one by one.
fn object_length(bytes: &[u8]) -> Option<usize> {
    let mut state = State::default();
    let (blocks, rest) = bytes.as_chunks::<64>();
    for (number, block) in blocks.iter().enumerate() {
        if state.is_escaped || mask(block, b'\\') != 0 {
            if let Some(end) = state.steps(block) {
                return Some(number * 64 + end);
            }
            continue;
        }
        let quotes = mask(block, b'"');
        let inside = parity(quotes) ^ if state.is_string { u64::MAX } else { 0 };
        let (opened, closed) = (
            (mask(block, b'{') & !inside).count_ones(),
            (mask(block, b'}') & !inside).count_ones(),
        );
        if closed >= state.depth {
            if let Some(end) = state.steps(block) {
                return Some(number * 64 + end);
            }
            continue;
        }
        state.depth = state.depth + opened - closed;
        state.is_string ^= quotes.count_ones() % 2 == 1;
    }
    state.steps(rest).map(|end| blocks.len() * 64 + end)
}

/// What is known between two bytes of an object.
#[derive(Default)]
struct State {
    depth: u32,
    is_string: bool,
    is_escaped: bool,
}

impl State {
    /// Goes on byte by byte; the place after the one that ends the object.
    fn steps(&mut self, bytes: &[u8]) -> Option<usize> {
        for (at, byte) in bytes.iter().enumerate() {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' => self.is_escaped = self.is_string,
                b'"' => self.is_string = !self.is_string,
                b'{' if !self.is_string => self.depth += 1,
                b'}' if !self.is_string => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return Some(at + 1);
                    }
                }
                _ => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// One byte after the other.
    fn plain_length(bytes: &[u8]) -> Option<usize> {
        State::default().steps(bytes)
    }

    proptest! {
        /// The same as byte by byte, wherever braces, quotes and backslashes are.
        #[test]
        fn blocks_end_where_bytes_do(text in r#"\{[{}"\\ a-c\[\]]{0,400}"#) {
            prop_assert_eq!(object_length(text.as_bytes()), plain_length(text.as_bytes()));
        }

        /// The end of an object is found though its texts have braces, quotes and backslashes in them.
        #[test]
        fn an_object_ends_where_it_ends(
            object in prop::collection::btree_map(r#"[{}"\\ a-c\[\]]{0,90}"#, r#"[{}"\\ a-c\[\]]{0,90}"#, 0..6), rest in "[ ,}{]{0,9}",
        ) {
            let mut value = serde_json::Value::Null;
            for (key, text) in &object {
                value = serde_json::json!({ key: text, "a": value });
            }
            let text = serde_json::json!({ "b": value }).to_string();
            prop_assert_eq!(object_length(format!("{text}{rest}").as_bytes()), Some(text.len()));
        }
    }
}
