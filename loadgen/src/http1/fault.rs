//! Why bytes are no answer, in words.

use super::heard::BODY_BYTES_MAX;
use thiserror::Error;

/// Longest head that is taken, trailers included; servers' own limits are lower.
pub(super) const HEAD_BYTES_MAX: usize = 256 * 1024;
/// Most interim answers (1xx) in front of one answer.
pub(super) const INTERIM_MAX: u32 = 1000;

/// Why bytes are no answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum Fault {
    /// The head does not parse.
    #[error("read the answer's head: {0}")]
    Head(&'static str),
    /// The head does not end.
    #[error("read the answer's head: longer than {HEAD_BYTES_MAX} bytes")]
    HeadTooLong,
    /// Interim answers do not end.
    #[error("read the answer: more than {INTERIM_MAX} interim answers (1xx) come before it")]
    Interim,
    /// Lengths that contradict each other or are no number.
    #[error("read the answer's Content-Length")]
    Length,
    /// A transfer coding that cannot be.
    #[error("read the answer's Transfer-Encoding: it is chunked twice")]
    Coding,
    /// A broken chunk.
    #[error("read the answer's chunks: {0}")]
    Chunk(&'static str),
    /// 101, which nobody asked for.
    #[error("take the answer: the server switched protocols")]
    Upgrade,
    /// More than can be kept for a reader.
    #[error(
        "keep the answer for the script or scenario: its body is longer than {BODY_BYTES_MAX} bytes"
    )]
    TooLong,
}

impl From<httparse::Error> for Fault {
    fn from(error: httparse::Error) -> Self {
        use httparse::Error;
        Self::Head(match error {
            Error::HeaderName => "a field's name has a byte that is not allowed",
            Error::HeaderValue => "a field's value has a byte that is not allowed",
            Error::NewLine => "a line does not end as it should",
            Error::Status => "the status is not a number",
            Error::TooManyHeaders => "too many fields",
            Error::Version => "it does not start with HTTP/1",
            Error::Token => "a byte that is not allowed",
        })
    }
}
