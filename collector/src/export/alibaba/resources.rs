//! `MSResource` and `Node`: utilization of instances and nodes.

use super::{Export, ExportError};
use crate::read::{float, int, read_table, text};
use crate::sink::part_path;
use std::collections::HashMap;
use std::path::Path;

/// The least and the most of a quantity in the run.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Range {
    least: f64,
    most: f64,
}

impl Default for Range {
    fn default() -> Self {
        Self {
            least: f64::INFINITY,
            most: f64::NEG_INFINITY,
        }
    }
}

impl Range {
    fn add(&mut self, value: Option<f64>) {
        if let Some(value) = value {
            self.least = self.least.min(value);
            self.most = self.most.max(value);
        }
    }

    /// Max-min normalized; empty where it is not known.
    fn share(self, value: Option<f64>) -> String {
        let share = |value| {
            if self.most > self.least {
                (value - self.least) / (self.most - self.least)
            } else {
                0.0
            }
        };
        value.map_or_else(String::new, |value| share(value).to_string())
    }
}

/// CPU and memory, of instances and of nodes.
#[derive(Default)]
pub(super) struct Scale {
    instances: (Range, Range),
    nodes: (Range, Range),
}

impl Scale {
    pub(super) fn of(run: &Path, cases: &[String]) -> Result<Self, ExportError> {
        let mut scale = Self::default();
        for path in cases
            .iter()
            .map(|case| part_path(run, "metrics", case))
            .filter(|path| path.exists())
        {
            for batch in read_table(&path)? {
                let batch = batch?;
                for row in 0..batch.num_rows() {
                    let ranges = match text(&batch, "scope", row) {
                        Some("node") => &mut scale.nodes,
                        _ => &mut scale.instances,
                    };
                    ranges.0.add(float(&batch, "cpu_cores", row));
                    ranges
                        .1
                        .add(int(&batch, "memory_bytes", row).map(|bytes| bytes as f64));
                }
            }
        }
        Ok(scale)
    }
}

/// The microservice and the instance of what was measured, by the names that its calls have. A process goes by its service,
/// whose one instance it is.
fn instance<'a>(services: &'a HashMap<String, String>, subject: &'a str) -> (&'a str, &'a str) {
    if let Some(service) = services.get(subject) {
        return (service, subject);
    }
    let mut own = services.iter().filter(|(_, service)| *service == subject);
    match (own.next(), own.next()) {
        (Some((pod, _)), None) => (subject, pod),
        _ => (subject, subject),
    }
}

/// Writes both files of a case. `services` says which microservice a pod is of; a process is one itself.
pub(super) fn write(
    export: &Export<'_>,
    case: &str,
    begin_ns: i64,
    services: &HashMap<String, String>,
    scale: &Scale,
) -> Result<(), ExportError> {
    let utilization = ["cpu_utilization", "memory_utilization"];
    let head = ["timestamp", "msname", "msinstanceid", "nodeid"];
    let mut instances = export.file("MSResource", case, &[&head[..], &utilization].concat())?;
    let mut nodes = export.file(
        "Node",
        case,
        &[&["timestamp", "nodeid"][..], &utilization].concat(),
    )?;
    for batch in read_table(&part_path(export.run, "metrics", case))? {
        let batch = batch?;
        for row in 0..batch.num_rows() {
            let of = |name| text(&batch, name, row).unwrap_or_default();
            let is_node = of("scope") == "node";
            let (cpu, memory) = if is_node {
                scale.nodes
            } else {
                scale.instances
            };
            let cpu = cpu.share(float(&batch, "cpu_cores", row));
            let memory = memory.share(int(&batch, "memory_bytes", row).map(|bytes| bytes as f64));
            let at_ms = (int(&batch, "t_ns", row).unwrap_or(begin_ns) - begin_ns)
                .div_euclid(1_000_000)
                .to_string();
            let subject = of("subject");
            if is_node {
                nodes.record([&*at_ms, subject, &cpu, &memory])?;
            } else {
                let (service, instance) = instance(services, subject);
                instances.record([&*at_ms, service, instance, of("node"), &cpu, &memory])?;
            }
        }
    }
    instances.finish()?;
    nodes.finish()
}
