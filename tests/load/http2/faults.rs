//! Servers that misbehave in HTTP/2, frame by frame.

use super::frames::{
    CONTINUATION, DATA, END, END_HEADERS, Frames, HEADERS, OK, PING, PUSH_PROMISE, RST_STREAM,
    each, frame, talk,
};
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
        run.outcome("connect") > 100 && run.outcome("ok") == 0,
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
    // The back-off: four connections try at 10, 20, 40, 80, 160, 320 ms.
    assert!(
        connections(&target) < 50,
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
fn a_window_that_never_opens() {
    let came = Arc::new(AtomicU32::new(0));
    let own = Arc::clone(&came);
    let target = talk(move |frames| {
        frames.settings(&[(4, 0)]);
        while let Some((kind, ..)) = frames.next() {
            own.fetch_add(u32::from(kind == DATA), Ordering::Relaxed);
        }
    });
    let run = load("--http2 -b body -T 200ms", &target.url());
    assert!(
        run.outcome("timeout") >= 8 && run.outcome("ok") == 0,
        "{}",
        run.json
    );
    assert_eq!(
        came.load(Ordering::Relaxed),
        0,
        "nothing is sent without a window"
    );
}

#[test]
fn settings_that_change() {
    // One stream at a time from the twentieth request on.
    let broke = Arc::new(AtomicBool::new(false));
    let own = Arc::clone(&broke);
    let target = talk(move |frames| {
        frames.settings(&[(3, 8)]);
        for _ in 0..20 {
            let Some(stream) = frames.request() else {
                return;
            };
            frames.answer(stream);
        }
        frames.settings(&[(3, 1)]);
        // What was sent before the client knew comes up to its ACK.
        let mut open = Vec::new();
        loop {
            match frames.next() {
                Some((HEADERS, _, stream, _)) => open.push(stream),
                Some((super::frames::SETTINGS, ..)) => break,
                Some(_) => {}
                None => return,
            }
        }
        for stream in open.drain(..) {
            frames.answer(stream);
        }
        while let Some(stream) = frames.request() {
            // A second request must not come before the answer to the first.
            let _ = frames.wire.stream().set_nonblocking(true);
            own.fetch_or(
                frames.wire.stream().peek(&mut [0]).is_ok(),
                Ordering::Relaxed,
            );
            let _ = frames.wire.stream().set_nonblocking(false);
            frames.answer(stream);
        }
    });
    load("--http2 -c 1 --streams 8", &target.url()).all("ok");
    assert!(!broke.load(Ordering::Relaxed), "more than one at a time");
}

/// A server that answers each request with these frames.
fn frames(make: impl Fn(u32) -> Vec<Vec<u8>> + Send + Sync + 'static) -> Target {
    each(move |frames, stream| frames.wire.send(make(stream).concat()))
}

#[test]
fn answers_that_are_none() {
    let head = |stream, flags, block: &[u8]| frame(HEADERS, flags, stream, block);
    let nothing = frames(move |stream| vec![head(stream, END_HEADERS | END, b"\0\x01a\x01b")]);
    let short = frames(move |stream| {
        vec![
            head(stream, END_HEADERS, b"\x88\x0f\x0d\x0250"),
            frame(DATA, END, stream, "short"),
        ]
    });
    let headless = frames(|stream| vec![frame(DATA, END, stream, "no head")]);
    for target in [nothing, short, headless] {
        load("--http2", &target.url()).all("protocol");
        assert_eq!(connections(&target), 4, "only the streams are broken");
    }
}

#[test]
fn frames_that_break_the_rules() {
    let push = frames(|stream| vec![frame(PUSH_PROMISE, END_HEADERS, stream, [0, 0, 0, 2, 0x82])]);
    let table = frames(|stream| vec![frame(HEADERS, END_HEADERS | END, stream, [0xbe])]);
    let long = frames(|_| vec![b"\xff\xff\xff\0\0\0\0\0\x01".to_vec()]);
    for target in [push, table, long] {
        let run = load("--http2", &target.url());
        assert!(
            run.outcome("protocol") > 0 && run.outcome("ok") == 0,
            "{}",
            run.json
        );
        run.fault("read HTTP/2: ");
    }
}

#[test]
fn a_flood_of_pings_from_a_server_that_does_not_read() {
    let target = talk(|frames| {
        frames.settings(&[]);
        let pings = frame(PING, 0, 0, [0; 8]).repeat(1000);
        while frames.wire.send(&pings) {}
    });
    let run = crate::harness::run(&mut crate::harness::program(&format!(
        "--http2 -R 200 -d 1s -c 1 -T 200ms -q --json {}",
        target.url()
    )));
    assert_eq!((run.outcome("ok"), run.sum()), (0, 200), "{}", run.json);
}

#[test]
fn interim_answers_padding_and_trailers() {
    let target = frames(|stream| {
        vec![
            frame(HEADERS, END_HEADERS, stream, b"\x08\x03103"),
            frame(HEADERS, END_HEADERS | 0x8, stream, b"\x02\x88\0\0"),
            frame(DATA, 0x8, stream, b"\x03hello\0\0\0"),
            frame(42, 0xff, stream, "an unknown type"),
            frame(HEADERS, END_HEADERS | END, stream, b"\0\x01a\x01b"),
        ]
    });
    load("--http2 --streams 2", &target.url()).all("ok");
}

#[test]
fn byte_by_byte() {
    let target = each(|frames, stream| {
        let bytes = [
            frame(HEADERS, END_HEADERS, stream, OK),
            frame(DATA, END, stream, "slow"),
        ]
        .concat();
        bytes.iter().all(|byte| frames.wire.send([*byte]))
    });
    load("--http2", &target.url()).all("ok");
}

#[test]
fn a_huge_head() {
    let field = [b"\0\x01x\x7f\x81\xff\x01".to_vec(), vec![b'y'; 32_768]].concat();
    let target = frames(move |stream| {
        let block = [OK, &field].concat();
        let pieces: Vec<_> = block.chunks(16_384).collect();
        let last = pieces.len() - 1;
        let piece = |(at, piece): (usize, &&[u8])| {
            let flags = if at == last { END_HEADERS } else { 0 };
            frame(
                if at == 0 { HEADERS } else { CONTINUATION },
                if at == 0 { END } else { flags },
                stream,
                piece,
            )
        };
        pieces.iter().enumerate().map(piece).collect()
    });
    load("--http2", &target.url()).all("ok");
}

#[test]
fn a_head_without_end() {
    let target = each(|frames, stream| {
        frames.send(HEADERS, 0, stream, OK);
        while frames.send(CONTINUATION, 0, stream, [0x88; 10_000]) {}
        false
    });
    let run = load("--http2", &target.url());
    assert!(
        run.outcome("protocol") > 0 && run.outcome("ok") == 0,
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
