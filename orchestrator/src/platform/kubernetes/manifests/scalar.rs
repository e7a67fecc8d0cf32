//! What a word of YAML stands for, as kubectl takes it: YAML 1.1 as go-yaml 2 reads it, since that is what manifests are
//! written for. `0644` is 420, `yes` is true, `1_000` is 1000, `1e3` is 1000; dates and `12:30` are texts.

use serde_json::{Number, Value};

/// Why a word does not stand for what it should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ScalarError {
    /// JSON has no such number.
    #[error("infinity and NaN are no numbers that a cluster takes: quotes make a text of it")]
    NotFinite,
    /// It is something else than its tag says. What it is, is not told: it may be a Secret's.
    #[error("what is tagged as !!{0} is none")]
    Tag(String),
}

/// A plain word without a tag.
pub(super) fn plain(word: &str) -> Result<Value, ScalarError> {
    if let Some(value) = in_table(word) {
        return value.ok_or(ScalarError::NotFinite);
    }
    let number = match word.as_bytes().first() {
        Some(b'.') => float(word),
        Some(b'0'..=b'9' | b'+' | b'-') if !is_date(word) => number(word),
        _ => None,
    };
    Ok(number.unwrap_or_else(|| Value::String(word.to_owned())))
}

/// A word with a tag of YAML's own, or another one, which says nothing to us.
pub(super) fn tagged(tag: &str, word: &str) -> Result<Value, ScalarError> {
    let wrong = || ScalarError::Tag(tag.to_owned());
    match tag {
        "bool" => Some(plain(word)?)
            .filter(Value::is_boolean)
            .ok_or_else(wrong),
        "null" => Some(plain(word)?).filter(Value::is_null).ok_or_else(wrong),
        "int" => match plain(word)? {
            // A float that is written as one is none, even if it is whole.
            Value::Number(number) if integer(word).is_some() => Ok(Value::Number(number)),
            _ => Err(wrong()),
        },
        "float" => Some(plain(word)?)
            .filter(Value::is_number)
            .ok_or_else(wrong),
        "binary" => {
            use base64::Engine;
            let packed: String = word.split_ascii_whitespace().collect();
            let bytes = base64::engine::general_purpose::STANDARD.decode(packed);
            let text = bytes.ok().and_then(|bytes| String::from_utf8(bytes).ok());
            text.map(Value::String).ok_or_else(wrong)
        }
        _ => Ok(Value::String(word.to_owned())),
    }
}

/// Words with a meaning of their own; `Some(None)` is a number that JSON does not have.
fn in_table(word: &str) -> Option<Option<Value>> {
    Some(match word {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Some(Value::Bool(true))
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Some(Value::Bool(false))
        }
        "" | "~" | "null" | "Null" | "NULL" => Some(Value::Null),
        ".nan" | ".NaN" | ".NAN" | ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF"
        | "-.inf" | "-.Inf" | "-.INF" => None,
        _ => return None,
    })
}

fn number(word: &str) -> Option<Value> {
    let plain = word.replace('_', "");
    integer(&plain).map(Value::Number).or_else(|| {
        let digits = plain.trim_start_matches(['+', '-']);
        let signs = plain.len() - digits.len();
        let is_float = signs <= 1
            && digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
            && digits.contains(|c: char| c.is_ascii_digit())
            && digits
                .bytes()
                .all(|byte| byte.is_ascii_digit() || b".eE+-".contains(&byte));
        is_float.then(|| float(&plain)).flatten()
    })
}

/// A whole number: decimal, `0x`, `0o` or `0` (octal), `0b`.
fn integer(word: &str) -> Option<Number> {
    let word = word.replace('_', "");
    let (is_negative, digits) = match word.as_bytes().first()? {
        b'-' => (true, &word[1..]),
        b'+' => (false, &word[1..]),
        _ => (false, word.as_str()),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = if let Some(digits) = lower.strip_prefix("0x") {
        (16, digits)
    } else if let Some(digits) = lower.strip_prefix("0o") {
        (8, digits)
    } else if let Some(digits) = lower.strip_prefix("0b") {
        (2, digits)
    } else if let Some(digits) = lower.strip_prefix('0').filter(|digits| !digits.is_empty()) {
        (8, digits)
    } else {
        (10, lower.as_str())
    };
    // A sign behind the prefix is none of Rust's to read.
    if !digits.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return None;
    }
    let value = i128::from_str_radix(digits, radix).ok()?;
    let value = if is_negative { -value } else { value };
    match (i64::try_from(value), u64::try_from(value)) {
        (Ok(value), _) => Some(value.into()),
        // Only without a sign, as Go has it.
        (Err(_), Ok(large)) if !word.starts_with('+') => Some(large.into()),
        _ => None,
    }
}

