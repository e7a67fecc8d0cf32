//! Servers that flood a connection with frames, and such that allow no streams.

use super::frames::{
    CONTINUATION, DATA, END, END_HEADERS, Frames, HEADERS, OK, PING, RST_STREAM, SETTINGS,
    WINDOW_UPDATE, each, frame, talk,
};
use crate::floods::flooded;
use crate::harness::{load, program, run};
use aefm_tests::target::Target;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

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

/// A server whose first connection goes on like this from its first request on; others are healthy.
fn flooding(first: Vec<u8>, block: &[u8]) -> Target {
    let block = block.repeat((1 << 18) / block.len() + 1);
    let flooded = AtomicBool::new(false);
    talk(move |frames: &mut Frames<'_>| {
        frames.settings(&[]);
        while let Some(stream) = frames.request() {
            if !flooded.swap(true, Ordering::Relaxed) {
                frames.wire.send(&first);
                while frames.wire.send(&block) {}
                return;
            }
            frames.answer(stream);
        }
    })
}

#[test]
fn floods_are_ended_and_named() {
    let head = frame(HEADERS, END_HEADERS, 1, OK);
    for (first, block, word) in [
        (head, frame(DATA, 0, 1, ""), "empty DATA"),
        (vec![], frame(2, 0, 1, [0; 5]), "PRIORITY"),
        (vec![], frame(0x42, 0, 0, ""), "unknown types"),
        (vec![], frame(SETTINGS, END, 0, ""), "SETTINGS"),
        (vec![], frame(SETTINGS, 0, 0, ""), "SETTINGS"),
        (vec![], frame(PING, END, 0, [0; 8]), "PING"),
        (vec![], frame(PING, 0, 0, [0; 8]), "PING"),
        (
            vec![],
            frame(WINDOW_UPDATE, 0, 0, [0, 0, 0, 1]),
            "WINDOW_UPDATE",
        ),
        (
            vec![],
            frame(HEADERS, END_HEADERS, 1, b"\x08\x03103"),
            "HEADERS",
        ),
        (
            frame(HEADERS, 0, 1, OK),
            frame(CONTINUATION, 0, 1, ""),
            "CONTINUATION",
        ),
        (
            frame(RST_STREAM, 0, 1, [0; 4]),
            frame(RST_STREAM, 0, 1, [0; 4]),
            "RST_STREAM",
        ),
    ] {
        let run = flooded("--http2", &flooding(first, &block).url());
        run.fault(word);
        let broken = run.outcome("protocol") + run.outcome("reset");
        assert!(
            (1..=2).contains(&broken) && run.outcome("ok") >= 50,
            "{word}: {}",
            run.json
        );
    }
}

#[test]
fn a_body_without_end_times_out() {
    let target = flooding(
        frame(HEADERS, END_HEADERS, 1, OK),
        &frame(DATA, 0, 1, vec![b'x'; 16_384]),
    );
    let run = flooded("--http2", &target.url());
    // The connection gets one more request before its silence to a PING ends it.
    assert!(
        (1..=2).contains(&run.outcome("timeout")) && run.outcome("ok") >= 50,
        "{}",
        run.json
    );
    run.fault("its body did not end");
}

#[test]
fn a_server_that_allows_no_streams_ends_no_later_for_it() {
    let none = || {
        talk(|frames| {
            frames.settings(&[(3, 0)]);
            while frames.next().is_some() {}
        })
    };
    let refusing = none();
    let run = run(&mut program(&format!(
        "--http2 -R 100 --requests 10 -c 2 --connect-timeout 200ms -q --json {}",
        refusing.url()
    )));
    assert_eq!((run.outcome("ok"), run.sum()), (0, 10), "{}", run.json);
    run.fault("MAX_CONCURRENT_STREAMS");
    // Some for a while, and then none any more: it is asked anew.
    let target = talk(|frames| {
        frames.settings(&[]);
        for _ in 0..20 {
            let Some(stream) = frames.request() else {
                return;
            };
            frames.answer(stream);
        }
        frames.settings(&[(3, 0)]);
        while frames.next().is_some() {}
    });
    let run = load("--http2 --connect-timeout 100ms", &target.url());
    assert!(run.outcome("ok") > 80, "{}", run.json);
    run.fault("MAX_CONCURRENT_STREAMS");
}
