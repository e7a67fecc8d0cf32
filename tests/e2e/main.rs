//! `aefm` as its users have it: the real binary, real services, real load, real faults.

mod auto_config;
mod cluster;
mod doctor;
mod faults;
mod files;
mod get_file;
mod image;
mod interrupts;
#[path = "../collector/moto.rs"]
mod moto;
mod names;
mod neighbours;
#[path = "../collector/parts.rs"]
mod parts;
mod renewal;
mod requests;
mod rights;
mod runs;
mod session;
mod sources;
mod store;
mod tables;
