//! The table `metrics` of a case, read back.

use super::{MetricRow, Scope};
use crate::read::{TableError, float, int, read_table, text};
use arrow_array::RecordBatch;
use std::path::Path;

/// Reads the rows of one source out of a `metrics` file.
///
/// # Errors
/// It is not there, or not whole.
pub fn read_metrics(path: &Path, source: &str) -> Result<Vec<MetricRow>, TableError> {
    let mut rows = Vec::new();
    for batch in read_table(path)? {
        let batch = batch?;
        let own = (0..batch.num_rows()).filter(|row| text(&batch, "source", *row) == Some(source));
        rows.extend(own.map(|row| metric(&batch, row)));
    }
    Ok(rows)
}

fn metric(batch: &RecordBatch, row: usize) -> MetricRow {
    let number = |name: &str| float(batch, name, row);
    let pair = |one: &str, other: &str| Some((number(one)?, number(other)?));
    let scopes = [Scope::Container, Scope::Pod, Scope::Process, Scope::Node];
    let scope = scopes
        .into_iter()
        .find(|scope| text(batch, "scope", row) == Some(scope.name()));
    MetricRow {
        scope: scope.unwrap_or(Scope::Process),
        subject: text(batch, "subject", row).unwrap_or_default().into(),
        node: text(batch, "node", row).map(Into::into),
        t_ns: int(batch, "t_ns", row).unwrap_or(0),
        interval_ns: int(batch, "interval_ns", row),
        cpu_cores: number("cpu_cores"),
        cpu_throttled: number("cpu_throttled"),
        memory_bytes: int(batch, "memory_bytes", row),
        network: pair("network_rx_bytes", "network_tx_bytes"),
        disk: pair("disk_read_bytes", "disk_write_bytes"),
        pressure: ["pressure_cpu", "pressure_memory", "pressure_io"].map(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proc::write_metrics;
    use aefm_workloads::labels::CaseLabels;

    #[test]
    fn the_rows_of_each_source_come_back() {
        let dir = tempfile::tempdir().unwrap();
        let labels = CaseLabels {
            run_id: "r".into(),
            case_id: "c001".into(),
            factors: Vec::new(),
        };
        let row = |scope, subject: &str| MetricRow {
            scope,
            subject: subject.into(),
            node: Some("n".into()),
            t_ns: 5,
            interval_ns: None,
            cpu_cores: Some(0.5),
            cpu_throttled: None,
            memory_bytes: Some(7),
            network: Some((1.0, 2.0)),
            disk: None,
            pressure: [None, Some(0.25), None],
        };
        let (own, other) = (
            [row(Scope::Process, "geo"), row(Scope::Node, "n")],
            [row(Scope::Container, "geo-1/geo")],
        );
        let written = write_metrics(
            dir.path(),
            &labels,
            &[("sampler", &own), ("prometheus", &other)],
        )
        .unwrap();
        assert_eq!(read_metrics(&written.path, "sampler").unwrap(), own);
        assert_eq!(read_metrics(&written.path, "prometheus").unwrap(), other);
        assert!(read_metrics(&dir.path().join("none"), "sampler").is_err());
    }
}
