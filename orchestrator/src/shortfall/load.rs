//! The load: the requests of its schedule, its processes, its table.

use super::{Claim, Finding};
use crate::platform::{LoadRun, ProcessEnd, ShardRun};
use crate::report::Status;
use aefm_collector::requests::RequestLog;
use aefm_workloads::load::Phase;
use std::fmt::Display;

const LOAD: &str = "load";
const REQUESTS: &str = "requests";

/// Compares a load with what was asked of it; `table` is its table of requests as it was read back. Nothing is said of a
/// load that somebody else has put on.
pub(crate) fn load<E: Display>(run: &LoadRun, table: Result<&RequestLog, E>) -> Vec<Finding> {
    if run.shards.is_empty() {
        return Vec::new();
    }
    let mut found = vec![schedule(run)];
    if run.start_ns.is_none() {
        found.push(degraded("it never said when it began"));
    }
    found.extend(measured(run));
    let several = run.shards.len() > 1;
    for (at, shard) in run.shards.iter().enumerate() {
        let who = if several {
            format!("shard {at}")
        } else {
            "the load process".to_owned()
        };
        found.extend(process(shard).map(|reason| degraded(&format!("{who} {reason}"))));
    }
    found.extend(requests(run, table));
    found
}

/// The requests that the schedule has against those that are recorded, each second's warm-up included.
fn schedule(run: &LoadRun) -> Finding {
    let recorded = run.seconds.iter().map(|second| second.intended).sum();
    let told: Vec<_> = run.summaries().collect();
    if told.len() < run.shards.len() {
        let missing = run.shards.len() - told.len();
        let reason = format!(
            "{missing} of {} load processes gave no summary, so that nobody knows how many requests are missing; {recorded} are recorded",
            run.shards.len()
        );
        let mut found = degraded(&reason);
        found.row.received = Some(recorded);
        return found;
    }
    let scheduled = told.iter().map(|summary| summary.scheduled).sum();
    if recorded > scheduled {
        return degraded(&format!(
            "{recorded} requests are recorded where the schedule has {scheduled}"
        ));
    }
    let claim = Claim {
        source: LOAD,
        expected: scheduled,
        received: recorded,
        least: 1.0,
    };
    Finding::counted(&claim, |missing| {
        format!(
            "{missing} of {scheduled} requests of the schedule were never made or are not recorded"
        )
    })
}

/// Whether seconds and summary tell the same of the measured phase.
fn measured(run: &LoadRun) -> Option<Finding> {
    let measured = run
        .seconds
        .iter()
        .filter(|second| second.phase == Phase::Measure);
    let recorded: u64 = measured.map(|second| second.intended).sum();
    let told: u64 = run.summaries().map(|summary| summary.intended).sum();
    let whole = run.shards.iter().all(|shard| shard.summary.is_some());
    (whole && recorded != told).then(|| {
        degraded(&format!(
            "its seconds have {recorded} requests of the measured phase and its summary {told}"
        ))
    })
}

/// What is wrong with a process, in words that follow its name.
fn process(shard: &ShardRun) -> Option<String> {
    let summary = shard.summary.as_ref()?;
    let expected = i32::from(summary.exit_code());
    let as_told = shard.end == Some(ProcessEnd::Code(expected));
    match (shard.end, summary.interrupted) {
        (_, true) => Some("was ended early, by a signal or by the end of its input".to_owned()),
        (Some(_), false) if as_told => None,
        (Some(end), false) => Some(format!(
            "ended with {end} where its summary means exit code {expected}"
        )),
        (None, false) => Some("ended in a way that nobody has seen".to_owned()),
    }
}

/// The rows of the table against the requests that are recorded.
fn requests<E: Display>(run: &LoadRun, table: Result<&RequestLog, E>) -> Vec<Finding> {
    if run.summaries().next().is_none() {
        // Why there is no summary is said; what is in the table is not known to be all.
        return Vec::new();
    }
    let failed = |reason: String| Finding::told(REQUESTS, Status::Failed, reason);
    let errors = run
        .summary
        .iter()
        .filter_map(|summary| summary.requests_error.as_ref());
    let mut found: Vec<_> = errors
        .map(|error| failed(format!("failed to {error}")))
        .collect();
    let recorded: u64 = run.seconds.iter().map(|second| second.intended).sum();
    match table {
        Err(error) => found.push(failed(format!("failed to {error}"))),
        Ok(table) => {
            let claim = Claim {
                source: REQUESTS,
                expected: recorded,
                received: table.len() as u64,
                least: 1.0,
            };
            found.push(Finding::counted(&claim, |missing| {
                format!("{missing} of {recorded} requests are not in the table")
            }));
        }
    }
    found
}

fn degraded(reason: &str) -> Finding {
    Finding::told(LOAD, Status::Degraded, reason.to_owned())
}
