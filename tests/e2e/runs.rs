//! Runs that go well, and what their datasets hold.

use crate::session::{SHORT, Session, float, int, text};
use std::collections::BTreeSet;

#[test]
fn a_short_run_leaves_a_dataset_that_adds_up() {
    let run = Session::start(SHORT).finish();
    assert_eq!(run.code(), 0, "{}{}", run.stderr(), run.stdout());
    run.assert_nothing_left();

    let cases = run.cases();
    assert_eq!(
        cases.iter().map(|(id, status, _)| (id.as_str(), status.as_str())).collect::<Vec<_>>(),
        [("c001", "ok"), ("c002", "ok")]
    );
    for row in run.rows("load") {
        let ended = int(&row, "ok") + int(&row, "errors") + int(&row, "unfinished") + int(&row, "unsent");
        assert_eq!(int(&row, "intended"), ended, "{row:?}");
    }

    let complete = run.rows("traces").iter().filter(|row| row_flag(row, "complete")).count();
    let requests = run.rows("requests");
    assert!(requests.len() > 100, "two cases of 2.5 s at 40/s have about 200 requests, not {}", requests.len());
    assert_eq!(complete, requests.iter().filter(|row| text(row, "outcome") == "ok").count());

    let services: BTreeSet<_> = run.rows("services").iter().map(|row| text(row, "service")).collect();
    assert!(
        ["frontend", "search", "geo", "rate", "profile", "recommendation"].iter().all(|name| services.contains(*name)),
        "{services:?}"
    );
    let calls: BTreeSet<_> = run.rows("edges").iter().map(|row| (text(row, "caller"), text(row, "callee"))).collect();
    assert!(calls.contains(&("search".to_owned(), "geo".to_owned())), "{calls:?}");

    let measured: BTreeSet<_> = run
        .rows("metrics")
        .iter()
        .filter(|row| text(row, "scope") == "process")
        .map(|row| text(row, "subject"))
        .collect();
    assert_eq!(measured.len(), 8, "{measured:?}");
    let pressed: Vec<_> = run
        .rows("interference")
        .iter()
        .filter(|row| float(row, "requested") > 0.0)
        .map(|row| float(row, "achieved"))
        .collect();
    assert!(!pressed.is_empty());
    assert!(pressed.iter().all(|achieved| *achieved > 10.0), "{pressed:?}");
    assert!(run.rows("quality").iter().all(|row| text(row, "status") == "ok"));
}

#[test]
fn the_run_says_where_its_dataset_is_and_what_it_ran() {
    let run = Session::start(SHORT).finish();
    let stdout = run.stdout();
    let dataset = stdout.lines().find_map(|line| line.strip_prefix("dataset: ")).expect("it is said");
    assert_eq!(dataset, run.run_dir().display().to_string());
    assert!(!stdout.contains('\r') && !run.stderr().contains('\r'), "no terminal, no carriage returns");

    let file = run.run_file();
    assert_eq!(file["state"], "complete");
    assert_eq!(file["cases"]["ok"], 2);
    assert_eq!(file["plan"]["cases"][0]["name"], "rate=40|cpu=0");
    assert!(file["plan"]["seed"].is_u64());
    let log = std::fs::read_to_string(run.run_dir().join("run.log")).expect("the log is there");
    assert!(log.contains("c002") && log.contains("start_cpu") && log.contains("DEBUG"), "{log}");
}

#[test]
fn cases_that_differ_by_interference_alone_send_the_same_requests_at_the_same_times() {
    let run = Session::start(SHORT).finish();
    let offsets = |case: &str| {
        let mut times: Vec<_> = run
            .rows("requests")
            .iter()
            .filter(|row| text(row, "case_id") == case)
            .map(|row| int(row, "intended_ns"))
            .collect();
        times.sort_unstable();
        let first = times.first().copied().unwrap_or_default();
        times.into_iter().map(|time| time - first).collect::<Vec<_>>()
    };
    assert!(!offsets("c001").is_empty());
    assert_eq!(offsets("c001"), offsets("c002"));
    let ids: BTreeSet<_> = run.rows("requests").iter().map(|row| text(row, "trace_id")).collect();
    assert_eq!(ids.len(), run.rows("requests").len(), "trace ids are unique in the run");
}

fn row_flag(row: &parquet::record::Row, name: &str) -> bool {
    use parquet::record::RowAccessor;
    let column = row.get_column_iter().position(|(known, _)| known == name).expect("the column is there");
    row.get_bool(column).expect("it is a flag")
}
