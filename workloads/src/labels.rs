//! The columns that name a test case: repeated in every table, so that one file is enough to learn from.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The value of one factor in one case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FactorValue {
    /// A name, such as the application's.
    Text(String),
    /// A whole number, such as the round.
    Int(i64),
    /// A quantity, such as a rate or an intensity.
    Float(f64),
}

/// What every row of a case starts with: `run_id`, `case_id` and then the factor columns in this order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseLabels {
    /// The run, a ULID.
    pub run_id: String,
    /// The case within the run, such as `c003`; also the value of the `case=` partition folder.
    pub case_id: String,
    /// Factor columns: `app`, `workload`, `rate_hz`, `round`, one per interference kind, one per axis of the user's.
    /// Names, order and types are the same for all cases of a run.
    pub factors: Vec<(String, FactorValue)>,
}

impl fmt::Display for FactorValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Int(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value}"),
        }
    }
}
