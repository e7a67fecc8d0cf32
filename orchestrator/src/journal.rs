//! The journal: one JSON line before and after every operation, on disk before the operation goes on.
//!
//! It is what a run can be resumed from; nothing else is read for that.

use crate::lifecycle::{Ending, Event, EventName, Operation, Scope};
use serde::Serialize;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// An append-only file of lines.
#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Step {
    Begin,
    Done,
    Failed,
    Interrupted,
    Stop,
}

#[derive(Serialize)]
struct Line<'a> {
    t_ns: i64,
    step: Step,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    case: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

impl Journal {
    /// Opens the journal of a run's folder.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub(crate) fn open(dir: &Path) -> io::Result<Self> {
        Ok(Self {
            file: OpenOptions::new()
                .create(true)
                .append(true)
                .open(dir.join("journal.jsonl"))?,
        })
    }

    /// Before an operation.
    ///
    /// # Errors
    /// When the line cannot be written; the file then ends with the last whole line or a part of this one.
    pub(crate) fn before(
        &mut self,
        t_ns: i64,
        operation: &Operation,
        case: Option<&str>,
    ) -> io::Result<()> {
        let (step, event, reason) = match operation {
            Operation::Fire(event, _) => (Step::Begin, Some(event.to_string()), None),
            Operation::Stop(ending) => (Step::Stop, None, Some(ending_name(*ending))),
        };
        self.append(&Line {
            t_ns,
            step,
            event,
            case,
            reason,
        })
    }

    /// After an operation.
    ///
    /// # Errors
    /// As [`Journal::before`].
    pub(crate) fn after(
        &mut self,
        t_ns: i64,
        fired: &EventName,
        outcome: &Event,
        case: Option<&str>,
        reason: Option<&str>,
    ) -> io::Result<()> {
        let step = match outcome {
            Event::Begin | Event::Done => Step::Done,
            Event::Failed(Scope::Case | Scope::Environment | Scope::Run) => Step::Failed,
            Event::Interrupted => Step::Interrupted,
        };
        self.append(&Line {
            t_ns,
            step,
            event: Some(fired.to_string()),
            case,
            reason,
        })
    }

    fn append(&mut self, line: &Line<'_>) -> io::Result<()> {
        let mut bytes = serde_json::to_vec(line)?;
        bytes.push(b'\n');
        self.file.write_all(&bytes)?;
        self.file.sync_data()
    }
}

/// The name of an ending in `run.json` and the journal.
#[must_use]
pub(crate) const fn ending_name(ending: Ending) -> &'static str {
    match ending {
        Ending::Complete => "complete",
        Ending::Interrupted => "interrupted",
        Ending::Failed => "failed",
    }
}
