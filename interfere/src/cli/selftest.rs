//! `aefm-interfere selftest`: how much each kind moves its own probe and those of the others, on this machine.
//!
//! A row is a kind that presses (as a process of its own, as in any run), a column a probe on the same core or
//! beside it; a cell is the probe's cost under pressure over its cost beside the same process at next to no intensity,
//! before and after: what is left is the pressure, not the wake-ups. A probe whose cost without pressure differs by
//! more than it is moved proves nothing, and is marked so. What a core has for itself is probed by turns, too.

use super::Failure;
use crate::guard;
use crate::machine::Machine;
use crate::probe::{self, Reading, Turns};
use crate::stressor::descriptor;
use crate::supervise::child::Child;
use aefm_workloads::interference::{Access, InterferenceSample, InterferenceSpec, Kind, StressOptions};
use std::fmt::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// The kinds that have a probe of their own.
const KINDS: [Kind; 10] = [
    Kind::Cpu,
    Kind::MemCapacity,
    Kind::MemBandwidth,
    Kind::Network,
    Kind::Llc,
    Kind::L2,
    Kind::L1d,
    Kind::L1i,
    Kind::Tlb,
    Kind::Ctx,
];
/// A kind has so long to be held.
const PATIENCE: Duration = Duration::from_secs(20);
/// Next to no intensity, in percent: the same process and the same wake-ups, pressing on nothing.
const CONTROL: f64 = 0.2;
/// A probe is moved when its cost changes by more than this share.
const MOVED: f64 = 0.05;

/// One cell of the table.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Cell {
    before: f64,
    under: f64,
    after: f64,
}

impl Cell {
    /// Cost under pressure over the dearer of the two costs without: what pressure alone explains.
    fn ratio(self) -> f64 {
        self.under / self.before.max(self.after)
    }

    fn text(self) -> String {
        let drift = self.before.max(self.after) / self.before.min(self.after) - 1.0;
        let moved = self.ratio() - 1.0;
        match (moved > MOVED, moved > drift) {
            (true, true) => format!("{:.2}", self.ratio()),
            (true, false) => format!("{:.2}?", self.ratio()),
            (false, _) => "-".to_owned(),
        }
    }
}

pub(super) fn run(core: usize, json: bool) -> Result<ExitCode, Failure> {
    let machine = Machine::here().map_err(Failure::run)?;
    machine.cores(&[core]).map_err(Failure::usage)?;
    if !guard::end_with_parent() {
        return Ok(ExitCode::FAILURE);
    }
    // What cores share is probed from beside, where that can be; what a core has for itself on it.
    let beside = machine.allowed().iter().copied().find(|other| *other != core).unwrap_or(core);
    let place = |kind| if matches!(kind, Kind::MemBandwidth | Kind::Llc) { beside } else { core };
    let baseline = |kind| probe::measure(kind, place(kind), &machine);
    let mut table = heading();
    let mut unmoved = Vec::new();
    for kind in KINDS {
        if descriptor(kind).is_none_or(|descriptor| (descriptor.support)(&machine).is_err()) {
            continue;
        }
        let mut child = Child::start(&spec(kind, core)).map_err(Failure::run)?;
        let mut probed_at = |intensity| {
            press(&mut child, intensity);
            KINDS.map(|probe| {
                child.renew();
                child.samples();
                baseline(probe)
            })
        };
        let (before, under, after) = (probed_at(CONTROL), probed_at(pressing(kind)), probed_at(CONTROL));
        drop(child);
        let cells: Vec<_> = (0..KINDS.len()).map(|at| cell(before[at], under[at], after[at])).collect();
        let own = KINDS.iter().position(|probe| *probe == kind).and_then(|at| cells[at]);
        let turns = probe::turns(kind, core, &machine);
        let by_turns = turns.as_ref().is_some_and(|turns| turns.apart() && turns.ratio() > 1.0 + MOVED);
        if own.is_none_or(|own| own.ratio() <= 1.0 + MOVED) && !by_turns {
            unmoved.push(kind.name());
        }
        table.push_str(&if json { json_row(kind, &cells, turns.as_ref()) } else { row(kind, &cells, turns.as_ref()) });
    }
    if json {
        table = table.split_off(heading().len());
    } else {
        table.push_str(LEGEND);
    }
    super::print(&table)?;
    if unmoved.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("aefm-interfere: not verifiable on this machine (their own probe did not move): {}", unmoved.join(", "));
    Ok(ExitCode::from(super::NOT_HELD))
}

