//! Streams of records that are cut, thinned out or short: none of them makes a whole load.

use super::load;
use crate::platform::{LoadRun, ProcessEnd};
use crate::report::Status;
use aefm_collector::requests::{RequestFacts, RequestLog};
use aefm_workloads::load::{
    LoadRecord, LoadSecond, LoadSummary, Outcome, Phase, Quantiles, Verdict,
};
use proptest::prelude::*;

/// A second of a load with these outcomes.
pub(super) fn second(phase: Phase, second: u32, outcomes: &[(Outcome, u64)]) -> LoadSecond {
    let intended = outcomes.iter().map(|(_, count)| count).sum();
    LoadSecond {
        shard: 0,
        phase,
        second,
        intended,
        sent: intended,
        outcomes: outcomes.iter().copied().collect(),
        bytes: 0,
        response_hdr: String::new(),
        service_hdr: String::new(),
        lag_hdr: String::new(),
        generator_hdr: String::new(),
    }
}

/// A summary of a load that was answered as asked.
pub(super) fn summary(scheduled: u64) -> LoadSummary {
    LoadSummary {
        scheduled,
        intended: scheduled,
        outcomes: [(Outcome::Ok, scheduled)].into(),
        rate_sent_hz: 1.0,
        response_time_us: Quantiles::default(),
        service_time_us: Quantiles::default(),
        send_lag_us: Quantiles::default(),
        generator_time_us: Quantiles::default(),
        stalls: Vec::new(),
        verdict: Verdict::Valid,
        reasons: Vec::new(),
        schedule_sha256: String::new(),
        requests_not_logged: 0,
        requests_error: None,
        interrupted: false,
    }
}

/// All that a load process of so many requests a second says, each line with its end.
fn stream(warmup: &[u64], measured: &[u64]) -> Vec<String> {
    let mut records = vec![LoadRecord::Started { start_ns: 1 }];
    let phases = [(Phase::WarmUp, warmup), (Phase::Measure, measured)];
    let seconds = phases
        .into_iter()
        .flat_map(|(phase, counts)| counts.iter().map(move |count| (phase, *count)));
    for (at, (phase, count)) in seconds.enumerate() {
        let at = u32::try_from(at).unwrap();
        records.push(LoadRecord::Second(second(
            phase,
            at,
            &[(Outcome::Ok, count)],
        )));
    }
    let measured = measured.iter().sum::<u64>();
    records.push(LoadRecord::Summary(LoadSummary {
        intended: measured,
        outcomes: [(Outcome::Ok, measured)].into(),
        ..summary(warmup.iter().sum::<u64>() + measured)
    }));
    let line = |record| serde_json::to_string(record).unwrap() + "\n";
    records.iter().map(line).collect()
}

/// What a load is whose process said this, ended so and left a table of so many rows; none where a line is no record,
/// which ends the load with an error.
fn judged(said: &str, end: Option<ProcessEnd>, rows: u64) -> Option<Status> {
    let mut run = LoadRun::of(1);
    for line in said.lines() {
        run.hear(0, line).ok()?;
    }
    run.ended(0, end);
    let summary = run.summaries().next().cloned();
    run.summary = summary;
    let mut table = RequestLog::default();
    for row in 0..rows {
        let facts = RequestFacts {
            response_ns: Some(1),
            outcome: Outcome::Ok,
            phase: Phase::Measure,
        };
        table.insert(row, facts);
    }
    let found = load::<String>(&run, Ok(&table));
    found.iter().map(|found| found.case).max()
}

const WELL: Option<ProcessEnd> = Some(ProcessEnd::Code(0));

fn counts() -> impl Strategy<Value = (Vec<u64>, Vec<u64>)> {
    (
        prop::collection::vec(1..50_u64, 0..3),
        prop::collection::vec(1..50_u64, 1..8),
    )
}

