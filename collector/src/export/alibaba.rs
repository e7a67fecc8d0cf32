//! The columns of Alibaba's microservice trace of 2022, so that what was written for that trace reads a run of ours.
//!
//! Layout: <https://github.com/alibaba/clusterdata/tree/master/cluster-trace-microservices-v2022>. Four folders with a
//! file a case: `MSCallGraph`, `MSRTMCR`, `MSResource`, `Node`. As there, timestamps are milliseconds from the
//! beginning, response times are milliseconds, utilization is max-min normalized over the run (our own figures are in
//! `metrics`). Unlike there, a record is of one second, and call rates are calls a second, not normalized.

mod calls;
mod rates;
mod resources;

use super::ExportError;
use super::file::{OutFile, Target};
use crate::read::{int, read_table, read_traces, text};
use crate::sink::part_path;
use calls::calls;
use rates::Rates;
use resources::Scale;
use std::collections::HashMap;
use std::path::Path;

const CALL_GRAPH: [&str; 11] = [
    "timestamp",
    "traceid",
    "service",
    "rpc_id",
    "rpctype",
    "um",
    "uminstanceid",
    "interface",
    "dm",
    "dminstanceid",
    "rt",
];

/// Where a run comes from and goes to.
struct Export<'a> {
    run: &'a Path,
    out: Target<'a>,
}

/// Writes all four, and says how many calls there were.
pub(super) fn write(run: &Path, cases: &[String], out: Target<'_>) -> Result<u64, ExportError> {
    let export = Export { run, out };
    let scale = Scale::of(run, cases)?;
    let mut count = 0;
    for case in cases {
        let begin_ns = export.begin_ns(case)?;
        let services = export.services(case)?;
        if part_path(run, "metrics", case).exists() {
            resources::write(&export, case, begin_ns, &services, &scale)?;
        }
        if part_path(run, "spans", case).exists() {
            count += export.call_graph(case, begin_ns)?;
        }
    }
    Ok(count)
}

impl Export<'_> {
    fn file(&self, table: &str, case: &str, columns: &[&str]) -> Result<OutFile, ExportError> {
        let mut file = self
            .out
            .file(Path::new(table).join(format!("{table}_{case}.csv")))?;
        file.record(columns.iter().copied())?;
        Ok(file)
    }

    /// When the case began.
    fn begin_ns(&self, case: &str) -> Result<i64, ExportError> {
        for batch in read_table(&part_path(self.run, "cases", case))? {
            let batch = batch?;
            if let Some(begin_ns) =
                (0..batch.num_rows()).find_map(|row| int(&batch, "start_ns", row))
            {
                return Ok(begin_ns);
            }
        }
        Ok(0)
    }

    /// The service of each pod.
    fn services(&self, case: &str) -> Result<HashMap<String, String>, ExportError> {
        let path = part_path(self.run, "services", case);
        let mut services = HashMap::new();
        if path.exists() {
            for batch in read_table(&path)? {
                let batch = batch?;
                for row in 0..batch.num_rows() {
                    if let Some((pod, service)) =
                        text(&batch, "pod", row).zip(text(&batch, "service", row))
                    {
                        services.insert(pod.to_owned(), service.to_owned());
                    }
                }
            }
        }
        Ok(services)
    }

    fn call_graph(&self, case: &str, begin_ns: i64) -> Result<u64, ExportError> {
        let mut file = self.file("MSCallGraph", case, &CALL_GRAPH)?;
        let mut rates = Rates::default();
        let mut count = 0;
        for trace in read_traces(&part_path(self.run, "spans", case))? {
            let spans = trace?.spans;
            for call in calls(&spans) {
                rates.add(&call, begin_ns);
                let fields = [
                    milliseconds(call.start_ns - begin_ns).floor().to_string(),
                    call.trace_id.to_string(),
                    call.entrance.to_string(),
                    call.rpc_id,
                    call.paradigm.name().to_owned(),
                    call.um.0.to_string(),
                    call.um.1.to_string(),
                    call.interface.to_string(),
                    call.dm.0.to_string(),
                    call.dm.1.to_string(),
                    milliseconds(call.duration_ns).to_string(),
                ];
                file.record(fields.iter().map(String::as_str))?;
                count += 1;
            }
        }
        file.finish()?;
        rates.write(self, case)?;
        Ok(count)
    }
}

fn milliseconds(ns: i64) -> f64 {
    ns as f64 / 1e6
}
