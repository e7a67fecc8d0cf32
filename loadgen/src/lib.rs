//! Open-loop HTTP load: arrival process -> schedule -> pacer -> client -> record -> statistics -> verdict.
//!
//! [`schedule`] is pure and says when each request is to be sent; workers send each at its time, whatever the server
//! does; [`record`] counts every request in exactly one outcome; [`summary`] says what that means and [`verdict`]
//! whether to believe it. Response time = done - intended; service time = done - sent; send lag = what the generator
//! itself added.

mod attention;
pub mod cli;
mod clock;
pub mod commands;
mod conn;
pub mod content;
pub mod context;
mod control;
mod fifo;
mod http1;
mod http2;
mod ledger;
mod link;
pub mod lua;
pub mod options;
mod output;
pub mod plan;
mod poll;
pub mod record;
mod request_log;
mod requests;
pub mod run;
pub mod schedule;
pub mod search;
pub mod slo;
mod source;
pub mod spec;
pub mod stall;
mod stamp;
pub mod statistics;
pub mod summary;
pub mod tally;
pub mod target;
pub mod tls;
pub mod verdict;
mod worker;
