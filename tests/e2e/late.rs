//! Runs of an application whose spans come late, out of a Jaeger that may take its time.

use crate::session::{Finished, Session, aefm, text};
use crate::sources::{collect, quality};
use aefm_tests::target::{Target, answer};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Traces with their beginnings (us since the epoch) and the client's spans.
type Traces = Arc<Mutex<Vec<(String, u64, String)>>>;

fn now_us() -> u64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970");
    u64::try_from(now.as_micros()).expect("before 500000")
}

/// An application of three services that takes up `traceparent`.
fn application(traces: &Traces) -> Target {
    let traces = Arc::clone(traces);
    Target::start(move |wire| {
        while let Some(request) = wire.request() {
            let head = request.head.to_lowercase();
            if let Some(context) = head.split("traceparent: ").nth(1) {
                let mut parts = context.split(['-', '\r']).skip(1).map(str::to_owned);
                if let (Some(trace), Some(parent)) = (parts.next(), parts.next()) {
                    traces.lock().expect("no thread panics with it").push((
                        trace,
                        now_us(),
                        parent,
                    ));
                }
            }
            if !wire.send(answer(200, "hello")) {
                return;
            }
        }
    })
}

/// Its Jaeger, to which spans of the innermost service come `late` after the others; each answer takes `answers`.
fn jaeger(traces: &Traces, late: Duration, answers: Duration) -> Target {
    let traces = Arc::clone(traces);
    Target::start(move |wire| {
        while let Some(request) = wire.request() {
            let path = request
                .head
                .split(' ')
                .nth(1)
                .unwrap_or_default()
                .to_owned();
            let body = if path.starts_with("/api/services") {
                r#"{"data": ["front", "back", "store"]}"#.to_owned()
            } else if let Some(rest) = path.strip_prefix("/api/traces") {
                std::thread::sleep(answers);
                let traces = traces.lock().expect("no thread panics with it");
                found(&traces, rest, late)
            } else {
                String::new()
            };
            let status = if body.is_empty() { 404 } else { 200 };
            if !wire.send(answer(status, &body)) {
                return;
            }
        }
    })
}

fn found(traces: &[(String, u64, String)], rest: &str, late: Duration) -> String {
    let number = |key: &str| {
        let value = rest
            .split(['?', '&'])
            .find_map(|pair| pair.strip_prefix(key))?;
        value.parse::<u64>().ok()
    };
    let one = rest
        .strip_prefix('/')
        .and_then(|rest| rest.split('?').next());
    let (from, to) = (
        number("start=").unwrap_or(0),
        number("end=").unwrap_or(u64::MAX),
    );
    let limit = usize::try_from(number("limit=").unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
    let wanted = traces.iter().filter(|(id, at, _)| match one {
        Some(one) => one == id,
        None => (from..=to).contains(at),
    });
    let all: Vec<_> = wanted.take(limit).map(|trace| json(trace, late)).collect();
    format!(r#"{{"data": [{}], "errors": null}}"#, all.join(","))
}

fn json((id, at, client): &(String, u64, String), late: Duration) -> String {
    let span = |own: &str, parent: &str, start: u64, process: &str, kind: &str| {
        format!(
            r#"{{"traceID":"{id}","spanID":"{own}","operationName":"query","references":[{{"refType":"CHILD_OF","traceID":"{id}","spanID":"{parent}"}}],
            "startTime":{},"duration":{},"processID":"{process}","tags":[{{"key":"span.kind","type":"string","value":"{kind}"}}]}}"#,
            at + start,
            1_000 - 2 * start
        )
    };
    let ids = [
        "000000000000000a",
        "000000000000000b",
        "000000000000000c",
        "000000000000000d",
        "000000000000000e",
    ];
    let mut spans = vec![
        span(ids[0], client, 0, "p1", "server"),
        span(ids[1], ids[0], 100, "p1", "client"),
        span(ids[2], ids[1], 200, "p2", "server"),
        span(ids[3], ids[2], 300, "p2", "client"),
    ];
    if u128::from(now_us()) > u128::from(at + 1_000) + late.as_micros() {
        spans.push(span(ids[4], ids[3], 400, "p3", "server"));
    }
    format!(
        r#"{{"traceID":"{id}","spans":[{}],"processes":{{"p1":{{"serviceName":"front"}},"p2":{{"serviceName":"back"}},"p3":{{"serviceName":"store"}}}}}}"#,
        spans.join(",")
    )
}

