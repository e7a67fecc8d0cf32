//! Questions on a terminal: one line each, a default that Enter takes, asked again until the answer will do.

use std::io::{BufRead, Write};

/// Nobody answers any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("hear an answer: the input ended; `--yes` takes what is proposed")]
pub(super) struct Ended;

/// Somebody who can be asked.
pub(super) struct Asker<R, W> {
    input: R,
    output: W,
}

impl<R: BufRead, W: Write> Asker<R, W> {
    pub(super) const fn new(input: R, output: W) -> Self {
        Self { input, output }
    }

    /// Asks until `read` takes the answer; what it says against one is shown.
    pub(super) fn ask<T>(
        &mut self,
        question: &str,
        default: &str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, Ended> {
        loop {
            // Who does not see the question can still type.
            drop(
                write!(self.output, "{question} [{default}]: ").and_then(|()| self.output.flush()),
            );
            let mut line = String::new();
            if self.input.read_line(&mut line).map_err(|_| Ended)? == 0 {
                drop(writeln!(self.output));
                return Err(Ended);
            }
            let typed = line.trim();
            match read(if typed.is_empty() { default } else { typed }) {
                Ok(answer) => return Ok(answer),
                Err(reason) => drop(writeln!(self.output, "  {reason}")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enter_takes_the_default_and_a_wrong_answer_is_asked_again() {
        let mut shown = Vec::new();
        let mut asker = Asker::new(&b"\nmany\n 7 \n"[..], &mut shown);
        let number = |typed: &str| {
            typed
                .parse::<u32>()
                .map_err(|_| format!("`{typed}` is no number"))
        };
        assert_eq!(asker.ask("How many", "5", number), Ok(5));
        assert_eq!(asker.ask("How many", "5", number), Ok(7));
        assert_eq!(asker.ask("How many", "5", number), Err(Ended));
        let shown = String::from_utf8(shown).expect("text");
        assert_eq!(shown.matches("How many [5]: ").count(), 4);
        assert!(shown.contains("  `many` is no number\n"), "{shown}");
    }
}
