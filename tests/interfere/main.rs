//! `aefm-interfere` as its users meet it: real processes, real pressure, real ends.

mod command;
mod control;
mod ends;
mod faults;
mod kinds;
mod network;
mod profile;
mod taken;
