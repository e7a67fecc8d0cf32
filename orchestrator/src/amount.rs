//! Amounts as Kubernetes writes them: `3`, `3920m`, `0.5`, `32Gi`, `1e3`, `128974848`, `129M`, `128974848000m`.
//!
//! Format: <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>.

use serde_json::Value;

/// Suffixes and what they stand for; those of two letters first.
const SUFFIXES: [(&str, f64); 15] = [
    ("Ki", 1024.0),
    ("Mi", 1_048_576.0),
    ("Gi", 1_073_741_824.0),
    ("Ti", 1_099_511_627_776.0),
    ("Pi", 1_125_899_906_842_624.0),
    ("Ei", 1_152_921_504_606_846_976.0),
    ("n", 1e-9),
    ("u", 1e-6),
    ("m", 1e-3),
    ("k", 1e3),
    ("M", 1e6),
    ("G", 1e9),
    ("T", 1e12),
    ("P", 1e15),
    ("E", 1e18),
];

/// The amount that a text writes; none where it is no amount, or a negative one.
#[must_use]
pub(crate) fn parse(text: &str) -> Option<f64> {
    let text = text.trim();
    let suffix = SUFFIXES
        .iter()
        .find_map(|(suffix, factor)| Some((text.strip_suffix(suffix)?, *factor)));
    let (number, factor) = suffix.unwrap_or((text, 1.0));
    // Rust reads more as a number than Kubernetes writes: `inf`, `nan`.
    let plain = number
        .bytes()
        .all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    let value: f64 = number.parse().ok().filter(|_| plain)?;
    (value.is_finite() && value >= 0.0).then_some(value * factor)
}

/// The amount in a field, which may be written as a number.
#[must_use]
pub(crate) fn of(field: &Value) -> Option<f64> {
    field
        .as_f64()
        .filter(|value| *value >= 0.0)
        .or_else(|| parse(field.as_str()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn amounts_come_in_any_form() {
        for (text, amount) in [
            ("4", Some(4.0)),
            ("3920m", Some(3.92)),
            ("0.5", Some(0.5)),
            ("32Gi", Some(34_359_738_368.0)),
            ("16384Ki", Some(16_777_216.0)),
            ("129M", Some(129e6)),
            ("1e3", Some(1000.0)),
            ("12E", Some(12e18)),
            ("128974848000m", Some(128_974_848.0)),
            ("100u", Some(1e-4)),
            ("many", None),
            ("-1", None),
            ("inf", None),
            ("", None),
            ("Gi", None),
            ("5 Gi B", None),
        ] {
            let near = |one: f64, other: f64| (one - other).abs() <= 1e-12 * other;
            let same = match (parse(text), amount) {
                (Some(read), Some(amount)) => near(read, amount),
                (read, amount) => read == amount,
            };
            assert!(same, "{text} is {:?}", parse(text));
        }
        assert_eq!(
            (of(&json!(2)), of(&json!("2")), of(&json!(null))),
            (Some(2.0), Some(2.0), None)
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_nothing_panics(value in 0..u32::MAX, at in 0..SUFFIXES.len(), any in ".*") {
            let (suffix, factor) = SUFFIXES[at];
            prop_assert_eq!(parse(&format!("{value}{suffix}")), Some(f64::from(value) * factor));
            let _ = parse(&any);
        }
    }
}
