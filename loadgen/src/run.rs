//! The shell around the engine: starts workers, fixes time zero, collects what they tell, obeys commands.

mod finished;
mod machine;

use crate::clock;
use crate::commands::{Command, Commands};
use crate::control::Control;
use crate::lua::{self, ScriptError};
use crate::plan::{Plan, Protocol};
use crate::request_log::{LogEnd, RequestLog, RowContext};
use crate::requests::Requests;
use crate::tally::{Second, Tally};
use crate::target::Addresses;
use crate::tls::{TlsConfig, TlsError};
use crate::worker::{Shared, Told, Worker, WorkerError};
pub use finished::Finished;
pub use machine::Throttling;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
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

/// Time for workers to get to their timers between hearing of time zero and time zero.
const LEAD_NS: u64 = 3_000_000;
/// How often the run is looked at, should the workers have nothing to say.
const TICK_NS: u64 = 1_000_000_000;
/// How far ahead an early end is set, so that all workers hear of it before it comes.
const CUT_LEAD_NS: u64 = 10_000_000;

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
    let mut conductor = Conductor {
        shared,
        receiver,
        zero_wall_ns,
        zero_ns: 0,
        tally: Tally::new(plan.calendar(), workers, plan.schedule()),
        running: workers,
        stopped: 0,
        stop_ns: 0,
        ended_by_script: false,
        open: 0,
        cut_ns: u64::MAX,
        interrupts: 0,
        orphaned: false,
    };
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

struct Conductor {
    shared: Arc<Shared>,
    receiver: Receiver<Told>,
    zero_wall_ns: Arc<AtomicU64>,
    zero_ns: u64,
    tally: Tally,
    running: usize,
    /// Workers that their script has stopped, and the last intended time of those.
    stopped: usize,
    stop_ns: u64,
    /// All of them: the end is as the script wants it.
    ended_by_script: bool,
    open: usize,
    cut_ns: u64,
    interrupts: u32,
    orphaned: bool,
}

