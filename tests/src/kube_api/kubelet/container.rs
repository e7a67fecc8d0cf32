//! One run of a container: its log, its standard input, and how it ended.

use super::Log;
use super::process::{self, Start};
use bytes::Bytes;
use nix::sys::signal::Signal;
use tokio::sync::{mpsc, watch};

/// What holds a running container, or what is left of it.
pub(crate) struct Container {
    pub(crate) log: Log,
    /// Bytes for its standard input; an empty piece is its end. Nothing if it has none.
    pub(crate) stdin: Option<mpsc::UnboundedSender<Bytes>>,
    /// Whether its input ends with the first client that leaves.
    pub(crate) stdin_once: bool,
    signals: mpsc::UnboundedSender<Signal>,
    /// Its exit code, once it has one.
    ended: watch::Sender<Option<i32>>,
}

impl Container {
    /// One that only pretends to run; with a code: that has already ended.
    pub(crate) fn pretended(code: Option<i32>) -> (Self, mpsc::UnboundedReceiver<Signal>) {
        let (signals, received) = mpsc::unbounded_channel();
        let container = Self {
            log: Log::default(),
            stdin: None,
            stdin_once: false,
            signals,
            ended: watch::Sender::new(code),
        };
        if code.is_some() {
            container.log.close();
        }
        (container, received)
    }

    /// A real process; the error is what the container's state says.
    pub(crate) fn started(start: &Start) -> Result<std::sync::Arc<Self>, String> {
        let child = process::spawn(start).map_err(|error| error.to_string())?;
        let (signals, received) = mpsc::unbounded_channel();
        let (stdin, input) = mpsc::unbounded_channel();
        let stdin = start.stdin.then_some(stdin);
        let container = std::sync::Arc::new(Self {
            log: Log::default(),
            stdin,
            stdin_once: start.stdin_once,
            signals,
            ended: watch::Sender::new(None),
        });
        tokio::spawn(process::supervise(
            child,
            container.clone(),
            input,
            received,
        ));
        Ok(container)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        // It has ended meanwhile.
        let _ = self.signals.send(signal);
    }

    pub(crate) fn code(&self) -> Option<i32> {
        *self.ended.borrow()
    }

    pub(crate) fn end(&self, code: i32) {
        self.log.close();
        self.ended.send_replace(Some(code));
    }

    /// Waits for its end.
    pub(crate) async fn ended(&self) -> i32 {
        let mut ended = self.ended.subscribe();
        ended
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|code| *code)
            .unwrap_or(0)
    }
}
