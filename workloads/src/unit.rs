//! Numbers, durations and sizes as people type them: one grammar for every command and file.

use std::time::Duration;

/// Why a quantity could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// Not a number.
    #[error("`{0}` is not a number: write such as 100, 0.5, 1e3, 10k, 2M or 1G")]
    Number(String),
    /// Not a duration.
    #[error(
        "`{0}` is not a duration: write numbers and us, ms, s, m or h, such as 500ms, 30s, 1.5m or 1m30s"
    )]
    Duration(String),
    /// Not a quantity of bytes.
    #[error(
        "`{0}` is not a size: write a number and B, KiB, MiB, GiB, kB, MB or GB, such as 512MiB"
    )]
    Bytes(String),
}

/// Units of time, longest first, in seconds. Small letters only: `M` is a million elsewhere.
const TIMES: [(&str, f64); 5] = [
    ("h", 3600.0),
    ("m", 60.0),
    ("s", 1.0),
    ("ms", 1e-3),
    ("us", 1e-6),
];
/// The longest duration, seconds: a year.
const LONGEST_S: f64 = 366.0 * 86_400.0;

/// Reads `500ms`, `30s`, `1.5m`, `1h`, and several with falling units: `1m30s`. A bare number counts as seconds.
///
/// # Errors
/// When it is none of these, or is negative or beyond a year.
pub fn parse_duration(text: &str) -> Result<Duration, QuantityError> {
    seconds(text)
        .filter(|&seconds| seconds <= LONGEST_S)
        .map(|seconds| Duration::from_nanos((seconds * 1e9).round() as u64))
        .ok_or_else(|| QuantityError::Duration(text.to_owned()))
}

fn seconds(text: &str) -> Option<f64> {
    let (value, rest) = leading_number(text.trim())?;
    if rest.is_empty() {
        return Some(value);
    }
    let (mut sum, mut value, mut rest, mut units) = (0.0, value, rest, &TIMES[..]);
    loop {
        let end = rest
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(rest.len());
        let (unit, after) = rest.split_at(end);
        let at = units.iter().position(|(name, _)| *name == unit)?;
        sum += value * units[at].1;
        let after = after.trim_start();
        if after.is_empty() {
            return Some(sum);
        }
        // Each unit once, and shorter ones behind longer ones.
        units = &units[at + 1..];
        (value, rest) = leading_number(after)?;
    }
}

/// Reads `100`, `0.5`, `1e3`, `10k`, `2M`, `1G`.
///
/// # Errors
/// When it is none of these, or is negative.
pub fn parse_number(text: &str) -> Result<f64, QuantityError> {
    let scaled = leading_number(text.trim()).and_then(|(value, unit)| {
        let scale = match unit {
            "" => 1.0,
            "k" | "K" => 1e3,
            "M" => 1e6,
            "G" => 1e9,
            _ => return None,
        };
        Some(value * scale).filter(|value| value.is_finite())
    });
    scaled.ok_or_else(|| QuantityError::Number(text.to_owned()))
}

