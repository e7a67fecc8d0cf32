//! `MSRTMCR`: call rates and mean response times of each microservice's instances, by paradigm and second.

use super::calls::{Call, Paradigm, SeenBy, Side};
use super::{Export, ExportError, milliseconds};
use std::collections::BTreeMap;

/// In the order of the columns: `<name>_rt`, `<name>_mcr` but for http, whose rate comes first.
const METRICS: [&str; 9] = [
    "providerrpc",
    "consumerrpc",
    "writemc",
    "readmc",
    "writedb",
    "readdb",
    "consumermq",
    "providermq",
    "http",
];

/// Calls of one kind in one second: how many, and their time in ns.
type Sum = (u64, i64);

/// Sums by second, microservice and instance.
#[derive(Default)]
pub(super) struct Rates {
    sums: BTreeMap<(i64, String, String), [Sum; METRICS.len()]>,
}

impl Rates {
    /// Counts a call at the side that recorded it; one that only the callee recorded at both: else who makes no spans of
    /// its calls would seem to make none.
    pub(super) fn add(&mut self, call: &Call<'_>, begin_ns: i64) {
        let (caller, callee) = match call.paradigm {
            Paradigm::Rpc => (Some(1), Some(0)),
            Paradigm::Http => (None, Some(8)),
            Paradigm::Mq => (Some(7), Some(6)),
            Paradigm::Db(is_write) => (Some(if is_write { 4 } else { 5 }), None),
            Paradigm::Mc(is_write) => (Some(if is_write { 2 } else { 3 }), None),
        };
        let second = (call.start_ns - begin_ns).div_euclid(1_000_000_000);
        let mut count = |place: Option<usize>, side: Side<'_>| {
            let Some(place) = place else { return };
            let sums = self
                .sums
                .entry((second, side.0.to_owned(), side.1.to_owned()))
                .or_default();
            sums[place].0 += 1;
            sums[place].1 += call.duration_ns;
        };
        if call.seen_by != SeenBy::Caller {
            count(callee, call.dm);
        }
        // The user is no microservice.
        if call.seen_by != SeenBy::Callee && call.um.0 != "USER" {
            count(caller, call.um);
        }
    }

    pub(super) fn write(&self, export: &Export<'_>, case: &str) -> Result<(), ExportError> {
        let metrics = METRICS.iter().flat_map(|name| {
            let (rt, mcr) = (format!("{name}_rt"), format!("{name}_mcr"));
            if *name == "http" {
                [mcr, rt]
            } else {
                [rt, mcr]
            }
        });
        let head = ["timestamp", "msname", "msinstanceid", "nodeid"].map(str::to_owned);
        let columns: Vec<String> = head.into_iter().chain(metrics).collect();
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        let mut file = export.file("MSRTMCR", case, &columns)?;
        for ((second, service, pod), sums) in &self.sums {
            let mut fields = vec![
                (second * 1_000).to_string(),
                service.clone(),
                pod.clone(),
                String::new(),
            ];
            for (name, (calls, time_ns)) in METRICS.iter().zip(sums) {
                let mean = if *calls == 0 {
                    0.0
                } else {
                    milliseconds(*time_ns) / *calls as f64
                };
                let (rt, mcr) = (mean.to_string(), calls.to_string());
                fields.extend(if *name == "http" {
                    [mcr, rt]
                } else {
                    [rt, mcr]
                });
            }
            file.record(fields.iter().map(String::as_str))?;
        }
        file.finish()
    }
}
