//! Jaeger as a source: three query APIs, and a collection that loses nothing in silence.

mod api;
mod collect;
pub mod json;
mod messages;
pub mod search;

pub use api::{Api, Found, Jaeger, JaegerError, JaegerOptions};
pub use collect::{Collected, Learned, Plan, Settle, Whose};
