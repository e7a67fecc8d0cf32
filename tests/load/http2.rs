//! HTTP/2: what a sound server sees, and servers that misbehave. Whatever they do: the run ends, nothing spins, and the
//! outcomes add up.

mod faults;
mod floods;
mod frames;
mod rules;
pub(crate) mod served;
mod tls;

use crate::harness::{load, program, run};
use served::{Manner, Served};
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

#[test]
fn a_sound_server_is_all_ok() {
    let server = Served::start(Manner {
        body_bytes: 5,
        ..Manner::default()
    });
    let url = format!("{}path?query=1", server.url());
    let run = load("--http2 -H X-Own:value -H Host:name.test --trace w3c", &url);
    run.all("ok");
    assert_eq!(
        (run.json["protocol"].as_str(), run.json["streams"].as_u64()),
        (Some("HTTP/2"), Some(1))
    );
    assert_eq!(run.json["status"]["200"].as_u64(), Some(run.outcome("ok")));
    assert!(
        run.number("bytes_received") >= run.outcome("ok") * (9 + 9 + 5),
        "{}",
        run.json
    );
    assert!(
        run.json["first_byte_us"]["p50"].as_f64() <= run.json["service_time_us"]["p50"].as_f64()
    );
    assert_eq!(server.seen.connections.load(Ordering::Relaxed), 4);
    let requests = server.seen.requests.lock().unwrap();
    for (parts, body_bytes) in requests.iter() {
        assert_eq!(
            (&parts.method, parts.uri.to_string()),
            (&http::Method::GET, "http://name.test/path?query=1".into())
        );
        assert_eq!(
            (
                parts.headers["x-own"].to_str().unwrap(),
                *body_bytes,
                parts.headers.len()
            ),
            ("value", 0, 2)
        );
    }
    let contexts: BTreeSet<_> = requests
        .iter()
        .map(|(parts, _)| parts.headers["traceparent"].as_bytes())
        .collect();
    assert_eq!(contexts.len(), requests.len(), "each request has its trace");
    assert!(
        contexts
            .iter()
            .all(|context| context.len() == 55 && context.starts_with(b"00-"))
    );
}

#[test]
fn requests_share_a_connection() {
    let server = Served::start(Manner {
        delay: Duration::from_millis(50),
        ..Manner::default()
    });
    // Ten at a time on average, of which one connection takes four.
    let few = load("--http2 -c 1 --streams 4", &server.url());
    assert_eq!(server.seen.at_a_time.load(Ordering::Relaxed), 4);
    assert!(
        few.outcome("unsent") > 50 && few.json["wait_us"]["p50"].as_f64() > Some(10_000.0),
        "{}",
        few.json
    );
    load("--http2 -c 1 --streams 100 --grace 1s", &server.url()).all("ok");
    assert!(server.seen.at_a_time.load(Ordering::Relaxed) > 4);
    assert_eq!(server.seen.connections.load(Ordering::Relaxed), 2);
}

#[test]
fn the_server_may_allow_one_at_a_time() {
    let server = Served::start(Manner {
        streams_max: Some(1),
        ..Manner::default()
    });
    load("--http2 -c 2 --streams 100", &server.url()).all("ok");
    assert_eq!(server.seen.at_a_time.load(Ordering::Relaxed), 1);
}

#[test]
fn the_closed_loop_keeps_all_streams_busy() {
    let server = Served::start(Manner {
        delay: Duration::from_millis(5),
        ..Manner::default()
    });
    let run = run(&mut program(&format!(
        "--closed --http2 -c 2 --streams 8 -d 1s -q --json {}",
        server.url()
    )));
    assert_eq!(server.seen.at_a_time.load(Ordering::Relaxed), 8);
    assert_eq!(run.sum(), run.number("intended"));
    assert!(
        run.outcome("ok") > 200 && run.outcome("unfinished") <= 16,
        "{}",
        run.json
    );
    assert_eq!(
        run.outcome("ok") + run.outcome("unfinished"),
        run.sum(),
        "{}",
        run.json
    );
}

#[test]
fn the_pool_may_grow() {
    let server = Served::start(Manner {
        delay: Duration::from_millis(50),
        ..Manner::default()
    });
    let run = load(
        "--http2 -c 1 --streams 2 --connections-max 8",
        &server.url(),
    );
    let connections = server.seen.connections.load(Ordering::Relaxed);
    assert!(
        (4..=8).contains(&connections),
        "{connections} connections: {}",
        run.json
    );
}

#[test]
fn bodies_beyond_the_windows_arrive() {
    let body = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(body.path(), vec![b'x'; 300_000]).unwrap();
    let server = Served::start(Manner {
        body_bytes: 300_000,
        ..Manner::default()
    });
    let run = load(
        &format!(
            "--http2 -R 40 --streams 4 --grace 2s --body-file {}",
            body.path().display()
        ),
        &server.url(),
    );
    assert_eq!((run.outcome("ok"), run.sum()), (40, 40), "{}", run.json);
    for (parts, body_bytes) in server.seen.requests.lock().unwrap().iter() {
        assert_eq!(
            (
                parts.method.as_str(),
                parts.headers["content-length"].as_bytes()
            ),
            ("POST", b"300000".as_slice())
        );
        assert_eq!(*body_bytes, 300_000);
    }
}

#[test]
fn workloads_are_spoken() {
    let server = Served::start(Manner::default());
    load(
        "--http2 -c 2 --streams 4 -w hotel-reservation/mixed",
        &server.url(),
    )
    .all("ok");
    let requests = server.seen.requests.lock().unwrap();
    let paths: BTreeSet<_> = requests.iter().map(|(parts, _)| parts.uri.path()).collect();
    assert!(paths.contains("/hotels") && paths.len() > 1, "{paths:?}");
}

#[test]
fn errors_by_status() {
    let status = |status| {
        Served::start(Manner {
            status: Some(status),
            ..Manner::default()
        })
    };
    load("--http2", &status(404).url()).all("http_4xx");
    load("--http2", &status(503).url()).all("http_5xx");
    load("--http2", &status(302).url()).all("ok");
}

#[test]
fn answers_to_head_have_no_body() {
    let server = Served::start(Manner::default());
    load("--http2 -m HEAD", &server.url()).all("ok");
    assert_eq!(
        server.seen.requests.lock().unwrap()[0].0.method,
        http::Method::HEAD
    );
}

#[test]
fn what_http2_has_no_use_for_is_refused() {
    for (arguments, word) in [
        ("--http2 -H Connection:close", "HTTP/2 has no such field"),
        ("--http2 --streams 0", "at least 1"),
        ("--http2 --no-keepalive", "many requests"),
        ("--streams 4", "--http2"),
    ] {
        let output = program(&format!("-R 10 -d 1s {arguments} http://127.0.0.1:1/"))
            .output()
            .unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.code() == Some(2) && err.contains(word),
            "{arguments}: {err}"
        );
    }
}

#[test]
fn trailers_may_be_asked_for() {
    let server = Served::start(Manner::default());
    load("--http2 -H TE:trailers", &server.url()).all("ok");
    let requests = server.seen.requests.lock().unwrap();
    assert!(
        requests
            .iter()
            .all(|(parts, _)| parts.headers["te"].as_bytes() == b"trailers")
    );
}
