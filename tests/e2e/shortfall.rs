//! What was asked for against what came: whatever falls short is said with its number, and no such case is ok.

use crate::session::{Finished, Session, int, text};
use aefm_tests::ports;
use aefm_tests::processes::wait_for;
use aefm_tests::target::{Target, answer};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{SystemTime, UNIX_EPOCH};

/// One case of 40 requests a second.
const ONE: &str =
    "axes: {rate: [40]}\nload: {warmup: 500ms, duration: 5s, timeout: 1s, grace: 1s}\n";

fn signal(run: &Session, child: &str, signal: Signal) {
    let child = run.wait_for_child(child);
    kill(Pid::from_raw(child.pid), signal).expect("it can be signalled");
}

/// Status, expected, received and reason of all rows of a source.
fn quality(run: &Finished, source: &str) -> Vec<(String, i64, i64, String)> {
    let rows = run.rows("quality").into_iter();
    rows.filter(|row| text(row, "source") == source)
        .map(|row| {
            let (expected, received) = (int(&row, "expected"), int(&row, "received"));
            (
                text(&row, "status"),
                expected,
                received,
                text(&row, "reason"),
            )
        })
        .collect()
}

/// The one case has this status and says so in the table, on the terminal and by the exit code.
fn assert_case(run: &Finished, status: &str, words: &[&str]) {
    assert_eq!(run.code(), 3, "{}{}", run.stderr(), run.stdout());
    let (_, is, reason) = &run.cases()[0];
    assert_eq!(is, status, "{reason}");
    for word in words {
        assert!(reason.contains(word), "{word} is not in: {reason}");
        assert!(
            run.stderr().contains(word),
            "{word} is not in: {}",
            run.stderr()
        );
    }
    assert!(run.stdout().contains("0/1 ok"), "{}", run.stdout());
}

#[test]
fn a_load_that_is_told_to_stop_says_how_many_requests_are_missing() {
    let run = Session::start(ONE);
    run.wait_for_log("second 0 of the load has all its");
    signal(&run, "load --spec", Signal::SIGTERM);
    let run = run.finish();
    assert_case(
        &run,
        "degraded",
        &["requests of the schedule", "ended early"],
    );
    let load = quality(&run, "load");
    let (status, expected, received, _) = &load[0];
    assert_eq!((status.as_str(), *expected), ("degraded", 220), "{load:?}");
    let recorded = run.rows("requests").len() as i64;
    assert!(
        *received == recorded && recorded > 0 && recorded < 220,
        "{load:?}"
    );
    run.assert_nothing_left();
}

#[test]
fn a_stressor_and_a_service_that_are_told_to_stop_fail_their_case() {
    for (child, words) in [
        ("interfere --spec", "cpu interference ended"),
        ("testbed geo", "service geo"),
    ] {
        let run = Session::start(
            "axes: {rate: [20], cpu: [10]}\nload: {warmup: 500ms, duration: 5s, grace: 1s}\n",
        );
        run.wait_for_log("second 0 of the load has all its");
        signal(&run, child, Signal::SIGTERM);
        assert_case(&run.finish(), "failed", &[words]);
    }
}

#[test]
fn a_stressor_that_stands_still_in_mid_case_is_told_by_the_seconds_it_missed() {
    let run = Session::start(
        "axes: {rate: [20], cpu: [20]}\nload: {warmup: 0s, duration: 6s, grace: 0s}\n",
    );
    run.wait_for_log("second 0 of the load has all its");
    signal(&run, "interfere --spec", Signal::SIGSTOP);
    run.wait_for_log("second 4 of the load has all its");
    signal(&run, "interfere --spec", Signal::SIGCONT);
    let run = run.finish();
    assert_case(&run, "degraded", &["cpu interference of 20 percent"]);
    let rows = quality(&run, "interference");
    let (status, expected, received, reason) = &rows[0];
    assert_eq!((rows.len(), status.as_str(), *expected), (1, "degraded", 6));
    assert!(
        *received <= 3 && reason.contains("of 6 s within 1.0 of it"),
        "{reason}"
    );
}

