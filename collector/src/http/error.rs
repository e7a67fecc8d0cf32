//! Why a source did not answer.

use hyper::StatusCode;
use std::path::PathBuf;
use std::time::Duration;

/// Why a source did not answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Not a URL that can be asked.
    #[error("ask {url}: {reason}")]
    Url {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Certificates to trust or to show could not be read.
    #[error("read certificates from {}: {reason}", path.display())]
    Certificates {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// No connection, or it ended in the middle.
    #[error("ask {url}: {reason}")]
    Connection {
        /// The URL without its query.
        url: String,
        /// What happened.
        reason: String,
    },
    /// It took too long.
    #[error("ask {url}: no whole answer within {timeout:?}")]
    Timeout {
        /// The URL without its query.
        url: String,
        /// How long it was given.
        timeout: Duration,
    },
    /// It was too large.
    #[error("ask {url}: the answer is larger than {bytes} bytes")]
    TooLarge {
        /// The URL without its query.
        url: String,
        /// The bound.
        bytes: usize,
    },
    /// Sent elsewhere, where it does not follow.
    #[error("ask {url}: {status}: it is at {to} now; {reason}")]
    Redirect {
        /// The URL without its query.
        url: String,
        /// The status.
        status: StatusCode,
        /// Where it was sent.
        to: String,
        /// Why that is not followed, or what is there.
        reason: String,
    },
    /// Answered, with an error.
    #[error("ask {url}: {status}: {message}")]
    Status {
        /// The URL without its query.
        url: String,
        /// Its status.
        status: StatusCode,
        /// What it said, its beginning.
        message: String,
        /// When it wants to be asked again.
        retry_after: Option<Duration>,
    },
}

impl HttpError {
    /// The same request may succeed later.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Connection { .. } | Self::Timeout { .. } => true,
            Self::Status { status, .. } => {
                status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS
            }
            Self::Url { .. }
            | Self::Certificates { .. }
            | Self::TooLarge { .. }
            | Self::Redirect { .. } => false,
        }
    }

    /// Asking for less may succeed.
    #[must_use]
    pub fn is_size(&self) -> bool {
        matches!(self, Self::Timeout { .. } | Self::TooLarge { .. })
            || matches!(self, Self::Status { status, .. } if *status == StatusCode::GATEWAY_TIMEOUT || *status == StatusCode::PAYLOAD_TOO_LARGE)
    }

    /// The status it was answered with, if it was.
    #[must_use]
    pub const fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Status { status, .. } => Some(*status),
            _ => None,
        }
    }
}
