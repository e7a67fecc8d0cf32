//! Values that a scenario takes from answers.

use super::file::Take;
use serde_json::Value;

/// Where in an answer a value is.
#[derive(Clone, Debug)]
pub(super) enum Taker {
    Json(String),
    /// In lower case.
    Header(String),
    Cookie(String),
    Between {
        start: String,
        end: String,
    },
}

/// A value that an answer does not have; the session ends there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("take `{name}` from the answer: {reason}")]
pub struct TakeError {
    /// The value.
    pub name: String,
    reason: String,
}

impl Taker {
    pub(super) fn new(take: Take) -> Self {
        match take {
            Take::Json(pointer) => Self::Json(pointer),
            Take::Cookie(name) => Self::Cookie(name),
            Take::Header(name) => Self::Header(name.to_ascii_lowercase()),
            Take::Between { start, end } => Self::Between { start, end },
        }
    }

    /// `header` looks up the values of all fields of a name.
    pub(super) fn take<'a>(
        &self,
        name: &str,
        header: &impl Fn(&str) -> Vec<&'a str>,
        body: &[u8],
    ) -> Result<String, TakeError> {
        let found = match self {
            Self::Json(pointer) => json(pointer, body),
            Self::Cookie(name) => cookie(name, &header("set-cookie"))
                .map(str::to_owned)
                .ok_or_else(|| format!("it sets no cookie `{name}`")),
            Self::Header(name) => header(name)
                .first()
                .map(|value| (*value).to_owned())
                .ok_or_else(|| format!("it has no header `{name}`")),
            Self::Between { start, end } => between(start, end, &String::from_utf8_lossy(body)),
        };
        found.map_err(|reason| TakeError {
            name: name.to_owned(),
            reason,
        })
    }
}

fn json(pointer: &str, body: &[u8]) -> Result<String, String> {
    let body: Value =
        serde_json::from_slice(body).map_err(|error| format!("its body is not JSON: {error}"))?;
    match body.pointer(pointer) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Null) | None => Err(format!("its body has nothing at `{pointer}`")),
        Some(other) => Ok(other.to_string()),
    }
}

/// The value that a cookie of that name is set to at last (RFC 6265, section 5.2).
fn cookie<'a>(name: &str, set: &[&'a str]) -> Option<&'a str> {
    let pair = |field: &'a str| {
        let (own, value) = field.split(';').next()?.split_once('=')?;
        Some((own.trim(), value.trim()))
    };
    set.iter()
        .copied()
        .filter_map(pair)
        .rfind(|(own, _)| *own == name)
        .map(|(_, value)| value)
}

fn between(start: &str, end: &str, body: &str) -> Result<String, String> {
    let behind = body.split_once(start).map(|(_, behind)| behind);
    let found = behind
        .and_then(|behind| behind.split_once(end))
        .map(|(found, _)| found.to_owned());
    found.ok_or_else(|| format!("its body has nothing between `{start}` and `{end}`"))
}
