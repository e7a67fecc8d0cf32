//! Answers in HTTP/2 at and beyond the edge of its rules.

use super::frames::{
    CONTINUATION, DATA, END, END_HEADERS, HEADERS, OK, PING, PUSH_PROMISE, SETTINGS, WINDOW_UPDATE,
    each, frame,
};
use crate::harness::load;
use aefm_tests::target::Target;
use std::sync::atomic::Ordering;

fn connections(target: &Target) -> u64 {
    target.seen.connections.load(Ordering::Relaxed)
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
fn a_stream_whose_fields_are_unsound_is_reset() {
    let blocks: [&'static [u8]; 7] = [
        b"\x88\0\x01A\x01b",
        b"\x88\0\0\x01b",
        b"\x88\0\x0aconnection\x05close",
        b"\0\x01a\x01b\x88",
        b"\x88\x88",
        b"\x88\x82",
        b"\x88\0\x01a\x03b\0c",
    ];
    let targets = blocks
        .map(|block| frames(move |stream| vec![frame(HEADERS, END_HEADERS | END, stream, block)]));
    let beyond = frames(|stream| {
        vec![
            frame(HEADERS, END_HEADERS, stream, b"\x88\x0f\x0d\x012"),
            frame(DATA, 0, stream, "more, and no end"),
        ]
    });
    let window = frames(|stream| vec![frame(WINDOW_UPDATE, 0, stream, [0x7f, 0xff, 0xff, 0xff])]);
    for target in targets.iter().chain([&beyond, &window]) {
        let run = load("--http2 -R 20 -d 300ms", &target.url());
        assert!(
            run.outcome("protocol") > 0 && run.outcome("ok") == 0,
            "{}",
            run.json
        );
        run.fault("read the answer: ");
        assert_eq!(connections(target), 4, "only the streams are broken");
    }
}

#[test]
fn a_connection_that_is_against_the_rules_is_left() {
    let push = frames(|_| vec![frame(SETTINGS, 0, 0, [0, 2, 0, 0, 0, 1])]);
    let ping = frames(|stream| vec![frame(PING, 0, stream, [0; 8])]);
    let table = frames(|stream| vec![frame(HEADERS, END_HEADERS | END, stream, b"\x88\x20")]);
    let padding = frames(|stream| {
        vec![frame(
            HEADERS,
            END_HEADERS | END,
            stream,
            b"\x88\0\x01a\x82\x1f\xff",
        )]
    });
    for target in [push, ping, table, padding] {
        let run = load("--http2 -R 20 -d 300ms", &target.url());
        assert!(
            run.outcome("protocol") > 0 && run.outcome("ok") == 0,
            "{}",
            run.json
        );
        run.fault("read HTTP/2: ");
    }
}
