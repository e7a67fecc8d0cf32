//! JSON written straight into text: attributes need no tree in between.

use crate::json::Members;
use std::collections::HashMap;
use std::fmt::Write as _;

/// Appends `text` as a JSON string.
pub(crate) fn push_string(out: &mut String, text: &str) {
    out.push('"');
    let is_special = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
    // Without a way out of the loop the compiler looks at many bytes at once; most texts need no more.
    if !text
        .bytes()
        .fold(false, |found, byte| found | is_special(byte))
    {
        out.push_str(text);
        out.push('"');
        return;
    }
    let mut plain = 0;
    for (index, byte) in text.bytes().enumerate() {
        if !is_special(byte) {
            continue;
        }
        out.push_str(&text[plain..index]);
        plain = index + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            _ => push_format(out, format_args!("\\u{byte:04x}")),
        }
    }
    out.push_str(&text[plain..]);
    out.push('"');
}

/// Appends a number; JSON has none that is not finite.
pub(crate) fn push_double(out: &mut String, number: f64) {
    if number.is_finite() {
        push_format(out, format_args!("{number:?}"));
    } else {
        push_string(
            out,
            if number.is_nan() {
                "NaN"
            } else if number > 0.0 {
                "Infinity"
            } else {
                "-Infinity"
            },
        );
    }
}

/// An instant, where there is one that fits.
pub(crate) fn push_instant(out: &mut String, ns: Option<i64>) {
    match ns {
        Some(ns) => push_int(out, ns),
        None => out.push_str("null"),
    }
}

pub(crate) fn push_int(out: &mut String, number: i64) {
    let mut digits = [0; 20];
    let mut from = digits.len();
    let mut rest = number.unsigned_abs();
    loop {
        from -= 1;
        digits[from] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        out.push('-');
    }
    out.push_str(std::str::from_utf8(&digits[from..]).unwrap_or_default());
}

fn push_format(out: &mut String, arguments: std::fmt::Arguments<'_>) {
    // A String takes whatever it is given.
    let _ = out.write_fmt(arguments);
}

/// A JSON object in the making. A key that comes twice becomes one member with all its values in a list: readers of JSON take
/// one of two at will, or refuse both.
pub(crate) struct Object<'a> {
    out: &'a mut String,
    begin: usize,
    first: bool,
    keys: Keys,
}

impl<'a> Object<'a> {
    pub(crate) fn begin(out: &'a mut String) -> Self {
        let begin = out.len();
        out.push('{');
        Self {
            out,
            begin,
            first: true,
            keys: Keys::default(),
        }
    }

    /// Goes on with an object that is a text by itself; with a new one if the text is empty.
    pub(crate) fn resume(out: &'a mut String) -> Self {
        if out.pop().is_none() {
            return Self::begin(out);
        }
        // Which keys it has is not known: they are looked at in the end.
        let keys = Keys {
            may_repeat: true,
            ..Keys::default()
        };
        Self {
            first: out.len() == 1,
            out,
            begin: 0,
            keys,
        }
    }

    /// Writes the key; the value is to be written to what this returns.
    pub(crate) fn key(&mut self, key: &str) -> &mut String {
        if !std::mem::take(&mut self.first) {
            self.out.push(',');
        }
        self.keys.note(key.as_bytes());
        push_string(self.out, key);
        self.out.push(':');
        self.out
    }

    pub(crate) fn end(self) {
        self.out.push('}');
        self.keys.settle(self.out, self.begin);
    }
}

/// Whether a key may have come before, at little cost: so many bits are set where a key's hash falls, and only an object with
/// a bit that was set already is looked at again.
#[derive(Default)]
pub(crate) struct Keys {
    bits: [u64; 8],
    may_repeat: bool,
}

impl Keys {
    pub(crate) fn note(&mut self, key: &[u8]) {
        let word = |bytes: &[u8]| {
            let mut word = [0; 8];
            word[..bytes.len()].copy_from_slice(bytes);
            u64::from_le_bytes(word)
        };
        let side = key.len().min(8);
        let (head, tail) = (word(&key[..side]), word(&key[key.len() - side..]));
        let mixed =
            (head ^ tail.rotate_left(23) ^ key.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let place = (mixed >> 55) as usize;
        let (bits, bit) = (&mut self.bits[place / 64], 1 << (place % 64));
        self.may_repeat |= *bits & bit != 0;
        *bits |= bit;
    }

    /// Makes the members of the object at `out[begin..]` differ in their keys.
    pub(crate) fn settle(&self, out: &mut String, begin: usize) {
        if self.may_repeat {
            unite(out, begin);
        }
    }
}

#[cold]
fn unite(out: &mut String, begin: usize) {
    let text = out[begin..].to_owned();
    let Ok(Members(members)) = serde_json::from_str::<Members<'_>>(&text) else {
        return;
    };
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut united: Vec<(&str, Vec<&str>)> = Vec::new();
    for (key, value) in &members {
        let place = *places.entry(key).or_insert_with(|| {
            united.push((key, Vec::new()));
            united.len() - 1
        });
        let values = &mut united[place].1;
        if !values.contains(&value.get()) {
            values.push(value.get());
        }
    }
    if united.len() == members.len() {
        return;
    }
    out.truncate(begin);
    out.push('{');
    for (place, (key, values)) in united.into_iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        push_string(out, key);
        out.push(':');
        match values[..] {
            [value] => out.push_str(value),
            _ => {
                out.push('[');
                out.push_str(&values.join(","));
                out.push(']');
            }
        }
    }
    out.push('}');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_text_is_valid_json(text: String) {
            let mut out = String::new();
            push_string(&mut out, &text);
            prop_assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
        }

        /// However often keys come: each is there once, with all that came under it.
        #[test]
        fn keys_of_an_object_differ(pairs in prop::collection::vec(("[ab]{0,2}|[a-z.]{3,12}", 0..3_i64), 0..12)) {
            let mut out = String::from("before");
            let mut object = Object::begin(&mut out);
            let mut expected: HashMap<String, Vec<i64>> = HashMap::new();
            for (key, value) in &pairs {
                push_int(object.key(key), *value);
                let values = expected.entry(key.clone()).or_default();
                if !values.contains(value) {
                    values.push(*value);
                }
            }
            object.end();
            let members = serde_json::from_str::<Members<'_>>(&out["before".len()..]).unwrap().0;
            prop_assert_eq!(members.len(), expected.len());
            for (key, value) in members {
                let text = match &expected[&*key][..] {
                    [one] => one.to_string(),
                    more => format!("{more:?}").replace(' ', ""),
                };
                prop_assert_eq!(value.get(), text);
            }
        }

        #[test]
        fn any_int_is_written_as_rust_writes_it(number: i64) {
            for number in [number, number % 1000, i64::MIN, i64::MAX, 0] {
                let mut out = String::new();
                push_int(&mut out, number);
                prop_assert_eq!(out, number.to_string());
            }
        }

        #[test]
        fn any_number_comes_back(number: f64) {
            let mut out = String::new();
            push_double(&mut out, number);
            if number.is_finite() {
                prop_assert_eq!(out.parse::<f64>().unwrap(), number);
                prop_assert!(serde_json::from_str::<f64>(&out).is_ok());
            } else {
                prop_assert!(serde_json::from_str::<String>(&out).is_ok());
            }
        }
    }
}
