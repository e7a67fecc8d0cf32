//! `--spec`: a JSON spec in, JSON records out.

use crate::harness::program;
use aefm_tests::target::Target;
use aefm_workloads::ids::trace_id;
use aefm_workloads::labels::CaseLabels;
use aefm_workloads::load::{
    Arrival, LoadRecord, LoadSpec, Outcome, Phase, RequestsSink, TraceContext, Written,
};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Stdio};

fn spec(url: String) -> LoadSpec {
    LoadSpec {
        url,
        workload: Some("hotel-reservation/mixed".to_owned()),
        written: None,
        arrival: Arrival::Poisson,
        rate_hz: 200.0,
        warmup_ms: 500,
        duration_ms: 1_500,
        seed: 1,
        trace_seed: 2,
        trace: TraceContext::W3c,
        connections: 8,
        cores: Vec::new(),
        timeout_ms: 2_000,
        grace_ms: 1_000,
        start_at_ns: None,
        requests: None,
    }
}

fn start(spec: &LoadSpec) -> Child {
    let mut child = program("--spec -")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let line = serde_json::to_string(spec).unwrap();
    writeln!(child.stdin.as_mut().unwrap(), "{line}").unwrap();
    child
}

fn records(child: &mut Child) -> Vec<LoadRecord> {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines
        .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
        .collect()
}

#[test]
fn records_come_in_order_and_add_up() {
    let target = Target::healthy();
    let dir = tempfile::tempdir().unwrap();
    let labels = CaseLabels {
        run_id: "r".into(),
        case_id: "c007".into(),
        factors: Vec::new(),
    };
    let sink = RequestsSink {
        dir: dir.path().to_owned(),
        labels,
        limit: Some(10),
    };
    let spec = LoadSpec {
        requests: Some(sink),
        ..spec(target.url())
    };
    let mut child = start(&spec);
    let records = records(&mut child);
    assert!(matches!(child.wait().unwrap().code(), Some(0 | 3)));
    assert!(
        matches!(records[0], LoadRecord::Started { start_ns } if start_ns > 1_600_000_000_000_000_000)
    );
    let seconds: Vec<_> = records
        .iter()
        .filter_map(|record| {
            if let LoadRecord::Second(second) = record {
                Some(second)
            } else {
                None
            }
        })
        .collect();
    let keys: Vec<_> = seconds
        .iter()
        .map(|second| (second.phase, second.second))
        .collect();
    assert_eq!(
        keys,
        [(Phase::WarmUp, 0), (Phase::Measure, 0), (Phase::Measure, 1)]
    );
    for second in &seconds {
        assert_eq!(second.outcomes.values().sum::<u64>(), second.intended);
    }
    let Some(LoadRecord::Summary(summary)) = records.last() else {
        panic!("the summary is last")
    };
    let measured: u64 = seconds
        .iter()
        .filter(|second| second.phase == Phase::Measure)
        .map(|s| s.intended)
        .sum();
    assert_eq!(summary.intended, measured);
    assert_eq!(summary.outcomes.values().sum::<u64>(), measured);
    let all: u64 = seconds.iter().map(|second| second.intended).sum();
    assert_eq!(summary.requests_not_logged, all - 10);
    assert_eq!(summary.requests_error, None);
    // Request numbers count from 0 over warm-up and measured phase, and the trace ids are computed from them.
    let sent: std::collections::BTreeSet<String> = target
        .seen
        .heads()
        .iter()
        .filter_map(|head| Some(head.split("traceparent: 00-").nth(1)?[..32].to_owned()))
        .collect();
    let expected = (0..all)
        .map(|number| trace_id(2, number).to_string())
        .collect();
    assert_eq!(sent, expected);
}

