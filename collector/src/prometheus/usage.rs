//! What each container used over a case: from counter differences between samples, with how well that is known.

use super::counters::{Form, Target};
use super::once::Once;
use super::rows::Subject;
use crate::schema::USAGE;
use crate::sink::{Cell, SinkError, TableWriter, Written};
use aefm_workloads::labels::CaseLabels;
use std::collections::BTreeMap;
use std::path::Path;

/// One row of `usage`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UsageRow {
    /// Namespace.
    pub namespace: String,
    /// Pod.
    pub pod: String,
    /// Container.
    pub container: String,
    /// Node, where samples say.
    pub node: Option<String>,
    /// Mean CPU over the window, in cores.
    pub cpu_cores: Option<f64>,
    /// Highest CPU between two samples.
    pub cpu_max_cores: Option<f64>,
    /// CPU limit.
    pub cpu_limit_cores: Option<f64>,
    /// Highest memory.
    pub memory_max_bytes: Option<i64>,
    /// Memory limit.
    pub memory_limit_bytes: Option<i64>,
    /// Samples of the CPU counter in the window.
    pub samples: u64,
    /// Longest time without a sample within the window, its borders included.
    pub max_gap_ns: i64,
}

/// What a counter gained from `from_ns` to `to_ns`, interpolated between the samples around the borders; none if no two
/// samples reach into the window. Time before the first and after the last sample is taken to be like the rest.
fn gained(once: &Once, from_ns: i64, to_ns: i64) -> Option<f64> {
    let (mut gain, mut covered) = (0.0, 0_i64);
    for (t_ns, elapsed, rate) in once.rates() {
        let overlap = t_ns.min(to_ns) - (t_ns - elapsed).max(from_ns);
        if overlap > 0 {
            gain += rate * overlap as f64 / 1e9;
            covered += overlap;
        }
    }
    (covered > 0).then(|| gain * (to_ns - from_ns) as f64 / covered as f64)
}

fn max_gap_ns(once: &Once, from_ns: i64, to_ns: i64) -> i64 {
    let within = once
        .samples()
        .map(|(t_ns, _)| t_ns)
        .filter(|t_ns| (from_ns..=to_ns).contains(t_ns));
    let mut last = from_ns;
    let mut gap = 0;
    for t_ns in within.chain([to_ns]) {
        gap = gap.max(t_ns - last);
        last = t_ns;
    }
    gap
}

/// The use of every container that any of the series is about, over a window. One with CPU and no memory keeps its row,
/// with nulls.
#[must_use]
pub(super) fn usage(all: &[Once], from_ns: i64, to_ns: i64) -> Vec<UsageRow> {
    let mut rows: BTreeMap<(String, String, String), UsageRow> = BTreeMap::new();
    // Parts of a container's CPU, such as its cores, are summed at each instant.
    let mut rates: BTreeMap<(String, String, String), BTreeMap<i64, f64>> = BTreeMap::new();
    for once in all.iter().filter(|once| once.subject.scope == "container") {
        let Subject {
            namespace,
            pod,
            container,
            ..
        } = once.subject.clone();
        let key = (namespace.clone(), pod.clone(), container.clone());
        if once.metric.target == Target::Cpu {
            let own = rates.entry(key.clone()).or_default();
            for (t_ns, _, rate) in once.rates() {
                if (from_ns..=to_ns).contains(&t_ns) {
                    *own.entry(t_ns).or_default() += rate;
                }
            }
        }
        let row = rows.entry(key).or_insert_with(|| UsageRow {
            namespace,
            pod,
            container,
            ..UsageRow::default()
        });
        // kube-state-metrics names the node as well, and both name the same one.
        if let Some(node) = &once.node {
            row.node = Some(node.clone());
        }
        row.note(once, (from_ns, to_ns));
    }
    for (key, rates) in rates {
        if let Some(row) = rows.get_mut(&key) {
            row.cpu_max_cores = rates.into_values().reduce(f64::max);
        }
    }
    rows.into_values().collect()
}

