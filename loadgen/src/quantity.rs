//! Numbers and durations as a user types them: `10k`, `30s`, `2m`, `250ms`.

use std::time::Duration;
use thiserror::Error;

/// Why a quantity cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum QuantityError {
    /// Not a number with a known suffix.
    #[error("read `{0}` as a number: write 100, 0.5, 10k or 2M")]
    Number(String),
    /// Not a duration.
    #[error("read `{0}` as a duration: write 30s, 2m, 1h or 250ms")]
    Duration(String),
}

fn scaled(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let text = text.trim();
    let digits = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let scale = units
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(unit.trim()))?
        .1;
    number
        .parse::<f64>()
        .ok()
        .map(|number| number * scale)
        .filter(|number| number.is_finite())
}

/// A number of at least 0, with an SI suffix `k`, `M` or `G` in either case.
///
/// # Errors
/// The text is anything else.
pub fn number(text: &str) -> Result<f64, QuantityError> {
    scaled(text, &[("", 1.0), ("k", 1e3), ("m", 1e6), ("g", 1e9)])
        .ok_or_else(|| QuantityError::Number(text.to_owned()))
}

/// A duration with its unit; a bare number is seconds, as in wrk2.
///
/// # Errors
/// The text is anything else, or longer than a hundred years.
pub fn duration(text: &str) -> Result<Duration, QuantityError> {
    let units = [
        ("", 1.0),
        ("s", 1.0),
        ("ms", 1e-3),
        ("us", 1e-6),
        ("m", 60.0),
        ("h", 3600.0),
    ];
    scaled(text, &units)
        .filter(|&seconds| seconds < 3.2e9)
        .map(Duration::from_secs_f64)
        .ok_or_else(|| QuantityError::Duration(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_scale() {
        assert_eq!(number("10k"), Ok(10_000.0));
        assert_eq!(number("0.5"), Ok(0.5));
        assert_eq!(number("2M"), Ok(2e6));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(duration("3"), Ok(Duration::from_secs(3)));
    }

    #[test]
    fn anything_else_is_named() {
        assert_eq!(number("-1"), Err(QuantityError::Number("-1".to_owned())));
        assert!(number("12q").is_err() && number("").is_err() && number("1.2.3").is_err());
        assert!(duration("1d").unwrap_err().to_string().contains("1d"));
    }
}
