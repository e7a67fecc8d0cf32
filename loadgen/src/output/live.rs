//! Progress on standard error: one line that is written over on a terminal, plain lines otherwise.

use crate::plan::Plan;
use crate::run::Event;
use crate::statistics::quantile;
use crate::tally::Second;
use aefm_workloads::load::{Outcome, Phase};
use std::io::{IsTerminal, Write};

/// Tells people how the run goes.
pub(crate) struct Live {
    quiet: bool,
    terminal: bool,
    connections: usize,
    length_s: u64,
    /// A line stands on the terminal that the next one is written over.
    standing: bool,
}

impl Live {
    pub(crate) fn new(plan: &Plan, quiet: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let length_s = plan.end_ns().div_ceil(1_000_000_000);
        Self {
            quiet,
            terminal,
            connections: plan.connections,
            length_s,
            standing: false,
        }
    }

    pub(crate) fn tell(&mut self, event: &Event<'_>) {
        match event {
            // Said even when quiet: whoever waits for numbers should know at once that nobody answers.
            Event::Ready {
                open,
                fault: Some(fault),
            } => {
                eprintln!(
                    "aefm-load: {open} of {} connections are open: failed to {fault}",
                    self.connections
                );
            }
            Event::Ready { .. } | Event::Started(_) => {}
            Event::Second(second) if !self.quiet => self.show(&line(second, self.length_s)),
            Event::Waiting { second, at } if !self.quiet => {
                let length_s = self.length_s;
                self.show(&format!(
                    "{at:>4}/{length_s}s  waiting for answers to requests of second {}",
                    second + 1
                ));
            }
            Event::Second(_) | Event::Waiting { .. } => {}
        }
    }

    fn show(&mut self, line: &str) {
        let mut error = std::io::stderr().lock();
        // Progress that nobody can read is no reason to stop.
        let _ = if self.terminal {
            write!(error, "\r\x1b[2K{line}")
        } else {
            writeln!(error, "{line}")
        };
        let _ = error.flush();
        self.standing = self.terminal;
    }

    /// Leaves the terminal clean.
    pub(crate) fn end(&mut self) {
        if std::mem::take(&mut self.standing) {
            eprint!("\r\x1b[2K");
        }
    }
}

fn line(second: &Second, length_s: u64) -> String {
    let bin = &second.bin;
    let ms = |hist, p| {
        quantile(hist, p).map_or_else(|| "-".to_owned(), |ns| format!("{:.2}", ns as f64 / 1e6))
    };
    let ok = bin.outcomes[Outcome::Ok as usize];
    let others: Vec<String> = Outcome::ALL
        .iter()
        .skip(1)
        .map(|&outcome| (outcome.name(), bin.outcomes[outcome as usize]))
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| format!("{name} {count}"))
        .collect();
    let phase = if second.phase == Phase::WarmUp {
        " warm-up"
    } else {
        ""
    };
    format!(
        "{:>4}/{length_s}s{phase}  sent {} of {}  ok {ok}  response p50 {} p99 {} ms  lag p99 {} ms  {}",
        second.second + 1,
        bin.sent,
        bin.ended(),
        ms(&bin.response, 0.5),
        ms(&bin.response, 0.99),
        ms(&bin.lag, 0.99),
        others.join(" ")
    )
    .trim_end()
    .to_owned()
}
