//! An emulated microservice application: each service of a service graph as a real HTTP process that burns CPU time,
//! touches memory, calls its children, passes the trace context on and exports its spans.
//!
//! What a service does is data (`aefm_workloads::graph`); this crate makes it happen.

pub mod cli;
mod clock;
mod content;
mod export;
pub mod init_data;
mod parameters;
mod peers;
mod request;
pub mod service;
mod spec;
mod stats;
mod store;
mod trace;
mod work;