proptest! {
    #[test]
    fn a_whole_stream_is_ok_and_lines_may_come_twice((warmup, measured) in counts(), twice: prop::sample::Index) {
        let mut lines = stream(&warmup, &measured);
        let rows = warmup.iter().chain(&measured).sum();
        prop_assert_eq!(judged(&lines.concat(), WELL, rows), Some(Status::Ok));
        let at = twice.index(lines.len());
        lines.insert(at, lines[at].clone());
        prop_assert_eq!(judged(&lines.concat(), WELL, rows), Some(Status::Ok));
    }

    /// Whatever byte it is cut at, even with exit code 0 and a whole table.
    #[test]
    fn no_truncated_stream_is_ok((warmup, measured) in counts(), cut: prop::sample::Index) {
        let said = stream(&warmup, &measured).concat();
        // Without its last line's end it is whole.
        let cut = cut.index(said.len() - 1);
        prop_assert_ne!(judged(&said[..cut], WELL, warmup.iter().chain(&measured).sum()), Some(Status::Ok));
    }

    #[test]
    fn no_stream_without_one_of_its_lines_is_ok((warmup, measured) in counts(), lost: prop::sample::Index) {
        let mut lines = stream(&warmup, &measured);
        lines.remove(lost.index(lines.len()));
        prop_assert_ne!(judged(&lines.concat(), WELL, warmup.iter().chain(&measured).sum()), Some(Status::Ok));
    }

    #[test]
    fn no_table_with_fewer_rows_is_ok((warmup, measured) in counts(), fewer in 1..50_u64) {
        let (lines, rows) = (stream(&warmup, &measured), warmup.iter().chain(&measured).sum::<u64>());
        prop_assert_ne!(judged(&lines.concat(), WELL, rows.saturating_sub(fewer)), Some(Status::Ok));
    }

    #[test]
    fn no_end_but_the_one_that_the_summary_means_is_ok(code in 1..256, signal in 1..65) {
        let lines = stream(&[], &[5]);
        for end in [Some(ProcessEnd::Code(code)), Some(ProcessEnd::Signal(signal)), None] {
            prop_assert_eq!(judged(&lines.concat(), end, 5), Some(Status::Degraded));
        }
    }
}

#[test]
fn a_load_that_was_cut_off_says_how_many_requests_are_missing() {
    let mut run = LoadRun::of(1);
    run.start_ns = Some(1);
    run.seconds = vec![second(Phase::Measure, 0, &[(Outcome::Ok, 57)])];
    let told = LoadSummary {
        intended: 57,
        interrupted: true,
        ..summary(240)
    };
    run.shards[0].summary = Some(told.clone());
    run.summary = Some(told);
    run.ended(0, Some(ProcessEnd::Code(130)));
    let found = load(&run, Err("read it: there is none"));
    let rows: Vec<_> = found
        .iter()
        .map(|found| {
            let reason = found.row.reason.clone().unwrap_or_default();
            (found.row.missing, found.case, reason)
        })
        .collect();
    assert_eq!((rows[0].0, rows[0].1), (Some(183), Status::Degraded));
    assert!(rows[0].2.contains("183 of 240 requests"), "{rows:?}");
    assert!(rows[1].2.contains("ended early, by a signal"), "{rows:?}");
    assert!(
        rows[2].1 == Status::Failed && rows[2].2.contains("there is none"),
        "{rows:?}"
    );
}

#[test]
fn every_shard_is_missed_by_itself() {
    let mut run = LoadRun::of(3);
    run.start_ns = Some(1);
    for shard in [0, 2] {
        let mut its = second(Phase::Measure, 0, &[(Outcome::Ok, 5)]);
        its.shard = shard;
        run.seconds.push(its);
        run.shards[shard as usize].summary = Some(summary(5));
        run.ended(shard, WELL);
    }
    let found = load::<String>(&run, Ok(&RequestLog::default()));
    assert_eq!(found[0].case, Status::Degraded);
    assert!(
        found[0]
            .row
            .reason
            .as_ref()
            .unwrap()
            .contains("1 of 3 load processes"),
        "{found:?}"
    );
    assert_eq!(
        load::<String>(&LoadRun::default(), Ok(&RequestLog::default())),
        []
    );
}
