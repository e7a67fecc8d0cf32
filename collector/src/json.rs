//! JSON as others write it, under one rule: null is absent. A member that is null has its type's default, as if it were
//! not there, and an element that is null is none.
//!
//! Every JSON that comes from elsewhere is read by [`read`]. The rule lies in the reader (`null`), so that no shape has to
//! repeat it; [`Whole`] and [`Word`] are numbers and enums in each of the spellings that they come in.

mod members;
mod null;
mod spelling;

pub(crate) use members::Members;
use null::Present;
pub(crate) use null::WithNulls;
use serde::Deserialize;
pub(crate) use spelling::{Whole, Word};

/// Reads a whole text. Members that are absent need `#[serde(default)]`; then null needs nothing more.
///
/// # Errors
/// It is not JSON, or not of this shape, or more follows it.
pub fn read<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Result<T, serde_json::Error> {
    // As a whole the text is looked at faster than string by string; where it is not UTF-8 the error names the place.
    match std::str::from_utf8(text) {
        Ok(text) => whole(serde_json::Deserializer::from_str(text)),
        Err(_) => whole(serde_json::Deserializer::from_slice(text)),
    }
}

/// Reads a text as an `A`, or, where something in it is not as it should be, as a `B`, which asks for less of it; then does
/// what belongs to that one, with what it needs.
///
/// # Errors
/// It is neither; the error is that of `A`.
pub(crate) fn read_or<'a, A: Deserialize<'a>, B: Deserialize<'a>, C, T>(
    text: &'a [u8],
    with: C,
    strict: impl FnOnce(A, C) -> T,
    lenient: impl FnOnce(B, C) -> T,
) -> Result<T, serde_json::Error> {
    match read(text) {
        Ok(value) => Ok(strict(value, with)),
        Err(error) => match read(text) {
            Ok(value) => Ok(lenient(value, with)),
            Err(_) => Err(error),
        },
    }
}

/// Whether a text is a whole number as JSON writes it, of any length.
pub(crate) fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty()
        && digits.bytes().all(|digit| digit.is_ascii_digit())
        && (digits == "0" || !digits.starts_with('0'))
}

fn whole<'a, T: Deserialize<'a>, R: serde_json::de::Read<'a>>(
    mut reader: serde_json::Deserializer<R>,
) -> Result<T, serde_json::Error> {
    let value = T::deserialize(Present(&mut reader))?;
    reader.end()?;
    Ok(value)
}

#[cfg(test)]
pub(crate) mod tests;
