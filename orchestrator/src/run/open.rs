//! How a run begins: its folder, its log, its sources.

use super::Run;
use crate::cli::Level;
use crate::compose::Written;
use crate::experiment::Experiment;
use crate::experiment::PlatformKind;
use crate::experiment::environment::Renewal;
use crate::folder::{FolderError, RunFolder};
use crate::gather::{Collection, Sources};
use crate::journal::Journal;
use crate::neighbours::Presence;
use crate::plan::Plan;
use crate::platform::Platform;
use crate::platform::kubernetes::{Kubernetes, Survey};
use crate::platform::local::Local;
use crate::platform::local::placement::Placement;
use crate::ui::Ui;
use aefm_collector::clock::now_ns;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Why a run cannot begin.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BeginError {
    /// The experiment asks for more than the testbed has.
    #[error("{0}")]
    Plan(String),
    /// Its folder cannot be had.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Its journal or log cannot be written.
    #[error("open the run's journal and log: {0}")]
    Log(#[source] io::Error),
}

/// What a run stands on.
pub(crate) struct Ground {
    /// Cores of this machine.
    pub(crate) placement: Placement,
    /// The cluster, on platform `kubernetes`.
    pub(crate) survey: Option<Survey>,
}

impl Ground {
    /// Cores of a testbed node.
    fn cores(&self) -> usize {
        self.survey
            .as_ref()
            .map_or(self.placement.testbed.len(), |survey| survey.cores)
    }
}

impl Run {
    /// Makes the folder, the journal and the log of a new run. Nothing is started.
    ///
    /// # Errors
    /// When one of these cannot be written.
    pub(crate) fn begin(
        experiment: Experiment,
        source: Written,
        ground: Ground,
        seed: u64,
        level: Level,
        ui: Ui,
    ) -> Result<Self, BeginError> {
        let run_id = ulid::Ulid::generate().to_string();
        let plan =
            Plan::new(&experiment, &run_id, seed, ground.cores()).map_err(BeginError::Plan)?;
        let folder = Arc::new(RunFolder::create(
            experiment.data.folder(),
            &experiment.name,
            &run_id,
        )?);
        let journal = Journal::open(folder.path()).map_err(BeginError::Log)?;
        crate::logs::begin(folder.path(), level, &ui).map_err(BeginError::Log)?;
        let plan = Arc::new(plan);
        ui.planned(&plan);
        tracing::info!(
            "run {run_id} of {}: {} cases, seed {seed}",
            experiment.name,
            plan.cases.len()
        );
        let collection = Collection::new(ui.clone(), plan.cases.len());
        Ok(Self {
            run_id,
            source,
            experiment,
            plan,
            placement: ground.placement,
            survey: ground.survey,
            folder,
            journal,
            start_ns: now_ns(),
            ui,
            warnings: Vec::new(),
            presence: None,
            platform: None,
            machine: serde_json::Value::Null,
            sources: None,
            collection,
            entrance: String::new(),
            renewal: Renewal::Auto,
            current: None,
            collected: Default::default(),
            interrupted: None,
        })
    }

    /// Opens receiver, sampler and platform, and writes the first `run.json`.
    ///
    /// # Errors
    /// What could not be opened, for people.
    pub(crate) async fn open(&mut self) -> Result<(), String> {
        self.announce();
        let sources = Sources::open(Arc::clone(&self.folder), &self.experiment, &self.plan).await?;
        let receiver = sources.receiver.address().to_string();
        // The stressors' own last bound: the orchestrator's end removes them long before.
        let deadline = self.plan.estimate * 3 + Duration::from_secs(600);
        let platform = self.platform_for(deadline, receiver).await?;
        self.machine = platform.describe();
        for warning in platform.warnings() {
            self.warn(warning);
        }
        self.platform = Some(platform);
        self.sources = Some(Arc::new(sources));
        self.write_run_file("running", None)
            .map_err(|error| error.to_string())
    }

    async fn platform_for(
        &mut self,
        deadline: Duration,
        receiver: String,
    ) -> Result<Box<dyn Platform>, String> {
        match (self.experiment.platform, self.survey.take()) {
            (PlatformKind::Kubernetes, Some(survey)) => {
                self.ui.doing("comes into the cluster");
                let opened = Kubernetes::open(
                    &self.experiment,
                    survey,
                    &self.run_id,
                    self.plan.seed,
                    deadline,
                    receiver,
                )
                .await;
                Ok(Box::new(opened.map_err(|error| error.to_string())?))
            }
            _ => {
                // Emulated services send their spans where they are gathered from.
                let jaeger = self
                    .experiment
                    .collect
                    .jaeger
                    .as_ref()
                    .and_then(|jaeger| jaeger.otlp.clone());
                let otlp = jaeger.unwrap_or_else(|| format!("http://{receiver}"));
                let local = Local::new(
                    &self.experiment,
                    self.placement.clone(),
                    self.plan.seed,
                    deadline,
                    otlp,
                );
                Ok(Box::new(local.map_err(|error| {
                    format!("start the local platform: {error}")
                })?))
            }
        }
    }

    /// Two runs on one machine work, and disturb each other: both the user and `run.json` are told.
    fn announce(&mut self) {
        match Presence::announce(&self.run_id) {
            Ok(presence) => {
                if !presence.others().is_empty() {
                    let others = presence.others().join(", ");
                    self.warn(format!(
                        "another run is under way on this machine and the two disturb each other: {others}"
                    ));
                }
                self.presence = Some(presence);
            }
            Err(error) => tracing::debug!("other runs cannot be told of this one: {error}"),
        }
    }

    /// Tries the addresses of what will be asked, once, before the first load: a wrong one is known before it costs a case.
    pub(super) async fn greet_sources(&mut self) {
        let (Some(sources), Some(platform)) = (self.sources.clone(), &self.platform) else {
            return;
        };
        for warning in sources.greet(&platform.endpoints()).await {
            self.warn(warning);
        }
    }

    /// A warning for the terminal, the log and `run.json`.
    fn warn(&mut self, warning: String) {
        tracing::warn!("{warning}");
        self.warnings.push(warning);
    }
}
