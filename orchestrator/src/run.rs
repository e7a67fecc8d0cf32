//! A run under way: what handlers work on.

mod current;
mod file;
mod open;

pub use current::{CurrentCase, OwnTable};
pub(crate) use open::{BeginError, Ground};

use crate::compose::Written;
use crate::experiment::Experiment;
use crate::experiment::environment::Renewal;
use crate::folder::RunFolder;
use crate::gather::{Collection, Evidence, Sources};
use crate::handler::HandlerError;
use crate::journal::Journal;
use crate::lifecycle::{Event, EventName, Operation, Scope};
use crate::neighbours::Presence;
use crate::plan::Plan;
use crate::platform::kubernetes::Survey;
use crate::platform::local::placement::Placement;
use crate::platform::{Observer, Platform, PlatformError};
use crate::report::{CaseReport, Note, Status};
use crate::ui::Ui;
use aefm_collector::clock::now_ns;
use aefm_workloads::ids::trace_prefix;
use aefm_workloads::load::{LoadSpec, RequestsSink};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// How long an interrupted run waits for collections under way, before and after the application is taken down.
const HASTE: Duration = Duration::from_secs(1);
/// How long the end of a run waits for collections, beyond the waiting that each may do.
const COLLECTION_DEADLINE: Duration = Duration::from_secs(60);

/// A run, from its folder to its last row.
pub struct Run {
    run_id: String,
    source: Written,
    experiment: Experiment,
    plan: Arc<Plan>,
    placement: Placement,
    /// The cluster until the platform takes it over.
    survey: Option<Survey>,
    folder: Arc<RunFolder>,
    journal: Journal,
    start_ns: i64,
    ui: Ui,
    warnings: Vec<String>,
    presence: Option<Presence>,
    platform: Option<Box<dyn Platform>>,
    machine: serde_json::Value,
    sources: Option<Arc<Sources>>,
    collection: Collection,
    entrance: String,
    renewal: Renewal,
    current: Option<CurrentCase>,
    collected: BTreeSet<usize>,
    interrupted: Option<String>,
}

impl Run {
    /// The plan.
    #[must_use]
    pub fn plan(&self) -> Arc<Plan> {
        Arc::clone(&self.plan)
    }

    /// The experiment.
    #[must_use]
    pub const fn experiment(&self) -> &Experiment {
        &self.experiment
    }

    /// The platform, once `start_experiment` has opened it.
    ///
    /// # Errors
    /// Before that.
    pub fn platform(&mut self) -> Result<&mut dyn Platform, HandlerError> {
        let closed = || {
            PlatformError::new(
                Scope::Run,
                "reach the platform: start_experiment has not opened it",
            )
        };
        self.platform
            .as_deref_mut()
            .map(|platform| platform as &mut dyn Platform)
            .ok_or_else(closed)
    }

    /// The case under way.
    ///
    /// # Errors
    /// Between cases.
    pub fn current(&mut self) -> Result<&mut CurrentCase, HandlerError> {
        let none = || PlatformError::new(Scope::Run, "find the current case: none is under way");
        self.current.as_mut().ok_or_else(none)
    }

    /// Where the application is entered, once it is up.
    #[must_use]
    pub fn entrance(&self) -> &str {
        &self.entrance
    }

    /// What `init_environment` is to do with the application.
    #[must_use]
    pub const fn renewal(&self) -> Renewal {
        self.renewal
    }

    pub(crate) const fn renew_by(&mut self, renewal: Renewal) {
        self.renewal = renewal;
    }

