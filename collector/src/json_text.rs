//! JSON written straight into text: attributes need no tree in between.

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

/// A JSON object in the making.
pub(crate) struct Object<'a> {
    out: &'a mut String,
    first: bool,
}

impl<'a> Object<'a> {
    pub(crate) fn begin(out: &'a mut String) -> Self {
        out.push('{');
        Self { out, first: true }
    }

    /// Writes the key; the value is to be written to what this returns.
    pub(crate) fn key(&mut self, key: &str) -> &mut String {
        if !std::mem::take(&mut self.first) {
            self.out.push(',');
        }
        push_string(self.out, key);
        self.out.push(':');
        self.out
    }

    pub(crate) fn end(self) {
        self.out.push('}');
    }
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