/// A run of that application; `collect` goes on behind the Jaeger's URL.
fn run(late: Duration, answers: Duration, collect: &str) -> (Finished, [Target; 2]) {
    let traces = Traces::default();
    let servers = [application(&traces), jaeger(&traces, late, answers)];
    let [application, jaeger] = [&servers[0], &servers[1]].map(|server| server.address());
    let run = Session::start(&format!(
        "application: {{url: \"http://{application}\", trace_header: traceparent}}\n\
         axes: {{rate: [20], round: [1, 2]}}\nload: {{warmup: 500ms, duration: 3s, grace: 1s}}\n\
         collect: {{jaeger: {{url: \"http://{jaeger}\", services: [front]}}, {collect}}}\n"
    ))
    .finish();
    (run, servers)
}

/// Every trace has its five spans.
fn assert_whole(run: &Finished) {
    let traces = run.rows("traces").len();
    assert!(traces > 100, "{traces}");
    assert_eq!(run.rows("spans").len(), 5 * traces);
}

#[test]
fn spans_that_come_late_are_all_there_and_how_late_they_came_is_told() {
    let (run, _servers) = run(Duration::from_secs(2), Duration::ZERO, "flush: 3s");
    assert_eq!(run.code(), 0, "{}{}", run.stderr(), run.stdout());
    assert_whole(&run);
    let (status, reason) = quality(&run, "jaeger");
    assert!(
        status == "ok" && reason.contains("s after their end"),
        "{status}: {reason}"
    );
    // The run's other case is no stranger.
    assert!(!reason.contains("not this load's"), "{reason}");
}

#[test]
fn spans_that_come_too_late_degrade_their_case_and_can_be_collected_later() {
    let (run, servers) = run(Duration::from_secs(2), Duration::ZERO, "settle: 1s");
    assert_eq!(run.code(), 3, "{}{}", run.stderr(), run.stdout());
    let (status, reason) = quality(&run, "jaeger");
    assert!(
        status == "degraded"
            && reason.contains("calls have no span of the service that was called"),
        "{status}: {reason}"
    );
    // What was missed is there by now; the file says where, and nothing else.
    std::thread::sleep(Duration::from_secs(2));
    let file = run.dir.path().join("ask.yaml");
    let url = format!("http://{}", servers[1].address());
    let ask = format!("collect: {{jaeger: {{url: \"{url}\", services: [front]}}}}\n");
    std::fs::write(&file, ask).expect("it can be written");
    let again = aefm()
        .arg("collect")
        .arg(run.run_dir())
        .arg("--file")
        .arg(&file)
        .output()
        .expect("aefm starts");
    assert_eq!(again.status.code(), Some(0), "{again:?}");
    assert_whole(&run);
    assert_eq!(quality(&run, "jaeger").0, "ok");
}

#[test]
fn a_jaeger_that_takes_its_time_takes_nothing_else_with_it() {
    let (run, servers) = run(Duration::ZERO, Duration::from_secs(600), "settle: 2s");
    assert_eq!(run.code(), 3, "{}{}", run.stderr(), run.stdout());
    for (_, status, reason) in run.cases() {
        assert!(
            status == "degraded" && reason.contains("`settle` (2s)"),
            "{status}: {reason}"
        );
    }
    for table in ["load", "requests", "metrics"] {
        let cases = run
            .rows(table)
            .iter()
            .map(|row| text(row, "case_id"))
            .collect::<std::collections::BTreeSet<_>>();
        assert_eq!(cases.len(), 2, "{table}");
    }
    drop(servers);
    let again = collect(&run.run_dir());
    assert_eq!(again.status.code(), Some(3), "{again:?}");
    assert!(
        String::from_utf8_lossy(&again.stderr).contains("jaeger"),
        "{again:?}"
    );
}
