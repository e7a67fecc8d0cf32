//! The thread that samples at a fixed interval.

use super::cgroup::Files;
use super::kept::Room;
use super::read::{Machine, Process, counters_of_cgroup};
use super::rows::{Counters, MetricRow, Scope, row};
use crate::clock::now_ns;
use crate::span::Name;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What to watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A process: scope `process`, subject its service.
    Process {
        /// The subject.
        name: String,
        /// Its pid.
        pid: u32,
    },
    /// A cgroup by its path within the hierarchies, such as `/kubepods/pod1/c1`.
    Cgroup {
        /// What it is of: a pod or a container.
        scope: Scope,
        /// The subject.
        name: String,
        /// The path.
        path: String,
    },
}

/// How to watch.
#[derive(Clone, Debug)]
pub struct SamplerOptions {
    /// The node's name: subject of the node's own rows, and the column `node`.
    pub node: String,
    /// What to watch beside the node.
    pub subjects: Vec<Subject>,
    /// Time between samples.
    pub interval: Duration,
    /// The core to run on; none: any.
    pub core: Option<usize>,
    /// At most so many rows are kept; what exceeds it is counted.
    pub rows: usize,
}

impl SamplerOptions {
    /// The node and these processes, once a second.
    #[must_use]
    pub fn new(node: &str, processes: &[(String, u32)], core: Option<usize>) -> Self {
        let subject = |(name, pid): &(String, u32)| Subject::Process {
            name: name.clone(),
            pid: *pid,
        };
        Self {
            node: node.to_owned(),
            subjects: processes.iter().map(subject).collect(),
            interval: Duration::from_secs(1),
            core,
            rows: 4_000_000,
        }
    }
}

/// A subject that ended while it was watched, or that was never there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gone {
    /// Which.
    pub subject: String,
    /// When that was seen, ns since the epoch.
    pub t_ns: i64,
}

/// What was seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// The rows, by time.
    pub rows: Vec<MetricRow>,
    /// Who ended meanwhile: their rows end there.
    pub gone: Vec<Gone>,
    /// Samples that could not be taken in time, because the thread did not get to run.
    pub skipped: u64,
    /// Samples that should have been taken in the time for which it ran; none where the pace is somebody else's.
    pub due: Option<u64>,
    /// Rows that exceeded the bound and were left out.
    pub dropped: u64,
    /// Why the thread could not be pinned, if so.
    pub unpinned: Option<String>,
}

/// Why there is no sampler.
#[derive(Debug, thiserror::Error)]
pub enum SamplerError {
    /// An interval too short to be true.
    #[error("sample every {0:?}: the interval is 10 ms to 1 h")]
    Interval(Duration),
    /// No thread could be had.
    #[error("start a thread to sample: {0}")]
    Thread(#[from] io::Error),
}

/// Watches until it is stopped; dropped, it stops, too.
#[derive(Debug)]
pub struct Sampler {
    stop: Sender<()>,
    samples: Arc<AtomicU64>,
    interval: Duration,
    begun: Instant,
    thread: Option<JoinHandle<Observed>>,
}

impl Sampler {
    /// Starts to watch. The first row comes one interval from now.
    ///
    /// # Errors
    /// The interval makes no sense, or no thread could be had. A subject that is not there is reported in
    /// [`Observed::gone`].
    pub fn start(options: SamplerOptions) -> Result<Self, SamplerError> {
        if !(Duration::from_millis(10)..=Duration::from_secs(3600)).contains(&options.interval) {
            return Err(SamplerError::Interval(options.interval));
        }
        let (stop, stopped) = channel();
        let samples = Arc::new(AtomicU64::new(0));
        let taken = Arc::clone(&samples);
        let interval = options.interval;
        let thread = std::thread::Builder::new()
            .name("aefm-sampler".to_owned())
            .spawn(move || watch(options, &stopped, &taken))?;
        Ok(Self {
            stop,
            samples,
            interval,
            begun: Instant::now(),
            thread: Some(thread),
        })
    }

    /// How many samples were taken so far.
    #[must_use]
    pub fn samples(&self) -> u64 {
        self.samples.load(Ordering::Acquire)
    }

