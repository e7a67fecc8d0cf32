//! What may come in while a run goes on: signals, and lines on standard input under `--spec`.

use crate::worker::Told;
use nix::sys::signal::{SigSet, Signal};
use std::io::BufRead;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};

/// A wish from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// End the schedule here and finish the summary.
    Stop,
    /// The same, by a signal. The second one ends the run at once.
    Interrupt,
    /// The parent is gone: end at once.
    Orphaned,
}

/// Where commands go: to the run that is on, if any.
#[derive(Clone, Default)]
pub struct Commands(Arc<Mutex<Inbox>>);

#[derive(Default)]
struct Inbox {
    run: Option<Sender<Told>>,
    pending: Vec<Command>,
}

impl Commands {
    /// Starts listening for SIGINT and SIGTERM. To be called before any other thread is there, since the signals are
    /// blocked in all threads that come after.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn listen() -> nix::Result<Self> {
        let commands = Self::default();
        let mut signals = SigSet::empty();
        signals.add(Signal::SIGINT);
        signals.add(Signal::SIGTERM);
        signals.thread_block()?;
        let own = commands.clone();
        std::thread::spawn(move || {
            while signals.wait().is_ok() {
                own.send(Command::Interrupt);
            }
        });
        Ok(commands)
    }

    /// Starts reading standard input: `stop` ends the run early, its end means that the parent is gone.
    pub fn follow_stdin(&self) {
        let own = self.clone();
        std::thread::spawn(move || {
            for line in std::io::stdin().lock().lines() {
                match line {
                    Ok(line) if line.trim() == "stop" => own.send(Command::Stop),
                    Ok(_) => {}
                    Err(_) => break,
                }
            }
            own.send(Command::Orphaned);
        });
    }

    fn send(&self, command: Command) {
        let Ok(mut inbox) = self.0.lock() else { return };
        if let Some(run) = &inbox.run
            && run.send(Told::Command(command)).is_ok()
        {
            return;
        }
        inbox.pending.push(command);
    }

    /// Commands go to this run from now on; what came in between comes first.
    pub(crate) fn attach(&self, run: Sender<Told>) {
        let Ok(mut inbox) = self.0.lock() else { return };
        for command in inbox.pending.drain(..) {
            let _ = run.send(Told::Command(command));
        }
        inbox.run = Some(run);
    }

    /// The run is over.
    pub(crate) fn detach(&self) {
        if let Ok(mut inbox) = self.0.lock() {
            inbox.run = None;
        }
    }
}
