//! One stressor's run: turns time, signals, lines on standard input and the loss of standard output into steps of it.

pub mod input;
pub mod output;

use crate::clock;
use crate::hindrance::Hindrance;
use crate::holding::Tolerance;
use crate::limits::explained;
use crate::monitor::{Instant, Monitor, Reached};
use crate::schedule::Schedule;
use crate::stressor::{Ask, StartError, Stressor};
use crate::terms::Terms;
use aefm_workloads::interference::{InterferenceSample, InterferenceSpec, Why};
use aefm_workloads::quantity::Unit;
use input::{Heard, Input};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signalfd::SignalFd;
use output::Output;
use std::os::fd::AsFd;

/// Windows are this long, or one report where that is shorter.
const WINDOW_NS: u64 = 100_000_000;

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Its time was over.
    Deadline,
    /// Standard input ended: whoever held it is gone or done.
    EndOfInput,
    /// No line came in time.
    LeaseExpired,
    /// SIGINT, SIGTERM or SIGHUP.
    Signal(u32),
    /// Nobody reads its output any more.
    OutputClosed,
    /// Its output cannot be written: no room, or a limit.
    OutputFailed(String),
    /// The stressor could not go on.
    Failed(String),
}

/// Why a run could not begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The stressor does not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// Waiting for events failed.
    #[error("wait for events: {0}")]
    Poll(nix::Error),
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// How it ended.
    pub ending: Ending,
    /// Its last line.
    pub summary: InterferenceSample,
}

/// A run in progress.
struct Session<'a> {
    ask: Ask<'a>,
    stressor: Option<Box<dyn Stressor>>,
    monitor: Monitor,
    terms: Terms,
    /// What was last said to be in the way.
    said: Option<Why>,
    schedule: Schedule,
    requested: f64,
    start_ns: u64,
    heard_ns: u64,
}

/// Runs a spec (validated, see [`crate::options`]) to its end, and prints its samples and its summary.
///
/// # Errors
/// When the stressor cannot be started, or events cannot be waited for.
pub fn run(
    ask: Ask<'_>,
    schedule: Schedule,
    signals: &SignalFd,
    input: &mut Input,
    output: &mut Output,
) -> Result<Outcome, SessionError> {
    let mut session = Session::new(ask, schedule)?;
    let ending = session.live(signals, input, output)?;
    // The pressure goes first, the report after it.
    session.stressor = None;
    let summary = session.monitor.summary(instant());
    let ending = match output.write(&summary) {
        Ok(()) => ending,
        Err(error) => unwritten(&error),
    };
    Ok(Outcome { ending, summary })
}

impl<'a> Session<'a> {
    fn new(ask: Ask<'a>, schedule: Schedule) -> Result<Self, SessionError> {
        let requested = schedule.at(0);
        // What a server reaches is its clients' matter.
        let tolerance = if serves(ask.spec) {
            Tolerance {
                absolute: f64::INFINITY,
                relative: 0.0,
            }
        } else {
            (ask.descriptor.tolerance)(ask.unit, ask.spec.intensity)
        };
        let now_ns = clock::mono_ns();
        let mut session = Self {
            monitor: Monitor::new(ask.spec.kind, &ask.spec.unit, tolerance, requested, now_ns),
            terms: Terms::new(ask.machine, now_ns),
            said: None,
            ask,
            stressor: None,
            schedule,
            requested,
            start_ns: now_ns,
            heard_ns: now_ns,
        };
        session.press()?;
        Ok(session)
    }

    /// Passes the request on; the stressor is started when there is first something for it to do.
    fn press(&mut self) -> Result<(), StartError> {
        if self.stressor.is_none() && (self.requested > 0.0 || serves(self.ask.spec)) {
            self.stressor = Some((self.ask.descriptor.start)(&self.ask)?);
        }
        if let Some(stressor) = &mut self.stressor {
            stressor.set(self.requested);
        }
        Ok(())
    }

