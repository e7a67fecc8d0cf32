//! Runs that go well, and what their datasets hold.

use crate::session::{Finished, SHORT, Session, flag, float, int, text};
use std::collections::BTreeSet;

#[test]
fn a_short_run_leaves_a_dataset_that_adds_up() {
    let run = Session::start(SHORT).finish();
    assert!(
        [0, 3].contains(&run.code()),
        "{}{}",
        run.stderr(),
        run.stdout()
    );
    run.assert_nothing_left();
    assert_eq!(run.cases().len(), 2);
    run.assert_whole(&["c001", "c002"]);
    for row in run.rows("load") {
        let ended =
            int(&row, "ok") + int(&row, "errors") + int(&row, "unfinished") + int(&row, "unsent");
        assert_eq!(int(&row, "intended"), ended, "{row:?}");
    }

    let complete = run
        .rows("traces")
        .iter()
        .filter(|row| flag(row, "complete"))
        .count();
    let requests = run.rows("requests");
    assert!(
        requests.len() > 100,
        "two cases of 2.5 s at 40/s have about 200 requests, not {}",
        requests.len()
    );
    assert_eq!(
        complete,
        requests
            .iter()
            .filter(|row| text(row, "outcome") == "ok")
            .count()
    );

    let services: BTreeSet<_> = run
        .rows("services")
        .iter()
        .map(|row| text(row, "service"))
        .collect();
    assert!(
        [
            "frontend",
            "search",
            "geo",
            "rate",
            "profile",
            "recommendation"
        ]
        .iter()
        .all(|name| services.contains(*name)),
        "{services:?}"
    );
    let calls: BTreeSet<_> = run
        .rows("edges")
        .iter()
        .map(|row| (text(row, "caller"), text(row, "callee")))
        .collect();
    assert!(
        calls.contains(&("search".to_owned(), "geo".to_owned())),
        "{calls:?}"
    );

    let measured: BTreeSet<_> = run
        .rows("metrics")
        .iter()
        .filter(|row| text(row, "scope") == "process")
        .map(|row| text(row, "subject"))
        .collect();
    assert_eq!(measured.len(), 8, "{measured:?}");
    let busy = ["interference", "sampler"];
    let troubles: Vec<_> = run
        .rows("quality")
        .into_iter()
        .filter(|row| text(row, "status") != "ok" && !busy.contains(&text(row, "source").as_str()))
        .collect();
    assert!(troubles.is_empty(), "{troubles:?}");
    assert_judged_as_measured(&run);
}

/// Whatever a busy machine let the stressor reach: what is said of it is what was measured.
fn assert_judged_as_measured(run: &Finished) {
    let begins = run.rows("cases");
    for row in run.rows("quality") {
        if text(&row, "source") != "interference" {
            continue;
        }
        let (id, reason) = (text(&row, "case_id"), text(&row, "reason"));
        let (expected, within) = (int(&row, "expected"), int(&row, "received"));
        assert_eq!(expected, 2, "{row:?}");
        let is_ok = text(&row, "status") == "ok";
        assert_eq!(is_ok, within * 10 >= expected * 9, "{reason}");
        let case = begins.iter().find(|case| text(case, "case_id") == id);
        let begin = int(case.expect("it is a case"), "measure_start_ns");
        // A sample tells of the half second before it.
        let measured = begin..begin + 4_000_000_000;
        let achieved: Vec<_> = run
            .rows("interference")
            .iter()
            .filter(|row| text(row, "case_id") == id && measured.contains(&int(row, "t_ns")))
            .map(|row| float(row, "achieved"))
            .collect();
        if achieved.is_empty() {
            assert!(reason.contains("no sample"), "{reason}");
            continue;
        }
        let told: f64 = reason
            .split(": ")
            .nth(1)
            .and_then(|words| words.split(' ').next()?.parse().ok())
            .unwrap_or_else(|| panic!("no median in `{reason}`"));
        let (least, most) = achieved.iter().fold((f64::MAX, 0.0_f64), |ends, achieved| {
            (ends.0.min(*achieved), ends.1.max(*achieved))
        });
        assert!(
            told >= least - 0.05 && told <= most + 0.05,
            "{told}: {achieved:?}"
        );
    }
}

