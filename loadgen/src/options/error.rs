//! Why arguments make no run.

use crate::schedule::{FileError, ProfileError};
use crate::slo::SloError;
use crate::spec::SpecError;
use crate::target::UrlError;
use aefm_workloads::scenario::ScenarioError;
use aefm_workloads::unit::QuantityError;
use std::path::PathBuf;
use thiserror::Error;

/// Why arguments make no run. Each says what to type instead.
#[derive(Debug, Error)]
pub enum OptionsError {
    /// No rate.
    #[error(
        "know how fast to send: give a rate such as -R 1000, or -R max for the closed loop (as fast as answers come)"
    )]
    NoRate,
    /// A scenario file.
    #[error("use {path}: failed to {error}")]
    Scenario {
        /// Which.
        path: PathBuf,
        /// What is wrong, with line and column.
        error: Box<ScenarioError>,
    },
    /// A combination that makes no sense.
    #[error("use {0}")]
    Conflict(&'static str),
    /// A value that cannot be.
    #[error("use {option} {value}: {reason}")]
    Value {
        /// The option.
        option: &'static str,
        /// What was typed.
        value: String,
        /// What is wrong, and what would be right.
        reason: &'static str,
    },
    /// A file.
    #[error("read {path}: {error}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        error: std::io::Error,
    },
    /// Tables that are there already.
    #[error(
        "write tables below {}: those of case {case} are there already; name another folder, or give --force to write over them",
        dir.display()
    )]
    There {
        /// The folder.
        dir: PathBuf,
        /// The case.
        case: String,
    },
    /// An arrival file.
    #[error("use the arrival file {path}: failed to {error}")]
    Arrivals {
        /// Which.
        path: PathBuf,
        /// Why not.
        error: FileError,
    },
    /// The file of a body that was typed as `@FILE`.
    #[error(
        "read {path}, which -b @FILE names (a body that begins with @ goes into a file, for --body-file): {error}"
    )]
    Body {
        /// Which.
        path: PathBuf,
        /// Why not.
        error: std::io::Error,
    },
    /// A number or duration.
    #[error("use what was typed: {0}")]
    Quantity(#[from] QuantityError),
    /// A rate.
    #[error(transparent)]
    Rate(#[from] ProfileError),
    /// The URL.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// The workload.
    #[error(transparent)]
    Workload(#[from] SpecError),
    /// Objectives.
    #[error(transparent)]
    Slo(#[from] SloError),
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "callers hand over text or numbers as they have them"
)]
pub(super) fn bad(
    option: &'static str,
    value: impl ToString,
    reason: &'static str,
) -> OptionsError {
    OptionsError::Value {
        option,
        value: value.to_string(),
        reason,
    }
}
