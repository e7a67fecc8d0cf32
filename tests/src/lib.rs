//! What tests of several packages share: the running of real processes, looking at what they leave, and which parts of a
//! machine there are.

pub mod kube_api;
pub mod parts;
pub mod ports;
pub mod processes;
pub mod target;
