//! What each service and pod took, over all traces of a case.

use super::sample::Sample;
use crate::schema::SERVICES;
use crate::sink::{Cell, SinkError, TableWriter, Written};
use crate::span::{ByAddress, Name, Origin, Span};
use aefm_workloads::labels::CaseLabels;
use hdrhistogram::Histogram;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

#[derive(Default)]
struct Service {
    // Spans of every phase; what follows is of the measured one.
    seen: u64,
    errors: u64,
    own: Sample,
    total: Sample,
    critical_ns: i64,
}

/// Gathers the `services` table.
#[derive(Default)]
pub(super) struct Services {
    // By service and pod: the node may differ between spans of one pod that say it and those that do not.
    places: HashMap<(Name, Option<Name>), usize>,
    services: Vec<Service>,
    // Origins are shared between spans: most are found here, without their names being read.
    known: ByAddress<Origin, usize>,
}

impl Services {
    /// Adds a span; with its self time and its time on the critical path (ns) where it is of the measured phase.
    pub(super) fn add(&mut self, span: &Span, measured: Option<(i64, i64)>) {
        let place = *self.known.of(&span.origin, || {
            let Origin { service, pod, .. } = &*span.origin;
            *self
                .places
                .entry((Arc::clone(service), pod.clone()))
                .or_insert_with(|| {
                    self.services.push(Service::default());
                    self.services.len() - 1
                })
        });
        let entry = &mut self.services[place];
        entry.seen += 1;
        let Some((self_ns, critical_ns)) = measured else {
            return;
        };
        entry.errors += u64::from(span.error);
        entry.own.push(self_ns);
        entry.total.push(span.duration_ns);
        entry.critical_ns += critical_ns;
    }

    /// Spans by service, of every phase.
    pub(super) fn seen(&self) -> BTreeMap<String, u64> {
        let mut seen = BTreeMap::new();
        for ((name, _), place) in &self.places {
            *seen.entry(name.to_string()).or_default() += self.services[*place].seen;
        }
        seen
    }

    /// The measured phase's of those that have any.
    fn measured(&self) -> impl Iterator<Item = (&(Name, Option<Name>), usize)> {
        let places = self.places.iter().map(|(key, place)| (key, *place));
        places.filter(|(_, place)| self.services[*place].total.count() > 0)
    }

    /// Self times (ns) by service, the pods of a service together.
    pub(super) fn self_times(&self) -> BTreeMap<String, Histogram<u64>> {
        let mut times: BTreeMap<String, Histogram<u64>> = BTreeMap::new();
        for ((name, _), place) in self.measured() {
            let service = &self.services[place];
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
        let critical: i64 = self
            .services
            .iter()
            .map(|service| service.critical_ns)
            .sum();
        let mut places: Vec<_> = self
            .measured()
            .map(|(key, place)| (key.clone(), place))
            .collect();
        places.sort_unstable();
        for ((name, pod), place) in places {
            let mut service = std::mem::take(&mut self.services[place]);
            let own = service
                .own
                .quantiles([0.5, 0.9, 0.95, 0.99, 1.0])
                .map(Cell::from);
            let total = service
                .total
                .quantiles([0.5, 0.9, 0.95, 0.99, 1.0])
                .map(Cell::from);
            let share = (critical > 0).then(|| service.critical_ns as f64 / critical as f64);
            let head = [
                Cell::Text(&name),
                pod.as_deref().into(),
                service.own.count().into(),
                service.errors.into(),
            ];
            let mean = [service.own.mean().into()];
            writer.push(&[&head[..], &own, &mean, &total, &[share.into()]].concat())?;
        }
        writer.finish()
    }
}