impl Conductor {
    /// Waits for the workers' connections, and fixes time zero.
    fn get_ready(&mut self, tell: &mut dyn FnMut(Event<'_>)) -> Result<(), RunError> {
        let start_at_ns = self.shared.plan.start_at_ns;
        if let Some(late_ns) = start_at_ns
            .map(|at_ns| clock::wall_ns() - at_ns)
            .filter(|&late_ns| late_ns > 0)
        {
            self.shared.control.abandon();
            return Err(RunError::Late(late_ns / 1_000_000));
        }
        let mut unready = self.running;
        let mut fault = None;
        while unready > 0 && self.interrupts == 0 && !self.orphaned {
            let left_ns = start_at_ns.map_or(i64::MAX, |at_ns| {
                at_ns - clock::wall_ns() - LEAD_NS.cast_signed()
            });
            let Ok(left_ns) = u64::try_from(left_ns) else {
                break;
            };
            match self.receiver.recv_timeout(Duration::from_nanos(left_ns)) {
                Ok(Told::Ready { open, fault: own }) => {
                    self.open += open;
                    fault = fault.or(own);
                    unready -= 1;
                }
                Ok(told) => self.hear(told)?,
                Err(_) => break,
            }
        }
        tell(Event::Ready {
            open: self.open,
            fault: fault.as_deref(),
        });
        self.start(start_at_ns);
        tell(Event::Started(
            self.zero_wall_ns.load(Ordering::Relaxed).cast_signed(),
        ));
        Ok(())
    }

    fn start(&mut self, start_at_ns: Option<i64>) {
        let (now_ns, wall_ns) = (clock::now_ns(), clock::wall_ns());
        let lead_ns =
            start_at_ns.map_or(LEAD_NS, |at_ns| u64::try_from(at_ns - wall_ns).unwrap_or(0));
        self.zero_ns = now_ns + lead_ns;
        self.zero_wall_ns
            .store(wall_ns.cast_unsigned() + lead_ns, Ordering::Relaxed);
        if self.interrupts > 0 || self.orphaned {
            self.cut(0);
        }
        self.shared.control.start(self.zero_ns);
    }

    /// Collects until all workers have ended.
    fn go_on(&mut self, tell: &mut dyn FnMut(Event<'_>)) -> Result<(), RunError> {
        let mut tick_ns = self.zero_ns + TICK_NS;
        while self.running > 0 {
            let left_ns = tick_ns.saturating_sub(clock::now_ns());
            match self.receiver.recv_timeout(Duration::from_nanos(left_ns)) {
                Ok(told) => self.hear(told)?,
                Err(RecvTimeoutError::Timeout) => {
                    let at_ns = tick_ns - self.zero_ns;
                    if let Some(second) = self.tally.overdue(at_ns) {
                        tell(Event::Waiting {
                            second,
                            at: at_ns / TICK_NS,
                        });
                    }
                    tick_ns += TICK_NS;
                }
                Err(RecvTimeoutError::Disconnected) => return Err(RunError::Broken),
            }
            while let Some(second) = self.tally.take_second() {
                tell(Event::Second(&second));
            }
        }
        Ok(())
    }

    fn hear(&mut self, told: Told) -> Result<(), RunError> {
        match told {
            Told::Ready { open, .. } => self.open += open,
            Told::Bin { worker, bin } => self.tally.add(worker, *bin),
            Told::Stopped { at_ns } => self.hear_stop(at_ns),
            Told::Ended { totals } => {
                self.tally.totals.add(&totals);
                self.running -= 1;
            }
            Told::Failed(error) => {
                self.shared.control.abandon();
                return Err(error.into());
            }
            Told::Command(command) => self.obey(command),
        }
        Ok(())
    }

    /// A worker's script has stopped it. With the last one the schedule ends.
    fn hear_stop(&mut self, at_ns: u64) {
        self.stopped += 1;
        self.stop_ns = self.stop_ns.max(at_ns);
        if self.stopped == self.shared.plan.workers() && self.cut_ns == u64::MAX {
            self.ended_by_script = true;
            self.cut(self.stop_ns + 1);
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Stop => self.cut_here(),
            Command::Interrupt => self.interrupts += 1,
            Command::Orphaned => self.orphaned = true,
        }
        if self.interrupts > 0 || self.orphaned {
            self.cut_here();
        }
        if self.interrupts > 1 || self.orphaned {
            self.shared.control.abandon();
        }
    }

    /// Ends the schedule a moment from now.
    fn cut_here(&mut self) {
        if self.zero_ns == 0 {
            self.interrupts = self.interrupts.max(1);
        } else {
            self.cut((clock::now_ns() + CUT_LEAD_NS).saturating_sub(self.zero_ns));
        }
    }

    fn cut(&mut self, offset_ns: u64) {
        let plan_end_ns = self.shared.plan.end_ns();
        if offset_ns < self.cut_ns && offset_ns < plan_end_ns {
            self.cut_ns = offset_ns;
            self.tally.cut(offset_ns);
            self.shared.control.cut(offset_ns);
        }
    }

    fn finish(self, log: LogEnd, script: Option<lua::Session>, throttled: Throttling) -> Finished {
        let plan = &self.shared.plan;
        let limited = match &plan.load {
            crate::plan::Loop::Open(schedule) => schedule.limit().is_some(),
            crate::plan::Loop::Closed { limit } => limit.is_some(),
        };
        let mut end_ns = self.cut_ns.min(plan.end_ns());
        if limited {
            // The run is over when its requests are.
            end_ns = end_ns.min(self.tally.totals.wall_ns);
        }
        let interrupted = self.cut_ns < plan.end_ns() && !self.ended_by_script;
        Finished {
            measured_ns: end_ns.saturating_sub(plan.warmup_ns),
            interrupted,
            orphaned: self.orphaned,
            log,
            script,
            throttling: Throttling::now().since(throttled),
            open: self.open,
            zero_wall_ns: self.zero_wall_ns.load(Ordering::Relaxed).cast_signed(),
            tally: self.tally,
        }
    }
}
