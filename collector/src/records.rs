//! Rows from records: what the load generator and the stressors printed, and what the orchestrator knows of a case.

mod case;
mod interference;
mod load;
mod quantile;
mod stored;

pub use case::{CaseRow, QualityRow, Status, write_cases, write_quality};
pub use interference::{InterferenceWriter, NodeSample, write_interference};
pub use load::{LoadWriter, RecordError, Times, merge, write_load};
pub use quantile::{REPORTED, quantile, quantiles, supported};
pub use stored::{read_cases, read_quality};
