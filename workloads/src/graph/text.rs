//! The two short notations of a graph file: `GET /hotels` for a route and `geo/nearby` for a call.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A method and a path, written `GET /hotels`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Route {
    /// The method, upper case.
    pub method: String,
    /// The path without its query.
    pub path: String,
}

/// An operation of a service, written `geo/nearby`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Call {
    /// The service called.
    pub service: String,
    /// What it is asked.
    pub operation: String,
}

/// A text that is neither.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Not a route.
    #[error("`{0}` is not a route: write a method and a path, such as `GET /hotels`")]
    Route(String),
    /// Not a call.
    #[error("`{0}` is not a call: write a service and its operation, such as `geo/nearby`")]
    Call(String),
}

impl FromStr for Route {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        match text.split_once(' ') {
            Some((method, path))
                if !method.is_empty()
                    && method.bytes().all(|byte| byte.is_ascii_uppercase())
                    && path.starts_with('/')
                    && !path.contains(|c: char| c.is_whitespace() || c == '?') =>
            {
                Ok(Self {
                    method: method.to_owned(),
                    path: path.to_owned(),
                })
            }
            _ => Err(TextError::Route(text.to_owned())),
        }
    }
}

impl FromStr for Call {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        match text.split_once('/') {
            Some((service, operation)) if is_name(service) && is_name(operation) => Ok(Self {
                service: service.to_owned(),
                operation: operation.to_owned(),
            }),
            _ => Err(TextError::Call(text.to_owned())),
        }
    }
}

/// Names of services and operations: what may stand in a path and in a pod's name as it is.
pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !text.starts_with('-')
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.service, self.operation)
    }
}

macro_rules! text {
    ($($kind:ty),*) => { $(
        impl TryFrom<String> for $kind {
            type Error = TextError;

            fn try_from(text: String) -> Result<Self, TextError> {
                text.parse()
            }
        }

        impl From<$kind> for String {
            fn from(value: $kind) -> Self {
                value.to_string()
            }
        }
    )* };
}

text!(Route, Call);
