//! What each service and pod took, over all traces of a case.

use super::sample::Sample;
use crate::schema::SERVICES;
use crate::sink::{Cell, SinkError, TableWriter, Written};
use crate::span::{Origin, Span};
use aefm_workloads::labels::CaseLabels;
use hdrhistogram::Histogram;
use std::collections::{BTreeMap, HashMap};
use std::hash::{Hash, Hasher};
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
    places: HashMap<(Arc<str>, Option<Arc<str>>), usize>,
    services: Vec<Service>,
    // Origins are shared between spans: most are found here, without their names being hashed.
    known: HashMap<Shared, usize>,
}

/// An origin by its address, which it keeps as long as it is held here.
struct Shared(Arc<Origin>);

impl PartialEq for Shared {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Shared {}

impl Hash for Shared {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}

impl Services {
    pub(super) fn add(&mut self, span: &Span, self_ns: i64, critical_ns: i64) {
        let place = *self.known.entry(Shared(Arc::clone(&span.origin))).or_insert_with(|| {
            let Origin { service, pod, .. } = &*span.origin;
            *self.places.entry((Arc::clone(service), pod.clone())).or_insert_with(|| {
                self.services.push(Service::default());
                self.services.len() - 1
            })
        });
        let entry = &mut self.services[place];
        entry.errors += u64::from(span.error);
        entry.own.push(self_ns);
        entry.total.push(span.duration_ns);
        entry.critical_ns += critical_ns;
    }

    /// Self times (ns) by service, the pods of a service together.
    pub(super) fn self_times(&self) -> BTreeMap<String, Histogram<u64>> {
        let mut times: BTreeMap<String, Histogram<u64>> = BTreeMap::new();
        for ((name, _), place) in &self.places {
            let service = &self.services[*place];
            match times.get_mut(&**name) {
                // All have the same bounds.
                Some(sum) => _ = sum.add(service.own.histogram()),
                None => _ = times.insert(name.to_string(), service.own.histogram()),
            }
        }
        times
    }

    pub(super) fn write(mut self, dir: &Path, labels: &CaseLabels) -> Result<Written, SinkError> {
        let mut writer = TableWriter::create(dir, &SERVICES, labels)?;
        let critical: i64 = self.services.iter().map(|service| service.critical_ns).sum();
        let mut places: Vec<_> = self.places.into_iter().collect();
        places.sort_unstable();
        for ((name, pod), place) in places {
            let mut service = std::mem::take(&mut self.services[place]);
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
