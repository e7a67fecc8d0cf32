//! Whether a number keeps being the number that was written when a double holds it.

/// The double of a text; none where that is no number, or one beyond all doubles.
pub(super) fn parse(text: &str) -> Option<f64> {
    let value: f64 = text.parse().ok()?;
    let is_spelled = text
        .trim_start_matches(['+', '-'])
        .starts_with(|first: char| first.is_ascii_alphabetic());
    (value.is_finite() || is_spelled).then_some(value)
}

/// The double of a text, if it is the number that the text says: printed with as many digits, or as few as tell it from
/// its neighbours, it is written like that. What a double would round stays text.
pub(super) fn exact(text: &str) -> Option<f64> {
    let value = parse(text).filter(|value| value.is_finite());
    let Some(value) = value else {
        // Spelled out, `inf` and `nan` have no digits to lose.
        return parse(text);
    };
    let said = Decimal::of(text)?;
    if text
        .trim_start_matches(['+', '-'])
        .bytes()
        .all(|byte| byte.is_ascii_digit())
    {
        // Beyond this not every whole number is a double: one that is would stand among others that are not.
        let whole: i64 = text.parse().ok()?;
        return (whole.unsigned_abs() <= 1 << f64::MANTISSA_DIGITS).then_some(value);
    }
    let places = said.digits.len().saturating_sub(1);
    [format!("{value:e}"), format!("{value:.places$e}")]
        .iter()
        .any(|printed| Decimal::of(printed).as_ref() == Some(&said))
        .then_some(value)
}

/// Whether this is a count of digits with an `e` within, as hexadecimal ids happen to be.
pub(super) fn is_like_hex(text: &str) -> bool {
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    text.split_once(['e', 'E'])
        .is_some_and(|(before, after)| is_digits(before) && is_digits(after))
}

/// A number by its digits: `0.DIGITS` times ten to the power of `exponent`.
#[derive(Debug, PartialEq, Eq)]
struct Decimal {
    is_negative: bool,
    digits: String,
    exponent: i64,
}

impl Decimal {
    fn of(text: &str) -> Option<Self> {
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let exponent: i64 = exponent.parse().ok()?;
        let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let bare = whole.trim_start_matches(['+', '-']);
        let all = format!("{bare}{part}");
        let significant = all.trim_start_matches('0');
        let zeros = i64::try_from(all.len() - significant.len()).ok()?;
        let digits = significant.trim_end_matches('0').to_owned();
        if digits.is_empty() {
            return Some(Self {
                is_negative: false,
                digits,
                exponent: 0,
            });
        }
        Some(Self {
            is_negative: whole.starts_with('-'),
            digits,
            exponent: exponent
                .checked_add(i64::try_from(bare.len()).ok()?)?
                .checked_sub(zeros)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_a_double_would_round_is_none() {
        for text in [
            "9223372036854775808",
            "18446744073709551615",
            "9007199254740993",
            "9007199254740993.0",
            "0.12345678901234567890123",
            "1e400",
            "-1e400",
            "1e-400",
            "0.1000000000000000000000001",
        ] {
            assert_eq!(exact(text), None, "{text}");
        }
        for text in [
            "0.1",
            "1.50",
            "-1e-05",
            "1e+22",
            "0.10000000000000001",
            "1.000000000000000056e-01",
            "9007199254740992",
            "0.0",
            "-0",
            ".5",
            "5.",
            "inf",
            "NaN",
        ] {
            assert!(exact(text).is_some(), "{text}");
        }
    }

    proptest! {
        /// A number is the same number behind the column, or it stays text.
        #[test]
        fn a_number_is_the_same_or_none(
            sign in "[+-]?",
            whole in "[0-9]{1,30}",
            part in proptest::option::of("[0-9]{0,30}"),
            exponent in proptest::option::of(-400_i64..400),
        ) {
            let part = part.map_or(String::new(), |part| format!(".{part}"));
            let exponent = exponent.map_or(String::new(), |exponent| format!("e{exponent}"));
            let text = format!("{sign}{whole}{part}{exponent}");
            let said = Decimal::of(&text).unwrap();
            if let Some(value) = exact(&text) {
                // All digits of a double, and as many of them as were written.
                let places = said.digits.len().saturating_sub(1);
                let again = [format!("{value:e}"), format!("{value:.places$e}")].map(|text| Decimal::of(&text));
                prop_assert!(again.contains(&Some(said)), "{} is {}", text, value);
            } else {
                // Whole numbers beyond 2^53 stay text, those with zeros at their end, too.
                let is_whole = part.is_empty() && exponent.is_empty();
                let is_large = is_whole && whole.parse::<u64>().is_ok_and(|whole| whole > 1 << 53);
                prop_assert!(
                    is_large || said.digits.len() > 15 || !(-300..=300).contains(&said.exponent),
                    "{}", text
                );
            }
        }

        #[test]
        fn every_double_is_itself(value in proptest::num::f64::NORMAL | proptest::num::f64::ZERO) {
            prop_assert_eq!(exact(&format!("{value:e}")), Some(value));
            prop_assert_eq!(exact(&format!("{value:?}")), Some(value));
            prop_assert_eq!(exact(&format!("{value:.17e}")), Some(value));
        }
    }
}
