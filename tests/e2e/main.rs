//! `aefm` as its users have it: the real binary, real services, real load, real faults.

mod auto_config;
mod cluster;
mod cluster_faults;
mod cluster_kills;
mod cluster_outages;
mod cluster_shortfall;
mod cluster_ways;
mod compose;
mod doctor;
mod earlier;
mod faults;
mod files;
mod get_file;
mod image;
mod inside;
mod interrupts;
mod late;
#[path = "../collector/moto.rs"]
mod moto;
mod names;
mod neighbours;
mod original;
#[path = "../collector/parts.rs"]
mod parts;
mod reads;
mod renewal;
mod requests;
mod rights;
mod runs;
mod scraped;
mod session;
mod shortfall;
mod small;
mod sources;
mod store;
mod tables;
