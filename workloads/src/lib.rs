//! What to do, and what happened: the plain data in which AEFM's programs meet.
//!
//! Specs go into a program, records come out of it. Nothing here reads a clock, a file or a socket, and every random
//! draw comes from a seed that is passed in, so the same spec means the same requests on any machine.

pub mod catalogue;
pub mod draw;
pub mod graph;
pub mod ids;
pub mod init_data;
pub mod interference;
pub mod labels;
pub mod load;
pub mod matrix;
pub mod mix;
pub mod pods;
pub mod population;
pub mod quantity;
pub mod scenario;
pub mod testbed;
pub mod unit;
pub mod yaml;
