//! Kubernetes objects of a run, and rules about them, as plain JSON values: no client library, no cluster, no clock.
//!
//! What stands here decides what is sent and what an answer means. The shell that sends it is not there yet, so an
//! experiment file cannot ask for this platform.

pub mod load_job;
pub mod manifests;
pub mod order;
pub mod ownership;
pub mod pod;
pub mod rbac;
pub mod readiness;
pub mod ring;
pub mod stressor_pod;
