//! Spans into what they say: call trees, self time, critical path, and the tables of these.
//!
//! Everything here is pure but for [`tables`], which pushes rows to a sink. Nothing depends on the order in which spans
//! arrived: within a trace they are put in one canonical order first.

mod analysis;
mod critical;
mod edges;
mod follow;
mod group;
mod sample;
mod self_time;
mod services;
mod skew;
pub mod tables;
#[cfg(test)]
pub(crate) mod testing;
mod tree;

pub(crate) use analysis::Analysis;
pub use critical::{Segment, Steps};
pub(crate) use group::by_trace;
pub use group::group;
pub use sample::Sample;
pub use tables::{Coverage, Join, TraceReport, TraceTables, write_trace_tables};
pub use tree::{Flags, Tree};
