//! Answers at the edge of HTTP/1.1, and what must not be taken for the answer to the next request.

use crate::harness::{load, program, run};
use aefm_tests::target::{Target, answer};

/// A server that answers like this and keeps the connection.
fn bytes(bytes: impl Into<Vec<u8>>) -> Target {
    let bytes = bytes.into();
    Target::start(move |wire| while wire.request().is_some_and(|_| wire.send(&bytes)) {})
}

fn head(fields: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n")
}

#[test]
fn a_folded_line_is_read() {
    load(
        "",
        &bytes(head("X-A: b\r\n c\r\nContent-Length: 5") + "hello").url(),
    )
    .all("ok");
}

#[test]
fn thousands_of_fields_are_read() {
    let fields: String = (0..5000).map(|n| format!("X-{n}: y\r\n")).collect();
    load(
        "",
        &bytes(head(&format!("{fields}Content-Length: 5")) + "hello").url(),
    )
    .all("ok");
}

#[test]
fn a_coding_other_than_chunked_ends_with_the_connection() {
    let target = Target::start(|wire| {
        wire.request();
        wire.send(head("Transfer-Encoding: gzip\r\nContent-Length: 2") + "all of it");
    });
    let run = load("", &target.url());
    run.all("ok");
    let answer_bytes = head("Transfer-Encoding: gzip\r\nContent-Length: 2").len() + 9;
    assert_eq!(
        run.number("bytes_received"),
        run.outcome("ok") * answer_bytes as u64,
        "{}",
        run.json
    );
}

#[test]
fn what_is_no_status_counts_as_a_servers_error() {
    for status in ["099", "600", "999"] {
        let run = load(
            "",
            &bytes(format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n")).url(),
        );
        run.all("http_5xx");
    }
}

#[test]
fn a_stale_answer_is_nobodys() {
    // The first answer fills the reader's buffer to its last byte, and another one, of an error, lies behind it.
    let whole = answer(200, "");
    let body = "x".repeat(64 * 1024 - whole.len() - 4);
    let first = answer(200, &body);
    assert_eq!(first.len(), 64 * 1024);
    let target = bytes(first + &answer(500, "stale"));
    let run = run(&mut program(&format!(
        "--closed -d 1s -c 2 -t 1 -q --json {}",
        target.url()
    )));
    // What comes only after the next request was sent can be told from an answer to it by nobody: of a hundred stale
    // answers some do. Where the buffer's edge hides them, every second answer is one.
    let (ok, stale) = (run.outcome("ok"), run.outcome("http_5xx"));
    assert!(ok > 10 && stale < ok / 5, "{}", run.json);
}