    /// Takes a last sample of the interval begun, ends the thread and hands over what was seen.
    #[must_use]
    pub fn stop(mut self) -> Observed {
        let due = self.begun.elapsed().as_nanos() / self.interval.as_nanos();
        // A thread that has ended already does not hear it.
        let _ = self.stop.send(());
        let observed = self.thread.take().and_then(|thread| thread.join().ok());
        Observed {
            due: Some(u64::try_from(due).unwrap_or(u64::MAX)),
            ..observed.unwrap_or_default()
        }
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        let _ = self.stop.send(());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

enum Source {
    Node,
    Process(Process),
    Cgroup(Files),
}

struct Watched {
    scope: Scope,
    name: Name,
    source: Source,
    before: Counters,
}

struct Watch {
    machine: Machine,
    node: Name,
    watched: Vec<Watched>,
    observed: Observed,
    limit: usize,
    buffer: Vec<u8>,
}

fn watch(options: SamplerOptions, stopped: &Receiver<()>, taken: &AtomicU64) -> Observed {
    let unpinned = options
        .core
        .and_then(|core| pin(core).err())
        .map(|error| error.to_string());
    let mut watch = Watch::new(options.node, options.subjects, options.rows);
    watch.observed.unpinned = unpinned;
    let mut due = Instant::now() + options.interval;
    while let Err(RecvTimeoutError::Timeout) =
        stopped.recv_timeout(due.saturating_duration_since(Instant::now()))
    {
        watch.sample();
        taken.fetch_add(1, Ordering::Release);
        due += options.interval;
        // Fixed phase: a late sample does not shift the next; those missed meanwhile are counted.
        while due <= Instant::now() {
            due += options.interval;
            watch.observed.skipped += 1;
        }
    }
    // The rest of the interval counts if it is long enough for its rates to mean something.
    if due.saturating_duration_since(Instant::now()) < options.interval / 2 {
        watch.sample();
    }
    watch.observed
}

fn pin(core: usize) -> nix::Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core)?;
    sched_setaffinity(Pid::from_raw(0), &cores)
}

impl Watch {
    fn new(node: String, subjects: Vec<Subject>, limit: usize) -> Self {
        let mut room = Room::make();
        let mut watch = Self {
            machine: Machine::look(&mut room),
            node: node.as_str().into(),
            watched: Vec::new(),
            observed: Observed::default(),
            limit,
            buffer: Vec::new(),
        };
        watch.add(Scope::Node, node, Some(Source::Node));
        for subject in subjects {
            match subject {
                Subject::Process { name, pid } => {
                    let process = i32::try_from(pid)
                        .ok()
                        .and_then(|pid| watch.machine.process(pid, &mut room).ok());
                    watch.add(Scope::Process, name, process.map(Source::Process));
                }
                Subject::Cgroup { scope, name, path } => {
                    let files = watch.machine.cgroup(&path, &mut room);
                    watch.add(scope, name, Some(Source::Cgroup(files)));
                }
            }
        }
        watch
    }

    fn add(&mut self, scope: Scope, name: String, source: Option<Source>) {
        match source.and_then(|mut source| Some((self.counters(&mut source)?, source))) {
            Some((before, source)) => self.watched.push(Watched {
                scope,
                name: name.into(),
                source,
                before,
            }),
            None => self.observed.gone.push(Gone {
                subject: name,
                t_ns: now_ns(),
            }),
        }
    }

    fn counters(&mut self, source: &mut Source) -> Option<Counters> {
        match source {
            Source::Node => Some(self.machine.counters(&mut self.buffer)),
            Source::Process(process) => self.machine.counters_of(process, &mut self.buffer),
            Source::Cgroup(files) => counters_of_cgroup(files, &mut self.buffer),
        }
    }

    fn sample(&mut self) {
        let t_ns = now_ns();
        let mut watched = std::mem::take(&mut self.watched);
        watched.retain_mut(|subject| {
            let Some(now) = self.counters(&mut subject.source) else {
                self.observed.gone.push(Gone {
                    subject: subject.name.to_string(),
                    t_ns,
                });
                return false;
            };
            if let Some(row) = row(
                (subject.scope, &subject.name, &self.node),
                t_ns,
                &subject.before,
                &now,
            ) {
                if self.observed.rows.len() < self.limit {
                    self.observed.rows.push(row);
                } else {
                    self.observed.dropped += 1;
                }
            }
            subject.before = now;
            true
        });
        self.watched = watched;
    }
}