    fn live(
        &mut self,
        signals: &SignalFd,
        input: &mut Input,
        output: &mut Output,
    ) -> Result<Ending, SessionError> {
        let report_ns = self.ask.spec.report_ms * 1_000_000;
        let window_ns = WINDOW_NS.min(report_ns);
        let mut next_window_ns = self.start_ns + window_ns;
        let mut next_report_ns = self.start_ns + report_ns;
        loop {
            if let Some(ending) = self.wait(next_window_ns, signals, input, output)? {
                return Ok(ending);
            }
            let now_ns = clock::mono_ns();
            self.follow(now_ns)?;
            if now_ns < next_window_ns {
                continue;
            }
            if let Some(ending) = self.window(now_ns) {
                return Ok(ending);
            }
            next_window_ns = next_on_grid(next_window_ns, window_ns, now_ns);
            if now_ns >= next_report_ns {
                next_report_ns = next_on_grid(next_report_ns, report_ns, now_ns);
                let sample = self.monitor.sample(instant());
                if let Err(error) = output.write(&sample) {
                    return Ok(unwritten(&error));
                }
            }
        }
    }

    /// Books the window that ends now.
    fn window(&mut self, now_ns: u64) -> Option<Ending> {
        let Some(stressor) = &mut self.stressor else {
            self.monitor.push(now_ns, &Reached::of(0.0));
            return None;
        };
        let mut reached = stressor.reached(now_ns);
        let failure = stressor.failure();
        let terms = self.terms.look(self.ask.machine, stressor.crew(), now_ns);
        let own = reached.hindrance.take();
        // A quota explains what is short; who is still on the way, or is limited otherwise, knows better.
        reached.hindrance = match terms {
            Some(terms) if terms.why == Why::Throttled => own.or(Some(terms)),
            terms => terms.or(own),
        };
        self.say(reached.hindrance.as_ref());
        self.monitor.push(now_ns, &reached);
        failure.map(Ending::Failed)
    }

    /// Says at once what others did to it; the rest is said by samples.
    fn say(&mut self, hindrance: Option<&Hindrance>) {
        let by_others = hindrance.filter(|found| matches!(found.why, Why::Taken | Why::Stopped));
        let kind = self.ask.spec.kind.name();
        match (self.said, by_others) {
            (before, Some(found)) if before != Some(found.why) => {
                let what = match found.why {
                    Why::Stopped => "it was stopped",
                    _ => "not held any more",
                };
                eprintln!("{kind}: {what}: {}", found.detail);
            }
            (Some(Why::Taken), None) => eprintln!("{kind}: it runs again where it was placed"),
            _ => {}
        }
        self.said = by_others.map(|found| found.why);
    }

    /// Sleeps until the next window, an event or an end, whichever is first, and handles the event.
    fn wait(
        &mut self,
        until_ns: u64,
        signals: &SignalFd,
        input: &mut Input,
        output: &Output,
    ) -> Result<Option<Ending>, SessionError> {
        let lease_ns = self
            .ask
            .spec
            .lease_ms
            .map(|lease| self.heard_ns + lease * 1_000_000);
        let deadline_ns = self.start_ns + self.ask.spec.deadline_ms * 1_000_000;
        let next_change_ns = self
            .schedule
            .next_change(clock::mono_ns() - self.start_ns)
            .map(|at| self.start_ns + at);
        let wake_ns = [Some(until_ns), Some(deadline_ns), lease_ns, next_change_ns]
            .into_iter()
            .flatten()
            .min();
        let now_ns = clock::mono_ns();
        let sleep_ms = wake_ns
            .unwrap_or(until_ns)
            .saturating_sub(now_ns)
            .div_ceil(1_000_000);
        let mut fds = vec![
            PollFd::new(signals.as_fd(), PollFlags::POLLIN),
            PollFd::new(output.as_fd(), PollFlags::empty()),
        ];
        if let Some(fd) = input.fd() {
            fds.push(PollFd::new(fd, PollFlags::POLLIN));
        }
        let timeout = PollTimeout::try_from(sleep_ms).unwrap_or(PollTimeout::MAX);
        let due_ns = now_ns + sleep_ms * 1_000_000;
        match poll(&mut fds, timeout) {
            Ok(_) | Err(nix::Error::EINTR) => {}
            Err(error) => return Err(SessionError::Poll(error)),
        }
        self.terms.woke(self.ask.machine, due_ns, clock::mono_ns());
        let ready: Vec<bool> = fds.iter().map(|fd| fd.any().unwrap_or(true)).collect();
        drop(fds);
        if let Some(signal) = signals.read_signal().ok().flatten() {
            return Ok(Some(ended_by(signal.ssi_signo)));
        }
        if ready[1] {
            return Ok(Some(Ending::OutputClosed));
        }
        if ready.get(2) == Some(&true)
            && let Some(ending) = self.hear(input)?
        {
            return Ok(Some(ending));
        }
        Ok(self.over(clock::mono_ns()))
    }