const LEGEND: &str = "rows press on the core, columns are probes on it (mem_bandwidth and llc: beside it): cost under \
    pressure over cost beside the same process at 0.2 %;\n- not moved, ? moved by less than the probe drifts by itself;\n\
    turns: the probe's first pass after one sweep of the kind over that after as long a pause, in one thread (what a \
    process switch takes by itself is not in it)\n";

/// How hard a kind presses: not with all of the core's time and of the memory, since the probes need some themselves.
fn pressing(kind: Kind) -> f64 {
    match kind {
        Kind::Cpu => 60.0,
        Kind::MemCapacity | Kind::Tlb | Kind::Ctx | Kind::Network => 50.0,
        _ => 100.0,
    }
}

fn spec(kind: Kind, core: usize) -> InterferenceSpec {
    // A copy moves the most bytes a core can.
    let options = StressOptions { access: Some(Access::Copy), ..StressOptions::default() };
    let deadline_ms = 600_000;
    InterferenceSpec { cores: vec![core], report_ms: 100, deadline_ms, options, ..InterferenceSpec::new(kind, CONTROL) }
}

/// Makes a kind press that hard: returns when it is held, or as far as it goes.
fn press(child: &mut Child, intensity: f64) {
    child.retune(intensity);
    let until = Instant::now() + PATIENCE;
    let held = |sample: &InterferenceSample| sample.held && (sample.requested - intensity).abs() < 1e-9;
    while Instant::now() < until && !child.ended() {
        if child.wait_sample(until.saturating_duration_since(Instant::now())).iter().any(held) {
            break;
        }
        child.renew();
    }
}

fn cell(before: Option<Reading>, under: Option<Reading>, after: Option<Reading>) -> Option<Cell> {
    Some(Cell { before: before?.cost, under: under?.cost, after: after?.cost })
}

fn heading() -> String {
    let names: String = KINDS.iter().map(|kind| format!("{:>14}", kind.name())).collect();
    format!("{:<14}{names}{:>14}\n", "", "turns")
}

fn row(kind: Kind, cells: &[Option<Cell>], turns: Option<&Turns>) -> String {
    let texts: String =
        cells.iter().map(|cell| format!("{:>14}", cell.map_or_else(|| "none".to_owned(), Cell::text))).collect();
    let turns =
        turns.map_or_else(String::new, |turns| format!("{:.2}{}", turns.ratio(), if turns.apart() { "" } else { "?" }));
    format!("{:<14}{texts}{turns:>14}\n", kind.name())
}

fn json_row(kind: Kind, cells: &[Option<Cell>], turns: Option<&Turns>) -> String {
    let mut line = format!("{{\"kind\":\"{}\"", kind.name());
    for (probe, cell) in KINDS.iter().zip(cells) {
        let value = cell.map_or_else(|| "null".to_owned(), |cell| format!("{:.4}", cell.ratio()));
        // Writing to a string cannot fail.
        let _ = write!(line, ",\"{}\":{value}", probe.name());
    }
    if let Some(turns) = turns {
        let _ = write!(line, ",\"turns\":{:.4},\"apart\":{}", turns.ratio(), turns.apart());
    }
    line + "}\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_says_what_pressure_alone_explains() {
        let text = |before, under, after| Cell { before, under, after }.text();
        assert_eq!(text(1.0, 2.0, 1.0), "2.00");
        assert_eq!(text(1.0, 1.02, 1.0), "-");
        assert_eq!(text(1.0, 2.0, 1.8), "1.11?");
        assert_eq!(text(1.0, 0.5, 1.0), "-");
    }
}
