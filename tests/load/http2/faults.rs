//! Servers that reset, go away, hang and close in HTTP/2.

use super::frames::{DATA, END_HEADERS, Frames, HEADERS, OK, RST_STREAM, each, talk};
use crate::harness::{load, say};
use aefm_tests::target::{Target, answer, reset};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

fn connections(target: &Target) -> u64 {
    target.seen.connections.load(Ordering::Relaxed)
}

#[test]
fn a_server_that_speaks_http1() {
    let run = load(
        "--http2",
        &Target::start(|wire| while wire.request().is_some_and(|_| wire.send(answer(400, ""))) {})
            .url(),
    );
    run.all("connect");
    run.fault("agree on HTTP/2: the server speaks HTTP/1, not HTTP/2");
    assert!(
        run.code == 1 && run.stderr.contains("speaks HTTP/1"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_server_that_speaks_neither() {
    let run = load(
        "--http2",
        &Target::start(|wire| say(wire, "220 mail ready\r\n")).url(),
    );
    run.all("connect");
    run.fault("does not speak HTTP/2");
}

#[test]
fn closed_before_the_settings() {
    // What the client says first is read, so that the end is an orderly one.
    let target = talk(|frames| {
        frames.next();
        frames.next();
    });
    let run = load("--http2", &target.url());
    run.all("connect");
    run.fault("agree on HTTP/2: the server closed the connection");
}

#[test]
fn settings_that_never_come() {
    let run = load(
        "--http2 --connect-timeout 200ms",
        &talk(|frames| frames.wire.hang()).url(),
    );
    assert!(
        run.outcome("connect") > 0 && run.outcome("connect") + run.outcome("unsent") == 200,
        "{}",
        run.json
    );
    run.fault("agree on HTTP/2: timed out");
}

#[test]
fn each_stream_is_reset() {
    let target = each(|frames, stream| frames.send(RST_STREAM, 0, stream, 7u32.to_be_bytes()));
    let run = load("--http2 --streams 4", &target.url());
    run.all("reset");
    run.fault("the server reset the stream (REFUSED_STREAM)");
    assert_eq!(connections(&target), 4, "the connections stay");
}

#[test]
fn reset_in_the_answer() {
    let target = each(|frames, stream| {
        frames.send(HEADERS, END_HEADERS, stream, OK);
        frames.send(DATA, 0, stream, "half")
            && frames.send(RST_STREAM, 0, stream, 2u32.to_be_bytes())
    });
    let run = load("--http2", &target.url());
    run.all("reset");
    run.fault("INTERNAL_ERROR");
}

#[test]
fn a_server_that_goes_away_gracefully() {
    // Every tenth answer is a connection's last one; what was sent behind it was not taken.
    let target = talk(|frames| {
        frames.settings(&[]);
        for _ in 0..9 {
            let Some(stream) = frames.request() else {
                return;
            };
            frames.answer(stream);
        }
        let Some(stream) = frames.request() else {
            return;
        };
        frames.goaway(stream);
        frames.answer(stream);
    });
    let run = load("--http2 -c 2 --streams 4", &target.url());
    assert!(run.outcome("ok") > 180, "{}", run.json);
    assert!(
        connections(&target) > 15 && run.number("reconnects") > 13,
        "{}",
        run.json
    );
    assert_eq!(
        run.outcome("protocol") + run.outcome("connect") + run.outcome("timeout"),
        0,
        "{}",
        run.json
    );
}

#[test]
fn a_connection_that_goes_away_is_replaced_at_once() {
    // The last stream of each connection hangs, and so does the connection; the next one does the work meanwhile.
    let target = talk(|frames| {
        frames.settings(&[]);
        for _ in 0..40 {
            let Some(stream) = frames.request() else {
                return;
            };
            frames.answer(stream);
        }
        let Some(stream) = frames.request() else {
            return;
        };
        frames.goaway(stream);
        while frames.next().is_some() {}
    });
    let run = load("--http2 -c 1 --streams 8", &target.url());
    assert!(
        run.outcome("ok") > 170 && connections(&target) >= 4,
        "{}",
        run.json
    );
    assert!(
        run.outcome("unfinished") >= 3,
        "those that hang do not hold up the others: {}",
        run.json
    );
}

#[test]
fn streams_that_the_server_did_not_take() {
    let target = talk(|frames| {
        frames.settings(&[]);
        if let (Some(first), Some(_)) = (frames.request(), frames.request()) {
            frames.goaway(first);
            frames.answer(first);
        }
    });
    let run = load("--http2 -c 1 --streams 4 -R 200", &target.url());
    assert!(
        run.outcome("ok") > 10 && run.outcome("reset") > 10,
        "{}",
        run.json
    );
    run.fault("the server went away before it took the request");
}

#[test]
fn a_server_that_goes_away_at_once() {
    let target = talk(|frames| {
        frames.settings(&[]);
        frames.goaway(0);
        frames.wire.hang();
    });
    let run = load("--http2", &target.url());
    assert_eq!(run.outcome("ok"), 0, "{}", run.json);
    // A request that is due opens a connection at once, so that there are no more of them than requests and tries besides.
    assert!(
        connections(&target) < 240,
        "{} connections",
        connections(&target)
    );
}

#[test]
fn answers_that_never_come() {
    let target = each(|_, _| true);
    let run = load("--http2 -T 200ms --streams 4", &target.url());
    assert!(
        run.outcome("timeout") >= 16 && run.outcome("ok") == 0,
        "{}",
        run.json
    );
    assert_eq!(
        connections(&target),
        4,
        "each stream is cancelled, and the connections stay"
    );
    assert!(
        run.json["lower_bound"]
            .as_array()
            .unwrap()
            .contains(&"p50".into()),
        "{}",
        run.json
    );
}

#[test]
fn what_times_out_is_cancelled_and_may_still_be_answered() {
    let cancelled = Arc::new(AtomicU32::new(0));
    let own = Arc::clone(&cancelled);
    // Answers to what was cancelled, all at once and too late.
    let target = talk(move |frames| {
        frames.settings(&[]);
        while let Some((kind, _, stream, payload)) = frames.next() {
            if kind == RST_STREAM {
                assert_eq!(payload, [0, 0, 0, 8]);
                own.fetch_add(1, Ordering::Relaxed);
                frames.answer(stream);
            }
        }
    });
    let run = load("--http2 -T 100ms --streams 2", &target.url());
    assert!(
        run.outcome("timeout") > 16 && run.outcome("ok") == 0,
        "{}",
        run.json
    );
    assert!(
        u64::from(cancelled.load(Ordering::Relaxed)) >= run.outcome("timeout") / 2,
        "{}",
        run.json
    );
    assert_eq!(connections(&target), 4);
}

#[test]
fn a_server_that_is_dead_is_left() {
    // Every other connection dies behind its tenth answer: no more answers, not even to a PING.
    let odd = AtomicBool::new(false);
    let target = talk(move |frames| {
        frames.answers_pings = odd.fetch_xor(true, Ordering::Relaxed);
        frames.settings(&[]);
        let mut answers = 0;
        while let Some(stream) = frames.request() {
            answers += 1;
            if frames.answers_pings || answers <= 10 {
                frames.answer(stream);
            }
        }
    });
    let run = load("--http2 -c 1 -T 100ms -d 2s -R 100", &target.url());
    run.fault("does not answer a PING");
    assert!(
        run.outcome("timeout") >= 2 && run.outcome("ok") > 10 && connections(&target) > 1,
        "{}",
        run.json
    );
}

#[test]
fn closed_and_reset_in_the_answer() {
    let half = |frames: &mut Frames<'_>, stream: u32| {
        frames.send(HEADERS, END_HEADERS, stream, OK);
        false
    };
    let closed = each(half);
    let torn = each(move |frames, stream| {
        reset(frames.wire);
        half(frames, stream)
    });
    for target in [closed, torn] {
        let run = load("--http2 --streams 2", &target.url());
        assert!(
            run.outcome("reset") > 0 && run.outcome("ok") == 0,
            "{}",
            run.json
        );
    }
}

#[test]
fn closed_when_idle() {
    let target = talk(|frames| {
        frames.settings(&[]);
        let _ = frames
            .wire
            .stream()
            .set_read_timeout(Some(std::time::Duration::from_millis(5)));
        while frames.request().is_some_and(|stream| frames.answer(stream)) {}
    });
    let run = load("--http2", &target.url());
    assert!(run.outcome("ok") > 100, "{}", run.json);
}

#[test]
fn a_server_that_stops_for_the_end_of_the_run() {
    let answers = AtomicU32::new(0);
    let target = each(move |frames, stream| {
        answers.fetch_add(1, Ordering::Relaxed) >= 100 || frames.answer(stream)
    });
    let run = load("--http2 -c 2 --streams 2", &target.url());
    assert!(
        run.outcome("ok") <= 100 && run.outcome("unfinished") == 4,
        "{}",
        run.json
    );
    assert!(
        run.outcome("unsent") >= 80 && run.json["verdict"] == "suspect",
        "{}",
        run.json
    );
    assert!(
        run.json["lower_bound"]
            .as_array()
            .unwrap()
            .contains(&"p90".into()),
        "{}",
        run.json
    );
}
