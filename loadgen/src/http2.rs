//! HTTP/2 (RFC 9113, RFC 7541) as a client speaks it, without I/O: bytes in, events out, bytes to send in a buffer.
//!
//! It is our own for the reasons for which HTTP/1.1 is: a request costs a few writes into reused buffers, nothing is
//! allocated, and the worker's loop knows at any time how many more requests a connection takes. Whatever a load
//! generator has no use for is not here: push (refused), priorities (ignored), and the decoder's dynamic table, which
//! our first SETTINGS frame turns off.

mod fault;
mod frame;
mod hpack;
mod outbox;
mod peer;
mod request;
mod session;
mod streams;

pub(crate) use fault::Fault;
pub(crate) use request::{CONNECTION_FIELDS, Requests};
pub(crate) use session::{End, Event, Session};
