//! A scenario file as it is written down.

use serde::Deserialize;
use serde_saphyr::Spanned;
use std::collections::BTreeMap;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) name: String,
    #[serde(default)]
    pub(super) about: String,
    #[serde(default)]
    pub(super) values: BTreeMap<String, Spanned<Value>>,
    pub(super) sessions: Spanned<Vec<Session>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Session {
    pub(super) name: String,
    #[serde(default)]
    pub(super) weight: Option<Spanned<f64>>,
    pub(super) requests: Spanned<Vec<Request>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Request {
    #[serde(default)]
    pub(super) method: Option<Spanned<String>>,
    pub(super) path: Spanned<String>,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, Spanned<String>>,
    #[serde(default)]
    pub(super) body: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) take: BTreeMap<String, Spanned<Take>>,
}

/// A value that is drawn once a session.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Value {
    /// A whole number, both bounds allowed.
    Range { min: i64, max: i64 },
    /// A number with so many decimals.
    Decimal { min: f64, max: f64, decimals: u8 },
    /// One of these, each alike.
    Choice(Vec<String>),
    /// One of these, by weight.
    Weighted(BTreeMap<String, f64>),
    /// 1 to `max`, n in proportion to 1 / n^exponent.
    Zipf { max: u64, exponent: f64 },
    /// `start`, `start` + `step`, ... by the session's number; from `start` again after `count`.
    Sequence {
        #[serde(default)]
        start: i64,
        #[serde(default = "one")]
        step: i64,
        #[serde(default)]
        count: Option<u64>,
    },
    /// So many letters and digits.
    Alphanumeric { length: usize },
    /// So many digits.
    Digits { length: usize },
    /// A row of a CSV file with a head line; its columns are `name.column`.
    Csv {
        file: String,
        #[serde(default)]
        order: Order,
    },
}

fn one() -> i64 {
    1
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Order {
    /// Any row, each alike.
    #[default]
    Random,
    /// Row after row by the session's number, from the first again after the last.
    InTurn,
}

/// Where in an answer a value is.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Take {
    /// A JSON pointer into the body: `/data/token`.
    Json(String),
    /// A header field.
    Header(String),
    /// The value of a cookie that the answer sets.
    Cookie(String),
    /// Between two texts in the body.
    Between { start: String, end: String },
}
