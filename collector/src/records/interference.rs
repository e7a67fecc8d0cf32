//! The table `interference`.

use crate::schema::INTERFERENCE;
use crate::sink::{Cell, SinkError, TableWriter, Written};
use aefm_workloads::interference::InterferenceSample;
use aefm_workloads::labels::CaseLabels;
use std::path::Path;

/// A stressor's sample and the node that it was taken on.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeSample {
    /// The node.
    pub node: String,
    /// The sample.
    pub sample: InterferenceSample,
}

/// Writes `interference`, sample by sample.
pub struct InterferenceWriter(TableWriter);

impl InterferenceWriter {
    /// Opens the table.
    ///
    /// # Errors
    /// The file could not be made.
    pub fn create(dir: &Path, labels: &CaseLabels) -> Result<Self, SinkError> {
        TableWriter::create(dir, &INTERFERENCE, labels).map(Self)
    }

    /// Adds a sample. A summary is none and is left out: it repeats the others.
    ///
    /// # Errors
    /// The file could not be written.
    pub fn push(&mut self, node: &str, sample: &InterferenceSample) -> Result<(), SinkError> {
        if sample.summary {
            return Ok(());
        }
        self.0.push(&[
            Cell::Text(node),
            Cell::Text(sample.kind.name()),
            Cell::Int(sample.wall_ns),
            Cell::Float(sample.requested),
            Cell::Float(sample.achieved),
            Cell::Text(&sample.unit),
            Cell::Flag(sample.saturated),
            Cell::Flag(sample.held),
            sample.bytes_per_s.into(),
        ])
    }

    /// Completes the table.
    ///
    /// # Errors
    /// The file could not be written.
    pub fn finish(self) -> Result<Written, SinkError> {
        self.0.finish()
    }
}

/// Writes all samples of a case.
///
/// # Errors
/// The table could not be written.
pub fn write_interference(
    dir: &Path,
    labels: &CaseLabels,
    samples: &[NodeSample],
) -> Result<Written, SinkError> {
    let mut writer = InterferenceWriter::create(dir, labels)?;
    for NodeSample { node, sample } in samples {
        writer.push(node, sample)?;
    }
    writer.finish()
}
