//! Standard output: one JSON object a line, or plain progress, each line flushed.

use aefm_workloads::interference::{InterferenceSample, Why};
use std::io::{Stdout, Write};
use std::os::fd::{AsFd, BorrowedFd};

/// How samples are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// One JSON object a line.
    Json,
    /// For people.
    Plain,
}

/// Where samples go.
#[derive(Debug)]
pub struct Output {
    stdout: Stdout,
    style: Style,
}

impl Output {
    /// Standard output in that style.
    #[must_use]
    pub fn stdout(style: Style) -> Self {
        Self {
            stdout: std::io::stdout(),
            style,
        }
    }

    /// Writes a sample.
    ///
    /// # Errors
    /// When nobody reads any more.
    pub fn write(&mut self, sample: &InterferenceSample) -> std::io::Result<()> {
        let line = match self.style {
            Style::Json => serde_json::to_string(sample)?,
            Style::Plain => plain(sample),
        };
        self.line(&line)
    }

    /// Writes a line as it is.
    ///
    /// # Errors
    /// When nobody reads any more.
    pub fn line(&mut self, line: &str) -> std::io::Result<()> {
        let mut stdout = self.stdout.lock();
        writeln!(stdout, "{line}")?;
        stdout.flush()
    }

    /// The style.
    #[must_use]
    pub fn style(&self) -> Style {
        self.style
    }
}

impl AsFd for Output {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stdout.as_fd()
    }
}

/// One line for people.
#[must_use]
pub fn plain(sample: &InterferenceSample) -> String {
    let state = state(sample);
    let rate = match sample.bytes_per_s {
        Some(rate) if sample.unit == "percent" => format!("  ({:.2} GB/s)", rate / 1e9),
        _ => String::new(),
    };
    let mean = if sample.summary { "  mean" } else { "" };
    let achieved = amount(sample.achieved, &sample.unit);
    let requested = amount(sample.requested, &sample.unit);
    format!(
        "{:<13} {achieved} of {requested}{rate}{mean}{state}",
        sample.kind.name()
    )
}

/// What is to be said of an intensity that is not held.
fn state(sample: &InterferenceSample) -> String {
    let word = match sample.why {
        _ if sample.held => return String::new(),
        None if sample.saturated => return "  saturated: this is the reachable maximum".to_owned(),
        None => "it was missed",
        Some(Why::Taken) => "what it was given was changed",
        Some(Why::Stopped) => "it was stopped",
        Some(Why::Throttled) => "throttled",
        Some(Why::Limited) => "limited",
        Some(Why::Unreachable) => "its peer does not answer",
        Some(Why::Filling) => "still filling",
        Some(Why::Measuring) => "still measuring its peak",
        Some(Why::Settling) => "settling",
        Some(Why::TooShort) => "too short a run to tell",
        Some(Why::Missed) => "missed for a part of the time",
    };
    let not_held = if sample.summary { "not held: " } else { "" };
    let detail = sample.detail.as_deref();
    let detail = detail.map_or(String::new(), |detail| format!(": {detail}"));
    format!("  {not_held}{word}{detail}")
}

/// A value in its unit, short.
fn amount(value: f64, unit: &str) -> String {
    match unit {
        "percent" => format!("{value:.1} %"),
        "bytes" if value >= 1e9 => format!("{:.2} GiB", value / 1_073_741_824.0),
        "bytes" => format!("{:.1} MiB", value / 1_048_576.0),
        "bit/s" if value >= 1e9 => format!("{:.3} Gbit/s", value / 1e9),
        "bit/s" => format!("{:.2} Mbit/s", value / 1e6),
        "GB/s" => format!("{value:.2} GB/s"),
        _ => format!("{value:.1} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aefm_workloads::interference::Kind;

    fn sample() -> InterferenceSample {
        InterferenceSample {
            kind: Kind::MemBandwidth,
            requested: 60.0,
            achieved: 59.94,
            unit: "percent".to_owned(),
            saturated: false,
            held: true,
            why: None,
            detail: None,
            wall_ns: 1,
            mono_ns: 2,
            bytes_per_s: Some(3.4e10),
            summary: false,
        }
    }

    #[test]
    fn people_read_one_short_line() {
        assert_eq!(
            plain(&sample()),
            "mem_bandwidth 59.9 % of 60.0 %  (34.00 GB/s)"
        );
        let short = InterferenceSample {
            held: false,
            saturated: true,
            summary: true,
            ..sample()
        };
        assert!(plain(&short).ends_with("mean  saturated: this is the reachable maximum"));
        let taken = InterferenceSample {
            saturated: false,
            why: Some(Why::Taken),
            detail: Some("core 1 was taken from it".to_owned()),
            ..short
        };
        assert!(
            plain(&taken).ends_with(
                "mean  not held: what it was given was changed: core 1 was taken from it"
            )
        );
    }

    #[test]
    fn programs_read_the_promised_keys() {
        let line = serde_json::to_value(sample()).unwrap();
        for key in [
            "kind",
            "requested",
            "achieved",
            "unit",
            "saturated",
            "wall_ns",
            "mono_ns",
            "bytes_per_s",
        ] {
            assert!(line.get(key).is_some(), "{key}");
        }
        assert_eq!(line.get("summary"), None);
    }
}
