//! What tests of several packages share: the running of real processes, and looking at what they leave.

pub mod kube_api;
pub mod processes;
pub mod target;
