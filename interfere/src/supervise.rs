//! Several stressors at once: a process each, so that one that dies of its own pressure takes no other along. The
//! supervisor itself presses on nothing: it passes intensities down, samples up, and outlives none of them.

pub mod child;

use crate::clock;
use crate::profile::{Part, Profile};
use crate::session::input::Lines;
use crate::session::output::Output;
use crate::session::{Ending, ended_by, unwritten};
use aefm_workloads::interference::{InterferenceSample, Kind, ProfileControl};
use child::{Child, ChildError};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signalfd::SignalFd;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

/// The children stop when they hear nothing for so long; they hear something every second.
pub(crate) const CHILD_LEASE_MS: u64 = 5_000;
const RENEW_NS: u64 = clock::SECOND_NS;

/// What a profile's run is controlled by.
#[derive(Debug)]
pub struct Controls<'a> {
    /// Signals as events.
    pub signals: &'a SignalFd,
    /// Standard input, if it controls the run.
    pub stdin: Option<BorrowedFd<'a>>,
    /// Stop when nothing came on it for so long.
    pub lease: Option<Duration>,
}

/// Why a profile's run could not begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum SuperviseError {
    /// A child.
    #[error(transparent)]
    Child(#[from] ChildError),
    /// Waiting for events failed.
    #[error("wait for events: {0}")]
    Poll(nix::Error),
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Result {
    /// How it ended.
    pub ending: Ending,
    /// The last line of each stressor that had one.
    pub summaries: Vec<InterferenceSample>,
}

/// A part at work.
struct Running {
    part: Part,
    child: Child,
    requested: f64,
    /// Retuned by hand: its schedule no longer applies.
    retuned: bool,
    summary: Option<InterferenceSample>,
}

struct Supervisor<'a> {
    running: Vec<Running>,
    controls: Controls<'a>,
    lines: Lines,
    start_ns: u64,
    heard_ns: u64,
    renew_ns: u64,
}

/// Runs a profile to its end.
///
/// # Errors
/// When a child cannot be started, or events cannot be waited for.
pub fn run(
    profile: Profile,
    controls: Controls<'_>,
    output: &mut Output,
) -> std::result::Result<Result, SuperviseError> {
    if let Some(ending) = wait_for_start(profile.start_at_ns, controls.signals)? {
        return Ok(Result {
            ending,
            summaries: Vec::new(),
        });
    }
    let mut running = Vec::new();
    for part in profile.parts {
        let child = Child::start(&part.spec)?;
        running.push(Running {
            requested: part.spec.intensity,
            part,
            child,
            retuned: false,
            summary: None,
        });
    }
    let now_ns = clock::mono_ns();
    let lines = Lines::default();
    let mut supervisor = Supervisor {
        running,
        controls,
        lines,
        start_ns: now_ns,
        heard_ns: now_ns,
        renew_ns: now_ns,
    };
    let ending = supervisor.live(output)?;
    supervisor.finish(ending, output)
}

/// Sleeps until the wall clock says that it is time. A stepped clock is followed: it is looked at every half second.
fn wait_for_start(
    at_ns: Option<i64>,
    signals: &SignalFd,
) -> std::result::Result<Option<Ending>, SuperviseError> {
    let Some(at_ns) = at_ns else { return Ok(None) };
    loop {
        let left_ms = (at_ns - clock::wall_ns()).max(0) / 1_000_000;
        if left_ms == 0 {
            return Ok(None);
        }
        let timeout = PollTimeout::try_from(left_ms.min(500)).unwrap_or(PollTimeout::ZERO);
        poll(
            &mut [PollFd::new(signals.as_fd(), PollFlags::POLLIN)],
            timeout,
        )
        .map_err(SuperviseError::Poll)?;
        if let Some(signal) = signals.read_signal().ok().flatten() {
            return Ok(Some(Ending::Signal(signal.ssi_signo)));
        }
    }
}

