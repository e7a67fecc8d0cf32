//! What `aefm doctor` finds: checks over facts, each a row of what it is, why it matters, and the way out. Pure but for
//! the files called `facts`, which gather.

pub mod cluster;
pub mod local;
pub mod scrape;

use crate::experiment::Experiment;
use serde::Serialize;
use std::time::Duration;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// As it should be.
    Ok,
    /// An experiment runs, and its figures may be doubted.
    Warn,
    /// An experiment does not run.
    Fail,
}

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at, in a word or two.
    pub check: &'static str,
    /// How bad it is.
    pub level: Level,
    /// What was found.
    pub found: String,
    /// Why it matters.
    pub why: &'static str,
    /// What to do about it; none where all is well.
    pub way_out: Option<String>,
}

impl Finding {
    /// All is well.
    pub fn ok(check: &'static str, found: impl Into<String>, why: &'static str) -> Self {
        Self {
            check,
            level: Level::Ok,
            found: found.into(),
            why,
            way_out: None,
        }
    }

    /// Doubtful.
    pub fn warn(
        check: &'static str,
        found: impl Into<String>,
        why: &'static str,
        way_out: impl Into<String>,
    ) -> Self {
        Self {
            check,
            level: Level::Warn,
            found: found.into(),
            why,
            way_out: Some(way_out.into()),
        }
    }

    /// It will not run.
    pub fn fail(
        check: &'static str,
        found: impl Into<String>,
        why: &'static str,
        way_out: impl Into<String>,
    ) -> Self {
        Self {
            level: Level::Fail,
            ..Self::warn(check, found, why, way_out)
        }
    }
}

/// What an experiment asks of the place that it runs in.
#[derive(Clone, Debug, PartialEq)]
pub struct Demand {
    /// Cases.
    pub cases: usize,
    /// Requests of all cases, those of warm-ups included.
    pub requests: f64,
    /// The highest rate of a case, per second.
    pub rate_hz: f64,
    /// Requests of the case that has the most.
    pub requests_of_a_case: f64,
    /// The measured phase of a case.
    pub duration: Duration,
    /// Connections of the load.
    pub connections: u32,
}

impl Demand {
    /// Of an experiment on testbed nodes of so many cores.
    ///
    /// # Errors
    /// It asks for more than such a node has; the reason is for people.
    pub fn of(experiment: &Experiment, cores: usize) -> Result<Self, String> {
        let plan = crate::plan::Plan::new(experiment, "plan", 0, cores)?;
        let load = &experiment.load;
        let seconds = (load.warmup + load.duration).as_secs_f64();
        let rate_hz = plan
            .cases
            .iter()
            .map(|case| case.rate_hz)
            .fold(0.0, f64::max);
        Ok(Self {
            cases: plan.cases.len(),
            requests: plan.cases.iter().map(|case| case.rate_hz * seconds).sum(),
            rate_hz,
            requests_of_a_case: rate_hz * seconds,
            duration: load.duration,
            connections: load.connections,
        })
    }
}

/// The worst of them.
#[must_use]
pub fn worst(findings: &[Finding]) -> Level {
    findings
        .iter()
        .map(|finding| finding.level)
        .max()
        .unwrap_or(Level::Ok)
}

/// For people: a line a row, and two more below those that are not well.
#[must_use]
pub fn show(findings: &[Finding]) -> String {
    let width = findings
        .iter()
        .map(|finding| finding.check.len())
        .max()
        .unwrap_or_default();
    let mut text = String::new();
    for Finding {
        check,
        level,
        found,
        why,
        way_out,
    } in findings
    {
        let level = match level {
            Level::Ok => "ok  ",
            Level::Warn => "warn",
            Level::Fail => "FAIL",
        };
        text += &format!("{level}  {check:width$}  {found}\n");
        if let Some(way_out) = way_out {
            let margin = " ".repeat(width + 8);
            text += &format!("{margin}why: {why}\n{margin}way out: {way_out}\n");
        }
    }
    let count = |level| {
        findings
            .iter()
            .filter(|finding| finding.level == level)
            .count()
    };
    text + &format!(
        "{} ok, {} doubtful, {} failed\n",
        count(Level::Ok),
        count(Level::Warn),
        count(Level::Fail)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_say_why_and_the_way_out_where_something_is_wrong() {
        let findings = [
            Finding::ok("cores", "4", "they are shared out"),
            Finding::warn("governor", "powersave", "speed varies", "set `performance`"),
        ];
        assert_eq!(
            show(&findings),
            "ok    cores     4\nwarn  governor  powersave\n                why: speed varies\n                way out: set `performance`\n1 ok, 1 doubtful, 0 failed\n"
        );
        assert_eq!((worst(&findings), worst(&[])), (Level::Warn, Level::Ok));
        let failed = Finding::fail("x", "y", "z", "w");
        let json = serde_json::to_value(&failed).expect("it can be written");
        assert_eq!(
            (&json["level"], &json["way_out"]),
            (&"fail".into(), &"w".into())
        );
    }

    #[test]
    fn an_experiment_asks_for_the_requests_of_all_its_cases() {
        let text = "axes: {rate: [10, 30], round: [1, 2]}\nload: {warmup: 1s, duration: 9s}";
        let demand = Demand::of(&Experiment::read(text, &|_| false).expect("valid"), 1)
            .expect("there is room");
        assert_eq!(
            (demand.cases, demand.requests, demand.requests_of_a_case),
            (4, 800.0, 300.0)
        );
    }
}