/// A server that answers every request so.
fn always(status: u16) -> Target {
    Target::start(move |wire| {
        let line = answer(status, "").replace("\r\n\r\n", "\r\nLocation: /elsewhere\r\n\r\n");
        while wire.request().is_some_and(|_| wire.send(line.clone())) {}
    })
}

fn against(url: &str, more: &str) -> Session {
    Session::start(&format!(
        "{ONE}application: {{url: \"{url}\", trace_header: none}}\ncollect: {{settle: 500ms}}\n{more}"
    ))
}

#[test]
fn a_case_in_which_nothing_was_answered_ok_has_failed() {
    for (status, word) in [(500, "http_5xx"), (404, "http_4xx"), (302, "redirect")] {
        let target = always(status);
        let run = against(&target.url(), "").finish();
        assert_case(&run, "failed", &["not one of 200 requests", word]);
        let answers = quality(&run, "answers");
        assert_eq!((answers[0].0.as_str(), answers[0].1), ("failed", 200));
    }
    // Answers that never come, and connections that are closed unanswered.
    let silent = Target::start(|wire| while wire.request().is_some() {});
    assert_case(&against(&silent.url(), "").finish(), "failed", &["timeout"]);
    let closing = Target::start(|wire| drop(wire.request()));
    assert_case(
        &against(&closing.url(), "").finish(),
        "failed",
        &["not one of 200 requests"],
    );
}

#[test]
fn what_share_must_be_answered_ok_is_the_users() {
    let some = || {
        Target::start(|wire| {
            while wire.request().is_some() {
                // Four of ten.
                let status = if wire.seen().requests() % 10 < 4 {
                    200
                } else {
                    503
                };
                if !wire.send(answer(status, "x")) {
                    return;
                }
            }
        })
    };
    let run = |least: &str| {
        let target = some();
        let text = ONE.replace("grace: 1s", &format!("grace: 1s, min_ok: {least}"));
        Session::start(&format!(
            "{text}application: {{url: \"{}\", trace_header: none}}\ncollect: {{settle: 500ms}}\n",
            target.url()
        ))
        .finish()
    };
    assert_case(&run("50%"), "degraded", &["load.min_ok", "http_5xx"]);
    let fine = run("0.2");
    assert_eq!(fine.code(), 0, "{}", fine.stderr());
    assert_eq!(quality(&fine, "answers")[0].0, "ok");
}

#[test]
fn an_application_that_dies_in_mid_case_is_not_ok_whatever_it_answered_before() {
    let target = Target::healthy();
    let run = against(&target.url(), "");
    let enough = || (target.seen.requests() > 150).then_some(());
    wait_for(crate::session::PATIENCE, enough).expect("most of the load is answered");
    drop(target);
    assert_case(
        &run.finish(),
        "degraded",
        &["the application was gone from second"],
    );
}

/// Posts to the receiver and gives back the status line.
fn post(port: u16, path: &str, content_type: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    let length = body.len();
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .expect("it reads");
    let mut said = String::new();
    stream.read_to_string(&mut said).expect("it answers");
    said.lines().next().unwrap_or_default().to_owned()
}

/// An export of one span that begins now.
fn export(trace: &str, span: &str) -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_nanos();
    serde_json::json!({"resourceSpans": [{
        "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "web"}}]},
        "scopeSpans": [{"spans": [{"traceId": trace, "spanId": span, "name": "op", "kind": 2,
            "startTimeUnixNano": now.to_string(), "endTimeUnixNano": (now + 1_000_000).to_string()}]}],
    }]})
    .to_string()
}