impl Supervisor<'_> {
    fn live(&mut self, output: &mut Output) -> std::result::Result<Ending, SuperviseError> {
        loop {
            let ready = self.wait(output)?;
            if let Some(signal) = self.controls.signals.read_signal().ok().flatten() {
                return Ok(ended_by(signal.ssi_signo));
            }
            if ready.output_closed {
                return Ok(Ending::OutputClosed);
            }
            if ready.stdin
                && let Some(ending) = self.hear()
            {
                return Ok(ending);
            }
            if let Some(ending) = self.collect(output) {
                return Ok(ending);
            }
            if self.running.iter().all(|running| running.child.ended()) {
                return Ok(Ending::Deadline);
            }
            let now_ns = clock::mono_ns();
            let lease = self
                .controls
                .lease
                .map(|lease| u64::try_from(lease.as_nanos()).unwrap_or(u64::MAX));
            if lease.is_some_and(|lease_ns| now_ns - self.heard_ns >= lease_ns) {
                return Ok(Ending::LeaseExpired);
            }
            self.follow(now_ns);
        }
    }

    /// Waits for whatever is first.
    fn wait(&self, output: &Output) -> std::result::Result<Ready, SuperviseError> {
        let now_ns = clock::mono_ns();
        let elapsed_ns = now_ns - self.start_ns;
        let changes = self
            .running
            .iter()
            .filter(|running| !running.retuned && !running.child.ended());
        let next_ns = changes
            .filter_map(|running| running.part.schedule.next_change(elapsed_ns))
            .min();
        let due_ns = next_ns.map_or(self.renew_ns, |next_ns| {
            self.renew_ns.min(self.start_ns + next_ns)
        });
        let sleep_ms = due_ns.saturating_sub(now_ns).div_ceil(1_000_000);
        let mut fds = vec![
            PollFd::new(self.controls.signals.as_fd(), PollFlags::POLLIN),
            PollFd::new(output.as_fd(), PollFlags::empty()),
        ];
        fds.extend(
            self.running
                .iter()
                .filter_map(|running| running.child.fd())
                .map(|fd| PollFd::new(fd, PollFlags::POLLIN)),
        );
        let stdin_at = fds.len();
        fds.extend(
            self.controls
                .stdin
                .map(|fd| PollFd::new(fd, PollFlags::POLLIN)),
        );
        match poll(
            &mut fds,
            PollTimeout::try_from(sleep_ms).unwrap_or(PollTimeout::MAX),
        ) {
            Ok(_) | Err(nix::Error::EINTR) => {}
            Err(error) => return Err(SuperviseError::Poll(error)),
        }
        let ready = |index: usize| fds.get(index).is_some_and(|fd| fd.any().unwrap_or(true));
        Ok(Ready {
            output_closed: ready(1),
            stdin: ready(stdin_at),
        })
    }

    /// Takes what came on standard input.
    fn hear(&mut self) -> Option<Ending> {
        let mut bytes = [0; 4096];
        let length = nix::unistd::read(self.controls.stdin?, &mut bytes).unwrap_or(0);
        if length == 0 {
            return Some(Ending::EndOfInput);
        }
        self.heard_ns = clock::mono_ns();
        for line in self
            .lines
            .push(&bytes[..length])
            .iter()
            .filter(|line| !line.trim().is_empty())
        {
            match serde_json::from_str::<ProfileControl>(line) {
                Ok(control) if self.retune(control.kind, control.intensity) => {}
                Ok(control) => eprintln!("profile: it has no {}", control.kind.name()),
                Err(error) => eprintln!("profile: understand {line:?} as a control: {error}"),
            }
        }
        None
    }

    fn retune(&mut self, kind: Kind, intensity: f64) -> bool {
        let mut found = false;
        for running in self
            .running
            .iter_mut()
            .filter(|running| running.part.spec.kind == kind)
        {
            running.retuned = true;
            running.requested = intensity;
            running.child.retune(intensity);
            found = true;
        }
        found
    }

    /// Passes samples on. A stressor that ended before its time ends the run: what it pressed on is no longer pressed.
    fn collect(&mut self, output: &mut Output) -> Option<Ending> {
        for running in &mut self.running {
            for sample in running.child.samples() {
                if let Err(error) = output.write(&sample) {
                    return Some(unwritten(&error));
                }
                if sample.summary {
                    running.summary = Some(sample);
                }
            }
            if running.child.ended() && running.summary.is_none() {
                let kind = running.part.spec.kind.name();
                return Some(Ending::Failed(format!(
                    "keep {kind} up: its process {}",
                    running.child.verdict()
                )));
            }
        }
        None
    }

    /// Moves along the schedules, and renews the children's leases.
    fn follow(&mut self, now_ns: u64) {
        for running in self.running.iter_mut().filter(|running| !running.retuned) {
            let due = running.part.schedule.at(now_ns - self.start_ns);
            if due.to_bits() != running.requested.to_bits() {
                running.requested = due;
                running.child.retune(due);
            }
        }
        if now_ns >= self.renew_ns {
            self.renew_ns = now_ns + RENEW_NS;
            self.running
                .iter_mut()
                .for_each(|running| running.child.renew());
        }
    }

    /// Ends every child, and takes its last words.
    fn finish(
        mut self,
        ending: Ending,
        output: &mut Output,
    ) -> std::result::Result<Result, SuperviseError> {
        self.running
            .iter_mut()
            .for_each(|running| running.child.close());
        for running in &mut self.running {
            for sample in running.child.last_samples() {
                // When nobody reads any more, the children still have to be seen off.
                let _ = output.write(&sample);
                if sample.summary {
                    running.summary = Some(sample);
                }
            }
        }
        Ok(Result {
            ending,
            summaries: self
                .running
                .into_iter()
                .filter_map(|running| running.summary)
                .collect(),
        })
    }
}

/// What poll found.
#[derive(Clone, Copy, Debug)]
struct Ready {
    output_closed: bool,
    stdin: bool,
}
