//! The orchestrator: an experiment file becomes a plan, a lifecycle, and one dataset.

mod amount;
pub mod auto_config;
pub mod cli;
pub mod command;
pub mod compose;
pub mod doctor;
mod driver;
pub mod experiment;
mod folder;
mod gather;
pub mod handler;
mod http;
pub mod image;
mod journal;
pub mod lifecycle;
mod logs;
mod neighbours;
pub mod plan;
pub mod platform;
pub mod receive;
pub mod report;
pub mod run;
pub mod shard;
mod shortfall;
mod signals;
mod ui;
mod upload;
