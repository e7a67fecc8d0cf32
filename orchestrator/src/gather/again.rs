//! Gathers once more for a run that is over, without its load. What its sources have now takes the place of what they
//! gave then; a source that fails, or has less, takes nothing away that is there.

mod case;
mod record;

use super::remote::Remotes;
use crate::experiment::access::SecretError;
use crate::experiment::{Experiment, PlatformKind};
use crate::folder::{FolderError, RunFolder};
use crate::plan::Plan;
use crate::platform::Endpoints;
use crate::platform::kubernetes::application;
use crate::platform::kubernetes::cluster::Cluster;
use crate::platform::kubernetes::sources::{Findings, SourceError, Sources};
use crate::report::Status;
use aefm_collector::clock::now_ns;
use aefm_collector::records::read_cases;
use aefm_collector::sink::part_path;
use record::Record;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Why nothing can be gathered again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AgainError {
    /// The folder is no run's.
    #[error("read {}: {reason}; name a run's folder, data/<experiment>/<run>", path.display())]
    NoRun {
        /// The file that should say so.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The run goes on.
    #[error("collect again: run {0} is under way")]
    UnderWay(String),
    /// Nothing to ask.
    #[error(
        "collect again: the run's `collect` names no Jaeger, no Prometheus and no table with `again: true`; give another one with --file"
    )]
    Nothing,
    /// There are faults in the file that says what to ask.
    #[error("{0}")]
    Faults(String),
    /// A secret cannot be had.
    #[error(transparent)]
    Secret(#[from] SecretError),
}

/// A run that is over.
pub(crate) struct Past {
    folder: RunFolder,
    plan: Plan,
    remotes: Remotes,
    record: Record,
    experiment: Experiment,
    /// Prometheus and Jaeger of the cluster that it ran in, once they are reached.
    sources: Sources,
}

/// What came of a case.
pub(crate) struct Gathered {
    /// Its id.
    pub(crate) id: String,
    /// Its name.
    pub(crate) name: String,
    /// Its status now.
    pub(crate) status: Status,
    /// What sources could not give, so that what was there stays; reading on from "failed to".
    pub(crate) failures: Vec<String>,
}

impl Past {
    /// Opens the folder of a run; the `collect` of `file` (its name and text) takes the place of the experiment's own.
    ///
    /// # Errors
    /// It is none, goes on, or has nothing to ask, or there are faults in the file.
    pub(crate) fn open(dir: &Path, file: Option<(&str, &str)>) -> Result<Self, AgainError> {
        let path = dir.join("run.json");
        let no_run = |reason: String| AgainError::NoRun {
            path: path.clone(),
            reason,
        };
        let text = std::fs::read(&path).map_err(|error| no_run(error.to_string()))?;
        let record = Record::read(&text).map_err(&no_run)?;
        if crate::neighbours::running().contains(&record.run_id) {
            return Err(AgainError::UnderWay(record.run_id));
        }
        let (mut experiment, plan) = record.plan().map_err(&no_run)?;
        if let Some((name, text)) = file {
            let collect = experiment.read_collect(text);
            experiment.collect =
                collect.map_err(|faults| AgainError::Faults(faults.show(name, text)))?;
        }
        let remotes = Remotes::open(
            &experiment.collect,
            experiment.trace_context(),
            experiment.entry_service(),
            &plan,
        )?
        .again();
        if remotes.is_empty() {
            return Err(AgainError::Nothing);
        }
        let (folder, sources) = (RunFolder::open(dir), Sources::default());
        Ok(Self {
            folder,
            plan,
            remotes,
            record,
            experiment,
            sources,
        })
    }

    /// Finds the ways to what the experiment leaves to be found in its cluster, if it ran in one.
    ///
    /// # Errors
    /// The cluster cannot be reached, or what is looked for is not there any more.
    pub(crate) async fn reach(&mut self) -> Result<(), SourceError> {
        if self.experiment.platform == PlatformKind::Kubernetes
            && Findings::are_wanted(&self.experiment)
        {
            let cluster = Cluster::connect(self.experiment.kubernetes.context.as_deref()).await?;
            let findings = Findings::look(&cluster, &self.experiment).await?;
            self.sources = Sources::open(&cluster, findings).await?;
        }
        Ok(())
    }

    fn endpoints(&self) -> Endpoints {
        let namespace = (self.experiment.platform == PlatformKind::Kubernetes)
            .then(|| application::namespace(&self.experiment.app, &self.experiment.kubernetes));
        Endpoints {
            jaeger: self.sources.jaeger(),
            prometheus: self.sources.prometheus(),
            pods: namespace.map(|namespace| format!("namespace=\"{namespace}\"")),
        }
    }

    /// How many cases it has.
    pub(crate) const fn cases(&self) -> usize {
        self.plan.cases.len()
    }

    /// Writes how the cases are now into `run.json`.
    ///
    /// # Errors
    /// It cannot be written; the tables are there all the same.
    pub(crate) fn close(mut self) -> Result<(), FolderError> {
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for case in &self.plan.cases {
            let row = read_cases(&part_path(self.folder.path(), "cases", &case.id))
                .ok()
                .flatten();
            if let Some(row) = row {
                *counts.entry(row.status.name()).or_default() += 1;
            }
        }
        self.record.collected_again(&counts, now_ns());
        self.folder.write_run_file(self.record.file())
    }
}
