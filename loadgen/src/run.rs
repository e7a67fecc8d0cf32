//! The shell around the engine: starts workers, fixes time zero, collects what they tell, obeys commands.

mod conductor;
mod finished;
mod machine;

use crate::commands::Commands;
use crate::control::Control;
use crate::lua::ScriptError;
use crate::plan::{Plan, Protocol};
use crate::request_log::{RequestLog, RowContext};
use crate::requests::Requests;
use crate::tally::Second;
use crate::target::Addresses;
use crate::tls::{TlsConfig, TlsError};
use crate::worker::{Shared, Told, Worker, WorkerError};
use conductor::Conductor;
pub use finished::Finished;
pub use machine::Throttling;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;
use thiserror::Error;

/// Why a run cannot be had.
#[derive(Debug, Error)]
pub enum RunError {
    /// The script; nothing was sent.
    #[error(transparent)]
    Script(#[from] ScriptError),
    /// TLS files or names.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The kernel refuses something that workers need.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// Threads, files or cores.
    #[error("set up the run: {0}")]
    Kernel(#[from] nix::Error),
    /// A core that is not there.
    #[error("pin to the cores {0:?}: this process may not run on all of them")]
    Cores(Vec<usize>),
    /// A start that has passed.
    #[error("start at the given time: it passed {0} ms ago")]
    Late(i64),
    /// A worker ended without a word.
    #[error("finish: a worker broke off")]
    Broken,
}

/// What a run tells while it goes on.
#[derive(Debug)]
pub enum Event<'a> {
    /// Connections have come about, or failed once.
    Ready {
        /// How many are open.
        open: usize,
        /// Why others are not.
        fault: Option<&'a str>,
    },
    /// Time zero is fixed: ns since the epoch.
    Started(i64),
    /// A second is complete.
    Second(&'a Second),
    /// No second is complete yet that should be by now: its requests wait for their answers.
    Waiting {
        /// The first second that is not complete.
        second: u64,
        /// Whole seconds since time zero.
        at: u64,
    },
}

/// Runs the plan.
///
/// # Errors
/// It cannot be started, or a worker broke off.
pub fn run(
    plan: &Arc<Plan>,
    commands: &Commands,
    tell: &mut dyn FnMut(Event<'_>),
) -> Result<Finished, RunError> {
    machine::raise_file_limit();
    machine::pin_process(&plan.cores)?;
    let (requests, script) = Requests::of_workers(plan)?;
    let throttled = Throttling::now();
    let addresses = Addresses::default();
    let resolver = resolve(plan, &addresses);
    let workers = plan.workers();
    let shared = Arc::new(Shared {
        plan: Arc::clone(plan),
        control: Control::new(workers)?,
        addresses,
        tls: tls(plan)?,
    });
    let zero_wall_ns = Arc::new(AtomicU64::new(0));
    let (log, log_fault) = start_log(plan, &zero_wall_ns);
    let (sender, receiver) = channel();
    commands.attach(sender.clone());
    let threads = start_workers(&shared, requests, &sender, log.as_ref())?;
    drop(sender);
    let mut conductor = Conductor::new(shared, receiver, zero_wall_ns);
    conductor.get_ready(tell)?;
    let ended = conductor.go_on(tell);
    commands.detach();
    for thread in threads {
        thread.join().map_err(|_| RunError::Broken)?;
    }
    drop(resolver);
    ended?;
    while let Some(second) = conductor.tally.take_rest() {
        tell(Event::Second(&second));
    }
    let mut log = log.map(RequestLog::finish).unwrap_or_default();
    log.error = log.error.or(log_fault);
    Ok(conductor.finish(log, script, throttled))
}

fn tls(plan: &Plan) -> Result<Option<TlsConfig>, TlsError> {
    let protocols: &[&[u8]] = match plan.protocol {
        Protocol::Http1 => &[b"http/1.1"],
        Protocol::Http2 { .. } => &[b"h2"],
    };
    plan.target
        .tls
        .then(|| TlsConfig::new(&plan.tls, &plan.target.host, protocols))
        .transpose()
}

/// Resolves the name. If it cannot be, goes on trying once a second until the returned sender is dropped: the name may
/// come, and until then requests end as `connect`.
fn resolve(plan: &Plan, addresses: &Addresses) -> Option<Sender<()>> {
    let target = plan
        .connect_to
        .clone()
        .unwrap_or_else(|| plan.target.clone());
    match target.resolve() {
        Ok(found) if !found.is_empty() => {
            addresses.set(found);
            None
        }
        _ => {
            let (stop, stopped) = channel::<()>();
            let addresses = addresses.clone();
            std::thread::spawn(move || {
                while stopped.recv_timeout(Duration::from_secs(1)) == Err(RecvTimeoutError::Timeout)
                {
                    if let Ok(found) = target.resolve()
                        && !found.is_empty()
                    {
                        return addresses.set(found);
                    }
                }
            });
            Some(stop)
        }
    }
}

/// A table that cannot be begun does not keep the load from running.
fn start_log(plan: &Plan, zero_wall_ns: &Arc<AtomicU64>) -> (Option<RequestLog>, Option<String>) {
    let Some(sink) = &plan.requests else {
        return (None, None);
    };
    let context = RowContext {
        calendar: plan.calendar(),
        trace_seed: plan.trace_seed,
        zero_wall_ns: Arc::clone(zero_wall_ns),
    };
    match RequestLog::start(sink, context) {
        Ok(log) => (Some(log), None),
        Err(error) => (None, Some(error.to_string())),
    }
}

fn start_workers(
    shared: &Arc<Shared>,
    requests: Vec<Requests>,
    sender: &Sender<Told>,
    log: Option<&RequestLog>,
) -> Result<Vec<JoinHandle<()>>, RunError> {
    let mut threads = Vec::new();
    for (index, requests) in requests.into_iter().enumerate() {
        let worker = Worker::new(
            index,
            shared,
            requests,
            sender.clone(),
            log.map(RequestLog::queue),
        )?;
        let core = shared
            .plan
            .cores
            .get(index % shared.plan.cores.len().max(1))
            .copied();
        let tell = sender.clone();
        let work = move || {
            if let Some(id) = core {
                core_affinity::set_for_current(core_affinity::CoreId { id });
            }
            // The others must not wait for one that is gone.
            if catch_unwind(AssertUnwindSafe(|| worker.run())).is_err() {
                let _ = tell.send(Told::Failed(WorkerError::Broken));
            }
        };
        let builder = std::thread::Builder::new().name(format!("load-{index}"));
        threads.push(builder.spawn(work).map_err(|_| nix::Error::EAGAIN)?);
    }
    Ok(threads)
}
