//! What can be wrong with a connection, and the error codes of RFC 9113, section 7.

use std::fmt;
use thiserror::Error;

/// An error code as RST_STREAM and GOAWAY carry it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Code(pub(crate) u32);

impl Code {
    pub(crate) const PROTOCOL: Self = Self(1);
    pub(crate) const FLOW_CONTROL: Self = Self(3);
    pub(crate) const STREAM_CLOSED: Self = Self(5);
    pub(crate) const FRAME_SIZE: Self = Self(6);
    pub(crate) const CANCEL: Self = Self(8);
    pub(crate) const COMPRESSION: Self = Self(9);
    pub(crate) const ENHANCE_YOUR_CALM: Self = Self(11);
}

const NAMES: [&str; 14] = [
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
];

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.get(self.0 as usize) {
            Some(name) => f.write_str(name),
            None => write!(f, "error {}", self.0),
        }
    }
}

/// Why a connection cannot go on: its peer does not speak HTTP/2, or not well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum Fault {
    /// The server's first bytes are an answer in HTTP/1.
    #[error("the server speaks HTTP/1, not HTTP/2; without --http2 HTTP/1.1 is spoken")]
    Http1,
    /// The server's first bytes are no SETTINGS frame.
    #[error("the server does not speak HTTP/2: its first bytes are no SETTINGS frame")]
    Preface,
    /// Frame after frame that says nothing, named by the last one's type.
    #[error("read HTTP/2: the server floods the connection with {0}")]
    Flood(&'static str),
    /// Anything else, with the code that the peer is told.
    #[error("read HTTP/2: {1} ({0})")]
    Broken(Code, &'static str),
}

impl Fault {
    /// The code for our GOAWAY.
    pub(crate) const fn code(self) -> Code {
        match self {
            Self::Http1 | Self::Preface => Code::PROTOCOL,
            Self::Flood(_) => Code::ENHANCE_YOUR_CALM,
            Self::Broken(code, _) => code,
        }
    }
}
