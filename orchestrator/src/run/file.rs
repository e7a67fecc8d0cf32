//! `run.json`: written when the run begins and again when it is over.

use super::Run;
use crate::folder::{FolderError, RunFile};
use crate::journal::ending_name;
use crate::lifecycle::Ending;
use crate::report::Status;
use aefm_collector::clock::now_ns;
use std::collections::BTreeMap;
use std::path::Path;

impl Run {
    /// Writes the last `run.json`; the run is over.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn close(&self, ending: Ending) -> Result<(), FolderError> {
        self.write_run_file(ending_name(ending), Some(now_ns()))
    }

    pub(super) fn write_run_file(
        &self,
        state: &str,
        end_ns: Option<i64>,
    ) -> Result<(), FolderError> {
        let mut cases = BTreeMap::new();
        for report in self.reports() {
            *cases.entry(report.status.name().to_owned()).or_default() += 1;
        }
        self.folder.write_run_file(&RunFile {
            schema_version: 1,
            run_id: &self.run_id,
            aefm_version: env!("CARGO_PKG_VERSION"),
            dataset_schema_version: aefm_collector::schema::SCHEMA_VERSION,
            state,
            start_ns: self.start_ns,
            end_ns,
            experiment: &self.experiment,
            source: &self.source.text,
            parts: &self.source.parts,
            plan: &self.plan,
            machine: &self.machine,
            cases,
            warnings: &self.warnings,
        })
    }

    /// Where the dataset is.
    #[must_use]
    pub fn dataset(&self) -> &Path {
        self.folder.path()
    }

    /// The run's place below the folder or store of datasets.
    pub(crate) fn place(&self) -> String {
        format!("{}/{}", self.experiment.name, self.run_id)
    }

    /// Whether every case came out whole.
    #[must_use]
    pub fn all_ok(&self) -> bool {
        self.reports()
            .iter()
            .all(|report| report.status == Status::Ok)
    }

    /// Whatever makes the run doubtful.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}
