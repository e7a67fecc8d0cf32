//! Service level objectives: `p99<50ms,errors<0.1%`.

use crate::summary::Summary;
use aefm_workloads::load::Quantiles;
use aefm_workloads::unit::parse_duration;
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// Why objectives cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SloError {
    /// Not of the form.
    #[error(
        "read the objective `{0}`: write p99<50ms (p50, p75, p90, p95, p99, p99.9, p99.99, mean, max), errors<0.1%"
    )]
    Form(String),
}

#[derive(Clone, Debug, PartialEq)]
enum Objective {
    /// A figure of the response time stays below so many microseconds.
    Time { figure: String, below_us: f64 },
    /// The share of requests that are not ok stays below this (or at it, if it is 0).
    Errors { below: f64 },
}

/// Objectives that all have to be met.
#[derive(Clone, Debug, PartialEq)]
pub struct Objectives {
    text: String,
    all: Vec<Objective>,
}

impl FromStr for Objectives {
    type Err = SloError;

    fn from_str(text: &str) -> Result<Self, SloError> {
        let all: Result<Vec<_>, _> = text
            .split(',')
            .map(|part| objective(part.trim()).ok_or_else(|| SloError::Form(part.to_owned())))
            .collect();
        Ok(Self {
            text: text.to_owned(),
            all: all?,
        })
    }
}

impl fmt::Display for Objectives {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn objective(text: &str) -> Option<Objective> {
    let (figure, limit) = text.split_once('<')?;
    let (figure, limit) = (figure.trim(), limit.trim_start_matches('=').trim());
    if matches!(figure, "errors" | "err") {
        let (number, scale) = limit
            .strip_suffix('%')
            .map_or((limit, 1.0), |number| (number, 0.01));
        let below = number.trim().parse::<f64>().ok()? * scale;
        return (0.0..=1.0)
            .contains(&below)
            .then_some(Objective::Errors { below });
    }
    let known = [
        "mean", "p50", "p75", "p90", "p95", "p99", "p99.9", "p99.99", "max",
    ];
    let unit = limit.ends_with(|c: char| c.is_ascii_alphabetic());
    let below_us = parse_duration(limit).ok().filter(|_| unit)?.as_secs_f64() * 1e6;
    known.contains(&figure).then(|| Objective::Time {
        figure: figure.to_owned(),
        below_us,
    })
}

impl Objectives {
    /// What is missed, in sentences; nothing if all is met.
    #[must_use]
    pub fn missed(&self, summary: &Summary) -> Vec<String> {
        self.all
            .iter()
            .filter_map(|objective| objective.missed(summary))
            .collect()
    }
}

impl Objective {
    fn missed(&self, summary: &Summary) -> Option<String> {
        match self {
            Self::Errors { below } => {
                let share = 1.0 - summary.ok() as f64 / summary.intended.max(1) as f64;
                let met = share < *below || (share == 0.0 && *below == 0.0 && summary.intended > 0);
                (!met).then(|| {
                    format!(
                        "errors are {:.3} %, not below {} %",
                        share * 100.0,
                        below * 100.0
                    )
                })
            }
            Self::Time { figure, below_us } => {
                let us = figure_of(&summary.response_time_us, figure);
                let open = summary.lower_bound.contains(&figure.as_str());
                match us {
                    None => Some(format!("{figure} cannot be told: too few response times")),
                    Some(us) if us >= *below_us => {
                        Some(format!("{figure} is {us} us, not below {below_us} us"))
                    }
                    Some(us) if open => Some(format!(
                        "{figure} is at least {us} us and may be {below_us} us or more"
                    )),
                    Some(_) => None,
                }
            }
        }
    }
}

/// A figure by its name in JSON.
fn figure_of(quantiles: &Quantiles, name: &str) -> Option<f64> {
    match name {
        "mean" => quantiles.mean,
        "p50" => quantiles.p50,
        "p75" => quantiles.p75,
        "p90" => quantiles.p90,
        "p95" => quantiles.p95,
        "p99" => quantiles.p99,
        "p99.9" => quantiles.p99_9,
        "p99.99" => quantiles.p99_99,
        "max" => quantiles.max,
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objectives_are_read() {
        let objectives: Objectives = "p99<50ms, errors<0.1%,max<=2s".parse().unwrap();
        assert_eq!(
            objectives.all,
            [
                Objective::Time {
                    figure: "p99".to_owned(),
                    below_us: 50_000.0
                },
                Objective::Errors { below: 0.001 },
                Objective::Time {
                    figure: "max".to_owned(),
                    below_us: 2_000_000.0
                },
            ]
        );
        for wrong in ["p99", "p98<1ms", "p99<50", "errors<200%", "errors<x", ""] {
            assert!(wrong.parse::<Objectives>().is_err(), "{wrong}");
        }
    }
}