/// A float; a whole one is written without a fraction, as Go writes it, since a field of whole numbers takes no other.
fn float(word: &str) -> Option<Value> {
    let value: f64 = word.parse().ok().filter(|value: &f64| value.is_finite())?;
    Some(Value::Number(as_go_writes(value)?))
}

/// A number as Go writes it into JSON.
pub(super) fn as_go_writes(value: f64) -> Option<Number> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "it is whole and within range"
    )]
    if value.fract() == 0.0 && value.abs() < 9.0e18 {
        return Some((value as i64).into());
    }
    Number::from_f64(value)
}

/// What begins as a date and is one stays the text that it is; what only begins so is a text anyway.
fn is_date(word: &str) -> bool {
    let digits = word.bytes().take_while(u8::is_ascii_digit).count();
    digits == 4 && word.as_bytes().get(4) == Some(&b'-')
}

/// What a key of a map is called in JSON.
pub(super) fn key(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// What `sigs.k8s.io/yaml` 1.6, which kubectl 1.34 reads manifests with, makes of each.
    #[test]
    fn words_are_what_kubectl_sends() {
        for (word, sent) in [
            ("0644", json!(420)),
            ("0o644", json!(420)),
            ("-0644", json!(-420)),
            ("0x1F", json!(31)),
            ("0b101", json!(5)),
            ("-0b101", json!(-5)),
            ("08", json!(8)),
            ("010", json!(8)),
            ("1e3", json!(1000)),
            ("1E3", json!(1000)),
            ("1.5e-3", json!(0.0015)),
            ("1_000", json!(1000)),
            ("1_000.5", json!(1000.5)),
            ("644.0", json!(644)),
            ("1.", json!(1)),
            (".5", json!(0.5)),
            ("+.5", json!(0.5)),
            ("+5", json!(5)),
            ("-0", json!(0)),
            ("9007199254740993", json!(9_007_199_254_740_993_i64)),
            ("18446744073709551615", json!(u64::MAX)),
            ("-9223372036854775808", json!(i64::MIN)),
            ("yes", json!(true)),
            ("on", json!(true)),
            ("Y", json!(true)),
            ("no", json!(false)),
            ("OFF", json!(false)),
            ("n", json!(false)),
            ("~", json!(null)),
            ("", json!(null)),
            ("NULL", json!(null)),
            ("12:30", json!("12:30")),
            ("12:30:45", json!("12:30:45")),
            ("2001-12-14", json!("2001-12-14")),
            (
                "2001-12-14t21:59:43.10-05:00",
                json!("2001-12-14t21:59:43.10-05:00"),
            ),
            ("1.2.3", json!("1.2.3")),
            ("1.10", json!(1.1)),
            ("1e400", json!("1e400")),
            ("0x", json!("0x")),
            ("0o8", json!("0o8")),
            ("--5", json!("--5")),
            ("-", json!("-")),
            ("_1", json!("_1")),
            ("100m", json!("100m")),
            ("yEs", json!("yEs")),
            ("nan", json!("nan")),
            ("inf", json!("inf")),
            ("1e", json!("1e")),
            (".", json!(".")),
        ] {
            assert_eq!(plain(word).unwrap(), sent, "{word}");
        }
        for word in [".inf", "-.Inf", ".nan"] {
            assert!(plain(word).is_err(), "{word}");
        }
    }

    #[test]
    fn tags_have_the_last_word() {
        assert_eq!(tagged("str", "0644").unwrap(), json!("0644"));
        assert_eq!(tagged("str", "yes").unwrap(), json!("yes"));
        assert_eq!(tagged("int", "0644").unwrap(), json!(420));
        assert_eq!(tagged("float", "3").unwrap(), json!(3));
        assert_eq!(tagged("binary", "aGVs\n bG8=").unwrap(), json!("hello"));
        assert_eq!(tagged("bool", "on").unwrap(), json!(true));
        for (tag, word) in [("int", "1.5"), ("bool", "1"), ("null", "x"), ("float", "x")] {
            let said = tagged(tag, word).unwrap_err().to_string();
            assert!(said.contains(&format!("!!{tag}")), "{said}");
        }
    }
}
