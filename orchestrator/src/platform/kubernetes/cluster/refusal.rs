//! What a cluster would not do, which refusals pass, and how they are told.

use super::{ATTEMPT, PATIENCE};
use crate::platform::kubernetes::kubeconfig;
use kube::client::UpgradeConnectionError;
use std::time::Duration;

/// What the cluster would not do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClusterError {
    /// Nothing says where it is, or it cannot be reached.
    #[error("reach the cluster: {0}")]
    Reach(String),
    /// It refused.
    #[error("{action}: {reason}")]
    Refused {
        /// What was asked.
        action: String,
        /// Why not.
        reason: String,
        /// The status code, if it answered.
        code: Option<u16>,
    },
}

impl ClusterError {
    /// Whether the server answered with that status code.
    #[must_use]
    pub fn is(&self, wanted: u16) -> bool {
        matches!(self, Self::Refused { code: Some(code), .. } if *code == wanted)
    }

    pub(in crate::platform::kubernetes) fn refused(action: &str, error: &kube::Error) -> Self {
        Self::Refused {
            action: action.to_owned(),
            reason: reason(error),
            code: code(error),
        }
    }

    /// A refused stream says no more than its code: what it takes is told in the server's place.
    pub(in crate::platform::kubernetes) fn naming(mut self, subresource: &str) -> Self {
        if let Self::Refused {
            reason,
            code: Some(code @ (401 | 403)),
            ..
        } = &mut self
        {
            *reason =
                format!("forbidden ({code}): it takes the verbs get and create on {subresource}");
        }
        self
    }
}

pub(super) fn silent(action: &str) -> ClusterError {
    ClusterError::Refused {
        action: action.to_owned(),
        reason: format!("no answer within {ATTEMPT:?}"),
        code: None,
    }
}

/// The status code of an answer that is a refusal.
pub(in crate::platform::kubernetes) fn code(error: &kube::Error) -> Option<u16> {
    match error {
        kube::Error::Api(status) => Some(status.code),
        kube::Error::UpgradeConnection(UpgradeConnectionError::ProtocolSwitch(status)) => {
            Some(status.as_u16())
        }
        _ => None,
    }
}

/// Whether the same request may succeed in a moment.
pub(super) fn passes(error: &kube::Error) -> bool {
    match (error, code(error)) {
        // Two writers met. A name that is taken, or another object in the place of the one that was meant, stays so.
        (kube::Error::Api(status), Some(409)) => {
            let told = status.message.to_ascii_lowercase();
            status.reason != "AlreadyExists" && !told.contains("precondition")
        }
        (_, Some(code)) => matches!(code, 410 | 429 | 500 | 502 | 503 | 504),
        (
            kube::Error::HyperError(_) | kube::Error::Service(_) | kube::Error::ReadEvents(_),
            None,
        ) => true,
        _ => false,
    }
}

/// How long the server wants to be left alone; never longer than it is worth to wait.
pub(super) fn retry_after(error: &kube::Error) -> Duration {
    let kube::Error::Api(status) = error else {
        return Duration::ZERO;
    };
    let seconds = status
        .details
        .as_ref()
        .map_or(0, |details| details.retry_after_seconds);
    Duration::from_secs(seconds.into()).min(PATIENCE)
}

/// Why, for people: the server's own words where there are any, else the last cause.
pub(in crate::platform::kubernetes) fn reason(error: &kube::Error) -> String {
    if let kube::Error::Api(status) = error {
        return format!("{} ({})", status.message, status.code);
    }
    if let Some(told) = kubeconfig::login(error) {
        return told;
    }
    let mut told = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(deeper) = cause {
        let words = deeper.to_string();
        if !told.contains(&words) {
            told += &format!(": {words}");
        }
        cause = deeper.source();
    }
    told
}
