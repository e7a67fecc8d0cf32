//! What is gathered from, and what a finished case hands over.

use crate::experiment::{Collect, Load};
use crate::folder::RunFolder;
use crate::plan::Case;
use crate::platform::CensusTaker;
use crate::report::{CaseReport, Note, Status};
use crate::run::CurrentCase;
use aefm_collector::otlp::{Receiver, ReceiverOptions};
use aefm_workloads::interference::InterferenceSample;
use std::any::Any;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// What a finished case hands over.
pub(crate) struct Evidence {
    pub(crate) current: CurrentCase,
    /// When the case was over.
    pub(crate) ended_ns: i64,
    pub(crate) interference: Vec<(String, InterferenceSample)>,
    pub(crate) census: CensusTaker,
    pub(crate) load: Load,
}

/// The sources that live as long as the run.
pub(crate) struct Sources {
    pub(crate) receiver: Receiver,
    pub(crate) folder: Arc<RunFolder>,
    /// How long late spans are awaited.
    pub(crate) settle: Duration,
}

impl Sources {
    /// Opens the receiver.
    pub(crate) async fn open(folder: Arc<RunFolder>, collect: &Collect) -> Result<Self, String> {
        let mut options = ReceiverOptions::default();
        options.limits.held_bytes = usize::try_from(collect.trace_memory).unwrap_or(usize::MAX);
        let receiver = Receiver::bind(options).await.map_err(|error| format!("open the trace receiver: {error}"))?;
        Ok(Self { receiver, folder, settle: collect.settle })
    }

    /// Rows of a case without data: one that was abandoned or never begun.
    pub(crate) fn write_without_data(&self, mut current: CurrentCase, status: Status, reason: &str) -> CaseReport {
        current.notes.push(Note { status, source: "run".to_owned(), reason: reason.to_owned() });
        let begun = (status != Status::Skipped).then_some(current.begun_ns);
        super::write::without_data(self, &current, begun)
    }

    /// Rows of a case whose collection came to nothing.
    pub(crate) fn write_lost(&self, case: Case, reason: &str) -> CaseReport {
        let mut current = CurrentCase::new(0, case, 0);
        current.notes.push(Note { status: Status::Failed, source: "collection".to_owned(), reason: reason.to_owned() });
        super::write::without_data(self, &current, None)
    }
}

/// The kernel's lowest priority of ordinary threads.
const LOWEST: i32 = 19;

/// Runs `work` on a thread of its own at the lowest priority, since it shares its cores with the load generator.
///
/// # Errors
/// The panic of `work`.
pub(super) async fn in_background<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Box<dyn Any + Send>> {
    let (sender, receiver) = oneshot::channel();
    let run = move || {
        // Nothing is lost when the system refuses: the load generator then shares its core evenly.
        let _ = rustix::process::setpriority_process(None, LOWEST);
        drop(sender.send(std::panic::catch_unwind(std::panic::AssertUnwindSafe(work))));
    };
    match std::thread::Builder::new().name("collection".to_owned()).spawn(run) {
        Ok(_) => receiver.await.unwrap_or_else(|gone| Err(Box::new(gone))),
        Err(error) => Err(Box::new(error)),
    }
}
