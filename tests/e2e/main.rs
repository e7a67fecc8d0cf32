//! `aefm` as its users have it: the real binary, real services, real load, real faults.

mod cluster;
mod faults;
mod files;
mod interrupts;
mod neighbours;
#[path = "../collector/parts.rs"]
mod parts;
mod requests;
mod runs;
mod session;
mod sources;
mod tables;
