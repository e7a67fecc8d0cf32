//! Whole numbers and enums, in each of the spellings that they come in.

use crate::span::Told;
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};
use std::fmt;

/// A whole number of 64 bits, as a number or as a text: the JSON of protobuf writes texts, and some write `1.6e18`. No
/// number becomes another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Whole(pub(crate) Told);

/// An enum's value: its number, or the last part of its name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Word {
    pub(crate) number: u64,
    pub(crate) name: Option<String>,
}

struct WholeVisitor;

impl Visitor<'_> for WholeVisitor {
    type Value = Whole;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number, or a string of one")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Whole, E> {
        Ok(Whole(i64::try_from(number).map_or(Told::Beyond, Told::Is)))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Whole, E> {
        Ok(Whole(Told::Is(number)))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Whole, E> {
        // 2^63 is the first that does not fit.
        let fits = number.abs() < 9_223_372_036_854_775_808.0;
        Ok(Whole(if fits {
            Told::Is(number as i64)
        } else {
            Told::Beyond
        }))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Whole, E> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(Whole(Told::Absent));
        }
        if let Ok(number) = text.parse::<i128>() {
            return Ok(Whole(i64::try_from(number).map_or(Told::Beyond, Told::Is)));
        }
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => self.visit_f64(number),
            _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
        }
    }

    fn visit_unit<E>(self) -> Result<Whole, E> {
        Ok(Whole(Told::Absent))
    }
}

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WholeVisitor)
    }
}

struct WordVisitor;

impl Visitor<'_> for WordVisitor {
    type Value = Word;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the number or the name of an enum's value")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Word, E> {
        Ok(Word { number, name: None })
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Word, E> {
        Ok(Word::default())
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Word, E> {
        self.visit_u64(number as u64)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Word, E> {
        if let Ok(number) = text.parse() {
            return self.visit_u64(number);
        }
        Ok(Word {
            number: 0,
            // `SPAN_KIND_SERVER` as protobuf writes it, `SpanKind.SERVER` as Python does.
            name: text.rsplit(['_', '.']).next().map(str::to_owned),
        })
    }

    fn visit_unit<E>(self) -> Result<Word, E> {
        Ok(Word::default())
    }
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WordVisitor)
    }
}