impl UsageRow {
    fn note(&mut self, once: &Once, (from_ns, to_ns): (i64, i64)) {
        let within: Vec<f64> = once
            .samples()
            .filter(|(t_ns, _)| (from_ns..=to_ns).contains(t_ns))
            .map(|(_, value)| value)
            .collect();
        let highest = within.iter().copied().reduce(f64::max);
        match (once.metric.form, once.metric.target) {
            (_, Target::Cpu) => {
                let window = (to_ns - from_ns) as f64 / 1e9;
                let cores = gained(once, from_ns, to_ns).map(|seconds| seconds / window);
                self.cpu_cores = [self.cpu_cores, cores]
                    .into_iter()
                    .flatten()
                    .reduce(|one, other| one + other);
                self.samples = self.samples.max(within.len() as u64);
                self.max_gap_ns = self.max_gap_ns.max(max_gap_ns(once, from_ns, to_ns));
            }
            (_, Target::Memory) => self.memory_max_bytes = highest.map(|bytes| bytes as i64),
            // A limit holds between its samples, which may all lie outside. cAdvisor says 0 for none.
            (Form::Limit, target) => {
                let limit = once
                    .samples()
                    .last()
                    .map(|(_, value)| value)
                    .filter(|limit| *limit > 0.0);
                match target {
                    Target::CpuLimit => self.cpu_limit_cores = limit.or(self.cpu_limit_cores),
                    _ => {
                        self.memory_limit_bytes =
                            limit.map(|bytes| bytes as i64).or(self.memory_limit_bytes);
                    }
                }
            }
            _ => {}
        }
    }
}

/// Writes the `usage` of a case.
///
/// # Errors
/// The table could not be written.
pub fn write_usage(
    dir: &Path,
    labels: &CaseLabels,
    rows: &[UsageRow],
) -> Result<Written, SinkError> {
    let mut writer = TableWriter::create(dir, &USAGE, labels)?;
    for row in rows {
        let percent = |used: Option<f64>, limit: Option<f64>| Some(used? / limit? * 100.0);
        let memory = |bytes: Option<i64>| bytes.map(|bytes| bytes as f64);
        writer.push(&[
            Cell::Text(&row.namespace),
            Cell::Text(&row.pod),
            Cell::Text(&row.container),
            row.node.as_deref().into(),
            row.cpu_cores.into(),
            row.cpu_max_cores.into(),
            row.cpu_limit_cores.into(),
            percent(row.cpu_max_cores, row.cpu_limit_cores).into(),
            row.memory_max_bytes.into(),
            row.memory_limit_bytes.into(),
            percent(memory(row.memory_max_bytes), memory(row.memory_limit_bytes)).into(),
            row.samples.into(),
            Cell::Int(row.max_gap_ns),
        ])?;
    }
    writer.finish()
}

#[cfg(test)]
mod tests {
    use super::super::Series;
    use super::*;

    fn usage_of(series: &[Series], from_ns: i64, to_ns: i64) -> Vec<UsageRow> {
        usage(&Once::of(series).0, from_ns, to_ns)
    }

    const S: i64 = 1_000_000_000;

    fn series(name: &str, labels: &[(&str, &str)], samples: &[(i64, f64)]) -> Series {
        let base = [
            ("__name__", name),
            ("namespace", "h"),
            ("pod", "geo-1"),
            ("container", "geo"),
        ];
        let labels = base
            .iter()
            .chain(labels)
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Series {
            labels: labels.collect(),
            samples: samples.iter().map(|(s, value)| (s * S, *value)).collect(),
        }
    }

    #[test]
    fn use_is_interpolated_to_the_window() {
        // One core from 10 s to 20 s, none else; the window takes half of that.
        let cpu = series(
            "container_cpu_usage_seconds_total",
            &[],
            &[(0, 0.0), (10, 0.0), (20, 10.0), (30, 10.0)],
        );
        let memory = series(
            "container_memory_working_set_bytes",
            &[],
            &[(10, 70.0), (20, 90.0), (40, 900.0)],
        );
        let limit = series(
            "kube_pod_container_resource_limits",
            &[("resource", "cpu")],
            &[(5, 2.0)],
        );
        let rows = usage_of(&[cpu, memory, limit], 15 * S, 25 * S);
        let row = &rows[0];
        assert_eq!(
            (row.cpu_cores, row.cpu_max_cores, row.cpu_limit_cores),
            (Some(0.5), Some(1.0), Some(2.0))
        );
        assert_eq!(
            (row.memory_max_bytes, row.memory_limit_bytes),
            (Some(90), None)
        );
        assert_eq!((row.samples, row.max_gap_ns), (1, 5 * S));
    }

    #[test]
    fn a_restart_within_the_window_is_no_negative_use() {
        let cpu = series(
            "container_cpu_usage_seconds_total",
            &[],
            &[(0, 100.0), (10, 105.0), (20, 2.0), (30, 7.0)],
        );
        let rows = usage_of(&[cpu], 0, 30 * S);
        assert!((rows[0].cpu_cores.unwrap() - 12.0 / 30.0).abs() < 1e-9);
    }

    #[test]
    fn a_window_without_samples_is_null_not_zero() {
        let cpu = series(
            "container_cpu_usage_seconds_total",
            &[],
            &[(100, 1.0), (110, 2.0)],
        );
        let row = &usage_of(&[cpu], 0, 30 * S)[0];
        assert_eq!(
            (row.cpu_cores, row.samples, row.max_gap_ns),
            (None, 0, 30 * S)
        );
    }
}
