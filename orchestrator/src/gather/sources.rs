//! What is gathered from, and what a finished case hands over.

use super::remote::Remotes;
use super::window::Window;
use crate::experiment::{Experiment, Load};
use crate::folder::RunFolder;
use crate::plan::{Case, Plan};
use crate::platform::{CensusTaker, Endpoints};
use crate::report::{CaseReport, Note, Status};
use crate::run::CurrentCase;
use crate::shortfall;
use aefm_collector::otlp::{Reason, Receiver, ReceiverOptions};
use aefm_workloads::interference::{InterferenceSample, Kind};
use aefm_workloads::load::TraceContext;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{oneshot, watch};

/// What a finished case hands over.
pub(crate) struct Evidence {
    pub(crate) current: CurrentCase,
    /// When the case was over.
    pub(crate) ended_ns: i64,
    pub(crate) interference: Vec<(String, InterferenceSample)>,
    /// The stressors that pressed, by kind and node.
    pub(crate) stressors: Vec<(Kind, String)>,
    pub(crate) census: CensusTaker,
    pub(crate) endpoints: Endpoints,
    pub(crate) load: Load,
}

impl Evidence {
    /// What sources are asked about; none where no load was put on.
    pub(super) fn window(&self) -> Option<Window> {
        let (from_ns, to_ns) = self.current.load_window?;
        let case = &self.current.case;
        Some(Window {
            labels: case.labels.clone(),
            name: case.name.clone(),
            trace_seed: case.trace_seed,
            from_ns,
            to_ns,
        })
    }
}

/// The sources that live as long as the run.
pub(crate) struct Sources {
    pub(crate) receiver: Receiver,
    pub(crate) folder: Arc<RunFolder>,
    /// How long late spans are awaited.
    pub(crate) settle: Duration,
    pub(super) remotes: Remotes,
    /// The application is brought up by us, and so told where its spans go.
    pub(super) is_ours: bool,
    /// The user has said where the receiver listens: spans are to come there.
    pub(super) listens: bool,
    /// Nothing is to be awaited any more.
    hurry: watch::Sender<bool>,
    /// The sources' addresses were tried.
    greeted: AtomicBool,
}

impl Sources {
    /// Opens the receiver, and reads the secrets of what will be asked.
    pub(crate) async fn open(
        folder: Arc<RunFolder>,
        experiment: &Experiment,
        plan: &Plan,
    ) -> Result<Self, String> {
        let collect = &experiment.collect;
        let remotes = Remotes::open(
            collect,
            experiment.trace_context(),
            experiment.entry_service(),
            plan,
        );
        let remotes = remotes.map_err(|error| error.to_string())?;
        let mut options = ReceiverOptions::default();
        options.limits.held_bytes = usize::try_from(collect.trace_memory).unwrap_or(usize::MAX);
        options.listen = collect.listen.unwrap_or(options.listen);
        options.by_time = experiment.trace_context() == TraceContext::None;
        let receiver = Receiver::bind(options)
            .await
            .map_err(|error| format!("open the trace receiver: {error}"))?;
        Ok(Self {
            receiver,
            folder,
            settle: collect.settle,
            remotes,
            is_ours: experiment.application.is_none(),
            listens: collect.listen.is_some(),
            hurry: watch::Sender::new(false),
            greeted: AtomicBool::new(false),
        })
    }

    /// Tries the addresses of what will be asked, the first time that this is called; what does not answer, in words.
    pub(crate) async fn greet(&self, endpoints: &Endpoints) -> Vec<String> {
        if self.greeted.swap(true, Ordering::Relaxed) {
            return Vec::new();
        }
        self.remotes.greet(endpoints).await
    }

    /// Nothing is awaited any more from now on: what sources have not said, they do not say. All tables are written.
    pub(super) fn hurry(&self) {
        self.hurry.send_replace(true);
    }

    pub(super) fn is_hurried(&self) -> bool {
        *self.hurry.borrow()
    }

    /// Waits until nothing is to be awaited any more.
    pub(super) async fn hurried(&self) {
        let mut hurry = self.hurry.subscribe();
        // The sender lives as long as this.
        let _ = hurry.wait_for(|is_over| *is_over).await;
    }

    /// What the receiver refused or dropped over the whole run, between its cases, too; for people.
    pub(crate) fn lost(&self) -> Option<String> {
        let mut losses = self.receiver.losses(i64::MIN, i64::MAX);
        // Between cases our own application has spans of its initial data.
        losses.retain(|loss| !self.is_ours || loss.reason != Reason::Foreign);
        let told = shortfall::receiver(&losses, None);
        let reasons: Vec<_> = told
            .into_iter()
            .filter_map(|found| found.row.reason)
            .collect();
        (!reasons.is_empty()).then(|| format!("over the whole run: {}", reasons.join("; ")))
    }

    /// Rows of a case without data: one that was abandoned or never begun.
    pub(crate) fn write_without_data(
        &self,
        mut current: CurrentCase,
        status: Status,
        reason: &str,
    ) -> CaseReport {
        current.notes.push(Note {
            status,
            source: "run".to_owned(),
            reason: reason.to_owned(),
        });
        let begun = (status != Status::Skipped).then_some(current.begun_ns);
        super::write::without_data(&self.folder, &current, begun)
    }

    /// Rows of a case whose collection came to nothing.
    pub(crate) fn write_lost(&self, case: Case, reason: &str) -> CaseReport {
        let mut current = CurrentCase::new(0, case, 0);
        current.notes.push(Note {
            status: Status::Failed,
            source: "collection".to_owned(),
            reason: reason.to_owned(),
        });
        super::write::without_data(&self.folder, &current, None)
    }
}

/// The kernel's lowest priority of ordinary threads.
const LOWEST: i32 = 19;

/// Does `work` on a thread of its own at the lowest priority, since it shares its cores with the load generator. Where
/// nobody waits for it any more it ends at its next await.
///
/// # Errors
/// The panic of `work`.
pub(crate) async fn in_background<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, Box<dyn Any + Send>> {
    let (mut sender, receiver) = oneshot::channel();
    let run = move || {
        // Nothing is lost when the system refuses: the load generator then shares its core evenly.
        let _ = rustix::process::setpriority_process(None, LOWEST);
        let done = catch_unwind(AssertUnwindSafe(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.map(|runtime| {
                runtime.block_on(async {
                    tokio::select! {
                        biased;
                        () = sender.closed() => None,
                        done = work => Some(done),
                    }
                })
            })
        }));
        let done =
            match done {
                Ok(Ok(None)) => return,
                Ok(Ok(Some(done))) => Ok(done),
                Ok(Err(error)) => Err(Box::new(format!("no runtime for a collection: {error}"))
                    as Box<dyn Any + Send>),
                Err(panic) => Err(panic),
            };
        drop(sender.send(done));
    };
    match std::thread::Builder::new()
        .name("collection".to_owned())
        .spawn(run)
    {
        Ok(_) => receiver.await.unwrap_or_else(|gone| Err(Box::new(gone))),
        Err(error) => Err(Box::new(error)),
    }
}
