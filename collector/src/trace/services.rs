//! What each service and pod took, over all traces of a case.

use super::sample::Sample;
use crate::schema::SERVICES;
use crate::sink::{Cell, SinkError, TableWriter, Written};
use crate::span::{Origin, Span};
use aefm_workloads::labels::CaseLabels;
use hdrhistogram::Histogram;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

#[derive(Default)]
struct Service {
    errors: u64,
    own: Sample,
    total: Sample,
    critical_ns: i64,
}

/// Gathers the `services` table.
#[derive(Default)]
pub(super) struct Services {
    // By service and pod: the node may differ between spans of one pod that say it and those that do not.
    services: HashMap<(Arc<str>, Option<Arc<str>>), Service>,
}

impl Services {
    pub(super) fn add(&mut self, span: &Span, self_ns: i64, critical_ns: i64) {
        let Origin { service, pod, .. } = &*span.origin;
        let entry = self.services.entry((Arc::clone(service), pod.clone())).or_default();
        entry.errors += u64::from(span.error);
        entry.own.push(self_ns);
        entry.total.push(span.duration_ns);
        entry.critical_ns += critical_ns;
    }

    /// Self times (ns) by service, the pods of a service together.
    pub(super) fn self_times(&self) -> BTreeMap<String, Histogram<u64>> {
        let mut times: BTreeMap<String, Histogram<u64>> = BTreeMap::new();
        for ((name, _), service) in &self.services {
            match times.get_mut(&**name) {
                // All have the same bounds.
                Some(sum) => _ = sum.add(service.own.histogram()),
                None => _ = times.insert(name.to_string(), service.own.histogram()),
            }
        }
        times
    }

    pub(super) fn write(self, dir: &Path, labels: &CaseLabels) -> Result<Written, SinkError> {
        let mut writer = TableWriter::create(dir, &SERVICES, labels)?;
        let critical: i64 = self.services.values().map(|service| service.critical_ns).sum();
        let mut services: Vec<_> = self.services.into_iter().collect();
        services.sort_by(|(a, _), (b, _)| a.cmp(b));
        for ((name, pod), mut service) in services {
            let own = service.own.quantiles([0.5, 0.9, 0.95, 0.99, 1.0]).map(Cell::from);
            let total = service.total.quantiles([0.5, 0.9, 0.95, 0.99, 1.0]).map(Cell::from);
            let share = (critical > 0).then(|| service.critical_ns as f64 / critical as f64);
            let head = [Cell::Text(&name), pod.as_deref().into(), service.own.count().into(), service.errors.into()];
            let mean = [service.own.mean().into()];
            writer.push(&[&head[..], &own, &mean, &total, &[share.into()]].concat())?;
        }
        writer.finish()
    }
}
