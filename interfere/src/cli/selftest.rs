//! `aefm-interfere selftest`: how much each kind moves its own probe and those of the others, on this machine.
//!
//! A row is a kind that presses (as a process of its own, as in any run), a column a probe on the same core or
//! beside it; a cell is the probe's cost under pressure over its cost beside the same process at next to no intensity,
//! before and after: what is left is the pressure, not the wake-ups. A probe whose cost without pressure differs by
//! more than it is moved proves nothing, and is marked so. What a core has for itself is probed by turns, too.

mod table;

use super::Failure;
use crate::guard;
use crate::machine::Machine;
use crate::probe::{self, Reading};
use crate::stressor::{DEFAULT_FILE_BYTES, descriptor, nameless};
use crate::supervise::child::Child;
use aefm_workloads::interference::{
    Access, InterferenceSample, InterferenceSpec, Kind, StressOptions,
};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use table::{Cell, LEGEND, Row, heading};

/// The kinds in the table; `disk` only where a folder is named.
const KINDS: [Kind; 11] = [
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
    Kind::Disk,
];
/// A kind has so long to be held.
const PATIENCE: Duration = Duration::from_secs(20);
/// Next to no intensity, in percent: the same process and the same wake-ups, pressing on nothing.
const CONTROL: f64 = 0.2;

pub(super) fn run(core: usize, dir: Option<PathBuf>, json: bool) -> Result<ExitCode, Failure> {
    let machine = Machine::here().map_err(Failure::run)?;
    machine.cores(&[core]).map_err(Failure::usage)?;
    if let Some(dir) = &dir {
        // Known now, and not after minutes.
        nameless(dir, DEFAULT_FILE_BYTES).map_err(Failure::run)?;
    }
    if !guard::end_with_parent() {
        return Ok(ExitCode::FAILURE);
    }
    let place = Place::new(core, dir, &machine);
    let kinds: Vec<Kind> = KINDS
        .into_iter()
        .filter(|kind| place.has(*kind, &machine))
        .collect();
    let mut table = if json { String::new() } else { heading(&kinds) };
    let mut unmoved = Vec::new();
    for kind in &kinds {
        let mut child = Child::start(&place.spec(*kind)).map_err(Failure::run)?;
        let mut probed_at = |intensity| -> Vec<Option<Reading>> {
            press(&mut child, intensity);
            let probe = |probe: &Kind| {
                child.renew();
                child.samples();
                probe::measure(
                    *probe,
                    place.probed_on(*probe),
                    place.dir.as_deref(),
                    &machine,
                )
            };
            kinds.iter().map(probe).collect()
        };
        let (before, under, after) = (
            probed_at(CONTROL),
            probed_at(pressing(*kind)),
            probed_at(CONTROL),
        );
        drop(child);
        let cells = (0..kinds.len())
            .map(|at| Cell::of(before[at], under[at], after[at]))
            .collect();
        let row = Row {
            kind: *kind,
            cells,
            turns: probe::turns(*kind, core, &machine),
        };
        if !row.moves_its_own(&kinds) {
            unmoved.push(kind.name());
        }
        table.push_str(&if json { row.json(&kinds) } else { row.text() });
    }
    if !json {
        table.push_str(LEGEND);
    }
    super::print(&table)?;
    if unmoved.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!(
        "aefm-interfere: not verifiable on this machine (their own probe did not move): {}",
        unmoved.join(", ")
    );
    Ok(ExitCode::from(super::NOT_HELD))
}

/// How hard a kind presses: not with all of the core's time and of the memory, since the probes need some themselves.
fn pressing(kind: Kind) -> f64 {
    match kind {
        Kind::Cpu => 60.0,
        Kind::MemCapacity | Kind::Tlb | Kind::Ctx | Kind::Network => 50.0,
        _ => 100.0,
    }
}

/// Where is pressed, and where is probed.
struct Place {
    core: usize,
    /// Another core, where there is one: what cores share is probed from beside.
    beside: usize,
    /// All cores but that one.
    others: Vec<usize>,
    dir: Option<PathBuf>,
}

impl Place {
    fn new(core: usize, dir: Option<PathBuf>, machine: &Machine) -> Self {
        let beside = machine
            .allowed()
            .iter()
            .copied()
            .find(|other| *other != core)
            .unwrap_or(core);
        let others: Vec<usize> = machine
            .allowed()
            .iter()
            .copied()
            .filter(|other| *other != beside)
            .collect();
        Self {
            core,
            beside,
            others: if others.is_empty() {
                vec![core]
            } else {
                others
            },
            dir,
        }
    }

    /// Whether this kind can press, and be probed, here.
    fn has(&self, kind: Kind, machine: &Machine) -> bool {
        let is_placed = kind != Kind::Disk || self.dir.is_some();
        is_placed
            && descriptor(kind).is_some_and(|descriptor| (descriptor.support)(machine).is_ok())
    }

    fn probed_on(&self, kind: Kind) -> usize {
        if matches!(kind, Kind::MemBandwidth | Kind::Llc) {
            self.beside
        } else {
            self.core
        }
    }

    fn spec(&self, kind: Kind) -> InterferenceSpec {
        // What the memory can take is asked for by all cores but the one that is probed: one alone may not fill it.
        let cores = if kind == Kind::MemBandwidth {
            self.others.clone()
        } else {
            vec![self.core]
        };
        let access = (kind == Kind::MemBandwidth).then_some(Access::NonTemporal);
        let options = StressOptions {
            access,
            dir: self.dir.clone(),
            ..StressOptions::default()
        };
        InterferenceSpec {
            cores,
            report_ms: 100,
            deadline_ms: 600_000,
            options,
            ..InterferenceSpec::new(kind, CONTROL)
        }
    }
}

/// Makes a kind press that hard: returns when it is held, or as far as it goes.
fn press(child: &mut Child, intensity: f64) {
    child.retune(intensity);
    let until = Instant::now() + PATIENCE;
    let held = |sample: &InterferenceSample| {
        sample.is_final() && (sample.requested - intensity).abs() < 1e-9
    };
    while Instant::now() < until && !child.ended() {
        if child
            .wait_sample(until.saturating_duration_since(Instant::now()))
            .iter()
            .any(held)
        {
            break;
        }
        child.renew();
    }
}
