//! Arrivals from a file: a list of times, or of times and rates.

use super::{Profile, ProfileError, Stage};
use std::sync::Arc;
use thiserror::Error;

/// Why an arrival file cannot be used. Lines count from 1.
#[derive(Debug, PartialEq, Error)]
pub enum FileError {
    /// A field that is not a number.
    #[error(
        "read line {line}: `{text}` is not a number of seconds; each line holds `t` or `t,rate`"
    )]
    Number {
        /// Where.
        line: usize,
        /// What stands there.
        text: String,
    },
    /// One line has a rate, another has none.
    #[error("read line {line}: all lines hold `t`, or all hold `t,rate`")]
    Mixed {
        /// Where.
        line: usize,
    },
    /// A time before the one above.
    #[error("read line {line}: times have to ascend")]
    Order {
        /// Where.
        line: usize,
    },
    /// Nothing there.
    #[error("find a time in it: the file is empty")]
    Empty,
    /// Rates that make no profile.
    #[error(transparent)]
    Profile(#[from] ProfileError),
}

/// What an arrival file says.
#[derive(Clone, Debug, PartialEq)]
pub enum ArrivalFile {
    /// Each line is one request's time: ns since the first, which is time zero.
    Times(Arc<[u64]>),
    /// Each line starts a step of the rate.
    Rates(Profile),
}

impl ArrivalFile {
    /// Reads CSV text: `t` (one request each) or `t,rate` (a step each), seconds and Hz, a heading and `#` lines
    /// allowed. `time_scale` stretches the time axis: 2 takes twice as long, at half the rate of a list of times.
    ///
    /// # Errors
    /// The first line that does not fit.
    pub fn parse(text: &str, time_scale: f64) -> Result<Self, FileError> {
        let mut times = Vec::new();
        let mut rates = Vec::new();
        let mut first_s = 0.0;
        for (line, row) in text
            .lines()
            .enumerate()
            .map(|(index, row)| (index + 1, row.trim()))
        {
            let mut fields = row.split(',').map(str::trim);
            let at = fields.next().unwrap_or_default();
            if at.is_empty() || at.starts_with('#') || (line == 1 && at.parse::<f64>().is_err()) {
                continue;
            }
            let number = |text: &str| match text.parse::<f64>() {
                Ok(number) if number.is_finite() => Ok(number),
                _ => Err(FileError::Number {
                    line,
                    text: text.to_owned(),
                }),
            };
            let at_s = number(at)? * time_scale;
            if times.is_empty() {
                first_s = at_s;
            }
            if times.last().is_some_and(|&last| at_s - first_s < last) {
                return Err(FileError::Order { line });
            }
            times.push(at_s - first_s);
            if let Some(rate) = fields.next() {
                rates.push(number(rate)?);
            }
            if !rates.is_empty() && rates.len() != times.len() {
                return Err(FileError::Mixed { line });
            }
        }
        match (times.is_empty(), rates.is_empty()) {
            (true, _) => Err(FileError::Empty),
            (_, true) => Ok(Self::Times(
                times.iter().map(|s| (s * 1e9).round() as u64).collect(),
            )),
            _ => Ok(Self::Rates(Profile::stages(&steps(&times, &rates))?)),
        }
    }
}

/// A step is two stages at one time.
fn steps(times: &[f64], rates: &[f64]) -> Vec<Stage> {
    let mut stages: Vec<Stage> = Vec::with_capacity(2 * times.len());
    for (&at_s, &rate_hz) in times.iter().zip(rates) {
        if let Some(&before) = stages.last() {
            stages.push(Stage {
                at_s,
                rate_hz: before.rate_hz,
            });
        }
        stages.push(Stage { at_s, rate_hz });
    }
    stages
}
