//! As much of gRPC as we speak: framed messages and a status in trailers, over hyper's HTTP/2.
//!
//! Protocol: <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>.

mod client;

use crate::http::encode;
use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::Response;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use std::convert::Infallible;

pub(crate) use client::Channel;
pub use client::GrpcError;

/// Bytes that are no gRPC frames.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FrameError {
    /// A frame is longer than what is there.
    #[error("a frame ends before its message does")]
    Truncated,
    /// The flag byte is neither 0 nor 1.
    #[error("a frame begins with {0}")]
    Flag(u8),
    /// There should be one message.
    #[error("there is more than one message")]
    Many,
    /// A message is larger than what we take.
    #[error("a message has {0} bytes")]
    TooLarge(usize),
}

/// A status of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(pub u32);

impl Status {
    pub(crate) const OK: Self = Self(0);
    pub(crate) const INVALID_ARGUMENT: Self = Self(3);
    pub(crate) const NOT_FOUND: Self = Self(5);
    pub(crate) const RESOURCE_EXHAUSTED: Self = Self(8);
    pub(crate) const UNIMPLEMENTED: Self = Self(12);
    pub(crate) const INTERNAL: Self = Self(13);
    pub(crate) const UNAVAILABLE: Self = Self(14);
}

const HEAD: usize = 5;

/// One frame: whether its message is compressed, the message, and how many bytes it takes with its head.
type Frame<'a> = (bool, &'a [u8], usize);

/// The first frame of `bytes`. None: not all of it is there yet.
pub(crate) fn frame(bytes: &[u8], limit: usize) -> Result<Option<Frame<'_>>, FrameError> {
    let Some((head, rest)) = bytes.split_at_checked(HEAD) else {
        return Ok(None);
    };
    if head[0] > 1 {
        return Err(FrameError::Flag(head[0]));
    }
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
    if length > limit {
        return Err(FrameError::TooLarge(length));
    }
    Ok(rest
        .get(..length)
        .map(|message| (head[0] == 1, message, HEAD + length)))
}

/// The one message of a unary request, and whether it is compressed.
pub(crate) fn only_frame(bytes: &Bytes) -> Result<(bool, Bytes), FrameError> {
    let (zipped, message, used) = frame(bytes, usize::MAX)?.ok_or(FrameError::Truncated)?;
    if used == bytes.len() {
        Ok((zipped, bytes.slice_ref(message)))
    } else {
        Err(FrameError::Many)
    }
}

/// A message in its frame, not compressed.
pub(crate) fn framed(message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    [&[0][..], &length.to_be_bytes(), message].concat().into()
}

/// A unary call's answer.
pub(crate) fn reply(message: &[u8]) -> Response<BoxBody<Bytes, Infallible>> {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from(Status::OK.0));
    let body = Full::new(framed(message)).with_trailers(std::future::ready(Some(Ok(trailers))));
    let mut response = Response::new(body.boxed());
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

/// A call's refusal: no message, and the status at once.
pub(crate) fn refuse(status: Status, message: &str) -> Response<BoxBody<Bytes, Infallible>> {
    let mut response = Response::new(Empty::new().boxed());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert("grpc-status", HeaderValue::from(status.0));
    if let Ok(message) = HeaderValue::from_str(&encode(message)) {
        headers.insert("grpc-message", message);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_cut_where_they_end() {
        let bytes = [framed(b"abc"), framed(b"")].concat();
        assert_eq!(frame(&bytes, 10), Ok(Some((false, &b"abc"[..], 8))));
        assert_eq!(frame(&bytes[8..], 10), Ok(Some((false, &b""[..], 5))));
        assert_eq!(frame(&bytes[..7], 10), Ok(None));
        assert_eq!(frame(&bytes[..3], 10), Ok(None));
        assert_eq!(frame(&bytes, 2), Err(FrameError::TooLarge(3)));
        assert_eq!(frame(&[7, 0, 0, 0, 0], 10), Err(FrameError::Flag(7)));
        assert_eq!(only_frame(&bytes.into()), Err(FrameError::Many));
    }
}
