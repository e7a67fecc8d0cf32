//! Progress on standard error: one line that is written over on a terminal, plain lines otherwise. It has no colours, so
//! that there is nothing for NO_COLOR to turn off.

use crate::plan::Plan;
use crate::run::Event;
use crate::statistics::quantile;
use crate::tally::Second;
use aefm_workloads::load::{Outcome, Phase};
use std::io::{IsTerminal, Write};
use terminal_size::{Width, terminal_size_of};

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
        // A terminal that calls itself dumb cannot go back on a line.
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        let terminal = std::io::stderr().is_terminal() && !dumb;
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
            Event::Second(second) if !self.quiet => self.show(&parts(second, self.length_s)),
            Event::Waiting { second, at } if !self.quiet => {
                let length_s = self.length_s;
                self.show(&[
                    format!("{at:>4}/{length_s}s"),
                    format!("waiting for answers to requests of second {}", second + 1),
                ]);
            }
            Event::Second(_) | Event::Waiting { .. } => {}
        }
    }

    fn show(&mut self, parts: &[String]) {
        // A terminal's width may change at any time; one that tells none gets what any has.
        let width = terminal_size_of(std::io::stderr())
            .map(|(Width(width), _)| usize::from(width))
            .filter(|&width| width > 0)
            .unwrap_or(80);
        let mut error = std::io::stderr().lock();
        // Progress that nobody can read is no reason to stop.
        let _ = if self.terminal {
            write!(error, "\r\x1b[2K{}", fitted(parts, width - 1))
        } else {
            writeln!(error, "{}", parts.join("  "))
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

/// As many whole parts as fit into this width; of the first one its beginning, if not even that does. A line that went on
/// on the next one could not be written over.
fn fitted(parts: &[String], width: usize) -> String {
    let mut line = String::new();
    for part in parts {
        let gap = if line.is_empty() { "" } else { "  " };
        if line.chars().count() + gap.len() + part.chars().count() > width {
            break;
        }
        line += gap;
        line += part;
    }
    if line.is_empty() {
        line = parts
            .first()
            .into_iter()
            .flat_map(|part| part.chars())
            .take(width)
            .collect();
    }
    line
}

/// What there is to say of a second, most important first.
fn parts(second: &Second, length_s: u64) -> Vec<String> {
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
    let mut parts = vec![
        format!("{:>4}/{length_s}s{phase}", second.second + 1),
        format!("sent {} of {}", bin.sent, bin.ended()),
        format!("ok {ok}"),
        format!(
            "response p50 {} p99 {} ms",
            ms(&bin.response, 0.5),
            ms(&bin.response, 0.99)
        ),
        format!("lag p99 {} ms", ms(&bin.lag, 0.99)),
    ];
    // What goes wrong is to be seen on any terminal.
    if !others.is_empty() {
        parts.insert(3, others.join(" "));
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_line_is_wider_than_its_terminal(parts in prop::collection::vec("[a-z0-9 ]{1,30}", 1..8), width in 0..120usize) {
            let line = fitted(&parts, width);
            prop_assert!(line.chars().count() <= width);
            let whole = parts.join("  ");
            prop_assert!(whole.starts_with(&line));
            // Nothing is left out that fits.
            prop_assert!(whole.chars().count() > width || line == whole);
        }
    }
}
