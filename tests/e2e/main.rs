//! `aefm` as its users have it: the real binary, real services, real load, real faults.

mod faults;
mod files;
mod interrupts;
mod neighbours;
mod runs;
mod session;