    /// Whether time is up.
    fn over(&self, now_ns: u64) -> Option<Ending> {
        let spec = self.ask.spec;
        if now_ns >= self.start_ns + spec.deadline_ms * 1_000_000 {
            return Some(Ending::Deadline);
        }
        let lease_ns = spec.lease_ms? * 1_000_000;
        (now_ns >= self.heard_ns + lease_ns).then_some(Ending::LeaseExpired)
    }

    /// Takes what came on standard input.
    fn hear(&mut self, input: &mut Input) -> Result<Option<Ending>, SessionError> {
        for heard in input.hear() {
            self.heard_ns = clock::mono_ns();
            match heard {
                Heard::Renewed => {}
                Heard::End => return Ok(Some(Ending::EndOfInput)),
                Heard::Refused(reason) => eprintln!("{}: {reason}", self.ask.spec.kind.name()),
                Heard::Retuned(intensity) => match check_intensity(intensity, self.ask.unit) {
                    Ok(()) => {
                        self.schedule = Schedule::Constant(intensity);
                        self.request(intensity)?;
                    }
                    Err(reason) => eprintln!("{}: {reason}", self.ask.spec.kind.name()),
                },
            }
        }
        Ok(None)
    }

    /// Moves along the schedule.
    fn follow(&mut self, now_ns: u64) -> Result<(), SessionError> {
        let due = self.schedule.at(now_ns - self.start_ns);
        if due != self.requested {
            self.request(due)?;
        }
        Ok(())
    }

    fn request(&mut self, intensity: f64) -> Result<(), SessionError> {
        // The window that ends here belongs to the old request.
        let _ = self.window(clock::mono_ns());
        self.requested = intensity;
        self.monitor.request(intensity);
        Ok(self.press()?)
    }
}

/// What a signal means.
pub(crate) fn ended_by(signal: u32) -> Ending {
    if i32::try_from(signal) == Ok(libc::SIGXCPU) {
        let reason = "go on: the CPU time that this process may use (ulimit -t) is used up";
        return Ending::Failed(reason.to_owned());
    }
    Ending::Signal(signal)
}

/// What an error of its output means.
pub(crate) fn unwritten(error: &std::io::Error) -> Ending {
    if error.kind() == std::io::ErrorKind::BrokenPipe {
        Ending::OutputClosed
    } else {
        Ending::OutputFailed(format!("write standard output: {}", explained(error)))
    }
}

/// The next point of a grid after now; points that were missed are left out.
fn next_on_grid(point_ns: u64, step_ns: u64, now_ns: u64) -> u64 {
    let missed = now_ns.saturating_sub(point_ns) / step_ns;
    point_ns + (missed + 1) * step_ns
}

/// Whether an intensity makes sense in that unit.
///
/// # Errors
/// The reason why not.
pub fn check_intensity(intensity: f64, unit: Unit) -> Result<(), String> {
    if !intensity.is_finite() || intensity < 0.0 {
        return Err(format!(
            "take {intensity} as an intensity: it must be finite and not negative"
        ));
    }
    if unit == Unit::Percent && intensity > 100.0 {
        return Err(format!(
            "press with {intensity} %: there is no more than 100 %"
        ));
    }
    Ok(())
}

fn serves(spec: &InterferenceSpec) -> bool {
    spec.options.network.listen.is_some()
}

fn instant() -> Instant {
    Instant {
        mono_ns: clock::mono_ns(),
        wall_ns: clock::wall_ns(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grid_is_kept_and_missed_points_are_left_out() {
        assert_eq!(next_on_grid(100, 100, 100), 200);
        assert_eq!(next_on_grid(100, 100, 199), 200);
        assert_eq!(next_on_grid(100, 100, 450), 500);
    }

    #[test]
    fn intensities_are_checked() {
        assert!(check_intensity(100.0, Unit::Percent).is_ok());
        assert!(check_intensity(101.0, Unit::Percent).is_err());
        assert!(check_intensity(101.0, Unit::GigabytesPerS).is_ok());
        assert!(check_intensity(-1.0, Unit::Bytes).is_err());
        assert!(check_intensity(f64::NAN, Unit::Percent).is_err());
    }
}
