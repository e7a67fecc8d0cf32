//! `aefm-load` as a real process against real servers on loopback.

mod faults;
mod files;
mod floods;
mod framing;
mod harness;
mod http2;
mod limits;
mod scenarios;
mod scripts;
mod spec;
mod stalls;
mod tls;
mod truth;
mod typed;
mod whose;
