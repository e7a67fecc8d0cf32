//! A stressor's process: this program again, with `--spec -`. It dies with its parent, whatever kills that.

#![expect(
    unsafe_code,
    reason = "what runs between fork and exec has to be told to the compiler as unsafe"
)]

use super::CHILD_LEASE_MS;
use crate::session::input::Lines;
use aefm_workloads::interference::{Control, InterferenceSample, InterferenceSpec};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::{Pid, getpid, getppid};
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// A child has so long to say its last words; after that it is killed.
const LAST_WORDS: Duration = Duration::from_millis(800);

/// Why a child could not be started.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// This program's own file is not known.
    #[error("find this program's own file: {0}")]
    Own(std::io::Error),
    /// It cannot be run.
    #[error("start a stressor's process: {0}")]
    Start(std::io::Error),
    /// It does not take its spec.
    #[error("give a stressor's process its spec: {0}")]
    Spec(std::io::Error),
}

/// This program again, without arguments yet.
pub(crate) fn own_command() -> std::io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    let mut args = std::env::args_os();
    // A link to `aefm` is this program by its name...
    if let Some(name) = args.next() {
        command.arg0(name);
    }
    // ...and `aefm` itself has it as a subcommand.
    if args.next().is_some_and(|first| first == "interfere") {
        command.arg("interfere");
    }
    Ok(command)
}

/// A stressor's process. Dropping it kills and reaps it.
pub struct Child {
    process: std::process::Child,
    stdin: Option<ChildStdin>,
    stdout: Option<ChildStdout>,
    lines: Lines,
    verdict: Option<String>,
}

impl Child {
    /// Starts one. Call it from a thread that lives as long as the process: the kernel's "parent" is the thread.
    ///
    /// # Errors
    /// When the process cannot be started or does not take its spec.
    pub fn start(spec: &InterferenceSpec) -> Result<Self, ChildError> {
        let spec = InterferenceSpec {
            lease_ms: Some(CHILD_LEASE_MS),
            ..spec.clone()
        };
        let mut command = own_command().map_err(ChildError::Own)?;
        command
            .args(["--spec", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        die_with(&mut command, getpid());
        let mut process = command.spawn().map_err(ChildError::Start)?;
        let (mut stdin, stdout) = (process.stdin.take(), process.stdout.take());
        let line = serde_json::to_string(&spec).map_err(|error| ChildError::Spec(error.into()))?;
        let mut child = Self {
            process,
            stdin: None,
            stdout,
            lines: Lines::default(),
            verdict: None,
        };
        if let Some(stdin) = &mut stdin {
            stdin
                .write_all(format!("{line}\n").as_bytes())
                .map_err(ChildError::Spec)?;
        }
        child.stdin = stdin;
        Ok(child)
    }

    /// Asks for another intensity. A child that is gone does not hear it, and is found gone soon.
    pub fn retune(&mut self, intensity: f64) {
        if let Ok(line) = serde_json::to_string(&Control { intensity }) {
            self.say(&line);
        }
    }

    /// Renews its lease.
    pub fn renew(&mut self) {
        self.say("");
    }

    fn say(&mut self, line: &str) {
        if let Some(stdin) = &mut self.stdin
            && stdin.write_all(format!("{line}\n").as_bytes()).is_err()
        {
            self.stdin = None;
        }
    }

    /// Tells it to stop.
    pub fn close(&mut self) {
        self.stdin = None;
    }

    /// The descriptor of its samples, while it has any.
    #[must_use]
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.stdout.as_ref().map(AsFd::as_fd)
    }

    /// Whether it said all that it had to say.
    #[must_use]
    pub fn ended(&self) -> bool {
        self.stdout.is_none()
    }

    /// How it ended, in words.
    #[must_use]
    pub fn verdict(&self) -> &str {
        self.verdict.as_deref().unwrap_or("is still running")
    }

    /// The samples that are there now, without waiting.
    pub fn samples(&mut self) -> Vec<InterferenceSample> {
        self.samples_within(Duration::ZERO)
    }

    /// The next samples, for which it has that long.
    pub fn wait_sample(&mut self, patience: Duration) -> Vec<InterferenceSample> {
        self.samples_within(patience)
    }

    /// The rest of its samples; whatever has not ended by then is killed.
    pub fn last_samples(&mut self) -> Vec<InterferenceSample> {
        let until = Instant::now() + LAST_WORDS;
        let mut samples = Vec::new();
        while !self.ended() && Instant::now() < until {
            samples.extend(self.samples_within(until - Instant::now()));
        }
        self.reap();
        samples
    }

    fn samples_within(&mut self, patience: Duration) -> Vec<InterferenceSample> {
        let mut samples = Vec::new();
        let mut bytes = [0; 16 << 10];
        let mut patience = PollTimeout::try_from(patience).unwrap_or(PollTimeout::MAX);
        while let Some(stdout) = &mut self.stdout {
            let mut fds = [PollFd::new(stdout.as_fd(), PollFlags::POLLIN)];
            if !matches!(poll(&mut fds, patience), Ok(1..)) {
                break;
            }
            patience = PollTimeout::ZERO;
            match stdout.read(&mut bytes) {
                Ok(length) if length > 0 => {
                    let lines = self.lines.push(&bytes[..length]);
                    samples.extend(
                        lines
                            .iter()
                            .filter_map(|line| serde_json::from_str(line).ok()),
                    );
                }
                _ => {
                    self.stdout = None;
                    self.reap();
                }
            }
        }
        samples
    }

    /// Makes sure that it is gone, and learns how it went.
    fn reap(&mut self) {
        if self.verdict.is_some() {
            return;
        }
        let until = Instant::now() + LAST_WORDS;
        // It closes its output as it exits: this wait is as long as an exit takes.
        while Instant::now() < until && matches!(self.process.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(2));
        }
        // Killing one that is gone does nothing: it has not been reaped, so its number is its own.
        let _ = self.process.kill();
        self.verdict = Some(self.process.wait().map_or_else(
            |error| error.to_string(),
            |status| format!("ended with {status}"),
        ));
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.close();
        // What it still says is nobody's any more, but it is let finish.
        self.last_samples();
    }
}

/// Makes the kernel kill the child when the thread that starts it is gone.
fn die_with(command: &mut Command, parent: Pid) {
    let prepare = move || {
        prctl::set_pdeathsig(Signal::SIGKILL)?;
        // The parent may have died before that was set: then there is another one now.
        if getppid() == parent {
            Ok(())
        } else {
            Err(std::io::Error::from_raw_os_error(libc::ESRCH))
        }
    };
    // SAFETY: prctl and getppid are system calls without locks or memory of ours, allowed between fork and exec.
    unsafe { command.pre_exec(prepare) };
}
