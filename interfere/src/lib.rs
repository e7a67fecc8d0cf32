//! Interference of a requested, held and measured intensity.
//!
//! A spec goes in, samples come out: [`cli::run`] is the whole program, for `aefm-interfere` and `aefm interfere` alike.
//! The pure parts ([`duty`], [`holding`], [`monitor`], [`schedule`]) take time as an argument; [`session`] is the shell
//! around them, and each kind of interference is a [`stressor`] of its own.

pub mod calibration;
pub mod cli;
pub mod clock;
pub mod crew;
pub mod duty;
pub mod guard;
pub mod hindrance;
pub mod holding;
pub mod kernels;
pub mod limits;
pub mod machine;
pub mod mapping;
pub mod monitor;
pub mod options;
pub mod paced;
pub mod peak;
pub mod probe;
pub mod profile;
pub mod schedule;
pub mod session;
pub mod stressor;
pub mod supervise;
pub mod sweep;
pub mod terms;
