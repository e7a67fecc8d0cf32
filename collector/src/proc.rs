//! Processes and the node, watched through /proc and cgroups (v1 and v2): CPU, memory, network, disk, pressure.
//!
//! [`parse`] is pure; [`Sampler`] is the thread that reads and subtracts at a fixed interval. Nothing but files of the
//! kernel is needed, and what a kernel does not offer is null in the table.

mod cgroup;
mod devices;
mod kept;
mod parse;
mod read;
mod rows;
mod sampler;
mod stored;

pub use rows::{MetricRow, Scope, write_metrics};
pub use sampler::{Gone, Observed, Sampler, SamplerError, SamplerOptions, Subject};
pub use stored::read_metrics;
