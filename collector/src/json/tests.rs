//! Null is absent: for each place of a document, null there reads as if the place were not there.

use super::*;
use crate::span::Told;
use proptest::prelude::*;
use serde_json::Value;
use std::borrow::Cow;

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
struct Shape<'a> {
    #[serde(borrow)]
    text: Cow<'a, str>,
    own: String,
    whole: i64,
    real: f64,
    flag: bool,
    spelt: Whole,
    maybe: Option<u16>,
    list: Vec<u8>,
    inner: Option<Box<Shape<'a>>>,
    all: Vec<Shape<'a>>,
}

const DOCUMENT: &str = r#"{"text":"a\"b","own":"c","whole":-3,"real":0.5,"flag":true,"spelt":"7","maybe":4,"list":[1,2],
    "unknown":[{"x":null}],"inner":{"text":"d","all":[{"whole":1},{"whole":2}]},"all":[{"text":"e"},{"own":"f"}]}"#;

/// Every variant of `document` with one place null, beside the same without that place.
pub(crate) fn nulled(document: &Value) -> Vec<(Value, Value)> {
    let mut pairs = Vec::new();
    match document {
        Value::Object(members) => {
            for (key, value) in members {
                let mut gone = members.clone();
                gone.remove(key);
                let put = |value: Value| {
                    let mut with = members.clone();
                    with.insert(key.clone(), value);
                    Value::Object(with)
                };
                pairs.push((put(Value::Null), Value::Object(gone)));
                for (null, absent) in nulled(value) {
                    pairs.push((put(null), put(absent)));
                }
            }
        }
        Value::Array(elements) => {
            for (place, value) in elements.iter().enumerate() {
                let mut gone = elements.clone();
                gone.remove(place);
                let put = |value: Value| {
                    let mut with = elements.clone();
                    with[place] = value;
                    Value::Array(with)
                };
                pairs.push((put(Value::Null), Value::Array(gone)));
                for (null, absent) in nulled(value) {
                    pairs.push((put(null), put(absent)));
                }
            }
        }
        _ => {}
    }
    pairs
}

#[test]
fn null_reads_as_absent_at_every_place() {
    let document: Value = serde_json::from_str(DOCUMENT).unwrap();
    let pairs = nulled(&document);
    assert!(pairs.len() > 20);
    for (null, absent) in pairs {
        let (null, absent) = (null.to_string(), absent.to_string());
        assert_eq!(
            read::<Shape<'_>>(null.as_bytes()).unwrap(),
            read::<Shape<'_>>(absent.as_bytes()).unwrap(),
            "{null}"
        );
    }
    assert_eq!(read::<Shape<'_>>(b"null").unwrap(), Shape::default());
}

#[test]
fn what_is_no_json_is_an_error_and_so_is_what_follows() {
    for text in [
        &b"{"[..],
        b"{} x",
        b"{\"text\":\"\xff\"}",
        b"{\"whole\":\"x\"}",
    ] {
        assert!(read::<Shape<'_>>(text).is_err(), "{text:?}");
    }
}

#[test]
fn a_list_with_nulls_keeps_their_places() {
    let list = read::<WithNulls<Option<u8>>>(b"[1,null,3]").unwrap();
    assert_eq!(list.0, [Some(1), None, Some(3)]);
}

proptest! {
    /// Beyond 64 bits there is no number, in either spelling.
    #[test]
    fn whole_numbers_are_never_bent(number: i128) {
        for text in [format!("{number}"), format!("\"{number}\"")] {
            let read = read::<Whole>(text.as_bytes()).unwrap().0.number();
            prop_assert!(read.is_none_or(|read| i128::from(read) == number), "{} {:?}", text, read);
        }
    }

    #[test]
    fn whole_numbers_are_read_in_every_spelling(number: i64) {
        for text in [format!("{number}"), format!("\"{number}\"")] {
            prop_assert_eq!(read::<Whole>(text.as_bytes()).unwrap(), Whole(Told::Is(number)));
        }
    }

    /// Without nulls the rule changes nothing.
    #[test]
    fn other_documents_read_as_ever(whole: i64, real in -1e9..1e9_f64, text: String, list: Vec<u8>, maybe: Option<u16>) {
        let json = serde_json::json!({"whole": whole, "real": real, "own": text, "list": list, "maybe": maybe}).to_string();
        prop_assert_eq!(read::<Shape<'_>>(json.as_bytes()).unwrap(), serde_json::from_str::<Shape<'_>>(&json).unwrap());
    }
}