#[test]
fn the_run_says_where_its_dataset_is_and_what_it_ran() {
    let run = Session::start(SHORT).finish();
    let stdout = run.stdout();
    let dataset = stdout
        .lines()
        .find_map(|line| line.strip_prefix("dataset: "))
        .expect("it is said");
    assert_eq!(dataset, run.run_dir().display().to_string());
    assert!(
        !stdout.contains('\r') && !run.stderr().contains('\r'),
        "no terminal, no carriage returns"
    );

    let file = run.run_file();
    assert_eq!(file["state"], "complete");
    assert_eq!(
        file["cases"]
            .as_object()
            .map(|cases| cases.values().filter_map(serde_json::Value::as_u64).sum()),
        Some(2_u64)
    );
    assert_eq!(file["plan"]["cases"][0]["name"], "rate=40|cpu=0");
    assert!(file["plan"]["seed"].is_u64());
    let log = std::fs::read_to_string(run.run_dir().join("run.log")).expect("the log is there");
    assert!(
        log.contains("c002") && log.contains("start_cpu") && log.contains("DEBUG"),
        "{log}"
    );
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
        times
            .into_iter()
            .map(|time| time - first)
            .collect::<Vec<_>>()
    };
    assert!(!offsets("c001").is_empty());
    assert_eq!(offsets("c001"), offsets("c002"));
    let ids: BTreeSet<_> = run
        .rows("requests")
        .iter()
        .map(|row| text(row, "trace_id"))
        .collect();
    assert_eq!(
        ids.len(),
        run.rows("requests").len(),
        "trace ids are unique in the run"
    );
}

/// CPU, memory bandwidth, memory capacity and network as axes of one experiment, all at once on one core.
#[test]
fn every_kind_of_the_original_is_an_axis_and_is_measured() {
    let run = Session::start(
        "experiment: kinds\naxes: {cpu: [0, 10], mem_bandwidth: [200MB/s], mem_capacity: [128MiB], network: [50Mbit/s], rate: [10]}\n\
         order: [cpu, mem_bandwidth, mem_capacity, network, rate]\nshuffle: false\nload: {warmup: 500ms, duration: 2s, grace: 1s}\n",
    )
    .finish();
    let cases = run.cases();
    assert_eq!(cases.len(), 2, "{}", run.stderr());
    assert!(
        cases.iter().all(|(_, status, _)| status != "failed"),
        "{cases:?}"
    );
    run.assert_nothing_left();
    for (kind, unit, wanted) in [
        ("mem_bandwidth", "MB/s", 200.0),
        ("mem_capacity", "bytes", 134_217_728.0),
        ("network", "bit/s", 5e7),
    ] {
        let rows: Vec<_> = run
            .rows("interference")
            .into_iter()
            .filter(|row| text(row, "kind") == kind)
            .collect();
        assert!(!rows.is_empty(), "{kind}");
        for row in &rows {
            assert_eq!(
                (text(row, "unit").as_str(), float(row, "requested")),
                (unit, wanted),
                "{row:?}"
            );
            assert!(
                float(row, "achieved") > 0.0 && float(row, "achieved") < wanted * 1.5,
                "{row:?}"
            );
        }
    }
}

/// The other applications of the catalogue, emulated and loaded with their own mixes.
#[test]
fn every_application_runs_with_its_own_workload() {
    for (app, workload) in [
        ("social-network", "mixed"),
        ("media-microservices", "compose-review"),
        ("train-ticket", "query"),
    ] {
        let experiment = format!(
            "experiment: {app}\napp: {app}\nworkload: {workload}\naxes: {{rate: [5]}}\nload: {{warmup: 0s, duration: 2s, grace: 2s}}\n"
        );
        let run = Session::start(&experiment).finish();
        assert_eq!(run.code(), 0, "{app}: {}{}", run.stderr(), run.stdout());
        let requests = run.rows("requests");
        assert!(
            requests.len() >= 8 && requests.iter().all(|row| text(row, "outcome") == "ok"),
            "{app}"
        );
        assert!(
            run.rows("traces").iter().all(|row| flag(row, "complete")),
            "{app}"
        );
    }
}

#[test]
fn a_run_is_exported_as_the_originals_five_files() {
    let run = Session::start(SHORT).finish();
    let out = run.dir.path().join("csv");
    let exported = crate::session::aefm()
        .arg("export")
        .arg(run.run_dir())
        .args(["--format", "aefm-csv", "--out"])
        .arg(&out)
        .output();
    let exported = exported.expect("aefm runs");
    assert_eq!(
        exported.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&exported.stderr)
    );
    for name in [
        "throughput_data",
        "raw_data",
        "statistical_data",
        "end_to_end_data",
        "hardware_data",
    ] {
        let text = std::fs::read_to_string(out.join(format!("{name}.csv")))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(text.lines().count() >= 2, "{name}: {text}");
        let (head, first) = text.split_once('\n').expect("lines");
        let at = head.split(',').position(|name| name == "throughput");
        let rate = at.and_then(|at| first.lines().next()?.split(',').nth(at)?.parse().ok());
        assert_eq!(rate, Some(40.0), "{name}: {text}");
    }
}
