//! The table of a selftest: what each probe found beside each kind.

use crate::probe::{Reading, Turns};
use aefm_workloads::interference::Kind;
use std::fmt::Write;

/// A probe is moved when its cost changes by more than this share.
const MOVED: f64 = 0.05;

pub(super) const LEGEND: &str = "rows press on the core (mem_bandwidth: on all cores but the one beside it), columns are \
    probes on it (mem_bandwidth and llc: beside it): cost under pressure over cost beside the same process at 0.2 %;\n\
    - not moved, ? moved by less than the probe drifts by itself;\n\
    turns: the probe's first pass after one sweep of the kind over that after as long a pause, in one thread (what a \
    process switch takes by itself is not in it)\n";

/// One cell of the table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cell {
    before: f64,
    under: f64,
    after: f64,
}

impl Cell {
    /// None where a probe had nothing to say.
    pub(super) fn of(
        before: Option<Reading>,
        under: Option<Reading>,
        after: Option<Reading>,
    ) -> Option<Self> {
        Some(Self {
            before: before?.cost,
            under: under?.cost,
            after: after?.cost,
        })
    }

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

/// What all probes found beside one kind.
pub(super) struct Row {
    pub(super) kind: Kind,
    /// By the kinds of the table.
    pub(super) cells: Vec<Option<Cell>>,
    pub(super) turns: Option<Turns>,
}

impl Row {
    /// Whether its own probe was moved, beside it or by turns.
    pub(super) fn moves_its_own(&self, kinds: &[Kind]) -> bool {
        let own = kinds
            .iter()
            .position(|kind| *kind == self.kind)
            .and_then(|at| self.cells[at]);
        own.is_some_and(|own| own.ratio() > 1.0 + MOVED)
            || self
                .turns
                .as_ref()
                .is_some_and(|turns| turns.apart() && turns.ratio() > 1.0 + MOVED)
    }

    pub(super) fn text(&self) -> String {
        let cell = |cell: &Option<Cell>| {
            format!("{:>14}", cell.map_or_else(|| "none".to_owned(), Cell::text))
        };
        let cells: String = self.cells.iter().map(cell).collect();
        let turns = |turns: &Turns| {
            format!(
                "{:.2}{}",
                turns.ratio(),
                if turns.apart() { "" } else { "?" }
            )
        };
        format!(
            "{:<14}{cells}{:>14}\n",
            self.kind.name(),
            self.turns.as_ref().map_or_else(String::new, turns)
        )
    }

    pub(super) fn json(&self, kinds: &[Kind]) -> String {
        let mut line = format!("{{\"kind\":\"{}\"", self.kind.name());
        for (probe, cell) in kinds.iter().zip(&self.cells) {
            let value =
                cell.map_or_else(|| "null".to_owned(), |cell| format!("{:.4}", cell.ratio()));
            // Writing to a string cannot fail.
            let _ = write!(line, ",\"{}\":{value}", probe.name());
        }
        if let Some(turns) = &self.turns {
            let _ = write!(
                line,
                ",\"turns\":{:.4},\"apart\":{}",
                turns.ratio(),
                turns.apart()
            );
        }
        line + "}\n"
    }
}

pub(super) fn heading(kinds: &[Kind]) -> String {
    let names: String = kinds
        .iter()
        .map(|kind| format!("{:>14}", kind.name()))
        .collect();
    format!("{:<14}{names}{:>14}\n", "", "turns")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_says_what_pressure_alone_explains() {
        let text = |before, under, after| {
            Cell {
                before,
                under,
                after,
            }
            .text()
        };
        assert_eq!(text(1.0, 2.0, 1.0), "2.00");
        assert_eq!(text(1.0, 1.02, 1.0), "-");
        assert_eq!(text(1.0, 2.0, 1.8), "1.11?");
        assert_eq!(text(1.0, 0.5, 1.0), "-");
    }

    #[test]
    fn a_kind_is_judged_by_its_own_probe() {
        let kinds = [Kind::Cpu, Kind::Ctx];
        let [moved, still] = [2.0, 1.0].map(|under| {
            Some(Cell {
                before: 1.0,
                under,
                after: 1.0,
            })
        });
        let row = |kind, cells: [Option<Cell>; 2]| Row {
            kind,
            cells: cells.into(),
            turns: None,
        };
        assert!(row(Kind::Ctx, [still, moved]).moves_its_own(&kinds));
        assert!(!row(Kind::Cpu, [still, moved]).moves_its_own(&kinds));
        assert!(!row(Kind::Cpu, [None, moved]).moves_its_own(&kinds));
    }
}
