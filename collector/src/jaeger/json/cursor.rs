//! A cursor over JSON: what is wanted is read where it stands, and the rest is passed over.
//!
//! Reading Jaeger's JSON is most of what its import costs, and deriving it costs twice as much as this (ARCHITECTURE.md).
//! What is escaped, nested or a fraction is left to serde_json.

use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Why a text cannot be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{reason} at byte {at}")]
pub struct Malformed {
    at: usize,
    reason: Cow<'static, str>,
}

pub(super) type Read<T> = Result<T, Malformed>;

/// A place in a text.
pub(super) struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    pub(super) fn wrong(&self, reason: impl Into<Cow<'static, str>>) -> Malformed {
        Malformed { at: self.at, reason: reason.into() }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The next byte that is no white space, which is not passed.
    fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while matches!(bytes.get(self.at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }

    fn pass(&mut self, wanted: u8) -> bool {
        let is_there = self.peek() == Some(wanted);
        self.at += usize::from(is_there);
        is_there
    }

    fn expect(&mut self, wanted: u8, reason: &'static str) -> Read<()> {
        if self.pass(wanted) { Ok(()) } else { Err(self.wrong(reason)) }
    }

    /// Nothing may follow.
    pub(super) fn end(mut self) -> Read<()> {
        self.peek().map_or(Ok(()), |_| Err(self.wrong("nothing more is expected")))
    }

    /// Passes a null.
    pub(super) fn is_null(&mut self) -> bool {
        let is_null = self.peek() == Some(b'n') && self.rest().starts_with("null");
        self.at += if is_null { 4 } else { 0 };
        is_null
    }

    /// Calls `each` at every element of an array; null is none.
    pub(super) fn elements(&mut self, mut each: impl FnMut(&mut Self) -> Read<()>) -> Read<()> {
        if self.is_null() {
            return Ok(());
        }
        self.expect(b'[', "an array is expected")?;
        if self.pass(b']') {
            return Ok(());
        }
        loop {
            each(self)?;
            if self.pass(b']') {
                return Ok(());
            }
            self.expect(b',', "`,` or `]` is expected")?;
        }
    }

    /// Calls `each` at every value of an object, with its key; null is none.
    pub(super) fn members(&mut self, mut each: impl FnMut(&mut Self, Cow<'a, str>) -> Read<()>) -> Read<()> {
        if self.is_null() {
            return Ok(());
        }
        self.expect(b'{', "an object is expected")?;
        if self.pass(b'}') {
            return Ok(());
        }
        loop {
            let key = self.string()?;
            self.expect(b':', "`:` is expected")?;
            each(self, key)?;
            if self.pass(b'}') {
                return Ok(());
            }
            self.expect(b',', "`,` or `}` is expected")?;
        }
    }

    /// A string, unescaped.
    pub(super) fn string(&mut self) -> Read<Cow<'a, str>> {
        self.expect(b'"', "a string is expected")?;
        let from = self.at;
        if self.pass_string()? {
            let text = &self.text[from - 1..self.at];
            return serde_json::from_str(text).map(Cow::Owned).map_err(|error| self.wrong(error.to_string()));
        }
        Ok(Cow::Borrowed(&self.text[from..self.at - 1]))
    }

    /// A whole number.
    pub(super) fn integer(&mut self) -> Read<i64> {
        self.raw()?.parse().map_err(|_| self.wrong("a whole number is expected"))
    }

    /// Any value, as its text.
    pub(super) fn raw(&mut self) -> Read<&'a str> {
        let is_string = self.pass(b'"');
        let from = self.at - usize::from(is_string);
        if is_string {
            let is_escaped = self.pass_string()?;
            let text = &self.text[from..self.at];
            if is_escaped {
                serde_json::from_str::<IgnoredAny>(text).map_err(|error| self.wrong(error.to_string()))?;
            }
            return Ok(text);
        }
        let rest = self.rest();
        let length = plain_length(rest.as_bytes());
        if length > 0 {
            self.at += length;
            return Ok(&rest[..length]);
        }
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<&RawValue>();
        let value = values.next().ok_or_else(|| self.wrong("a value is expected"))?;
        let value = value.map_err(|error| self.wrong(error.to_string()))?;
        self.at += values.byte_offset();
        Ok(value.get())
    }

    /// Passes the rest of a string and its closing quote, and says whether something in it is escaped.
    fn pass_string(&mut self) -> Read<bool> {
        let mut is_escaped = false;
        loop {
            let bytes = self.text.as_bytes().get(self.at..).unwrap_or_default();
            let length = unremarkable(bytes);
            self.at += length;
            match bytes.get(length) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(is_escaped);
                }
                Some(b'\\') => {
                    is_escaped = true;
                    self.at += 2;
                }
                Some(_) => return Err(self.wrong("a control character stands in a string")),
                None => return Err(self.wrong("a string has no end")),
            }
        }
    }
}

