//! The table `metrics`: counters at two instants into rates.

use crate::schema::METRICS;
use crate::sink::{Cell, SinkError, TableWriter, Written};
use crate::span::Name;
use aefm_workloads::labels::CaseLabels;
use std::path::Path;

/// What a row is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// A container.
    Container,
    /// A pod.
    Pod,
    /// A process, or a cgroup named for one.
    Process,
    /// A node.
    Node,
}

impl Scope {
    /// The name in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Pod => "pod",
            Self::Process => "process",
            Self::Node => "node",
        }
    }
}

/// One row of `metrics`. Rates are per second over `interval_ns`, which ends at `t_ns`.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricRow {
    /// What it is about.
    pub scope: Scope,
    /// Which.
    pub subject: Name,
    /// On which node.
    pub node: Option<Name>,
    /// End of the interval, ns since the epoch.
    pub t_ns: i64,
    /// Its length.
    pub interval_ns: Option<i64>,
    /// CPU, in cores.
    pub cpu_cores: Option<f64>,
    /// Throttled seconds a second.
    pub cpu_throttled: Option<f64>,
    /// Memory in use.
    pub memory_bytes: Option<i64>,
    /// Bytes received and sent a second.
    pub network: Option<(f64, f64)>,
    /// Bytes read from and written to disk a second.
    pub disk: Option<(f64, f64)>,
    /// Share of time in which some task waited for CPU, memory, I/O.
    pub pressure: [Option<f64>; 3],
}

/// Counters of one subject at one instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counters {
    /// Monotonic, ns.
    pub(super) at_ns: u64,
    pub(super) cpu_ns: Option<u64>,
    pub(super) throttled_ns: Option<u64>,
    pub(super) memory_bytes: Option<u64>,
    pub(super) network: Option<(u64, u64)>,
    pub(super) disk: Option<(u64, u64)>,
    pub(super) pressure_us: [Option<u64>; 3],
}

/// The row between two instants; none if no time passed. A counter that fell (a reset) gives null, never a rate.
pub(super) fn row(
    name: (Scope, &Name, &Name),
    t_ns: i64,
    before: &Counters,
    now: &Counters,
) -> Option<MetricRow> {
    let elapsed_ns = now
        .at_ns
        .checked_sub(before.at_ns)
        .filter(|elapsed| *elapsed > 0)?;
    let elapsed = elapsed_ns as f64;
    let gain = |before: Option<u64>, now: Option<u64>| Some(now?.checked_sub(before?)? as f64);
    let pair = |before: Option<(u64, u64)>, now: Option<(u64, u64)>| {
        let (before, now) = (before?, now?);
        let rate = |before, now| gain(Some(before), Some(now)).map(|gain| gain * 1e9 / elapsed);
        Some((rate(before.0, now.0)?, rate(before.1, now.1)?))
    };
    let (scope, subject, node) = name;
    let mut pressure = [None; 3];
    for (place, share) in pressure.iter_mut().enumerate() {
        *share = gain(before.pressure_us[place], now.pressure_us[place])
            .map(|us| (us * 1e3 / elapsed).min(1.0));
    }
    Some(MetricRow {
        scope,
        subject: Name::clone(subject),
        node: Some(Name::clone(node)),
        t_ns,
        interval_ns: i64::try_from(elapsed_ns).ok(),
        cpu_cores: gain(before.cpu_ns, now.cpu_ns).map(|ns| ns / elapsed),
        cpu_throttled: gain(before.throttled_ns, now.throttled_ns).map(|ns| ns / elapsed),
        memory_bytes: now.memory_bytes.and_then(|bytes| i64::try_from(bytes).ok()),
        network: pair(before.network, now.network),
        disk: pair(before.disk, now.disk),
        pressure,
    })
}

/// Writes the `metrics` of a case: rows by the name of their source.
///
/// # Errors
/// The table could not be written.
pub fn write_metrics(
    dir: &Path,
    labels: &CaseLabels,
    sources: &[(&str, &[MetricRow])],
) -> Result<Written, SinkError> {
    let mut writer = TableWriter::create(dir, &METRICS, labels)?;
    let rows = sources
        .iter()
        .flat_map(|(source, rows)| rows.iter().map(move |row| (*source, row)));
    for (source, row) in rows {
        writer.push(&[
            Cell::Text(source),
            Cell::Text(row.scope.name()),
            Cell::Text(&row.subject),
            row.node.as_deref().into(),
            Cell::Int(row.t_ns),
            row.interval_ns.into(),
            row.cpu_cores.into(),
            row.cpu_throttled.into(),
            row.memory_bytes.into(),
            row.network.map(|(received, _)| received).into(),
            row.network.map(|(_, sent)| sent).into(),
            row.disk.map(|(read, _)| read).into(),
            row.disk.map(|(_, written)| written).into(),
            row.pressure[0].into(),
            row.pressure[1].into(),
            row.pressure[2].into(),
        ])?;
    }
    writer.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_gains_over_the_time_between() {
        let before = Counters {
            at_ns: 1_000_000_000,
            cpu_ns: Some(5),
            network: Some((100, 200)),
            ..Counters::default()
        };
        let now = Counters {
            at_ns: 3_000_000_000,
            cpu_ns: Some(1_000_000_005),
            network: Some((300, 200)),
            memory_bytes: Some(77),
            pressure_us: [Some(5), None, None],
            ..Counters::default()
        };
        let row = row(
            (Scope::Process, &"geo".into(), &"n".into()),
            9,
            &before,
            &now,
        )
        .unwrap();
        assert_eq!(
            (row.cpu_cores, row.network, row.memory_bytes),
            (Some(0.5), Some((100.0, 0.0)), Some(77))
        );
        assert_eq!(
            (row.cpu_throttled, row.disk, row.pressure[0]),
            (None, None, None)
        );
        assert_eq!(row.interval_ns, Some(2_000_000_000));
    }

    #[test]
    fn a_counter_that_fell_has_no_rate() {
        let before = Counters {
            at_ns: 0,
            cpu_ns: Some(10),
            ..Counters::default()
        };
        let now = Counters {
            at_ns: 1,
            cpu_ns: Some(3),
            ..Counters::default()
        };
        assert_eq!(
            row((Scope::Node, &"n".into(), &"n".into()), 0, &before, &now)
                .unwrap()
                .cpu_cores,
            None
        );
        assert!(row((Scope::Node, &"n".into(), &"n".into()), 0, &now, &now).is_none());
    }
}