#[test]
fn what_a_user_wrote_comes_within_the_spec() {
    let target = Target::healthy();
    let script = Written::Script {
        name: "own.lua".into(),
        text: "print('not a record')\nfunction request() return wrk.format('GET', '/script/' .. wrk.path) end".into(),
    };
    let scenario = Written::Scenario {
        name: "own.yaml".into(),
        text: "name: x\nvalues: {v: {csv: {file: v.csv}}}\nsessions: [{name: s, requests: [{path: '/own/${v.a}'}]}]"
            .into(),
        files: [("v.csv".into(), "a\nb\n".into())].into(),
    };
    for (written, path) in [(script, "/script//"), (scenario, "/own/b")] {
        let from = target.seen.requests();
        let spec = LoadSpec {
            written: Some(written),
            warmup_ms: 0,
            duration_ms: 500,
            ..spec(target.url())
        };
        let mut child = start(&spec);
        let records = records(&mut child);
        let Some(LoadRecord::Summary(summary)) = records.last() else {
            panic!("the summary is last")
        };
        assert!(summary.outcomes[&Outcome::Ok] > 50, "{summary:?}");
        assert!(child.wait().unwrap().code().is_some());
        let heads = target.seen.heads().split_off(from);
        assert!(
            heads
                .iter()
                .all(|head| head.contains(path) && head.contains("traceparent: 00-")),
            "{heads:?}"
        );
    }
    let broken = Written::Script {
        name: "own.lua".into(),
        text: "x = = 1".into(),
    };
    let mut child = start(&LoadSpec {
        written: Some(broken),
        ..spec(target.url())
    });
    assert!(records(&mut child).is_empty() && child.wait().unwrap().code() == Some(2));
}

#[test]
fn a_line_stop_ends_the_schedule_and_finishes_the_summary() {
    let target = Target::healthy();
    let mut child = start(&LoadSpec {
        duration_ms: 60_000,
        ..spec(target.url())
    });
    while target.seen.requests() < 20 {
        std::thread::yield_now();
    }
    writeln!(child.stdin.as_mut().unwrap(), "stop").unwrap();
    let records = records(&mut child);
    let Some(LoadRecord::Summary(summary)) = records.last() else {
        panic!("the summary is last")
    };
    assert!(summary.interrupted);
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn the_end_of_the_input_ends_the_process() {
    let target = Target::healthy();
    let mut child = start(&LoadSpec {
        duration_ms: 600_000,
        grace_ms: 600_000,
        ..spec(target.url())
    });
    while target.seen.requests() < 20 {
        std::thread::yield_now();
    }
    drop(child.stdin.take());
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn a_table_that_cannot_be_written_does_not_disturb_the_load() {
    let target = Target::healthy();
    let sink = RequestsSink {
        dir: "/proc/nowhere".into(),
        labels: CaseLabels {
            case_id: "c1".into(),
            ..CaseLabels::default()
        },
        limit: None,
    };
    let mut child = start(&LoadSpec {
        requests: Some(sink),
        duration_ms: 500,
        ..spec(target.url())
    });
    let records = records(&mut child);
    let Some(LoadRecord::Summary(summary)) = records.last() else {
        panic!("the summary is last")
    };
    assert!(
        summary
            .requests_error
            .as_ref()
            .unwrap()
            .contains("/proc/nowhere"),
        "{summary:?}"
    );
    assert!(summary.outcomes[&Outcome::Ok] > 50);
}

#[test]
fn a_spec_that_cannot_be_used_is_a_usage_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("spec.json");
    let good = serde_json::to_string(&spec("http://127.0.0.1:1/".to_owned())).unwrap();
    for (from, to, word) in [
        ("200.0", "0.0", "above 0"),
        (
            "hotel-reservation/mixed",
            "nope",
            "hotel-reservation/search",
        ),
        ("\"url\"", "\"ulr\"", "ulr"),
        ("http://", "gopher://", "http://"),
    ] {
        std::fs::write(&path, good.replace(from, to)).unwrap();
        let output = program(&format!("--spec {}", path.display()))
            .output()
            .unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.code() == Some(2) && err.contains(word),
            "{err}"
        );
    }
}
