//! The table of results: one line per cell of the matrix, rounds merged by adding their histograms. Pure.

use crate::report::{CaseReport, Status, durations};
use aefm_collector::records::quantile;
use aefm_workloads::interference::Kind;
use aefm_workloads::load::Verdict;
use comfy_table::{CellAlignment, Table, presets};
use hdrhistogram::Histogram;
use std::collections::BTreeMap;

/// Cases that differ by their round alone.
struct Cell<'a> {
    reports: Vec<&'a CaseReport>,
}

/// Shows what came out. Empty when no case was measured.
#[must_use]
pub(crate) fn table(reports: &[CaseReport]) -> String {
    let cells = cells(reports);
    let heaviest = heaviest_service(reports);
    let kinds: Vec<Kind> = reports
        .first()
        .map(|report| {
            report
                .case
                .intensities
                .iter()
                .map(|(kind, _)| *kind)
                .collect()
        })
        .unwrap_or_default();
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(header(reports, &kinds, heaviest.as_deref()));
    for cell in &cells {
        table.add_row(row(cell, &kinds, heaviest.as_deref()));
    }
    for column in table.column_iter_mut() {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

fn header(reports: &[CaseReport], kinds: &[Kind], heaviest: Option<&str>) -> Vec<String> {
    let mut header = vec!["rate/s".to_owned()];
    for kind in kinds {
        header.extend([kind.name().to_owned(), "achieved".to_owned()]);
    }
    if let Some(report) = reports.first() {
        header.extend(report.case.custom.iter().map(|(name, _)| name.clone()));
    }
    header.extend(["cases", "requests", "ok %", "p50 ms", "p95 ms", "p99 ms"].map(str::to_owned));
    header.extend(heaviest.map(|service| format!("{service} self p95 ms")));
    header
}

fn row(cell: &Cell<'_>, kinds: &[Kind], heaviest: Option<&str>) -> Vec<String> {
    let case = &cell.reports[0].case;
    let mut row = vec![case.rate_hz.to_string()];
    for kind in kinds {
        let requested = case
            .intensities
            .iter()
            .find(|(known, _)| known == kind)
            .map_or(0.0, |(_, intensity)| *intensity);
        row.push(requested.to_string());
        row.push(
            cell.achieved(*kind)
                .map_or_else(|| "-".to_owned(), |achieved| format!("{achieved:.1}")),
        );
    }
    row.extend(case.custom.iter().map(|(_, value)| value.to_string()));
    let good = cell
        .reports
        .iter()
        .filter(|report| report.status == Status::Ok)
        .count();
    row.push(format!("{good}/{} ok", cell.reports.len()));
    let (intended, ok) = cell.reports.iter().fold((0, 0), |sum, report| {
        (sum.0 + report.intended, sum.1 + report.ok)
    });
    row.push(intended.to_string());
    row.push(share(ok, intended));
    let response = cell.merged(|report| Some(&report.response));
    row.extend([0.5, 0.95, 0.99].map(|quantile| millis(&response, quantile)));
    row.extend(
        heaviest.map(|service| millis(&cell.merged(|report| report.self_times.get(service)), 0.95)),
    );
    row
}

impl Cell<'_> {
    fn achieved(&self, kind: Kind) -> Option<f64> {
        let known: Vec<f64> = self
            .reports
            .iter()
            .filter_map(|report| report.achieved.get(&kind).copied())
            .collect();
        #[expect(clippy::cast_precision_loss, reason = "a few rounds")]
        (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
    }

    fn merged(&self, of: impl Fn(&CaseReport) -> Option<&Histogram<u64>>) -> Histogram<u64> {
        let mut merged = durations();
        for histogram in self.reports.iter().filter_map(|report| of(report)) {
            // All are made with the same bounds.
            let _ = merged.add(histogram);
        }
        merged
    }
}

/// Cells in the order of the matrix, innermost axis first, cases that were never begun left out.
fn cells(reports: &[CaseReport]) -> Vec<Cell<'_>> {
    let mut sorted: Vec<_> = reports
        .iter()
        .filter(|report| report.status != Status::Skipped)
        .collect();
    sorted.sort_by_key(|report| report.case.cell.index);
    let mut cells: Vec<Cell<'_>> = Vec::new();
    for report in sorted {
        let same = |cell: &&mut Cell<'_>| {
            let case = &cell.reports[0].case;
            case.rate_hz == report.case.rate_hz
                && case.intensities == report.case.intensities
                && case.custom == report.case.custom
        };
        match cells.iter_mut().find(same) {
            Some(cell) => cell.reports.push(report),
            None => cells.push(Cell {
                reports: vec![report],
            }),
        }
    }
    cells.sort_by(|one, other| {
        one.reports[0]
            .case
            .rate_hz
            .total_cmp(&other.reports[0].case.rate_hz)
    });
    cells
}

/// The service that spent most time on itself over the run: the one whose self time is worth a column.
fn heaviest_service(reports: &[CaseReport]) -> Option<String> {
    let mut total: BTreeMap<&str, f64> = BTreeMap::new();
    for (service, times) in reports.iter().flat_map(|report| &report.self_times) {
        #[expect(clippy::cast_precision_loss, reason = "counts of spans")]
        let time = times.mean() * times.len() as f64;
        *total.entry(service).or_default() += time;
    }
    total
        .into_iter()
        .max_by(|one, other| one.1.total_cmp(&other.1))
        .map(|(service, _)| service.to_owned())
}

/// Milliseconds with three digits that matter; none where there are too few times for that quantile.
fn millis(times: &Histogram<u64>, p: f64) -> String {
    let Some(ns) = quantile(times, p) else {
        return "-".to_owned();
    };
    #[expect(clippy::cast_precision_loss, reason = "an hour in ns is below 2^53")]
    let millis = ns as f64 / 1e6;
    if millis >= 100.0 {
        format!("{millis:.0}")
    } else {
        format!("{millis:.2}")
    }
}

fn share(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "-".to_owned();
    }
    #[expect(clippy::cast_precision_loss, reason = "counts of requests")]
    let percent = part as f64 / whole as f64 * 100.0;
    // Rounding must not hide a failed request.
    if part < whole && percent > 99.99 {
        "99.99".to_owned()
    } else {
        format!("{percent:.2}")
    }
}

/// What is doubtful or wrong, a line a case.
#[must_use]
pub(crate) fn remarks(reports: &[CaseReport]) -> String {
    let mut remarks = String::new();
    for report in reports {
        let name = &report.case.name;
        match (&report.reason, report.status) {
            (_, Status::Ok | Status::Skipped) => {}
            (reason, status) => {
                remarks += &format!(
                    "{}: {name}: {}\n",
                    status.name(),
                    reason.as_deref().unwrap_or("no reason given")
                );
            }
        }
        if report.verdict == Some(Verdict::Suspect) {
            remarks += &format!("suspect load: {name}: {}\n", report.doubts.join("; "));
        }
    }
    remarks
}