#[test]
fn an_application_that_takes_up_no_header_gets_its_spans_by_time() {
    let (target, port) = (Target::healthy(), ports::free());
    let run = Session::start(&format!(
        "{ONE}application: {{url: \"{}\", trace_header: none}}\ncollect: {{settle: 1s, listen: \"127.0.0.1:{port}\"}}\n",
        target.url()
    ));
    run.wait_for_log("second 0 of the load has all its");
    for number in 1..=5 {
        let said = post(
            port,
            "/v1/traces",
            "application/json",
            &export(&format!("{number:032x}"), &format!("{number:016x}")),
        );
        assert!(said.contains("200"), "{said}");
    }
    let run = run.finish();
    assert_eq!(run.code(), 0, "{}{}", run.stderr(), run.stdout());
    assert_eq!((run.rows("spans").len(), run.rows("traces").len()), (5, 5));

    // Nobody exports to where somebody should: that is no case without a fault.
    let (target, port) = (Target::healthy(), ports::free());
    let run = Session::start(&format!(
        "{ONE}application: {{url: \"{}\", trace_header: none}}\ncollect: {{settle: 1s, listen: \"127.0.0.1:{port}\"}}\n",
        target.url()
    ));
    assert_case(
        &run.finish(),
        "degraded",
        &["no span has come to the receiver"],
    );
}

#[test]
fn whatever_the_receiver_refuses_or_drops_is_a_row_with_its_reason() {
    let port = ports::free();
    let run = Session::start(&format!(
        "{ONE}collect: {{settle: 5s, listen: \"127.0.0.1:{port}\"}}\n"
    ));
    run.wait_for_log("second 0 of the load has all its");
    let id = "00000000000000000000000000000001";
    let posts = [
        ("/v1/traces", "text/plain", "hello".to_owned(), "415"),
        (
            "/v1/traces",
            "application/json",
            "{\"resourceSpans\":".to_owned(),
            "400",
        ),
        (
            "/v1/traces",
            "application/x-protobuf",
            "nonsense".to_owned(),
            "400",
        ),
        ("/api/v2/spans", "application/json", "[]".to_owned(), "404"),
        (
            "/v1/traces",
            "application/json",
            export(id, "0000000000000001"),
            "200",
        ),
        (
            "/v1/traces",
            "application/json",
            export("00000000000000000000000000000000", "0000000000000001"),
            "200",
        ),
        // Metrics and logs are no spans.
        ("/v1/metrics", "application/json", "{}".to_owned(), "404"),
        ("/v1/logs", "application/json", "{}".to_owned(), "404"),
    ];
    for (path, content_type, body, status) in posts {
        let said = post(port, path, content_type, &body);
        assert!(said.contains(status), "{path} {content_type}: {said}");
    }
    let run = run.finish();
    assert_case(&run, "degraded", &["text/plain"]);
    let told = quality(&run, "receiver");
    let words = [
        "POST /api/v2/spans",
        "text/plain",
        "2 export requests were refused",
        "without a valid trace id",
        "of no case of this run",
    ];
    // One row is one source's delivery, with all its reasons.
    assert_eq!((told.len(), &*told[0].0), (1, "degraded"), "{told:?}");
    for word in words {
        assert!(told[0].3.contains(word), "{word}: {told:?}");
    }
    // The case's own spans are all there.
    assert_eq!(quality(&run, "traces")[0].0, "ok");
}

#[test]
fn a_run_of_which_every_case_failed_says_why_of_each() {
    let target = always(500);
    let run = Session::start(&format!(
        "axes: {{rate: [20], round: [1, 2]}}\nload: {{warmup: 0s, duration: 1s}}\n\
         application: {{url: \"{}\", trace_header: none}}\ncollect: {{settle: 500ms}}\n",
        target.url()
    ))
    .finish();
    assert_eq!(run.code(), 3);
    assert!(run.cases().iter().all(|(_, status, _)| status == "failed"));
    let told = run.stderr().matches("failed: round=").count();
    assert!(told >= 2, "{}", run.stderr());
    let empty = Session::start(
        "axes: {rate: [0.5]}\nload: {warmup: 500ms, duration: 1s, arrival: constant}\n",
    )
    .finish();
    assert_case(&empty, "failed", &["no request in the measured phase"]);
}
