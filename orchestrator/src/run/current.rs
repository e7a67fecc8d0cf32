//! The case under way, as handlers see it.

use crate::experiment::Load;
use crate::plan::Case;
use crate::platform::{LoadRun, Seen};
use crate::report::{Note, Status};
use aefm_collector::user::Format;
use std::time::Duration;

/// The case under way and what is known of it so far.
#[derive(Debug)]
pub struct CurrentCase {
    /// Its position in the plan.
    pub at: usize,
    /// The case.
    pub case: Case,
    /// When its first event fired, ns since the epoch.
    pub begun_ns: i64,
    /// From the load's time zero to its end, ns since the epoch.
    pub load_window: Option<(i64, i64)>,
    /// What the load left.
    pub load: LoadRun,
    /// What the machine did in the meantime.
    pub metrics: Result<Seen, String>,
    /// Tables of handlers' own.
    pub tables: Vec<OwnTable>,
    /// What went wrong.
    pub notes: Vec<Note>,
}

/// A table that a handler made of a case: it becomes `user_<name>`.
#[derive(Clone, Debug)]
pub struct OwnTable {
    /// Its name, without `user_`: letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// What the bytes are.
    pub format: Format,
    /// Its rows.
    pub bytes: Vec<u8>,
}

impl CurrentCase {
    pub(crate) fn new(at: usize, case: Case, begun_ns: i64) -> Self {
        Self {
            at,
            case,
            begun_ns,
            load_window: None,
            load: LoadRun::default(),
            metrics: Err("the load was never put on".to_owned()),
            tables: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// The measured phase, ns since the epoch, as far as the load got into it.
    pub(crate) fn measured(&self, load: &Load) -> (i64, i64) {
        let (from_ns, to_ns) = self.load_window.unwrap_or((self.begun_ns, self.begun_ns));
        let ns = |length: Duration| i64::try_from(length.as_nanos()).unwrap_or(i64::MAX);
        let begin = from_ns.saturating_add(ns(load.warmup));
        let end = begin.saturating_add(ns(load.duration)).min(to_ns);
        (begin, end.max(begin))
    }

    /// Marks the case as degraded by a source.
    pub fn degrade(&mut self, source: &str, reason: impl Into<String>) {
        self.notes.push(Note {
            status: Status::Degraded,
            source: source.to_owned(),
            reason: reason.into(),
        });
    }
}