/// Reads `512MiB`, `2GB`, `4096`; a bare number counts as bytes.
///
/// # Errors
/// When it is not a number with one of these units, or is negative.
pub fn parse_bytes(text: &str) -> Result<u64, QuantityError> {
    let error = || QuantityError::Bytes(text.to_owned());
    let (value, unit) = leading_number(text.trim()).ok_or_else(error)?;
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

/// The number that a text starts with (`1`, `0.5`, `1e-3`, `1_000`), finite and not negative, and what follows it
/// without blanks between. None: it starts with no such number.
#[must_use]
pub fn leading_number(text: &str) -> Option<(f64, &str)> {
    let is_digit = |c: char| c.is_ascii_digit() || c == '_';
    let end = text
        .find(|c: char| !is_digit(c) && c != '.')
        .unwrap_or(text.len());
    let end = exponent_end(text, end);
    let value: f64 = text[..end].replace('_', "").parse().ok()?;
    let sound = value.is_finite() && text.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    sound.then_some((value, text[end..].trim_start()))
}

/// `1e9` is a number: an exponent belongs to it.
fn exponent_end(text: &str, end: usize) -> usize {
    let Some(rest) = text[end..].strip_prefix(['e', 'E']) else {
        return end;
    };
    let digits = rest.strip_prefix(['+', '-']).unwrap_or(rest);
    let count = digits
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(digits.len());
    if count == 0 {
        return end;
    }
    text.len() - digits.len() + count
}

/// A duration for people who wait: `0.9 s`, `23 s`, `1 min 23 s`, `5 h 20 min`, `2 d 3 h`. Rounded to what it shows.
#[must_use]
pub fn say_duration(duration: Duration) -> String {
    let two = |most: u64, most_unit, least: u64, least_unit| match least {
        0 => format!("{most} {most_unit}"),
        least => format!("{most} {most_unit} {least} {least_unit}"),
    };
    let tenths = (duration.as_secs_f64() * 10.0).round();
    if tenths < 100.0 && tenths % 10.0 != 0.0 {
        return format!("{:.1} s", tenths / 10.0);
    }
    let seconds = duration.as_secs() + u64::from(duration.subsec_millis() >= 500);
    let minutes = seconds.saturating_add(30) / 60;
    let hours = minutes.saturating_add(30) / 60;
    match (seconds, minutes, hours) {
        (0..60, ..) => format!("{seconds} s"),
        (60..3570, ..) => two(seconds / 60, "min", seconds % 60, "s"),
        (_, 0..1410, _) => two(minutes / 60, "h", minutes % 60, "min"),
        (.., hours) => two(hours / 24, "d", hours % 24, "h"),
    }
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
    use proptest::prelude::*;

    #[test]
    fn people_are_told_durations_in_whole_units() {
        for (ms, said) in [
            (0, "0 s"),
            (940, "0.9 s"),
            (3000, "3 s"),
            (9990, "10 s"),
            (23_400, "23 s"),
            (59_600, "1 min"),
            (83_000, "1 min 23 s"),
            (3_599_000, "1 h"),
            (19_200_000, "5 h 20 min"),
            (86_390_000, "1 d"),
            (184_000_000, "2 d 3 h"),
        ] {
            assert_eq!(say_duration(Duration::from_millis(ms)), said, "{ms} ms");
        }
    }

    proptest! {
        #[test]
        fn what_people_are_told_is_near(s in 0..10_000_000_u64, ms in 0..1000_u64) {
            let duration = Duration::from_secs(s) + Duration::from_millis(ms);
            let said = say_duration(duration);
            prop_assert!(!said.contains("60 s") && !said.contains("60 min") && !said.contains("24 h"), "{}", said);
            let read = parse_duration(&said.replace(" d", "d").replace(' ', "").replace("min", "m"));
            if let Ok(read) = read {
                let off = read.abs_diff(duration).as_secs_f64();
                prop_assert!(off <= 0.05_f64.max(duration.as_secs_f64() * 0.03), "{said} is {duration:?}");
            }
        }

        #[test]
        fn parts_add_up(h in 0..99u64, m in 0..99u64, s in 0..99u64, ms in 0..2000u64, us in 0..2000u64) {
            let whole = Duration::from_secs(h * 3600 + m * 60 + s) + Duration::from_millis(ms) + Duration::from_micros(us);
            let read = parse_duration(&format!("{h}h{m}m{s}s{ms}ms{us}us")).unwrap();
            prop_assert!(read.abs_diff(whole) < Duration::from_nanos(100), "{read:?} is not {whole:?}");
        }

        #[test]
        fn no_text_makes_it_panic(text in ".*") {
            let _ = (parse_duration(&text), parse_number(&text), parse_bytes(&text));
        }
    }

    #[test]
    fn durations_are_read_as_typed() {
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("1.5m"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration(" 2 h "), Ok(Duration::from_secs(7200)));
        assert_eq!(parse_duration("10"), Ok(Duration::from_secs(10)));
        assert_eq!(parse_duration("1e3"), Ok(Duration::from_secs(1000)));
        assert_eq!(parse_duration("1e-3s"), Ok(Duration::from_millis(1)));
        assert_eq!(parse_duration("250us"), Ok(Duration::from_micros(250)));
        assert_eq!(parse_duration("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(
            parse_duration("1h 2m 3.5s"),
            Ok(Duration::from_millis(3_723_500))
        );
        for wrong in [
            "", "s", "-1s", "1w", "1s2m", "1m1m", "1m30", "1e9h", "inf", "9999999h", "10M", "1S",
            "1.2.3", "_", "+1s", "1d",
        ] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn numbers_have_suffixes_and_exponents() {
        for (text, number) in [
            ("10k", 1e4),
            ("10K", 1e4),
            ("2M", 2e6),
            ("1.5G", 1.5e9),
            ("1e3", 1e3),
            ("2.5E+1k", 25e3),
            ("1_000", 1e3),
            (" 0.5 ", 0.5),
        ] {
            assert_eq!(parse_number(text), Ok(number), "{text}");
        }
        // Minutes are no millions, and the other way round.
        for wrong in ["", "-1", "12q", "2m", "1.2.3", "nan", "1e999", "k", "1ek"] {
            assert!(parse_number(wrong).is_err(), "{wrong}");
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
