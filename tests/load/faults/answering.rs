//! Answers that are odd, or no HTTP at all.

use super::{bytes, head, once};
use crate::harness::{load, program, run, say};
use aefm_tests::target::{Target, answer};

#[test]
fn byte_by_byte() {
    let target = Target::start(|wire| {
        while wire.request().is_some() {
            if !answer(200, "slow").bytes().all(|byte| wire.send([byte])) {
                break;
            }
        }
    });
    load("", &target.url()).all("ok");
}

#[test]
fn a_chunk_size_that_is_none() {
    let run = load(
        "",
        &bytes(head("Transfer-Encoding: chunked") + "xyz\r\nhello\r\n0\r\n\r\n").url(),
    );
    assert!(
        run.outcome("protocol") > 0 && run.outcome("ok") == 0,
        "{}",
        run.json
    );
    run.fault("chunks");
}

#[test]
fn chunks_that_break_off() {
    let run = load(
        "",
        &once(|wire| say(wire, head("Transfer-Encoding: chunked") + "5\r\nhel")).url(),
    );
    assert!(
        run.outcome("reset") > 0 && run.outcome("ok") == 0,
        "{}",
        run.json
    );
}

#[test]
fn chunks_with_trailers() {
    load(
        "",
        &bytes(head("Transfer-Encoding: chunked") + "5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n").url(),
    )
    .all("ok");
}

#[test]
fn a_length_beyond_the_body() {
    let run = load(
        "",
        &once(|wire| say(wire, head("Content-Length: 50") + "short")).url(),
    );
    assert!(
        run.outcome("reset") > 0 && run.outcome("ok") == 0,
        "{}",
        run.json
    );
    run.fault("closed the connection in the answer");
}

#[test]
fn a_length_short_of_the_body() {
    let run = load("", &bytes(head("Content-Length: 2") + "too much").url());
    assert!(run.outcome("ok") > 100, "{}", run.json);
}

#[test]
fn two_lengths() {
    let run = load(
        "",
        &bytes(head("Content-Length: 2\r\nContent-Length: 3") + "xyz").url(),
    );
    assert!(
        run.outcome("protocol") > 0 && run.outcome("ok") == 0,
        "{}",
        run.json
    );
}

#[test]
fn no_length_at_all() {
    load(
        "",
        &once(|wire| say(wire, head("X: y") + "until the end")).url(),
    )
    .all("ok");
}

#[test]
fn interim_answers() {
    load(
        "",
        &bytes(format!(
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nA: b\r\n\r\n{}",
            answer(200, "x")
        ))
        .url(),
    )
    .all("ok");
}

#[test]
fn answers_without_a_body() {
    load("", &bytes("HTTP/1.1 204 No Content\r\n\r\n").url()).all("ok");
    load(
        "",
        &bytes("HTTP/1.1 304 Not Modified\r\nContent-Length: 77\r\n\r\n").url(),
    )
    .all("ok");
    load("-m HEAD", &bytes(head("Content-Length: 77")).url()).all("ok");
}

#[test]
fn errors_by_status() {
    load("", &bytes(answer(404, "no")).url()).all("http_4xx");
    let run = load("", &bytes(answer(503, "no")).url());
    run.all("http_5xx");
    // Fast errors have their own times and never flatter the headline.
    assert!(run.json["error_time_us"]["http_5xx"]["p50"].is_number());
    assert!(
        run.json["response_time_us"]["p50"].is_null(),
        "{}",
        run.json
    );
    assert_eq!(run.code, 1);
}

#[test]
fn a_redirect_is_not_followed() {
    let target = bytes("HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n");
    load("", &target.url()).all("ok");
    assert!(
        target
            .seen
            .heads()
            .iter()
            .all(|head| head.starts_with("GET / "))
    );
}

#[test]
fn a_huge_head() {
    load(
        "",
        &bytes(
            head(&format!(
                "X: {}\r\nContent-Length: 1",
                "y".repeat(64 * 1024)
            )) + "z",
        )
        .url(),
    )
    .all("ok");
}

#[test]
fn a_head_without_end() {
    let target = once(|wire| {
        wire.send("HTTP/1.1 200 OK\r\n");
        while wire.send(format!("X: {}\r\n", "y".repeat(1000))) {}
    });
    // Each of them is read for a quarter of a megabyte before it is given up, which takes its time.
    let run = run(&mut program(&format!(
        "-R 50 -d 1s -c 4 -t 1 -q --json {}",
        target.url()
    )));
    assert!(
        run.outcome("protocol") > 0 && run.outcome("ok") == 0,
        "{}",
        run.json
    );
}

#[test]
fn junk_after_the_answer() {
    let run = load(
        "",
        &bytes(answer(200, "x") + "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\njunk").url(),
    );
    assert!(
        run.outcome("ok") > 100 && run.outcome("protocol") == 0,
        "{}",
        run.json
    );
}

#[test]
fn junk_before_any_request() {
    let run = load(
        "",
        &Target::start(|wire| say(wire, "220 mail ready\r\n")).url(),
    );
    assert_eq!(run.outcome("ok"), 0);
}

#[test]
fn no_http_at_all() {
    let run = load("", &bytes("SSH-2.0-OpenSSH_9.2\r\n").url());
    assert!(
        run.outcome("protocol") > 0 && run.outcome("ok") == 0,
        "{}",
        run.json
    );
}

#[test]
fn an_upgrade_nobody_asked_for() {
    let run = load("", &bytes("HTTP/1.1 101 Switching Protocols\r\n\r\n").url());
    assert!(
        run.outcome("protocol") > 0 && run.outcome("ok") == 0,
        "{}",
        run.json
    );
}

#[test]
fn an_answer_before_the_request_is_out() {
    // 8 MB do not fit into the sockets' buffers, and nobody reads them.
    let body = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(body.path(), vec![b'x'; 8 << 20]).unwrap();
    let target = Target::start(|wire| {
        wire.send(answer(413, "too large"));
        wire.half_close();
    });
    let run = load(
        &format!("-R 20 --body-file {}", body.path().display()),
        &target.url(),
    );
    assert_eq!((run.outcome("ok"), run.sum()), (0, 20));
}
