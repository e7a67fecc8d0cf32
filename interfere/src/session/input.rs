//! Standard input as a lease and a control: lines, or its end.

use aefm_workloads::interference::Control;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};

/// Longest line that is taken; more without a line end is no control.
const LONGEST_LINE: usize = 64 << 10;

/// Something that came in.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// An empty line: the lease goes on.
    Renewed,
    /// A new intensity.
    Retuned(f64),
    /// A line that is neither; what was asked before goes on.
    Refused(String),
    /// There will be no more.
    End,
}

/// Bytes on their way to lines.
#[derive(Debug, Default)]
pub struct Lines {
    pending: Vec<u8>,
}

impl Lines {
    /// Takes bytes, gives the lines that they complete.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        self.pending.extend_from_slice(bytes);
        let Some(last) = self.pending.iter().rposition(|byte| *byte == b'\n') else {
            if self.pending.len() > LONGEST_LINE {
                // Said as a line that is no control, then forgotten.
                return vec![
                    String::from_utf8_lossy(&std::mem::take(&mut self.pending)[..80]).into_owned(),
                ];
            }
            return Vec::new();
        };
        let rest = self.pending.split_off(last + 1);
        let complete = std::mem::replace(&mut self.pending, rest);
        String::from_utf8_lossy(&complete)
            .lines()
            .map(str::to_owned)
            .collect()
    }
}

/// Where control comes from.
#[derive(Debug)]
pub struct Input {
    stdin: Option<std::fs::File>,
    lines: Lines,
}

/// Why the first line cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// Reading fails.
    #[error("read standard input: {0}")]
    Read(std::io::Error),
    /// It ended first.
    #[error("read a spec from standard input: it ended before its first line did")]
    Ended,
}

impl Input {
    /// No control: whatever is on standard input does not matter.
    #[must_use]
    pub fn none() -> Self {
        Self {
            stdin: None,
            lines: Lines::default(),
        }
    }

    /// Standard input.
    ///
    /// # Errors
    /// When it is closed.
    pub fn stdin() -> Result<Self, InputError> {
        // A descriptor of our own, so that no buffer stands between poll and the lines.
        let fd = std::io::stdin()
            .as_fd()
            .try_clone_to_owned()
            .map_err(InputError::Read)?;
        Ok(Self {
            stdin: Some(fd.into()),
            lines: Lines::default(),
        })
    }

    /// Waits for the first line; what came with it is heard later.
    ///
    /// # Errors
    /// When reading fails or input ends first.
    pub fn first_line(&mut self) -> Result<(String, Vec<Heard>), InputError> {
        loop {
            let bytes = self.read().map_err(InputError::Read)?;
            if bytes.is_empty() {
                // A last line without its end is complete when the input ends.
                let rest = self.lines.push(b"\n");
                let line = rest
                    .into_iter()
                    .find(|line| !line.trim().is_empty())
                    .ok_or(InputError::Ended)?;
                return Ok((line, vec![Heard::End]));
            }
            let mut lines = self
                .lines
                .push(&bytes)
                .into_iter()
                .skip_while(|line| line.trim().is_empty());
            if let Some(first) = lines.next() {
                return Ok((first, lines.map(|line| understand(&line)).collect()));
            }
        }
    }

    /// The descriptor to wait for, while there is one.
    #[must_use]
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.stdin.as_ref().map(AsFd::as_fd)
    }

    /// What came, after the descriptor was ready.
    pub fn hear(&mut self) -> Vec<Heard> {
        match self.read() {
            Ok(bytes) if bytes.is_empty() => vec![Heard::End],
            Ok(bytes) => self
                .lines
                .push(&bytes)
                .iter()
                .map(|line| understand(line))
                .collect(),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Vec::new(),
            Err(_) => vec![Heard::End],
        }
    }

    fn read(&mut self) -> std::io::Result<Vec<u8>> {
        let Some(stdin) = &mut self.stdin else {
            return Ok(Vec::new());
        };
        let mut buffer = [0; 4096];
        loop {
            match stdin.read(&mut buffer) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                result => return result.map(|length| buffer[..length].to_vec()),
            }
        }
    }
}

fn understand(line: &str) -> Heard {
    if line.trim().is_empty() {
        return Heard::Renewed;
    }
    match serde_json::from_str::<Control>(line) {
        Ok(control) => Heard::Retuned(control.intensity),
        Err(error) => Heard::Refused(format!("understand {line:?} as a control: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_mean_what_they_say() {
        assert_eq!(understand("  "), Heard::Renewed);
        assert_eq!(understand(r#"{"intensity":30}"#), Heard::Retuned(30.0));
        assert!(matches!(
            understand(r#"{"intensity":30,"kind":"cpu"}"#),
            Heard::Refused(_)
        ));
        assert!(matches!(understand("faster"), Heard::Refused(_)));
    }

    #[test]
    fn a_line_without_end_does_not_fill_memory() {
        let mut lines = Lines::default();
        let said: usize = (0..100).map(|_| lines.push(&[b'x'; 4096]).len()).sum();
        assert!(said >= 1 && lines.pending.len() <= LONGEST_LINE + 4096);
    }

    proptest! {
        /// However the bytes arrive, the lines are the same.
        #[test]
        fn cuts_do_not_matter(text in "[a-c\n]{0,60}", cut in 1..7usize) {
            let whole = format!("{text}\n");
            let mut lines = Lines::default();
            let pieces: Vec<String> = whole.as_bytes().chunks(cut).flat_map(|piece| lines.push(piece)).collect();
            prop_assert_eq!(pieces, whole.lines().map(str::to_owned).collect::<Vec<_>>());
        }
    }
}
