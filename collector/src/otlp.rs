//! OTLP: spans that applications push to us.
//!
//! [`decode`] reads the protobuf, [`Inboxes`](inbox::Inboxes) route spans to cases by the prefix of their trace id, and
//! [`Receiver`] is the HTTP server in front of both.

pub mod decode;
mod export;
mod inbox;
pub mod json;
mod losses;
mod receiver;
mod strays;
mod value;
mod wire;

pub use export::{REFUSED, may_carry_spans};
pub use inbox::{Arrived, Limits, Taken, Totals};
pub use losses::{Loss, Reason};
pub use receiver::{Receiver, ReceiverError, ReceiverOptions};
