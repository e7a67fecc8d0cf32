//! Where a value of JSON ends, by its brackets and quotes.
//!
//! A line break within a text is no JSON: there a line was cut short, and what follows it belongs to something else.

use super::mask::{mask, parity};

/// Something that is no JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken {
    /// At which byte.
    pub(super) at: usize,
    /// What is wrong there.
    pub(super) reason: &'static str,
}

impl Broken {
    /// The same, counted from `begin` earlier.
    pub(super) const fn from(self, begin: usize) -> Self {
        Self {
            at: self.at + begin,
            reason: self.reason,
        }
    }
}

/// The place after the string that begins at `at`; none if it does not end in `bytes`.
pub(super) fn string_end(bytes: &[u8], at: usize) -> Result<Option<usize>, Broken> {
    let mut place = at + 1;
    loop {
        match bytes.get(place) {
            None => return Ok(None),
            Some(b'"') => return Ok(Some(place + 1)),
            Some(b'\n') => return Err(CUT.from(place)),
            // Nor does a backslash make a line break a part of it.
            Some(b'\\') if bytes.get(place + 1) != Some(&b'\n') => place += 2,
            Some(_) => place += 1,
        }
    }
}

const CUT: Broken = Broken {
    at: 0,
    reason: "a line breaks off within a text",
};

/// The length of the value at the beginning of `bytes`; none if it does not end there.
pub(super) fn value_length(bytes: &[u8]) -> Result<Option<usize>, Broken> {
    match bytes.first() {
        None => Ok(None),
        Some(b'{') => object_length(bytes),
        Some(b'[') => State::default().steps(bytes, 0..bytes.len()),
        Some(b'"') => string_end(bytes, 0),
        Some(_) => {
            let is_end =
                |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b',' | b'}' | b']');
            let length = bytes.iter().position(is_end);
            let is_value = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
            match bytes[..length.unwrap_or(bytes.len())]
                .iter()
                .position(|byte| !is_value(byte))
            {
                Some(at) => Err(Broken {
                    at,
                    reason: "this is no value",
                }),
                None if length == Some(0) => Err(Broken {
                    at: 0,
                    reason: "a value belongs here",
                }),
                None => Ok(length),
            }
        }
    }
}

/// The length of the object at the beginning of `bytes`; none if it does not end there.
///
/// It goes by blocks of 64 bytes; only where a block has a backslash or a line break, or may have the end, are they looked at
/// one by one.
pub(super) fn object_length(bytes: &[u8]) -> Result<Option<usize>, Broken> {
    let mut state = State::default();
    let (blocks, _) = bytes.as_chunks::<64>();
    for (number, block) in blocks.iter().enumerate() {
        let is_plain = !state.is_escaped && mask(block, b'\\') | mask(block, b'\n') == 0;
        if is_plain {
            let quotes = mask(block, b'"');
            let inside = parity(quotes) ^ if state.is_string { u64::MAX } else { 0 };
            // Braces alone: an array ends before the object that it is in does.
            let opened = (mask(block, b'{') & !inside).count_ones();
            let closed = (mask(block, b'}') & !inside).count_ones();
            if closed < state.braces {
                state.braces = state.braces + opened - closed;
                state.is_string ^= quotes.count_ones() % 2 == 1;
                continue;
            }
        }
        let place = number * 64..number * 64 + 64;
        if let Some(end) = state.steps(bytes, place)? {
            return Ok(Some(end));
        }
    }
    state.steps(bytes, blocks.len() * 64..bytes.len())
}

/// What is known between two bytes of a value.
#[derive(Default)]
struct State {
    braces: u32,
    // Counted only where the value itself is an array.
    brackets: u32,
    is_string: bool,
    is_escaped: bool,
}

impl State {
    /// Goes on byte by byte through `places` of the value; the place after the byte that ends it.
    fn steps(
        &mut self,
        bytes: &[u8],
        places: std::ops::Range<usize>,
    ) -> Result<Option<usize>, Broken> {
        let is_array = bytes.first() == Some(&b'[');
        for at in places {
            match bytes[at] {
                b'\n' => self.line(bytes, at)?,
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' => self.is_escaped = self.is_string,
                b'"' => self.is_string = !self.is_string,
                _ if self.is_string => {}
                b'{' => self.braces += 1,
                b'[' if is_array => self.brackets += 1,
                b'}' => {
                    self.braces = self.braces.saturating_sub(1);
                    if self.braces == 0 && !is_array {
                        return Ok(Some(at + 1));
                    }
                }
                b']' if is_array => {
                    self.brackets = self.brackets.saturating_sub(1);
                    if self.brackets == 0 {
                        return Ok(Some(at + 1));
                    }
                }
                _ => {}
            }
        }
        Ok(None)
    }

    /// The line that ends at `at` was whole, and the next one does not begin a document.
    fn line(&self, bytes: &[u8], at: usize) -> Result<(), Broken> {
        if self.is_string {
            return Err(CUT.from(at));
        }
        let before = bytes[..at]
            .iter()
            .rev()
            .find(|byte| !byte.is_ascii_whitespace());
        let is_document = matches!(bytes.get(at + 1), Some(b'{' | b'['));
        if is_document && !matches!(before, Some(b',' | b'[' | b':')) {
            return Err(Broken {
                at: at + 1,
                reason: "a document begins within another one, which a line broke off",
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// One byte after the other.
    fn plain_length(bytes: &[u8]) -> Result<Option<usize>, Broken> {
        State::default().steps(bytes, 0..bytes.len())
    }

    proptest! {
        /// The same as byte by byte, wherever braces, quotes, backslashes and line breaks are.
        #[test]
        fn blocks_end_where_bytes_do(text in r#"\{[{}"\\ a-c\[\],:]{0,400}(\n[{}"\\ a-c\[\],:]{0,90}){0,3}"#) {
            prop_assert_eq!(object_length(text.as_bytes()), plain_length(text.as_bytes()));
        }

        /// The end of a value is found though its texts have braces, quotes and backslashes in them.
        #[test]
        fn a_value_ends_where_it_ends(
            object in prop::collection::btree_map(r#"[{}"\\ a-c\[\]]{0,90}"#, r#"[{}"\\ a-c\[\]]{0,90}"#, 0..6), rest in "[ ,}{]{0,9}",
        ) {
            let mut value = serde_json::Value::Null;
            for (key, text) in &object {
                value = serde_json::json!({ key: text, "a": [value, 1.5e3] });
            }
            for value in [serde_json::json!({ "b": value }), serde_json::json!([value, [], true])] {
                for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
                    prop_assert_eq!(value_length(format!("{text}{rest}").as_bytes()), Ok(Some(text.len())));
                }
            }
        }
    }
}
