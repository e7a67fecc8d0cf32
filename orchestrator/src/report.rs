//! What became of a case, in memory: for the table of results and the exit code. The dataset has it all.

use crate::plan::Case;
pub use aefm_collector::records::Status;
use aefm_workloads::interference::Kind;
use aefm_workloads::load::Verdict;
use hdrhistogram::Histogram;
use std::collections::BTreeMap;

/// Something that went wrong in a case, and which source it concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// How bad it is.
    pub status: Status,
    /// What it concerns: `load`, `traces`, `metrics`, `interference`, `application`, ...
    pub source: String,
    /// What happened.
    pub reason: String,
}

/// One case in short.
#[derive(Clone, Debug)]
pub struct CaseReport {
    /// The case.
    pub case: Case,
    /// Its status.
    pub status: Status,
    /// Why it is not `ok`.
    pub reason: Option<String>,
    /// Whether its load may be believed.
    pub verdict: Option<Verdict>,
    /// Why not.
    pub doubts: Vec<String>,
    /// Requests of the measured phase.
    pub intended: u64,
    /// Of these, answered well.
    pub ok: u64,
    /// Response times of the measured phase, ns.
    pub response: Histogram<u64>,
    /// Mean achieved intensities under load.
    pub achieved: BTreeMap<Kind, f64>,
    /// Self times of the measured phase by service, ns.
    pub self_times: BTreeMap<String, Histogram<u64>>,
}

/// A histogram of durations: 1 us (as ns) to 1 h, three digits.
#[must_use]
pub fn durations() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 3_600_000_000_000, 3).expect("these bounds are valid")
}

impl CaseReport {
    /// A report of a case of which nothing is known yet.
    #[must_use]
    pub fn empty(case: Case, status: Status, reason: Option<String>) -> Self {
        Self {
            case,
            status,
            reason,
            verdict: None,
            doubts: Vec::new(),
            intended: 0,
            ok: 0,
            response: durations(),
            achieved: BTreeMap::new(),
            self_times: BTreeMap::new(),
        }
    }
}

/// The worst status among notes.
#[must_use]
pub fn worst(notes: &[Note]) -> Status {
    notes
        .iter()
        .map(|note| note.status)
        .max()
        .unwrap_or(Status::Ok)
}

/// All reasons in one text, each once.
#[must_use]
pub fn reasons(notes: &[Note]) -> Option<String> {
    let mut said: Vec<String> = Vec::new();
    for note in notes.iter().filter(|note| note.status != Status::Ok) {
        // Of several tables of the user's only the name says which it is.
        let reason = if note.source.starts_with("user_") {
            format!("{}: {}", note.source, note.reason)
        } else {
            note.reason.clone()
        };
        if !said.contains(&reason) {
            said.push(reason);
        }
    }
    (!said.is_empty()).then(|| said.join("; "))
}
