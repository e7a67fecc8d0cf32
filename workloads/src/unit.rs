//! Quantities as people type them.

use std::time::Duration;

/// Why a quantity could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// Not a duration.
    #[error("`{0}` is not a duration: write a number and ms, s, m or h, such as 500ms, 30s or 2m")]
    Duration(String),
    /// Not a quantity of bytes.
    #[error(
        "`{0}` is not a size: write a number and B, KiB, MiB, GiB, kB, MB or GB, such as 512MiB"
    )]
    Bytes(String),
}

/// Reads `500ms`, `30s`, `1.5m`, `1h`; a bare number counts as seconds.
///
/// # Errors
/// When it is not a number with one of these units, or is negative or beyond a year.
pub fn parse_duration(text: &str) -> Result<Duration, QuantityError> {
    let error = || QuantityError::Duration(text.to_owned());
    let (value, unit) = split(text).ok_or_else(error)?;
    let seconds = match unit {
        "us" => value / 1e6,
        "ms" => value / 1e3,
        "s" | "" => value,
        "m" => value * 60.0,
        "h" => value * 3600.0,
        _ => return Err(error()),
    };
    if seconds > 366.0 * 86_400.0 {
        return Err(error());
    }
    Ok(Duration::from_nanos((seconds * 1e9).round() as u64))
}

/// Reads `512MiB`, `2GB`, `4096`; a bare number counts as bytes.
///
/// # Errors
/// When it is not a number with one of these units, or is negative.
pub fn parse_bytes(text: &str) -> Result<u64, QuantityError> {
    let error = || QuantityError::Bytes(text.to_owned());
    let (value, unit) = split(text).ok_or_else(error)?;
    let factor: f64 = match unit {
        "" | "B" => 1.0,
        "kB" | "k" => 1e3,
        "MB" | "M" => 1e6,
        "GB" | "G" => 1e9,
        "TB" | "T" => 1e12,
        "KiB" | "Ki" => 1024.0,
        "MiB" | "Mi" => 1024.0 * 1024.0,
        "GiB" | "Gi" => 1024.0 * 1024.0 * 1024.0,
        _ => return Err(error()),
    };
    Ok((value * factor).round() as u64)
}

/// A non-negative finite number and the unit behind it.
fn split(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    let end = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(text.len());
    let value: f64 = text[..end].parse().ok()?;
    value
        .is_finite()
        .then_some((value, text[end..].trim_start()))
}

/// Shows a duration as people type it: the largest unit that needs no more than two decimals.
#[must_use]
pub fn show_duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    let trim = |value: f64| {
        let text = format!("{value:.2}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    match seconds {
        s if s >= 3600.0 => format!("{}h", trim(s / 3600.0)),
        s if s >= 60.0 => format!("{}m", trim(s / 60.0)),
        s if s >= 1.0 || s == 0.0 => format!("{}s", trim(s)),
        s => format!("{}ms", trim(s * 1e3)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_typed() {
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("1.5m"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration(" 2 h "), Ok(Duration::from_secs(7200)));
        assert_eq!(parse_duration("10"), Ok(Duration::from_secs(10)));
        for wrong in ["", "s", "-1s", "1w", "1s2m", "1e9h", "inf", "9999999h"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_know_both_kinds_of_prefix() {
        assert_eq!(parse_bytes("1KiB"), Ok(1024));
        assert_eq!(parse_bytes("1.5GB"), Ok(1_500_000_000));
        assert!(parse_bytes("5 apples").is_err());
    }

    #[test]
    fn durations_are_shown_short() {
        assert_eq!(show_duration(Duration::from_millis(1500)), "1.5s");
        assert_eq!(show_duration(Duration::from_secs(90)), "1.5m");
        assert_eq!(show_duration(Duration::from_millis(20)), "20ms");
    }
}
