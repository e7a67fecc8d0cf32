//! HTTP/1.1 without I/O: the bytes of a request, and a reader of answers that takes them in any pieces.

mod answer;
mod chunks;
mod fault;
mod framing;
mod heard;
mod request;

pub(crate) use answer::{Answer, Fed};
pub(crate) use chunks::{Chunks, ChunksFed};
pub(crate) use heard::Heard;
pub(crate) use request::{Fixed, write_request};