/// The length of what is true, false, or a whole number without a sign, up to a comma or a bracket; else 0.
fn plain_length(bytes: &[u8]) -> usize {
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let length = match bytes.first() {
        Some(b'0') => 1,
        Some(b't') if bytes.starts_with(b"true") => 4,
        Some(b'f') if bytes.starts_with(b"false") => 5,
        _ => digits,
    };
    if matches!(bytes.get(length), Some(b',' | b'}' | b']')) { length } else { 0 }
}

/// How many bytes come before the first quote, backslash or control character.
fn unremarkable(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 0xff;
    const HIGHS: u64 = ONES << 7;
    let is_remarkable = |byte: &u8| matches!(byte, b'"' | b'\\' | ..0x20);
    let (words, tail) = bytes.as_chunks::<8>();
    for (number, word) in words.iter().enumerate() {
        // The lowest high bit of `below` is that of the lowest byte that is below the limit; those above it mean nothing.
        let word = u64::from_le_bytes(*word);
        let below = |word: u64, limit: u8| word.wrapping_sub(ONES * u64::from(limit)) & !word & HIGHS;
        let equal = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
        let found = equal(b'"') | equal(b'\\') | below(word, 0x20);
        if found != 0 {
            return number * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    words.len() * 8 + tail.iter().position(is_remarkable).unwrap_or(tail.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn raw(text: &str) -> Read<&str> {
        let mut cursor = Cursor::new(text);
        let raw = cursor.raw()?;
        cursor.end().map(|()| raw)
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (-1e9..1e9).prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..5)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// What serde_json reads is read, whole; what it refuses is refused.
        #[test]
        fn it_takes_what_serde_json_takes(value in any_json(), place: prop::sample::Index, byte in " -~", is_pretty: bool) {
            let text = if is_pretty { format!("{value:#}") } else { value.to_string() };
            prop_assert_eq!(raw(&text), Ok(&*text));
            let places: Vec<_> = text.char_indices().map(|(at, _)| at).collect();
            let at = places[place.index(places.len())];
            for broken in [format!("{}{byte}{}", &text[..at], &text[at..]), text[..at].to_owned(), format!("{text}{byte}")] {
                let is_taken = serde_json::from_str::<IgnoredAny>(&broken).is_ok();
                prop_assert_eq!(raw(&broken).is_ok(), is_taken, "{}", broken);
            }
        }

        /// Arrays, objects and strings are walked as they are.
        #[test]
        fn members_and_elements_are_those_of_serde_json(
            lists in prop::collection::btree_map(any::<String>(), prop::collection::vec(any::<String>(), 0..4), 0..4), is_pretty: bool,
        ) {
            let value = serde_json::json!(lists);
            let text = if is_pretty { format!("{value:#}") } else { value.to_string() };
            let mut back = std::collections::BTreeMap::new();
            let mut cursor = Cursor::new(&text);
            cursor.members(|cursor, key| {
                let mut list = Vec::new();
                cursor.elements(|cursor| Ok(list.push(cursor.string()?.into_owned())))?;
                back.insert(key.into_owned(), list);
                Ok(())
            }).unwrap();
            cursor.end().unwrap();
            prop_assert_eq!(back, lists);
        }

        #[test]
        fn remarkable_bytes_are_found(bytes in prop::collection::vec(prop_oneof![Just(b'a'), any::<u8>()], 0..40)) {
            let plain = bytes.iter().position(|byte| matches!(byte, b'"' | b'\\' | ..0x20)).unwrap_or(bytes.len());
            prop_assert_eq!(unremarkable(&bytes), plain);
        }
    }

    #[test]
    fn faults_say_where() {
        let mut cursor = Cursor::new(r#"{"a": [1, x]}"#);
        let fault = cursor.members(|cursor, _| cursor.elements(|cursor| cursor.integer().map(drop))).unwrap_err();
        assert!(fault.to_string().contains("at byte 10"), "{fault}");
        assert!(Cursor::new("\"\\").string().is_err());
        assert!(Cursor::new("1.5").integer().is_err());
        assert!(raw(&"[".repeat(100_000)).is_err());
    }
}
