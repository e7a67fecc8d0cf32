//! A running child process: its lines, its end, and the ways to end it.

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use std::collections::VecDeque;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::unix::pipe;
use tokio::sync::watch;

/// Lines of standard error kept for messages.
const TAIL_LINES: usize = 20;

/// A child process. Dropped, it is killed.
#[derive(Debug)]
pub(in crate::platform) struct Child {
    name: String,
    pid: Pid,
    process: Arc<Mutex<std::process::Child>>,
    stdin: Option<pipe::Sender>,
    stdout: Option<pipe::Receiver>,
    tail: Arc<Mutex<VecDeque<String>>>,
    exit: Exit,
}

/// Tells when and how a child ended. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Exit(watch::Receiver<Option<ExitStatus>>);

impl Exit {
    /// Watches a child from a thread of its own, which reaps it.
    pub(super) fn watch(pid: Pid, process: Arc<Mutex<std::process::Child>>) -> io::Result<Self> {
        let (sender, receiver) = watch::channel(None);
        std::thread::Builder::new()
            .name("reaper".to_owned())
            .spawn(move || {
                // Waiting without reaping leaves the pid taken until the lock is held, so that nobody signals a stranger.
                while waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT)
                    == Err(nix::errno::Errno::EINTR)
                {}
                let mut process = process.lock().unwrap_or_else(PoisonError::into_inner);
                let status = process.wait().unwrap_or_else(|_| unknown());
                // Told while the lock is held: between reaping and telling, the pid is nobody's.
                let _ = sender.send(Some(status));
            })?;
        Ok(Self(receiver))
    }

    /// Waits for the end.
    pub(super) async fn wait(&mut self) -> ExitStatus {
        let ended = self.0.wait_for(Option::is_some).await.map(|status| *status);
        ended.ok().flatten().unwrap_or_else(unknown)
    }

    /// The end, if it has come.
    #[must_use]
    pub(super) fn ended(&self) -> Option<ExitStatus> {
        *self.0.borrow()
    }
}

/// What is told when the system would not say: exit code 255.
fn unknown() -> ExitStatus {
    ExitStatus::from_raw(0xff00)
}

impl Child {
    /// Takes charge of a process just started; must be called within the async runtime.
    pub(super) fn new(name: String, mut process: std::process::Child) -> io::Result<Self> {
        let missing = || io::Error::other("a pipe of the child is missing");
        let stdin = process.stdin.take().ok_or_else(missing)?;
        let stdout = process.stdout.take().ok_or_else(missing)?;
        let stderr = process.stderr.take().ok_or_else(missing)?;
        let pid = Pid::from_raw(i32::try_from(process.id()).map_err(io::Error::other)?);
        let process = Arc::new(Mutex::new(process));
        let exit = Exit::watch(pid, Arc::clone(&process))?;
        let tail = Arc::new(Mutex::new(VecDeque::new()));
        follow(&name, stderr, Arc::clone(&tail))?;
        Ok(Self {
            name,
            pid,
            process,
            stdin: Some(pipe::Sender::from_owned_fd(stdin.into())?),
            stdout: Some(pipe::Receiver::from_owned_fd(stdout.into())?),
            tail,
            exit,
        })
    }

    /// Tells when it ends.
    #[must_use]
    pub(super) fn exit(&self) -> Exit {
        self.exit.clone()
    }

    /// Its standard output by lines; can be taken once.
    pub(super) fn lines(&mut self) -> Option<Lines<BufReader<pipe::Receiver>>> {
        self.stdout
            .take()
            .map(|stdout| BufReader::new(stdout).lines())
    }

    /// Writes one line to its standard input.
    ///
    /// # Errors
    /// When it no longer reads.
    pub(super) async fn tell(&mut self, line: &str) -> io::Result<()> {
        let closed = || io::Error::from(io::ErrorKind::BrokenPipe);
        let stdin = self.stdin.as_mut().ok_or_else(closed)?;
        stdin.write_all(format!("{line}\n").as_bytes()).await
    }

    /// Asks it to end (SIGTERM), makes it end after `patience`, and waits until it is gone.
    pub(super) async fn stop(mut self, patience: Duration) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        if tokio::time::timeout(patience, self.exit.wait())
            .await
            .is_err()
        {
            self.signal(Signal::SIGKILL);
        }
        self.exit.wait().await
    }

    /// Signals it, unless it has been reaped and its pid may be somebody else's.
    fn signal(&self, signal: Signal) {
        let _not_reaped_meanwhile = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        if self.exit.ended().is_none() {
            // It may be dead and not yet reaped: nothing to do then.
            let _ = kill(self.pid, signal);
        }
    }

    /// How it ended, with its last words: for reasons in tables.
    #[must_use]
    pub(super) fn obituary(&self) -> String {
        let how = self.exit.ended().map_or_else(
            || "is running".to_owned(),
            |status| format!("ended with {status}"),
        );
        let tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        let words: Vec<_> = tail
            .iter()
            .rev()
            .take(3)
            .rev()
            .map(String::as_str)
            .collect();
        let said = if words.is_empty() {
            String::new()
        } else {
            format!(": {}", words.join(" / "))
        };
        format!("{} (pid {}) {how}{said}", self.name, self.pid)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
    }
}

/// Copies standard error into the log and keeps its end.
fn follow(
    name: &str,
    stderr: std::process::ChildStderr,
    tail: Arc<Mutex<VecDeque<String>>>,
) -> io::Result<()> {
    let name = name.to_owned();
    std::thread::Builder::new()
        .name("stderr".to_owned())
        .spawn(move || {
            let lines = io::BufRead::lines(io::BufReader::new(stderr));
            for line in lines.map_while(Result::ok) {
                tracing::debug!(child = name, "{line}");
                let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
                if tail.len() == TAIL_LINES {
                    tail.pop_front();
                }
                tail.push_back(line);
            }
        })?;
    Ok(())
}
