//! The orchestrator: an experiment file becomes a plan, a lifecycle, and one dataset.

pub mod experiment;
pub mod lifecycle;
pub mod plan;