    /// Brings the application up, or what the experiment says of it. Collections under way may still ask services of
    /// before for what they know: they are awaited first.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn bring_up(&mut self) -> Result<(), HandlerError> {
        self.collection.make_room(1).await;
        self.ui.doing("brings the application up");
        let renewal = self.renewal;
        let entrance = self.platform()?.bring_up(renewal).await;
        self.ui.doing("");
        self.entered(entrance?);
        Ok(())
    }

    /// The application is up.
    pub fn entered(&mut self, entrance: String) {
        tracing::info!("the application is up at {entrance}");
        self.entrance = entrance;
    }

    /// The case at this position of the plan is the current one from now on.
    pub(crate) fn enter_case(&mut self, at: usize) {
        if self
            .current
            .as_ref()
            .is_some_and(|current| current.at == at)
            || self.collected.contains(&at)
        {
            return;
        }
        let case = self.plan.cases[at].clone();
        self.ui.case_begins(at, &case.name);
        if let Some(sources) = &self.sources {
            sources.receiver.expect(trace_prefix(case.trace_seed));
        }
        self.current = Some(CurrentCase::new(at, case, now_ns()));
    }

    /// Puts the load of the current case on.
    ///
    /// # Errors
    /// When it could not be run to its end; what it has seen is kept in the current case.
    pub async fn put_load_on(&mut self) -> Result<(), HandlerError> {
        self.greet_sources().await;
        let spec = self.load_spec()?;
        let ui = self.ui.clone();
        ui.doing("load");
        let seconds = (spec.warmup_ms + spec.duration_ms).div_ceil(1000);
        let done = move |second: u32| ui.doing(&format!("load {}/{seconds} s", second + 1));
        let begun_ns = now_ns();
        let observer = self.observer();
        let mut load = self.platform()?.run_load(&spec, &done).await;
        let ended_ns = now_ns();
        let metrics = match observer {
            Ok(observer) => observer.stop().await,
            Err(reason) => Err(reason),
        };
        let error = load.error.take();
        self.ui.doing("");
        let current = self.current()?;
        let (from_ns, to_ns) = (load.start_ns.unwrap_or(begun_ns), ended_ns);
        current.load_window = Some((from_ns, to_ns));
        current.load = load;
        current.metrics = metrics.map(|seen| seen.within(from_ns, to_ns));
        error.map_or(Ok(()), Err)
    }

    /// Watches the application and its nodes until it is stopped.
    fn observer(&mut self) -> Result<Observer, String> {
        let interval = self.experiment.collect.interval;
        let core = self.placement.instrument.last().copied();
        self.platform()
            .map_err(|error| error.to_string())?
            .observe(interval, core)
    }

    fn load_spec(&mut self) -> Result<LoadSpec, HandlerError> {
        let requests_dir = self
            .folder
            .has_room()
            .then(|| self.folder.path().to_owned());
        let (load, workload, url) = (
            self.experiment.load.clone(),
            self.experiment.native_workload(),
            self.entrance.clone(),
        );
        let trace = self.experiment.trace_context();
        let written = self.experiment.written.clone();
        let case = &self.current()?.case;
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Ok(LoadSpec {
            url,
            workload,
            written,
            arrival: load.arrival,
            rate_hz: case.rate_hz,
            warmup_ms: millis(load.warmup),
            duration_ms: millis(load.duration),
            seed: case.seed,
            trace_seed: case.trace_seed,
            trace,
            connections: load.connections,
            cores: Vec::new(),
            timeout_ms: millis(load.timeout),
            grace_ms: millis(load.grace),
            start_at_ns: None,
            requests: requests_dir.map(|dir| RequestsSink {
                dir,
                labels: case.labels.clone(),
                limit: None,
            }),
        })
    }

    /// Hands the current case over to collection, which goes on while the next one begins.
    ///
    /// # Errors
    /// When there is no case, or the sources were never opened.
    pub async fn gather(&mut self) -> Result<(), HandlerError> {
        let closed = || {
            PlatformError::new(
                Scope::Run,
                "gather: start_experiment has not opened the sources",
            )
        };
        let sources = Arc::clone(self.sources.as_ref().ok_or_else(closed)?);
        let pending = usize::try_from(self.experiment.collect.pending).unwrap_or(usize::MAX);
        self.ui.doing("waits for collection");
        self.collection.make_room(pending.max(1)).await;
        self.ui.doing("");
        let platform = self.platform()?;
        let (census, endpoints) = (platform.census(), platform.endpoints());
        let current = self
            .current
            .take()
            .ok_or_else(|| PlatformError::new(Scope::Run, "gather: no case is under way"))?;
        let (from_ns, to_ns) = current
            .load_window
            .unwrap_or_else(|| (current.begun_ns, now_ns()));
        let platform = self.platform()?;
        let stressors = platform.stressors();
        let interference = platform.interference_between(from_ns, to_ns);
        let at = current.at;
        self.collected.insert(at);
        let evidence = Evidence {
            current,
            ended_ns: now_ns(),
            interference,
            stressors,
            census,
            endpoints,
            load: self.experiment.load.clone(),
        };
        self.collection.begin(sources, evidence);
        if pending == 0 {
            self.ui.doing("collects");
            self.collection.make_room(1).await;
            self.ui.doing("");
        }
        Ok(())
    }

    /// Ends the run: interference first, then collection, then the application.
    pub async fn end(&mut self) {
        let haste = self.interrupted.is_some();
        self.ui.doing("ends");
        if let Some(platform) = &mut self.platform {
            platform.clear_interference().await;
        }
        let patience = if haste {
            HASTE
        } else {
            self.experiment.collect.patience() + COLLECTION_DEADLINE
        };
        self.collection.finish(patience).await;
        if let Some(platform) = &mut self.platform {
            platform.tear_down().await;
        }
        if haste {
            self.collection.finish(COLLECTION_DEADLINE).await;
        }
        self.collection.abandon().await;
        self.write_uncollected();
        if let Some(sources) = self.sources.clone() {
            self.collection.amend(&sources);
            self.warnings.extend(sources.lost());
        }
        self.sources = None;
        self.folder.sweep();
    }

    /// Rows for the case that was abandoned and for those that were never begun.
    fn write_uncollected(&mut self) {
        let mut abandoned = self.current.take();
        let reason = self
            .interrupted
            .clone()
            .unwrap_or_else(|| "the run could not go on".to_owned());
        let Some(sources) = self.sources.clone() else {
            return;
        };
        for at in 0..self.plan.cases.len() {
            if self.collected.contains(&at) {
                continue;
            }
            let (current, status) = match abandoned.take_if(|current| current.at == at) {
                Some(current) => (current, Status::Failed),
                None => (
                    CurrentCase::new(at, self.plan.cases[at].clone(), now_ns()),
                    Status::Skipped,
                ),
            };
            self.collection
                .record(sources.write_without_data(current, status, &reason));
        }
    }

    /// An event failed: the case knows, the log knows.
    pub(crate) fn fail(&mut self, fired: &EventName, reason: &str) {
        tracing::error!("failed to {reason}");
        if let Some(current) = &mut self.current {
            current.notes.push(Note {
                status: Status::Failed,
                source: source_of(fired).to_owned(),
                reason: format!("failed to {reason}"),
            });
        } else {
            self.warnings.push(format!("{fired} failed to {reason}"));
        }
    }

    /// The user wants out.
    pub(crate) fn interrupt(&mut self, reason: &str) {
        tracing::warn!("{reason}");
        self.ui
            .say(&format!("{reason}: removing interference and application"));
        self.interrupted = Some(reason.to_owned());
    }

    pub(crate) fn journal_before(&mut self, operation: &Operation, case: Option<&str>) {
        let written = self.journal.before(now_ns(), operation, case);
        self.journal_written(written);
    }

    pub(crate) fn journal_after(
        &mut self,
        fired: &EventName,
        event: &Event,
        case: Option<&str>,
        reason: Option<&str>,
    ) {
        let written = self.journal.after(now_ns(), fired, event, case, reason);
        self.journal_written(written);
    }

    /// A journal that cannot be written takes resuming away, not the run.
    fn journal_written(&mut self, written: std::io::Result<()>) {
        if let Err(error) = written {
            let warning =
                format!("the journal is incomplete, so this run cannot be resumed: {error}");
            if !self.warnings.contains(&warning) {
                tracing::warn!("{warning}");
                self.warnings.push(warning);
            }
        }
    }

    /// Is told when a case's tables are written.
    pub(crate) fn case_written(&self) -> Arc<Notify> {
        self.collection.written()
    }

    /// What became of every case.
    #[must_use]
    pub fn reports(&self) -> &[CaseReport] {
        self.collection.reports()
    }
}

/// Which source of the `quality` table an event's failure concerns.
fn source_of(event: &EventName) -> &str {
    match event {
        EventName::StartExperiment | EventName::EndExperiment => "run",
        EventName::InitEnvironment => "application",
        EventName::StartAxis(_) => "interference",
        EventName::StartSingleTestCase => "load",
        EventName::StartDataCollection => "collection",
    }
}
