//! A session against a server of frames: what it sends, and what it makes of what comes.

mod bodies;
mod floods;
mod rules;

use super::*;
use crate::http2::frame::Frame;
use proptest::prelude::*;

/// A frame of the server's.
fn frame(kind: u8, flags: u8, stream: u32, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let mut bytes = Vec::new();
    push_header(&mut bytes, payload.as_ref().len(), kind, flags, stream);
    bytes.extend_from_slice(payload.as_ref());
    bytes
}

fn settings(pairs: &[(u16, u32)]) -> Vec<u8> {
    let pairs = pairs
        .iter()
        .flat_map(|(id, value)| [id.to_be_bytes().to_vec(), value.to_be_bytes().to_vec()].concat());
    frame(kind::SETTINGS, 0, 0, pairs.collect::<Vec<_>>())
}

fn window(stream: u32, more: u32) -> Vec<u8> {
    frame(kind::WINDOW_UPDATE, 0, stream, more.to_be_bytes())
}

fn reset(stream: u32, code: u32) -> Vec<u8> {
    frame(kind::RST_STREAM, 0, stream, code.to_be_bytes())
}

fn goaway(last: u32) -> Vec<u8> {
    frame(kind::GOAWAY, 0, 0, [last.to_be_bytes(), [0; 4]].concat())
}

const DONE: u8 = flag::END_HEADERS | flag::END_STREAM;

/// An answer of 200 without a body.
fn answer(stream: u32) -> Vec<u8> {
    frame(kind::HEADERS, DONE, stream, [0x88])
}

fn fed(session: &mut Session, bytes: impl AsRef<[u8]>) -> Vec<Event> {
    let mut events = Vec::new();
    session
        .feed(bytes.as_ref(), &mut events)
        .expect("nothing is wrong with it");
    events
}

fn fault(session: &mut Session, bytes: impl AsRef<[u8]>) -> Fault {
    session
        .feed(bytes.as_ref(), &mut Vec::new())
        .expect_err("something is wrong with it")
}

/// A session whose server has sent these settings; what was sent so far is forgotten.
fn greeted(streams: u32, pairs: &[(u16, u32)]) -> Session {
    let mut session = Session::new(streams);
    assert!(!session.has_room() && !session.greeted());
    assert_eq!(fed(&mut session, settings(pairs)), []);
    assert!(session.greeted());
    session.took(session.waiting().len());
    session
}

/// What waits to be sent, as frames: kind, flags, stream, payload.
fn sent(session: &mut Session) -> Vec<(u8, u8, u32, Vec<u8>)> {
    let bytes = session.waiting().to_vec();
    session.took(bytes.len());
    let (mut pieces, mut rest, mut frames) = (Pieces::default(), bytes.as_slice(), Vec::new());
    while let Some(Frame {
        kind,
        flags,
        stream,
        payload,
    }) = pieces.next(&mut rest).unwrap()
    {
        frames.push((kind, flags, stream, payload.to_vec()));
    }
    frames
}

fn get(session: &mut Session, key: u32) -> u32 {
    session.request(
        key,
        Parts {
            block: &[0x82],
            body: &[],
            bodiless: false,
        },
    )
}

fn post(session: &mut Session, key: u32, body: &[u8]) -> u32 {
    session.request(
        key,
        Parts {
            block: &[0x83],
            body,
            bodiless: false,
        },
    )
}

fn ended(key: u32, end: End, status: u16, bytes: u64) -> Event {
    Event::Ended {
        key,
        end,
        status,
        bytes,
    }
}

#[test]
fn it_begins_with_the_preface() {
    let session = Session::new(1);
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    assert!(session.waiting().starts_with(preface));
    let mut rest = &session.waiting()[preface.len()..];
    let mut pieces = Pieces::default();
    let frame = pieces.next(&mut rest).unwrap().unwrap();
    assert_eq!(
        (frame.kind, frame.flags, frame.stream),
        (kind::SETTINGS, 0, 0)
    );
    // No table, no push.
    assert!(
        frame
            .payload
            .starts_with(&[0, 1, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0])
    );
}

#[test]
fn a_request_and_its_answer() {
    let mut session = greeted(1, &[]);
    assert_eq!(get(&mut session, 7), 1);
    assert!(!session.has_room());
    assert_eq!(sent(&mut session), [(kind::HEADERS, DONE, 1, vec![0x82])]);
    assert_eq!(
        fed(
            &mut session,
            frame(kind::HEADERS, flag::END_HEADERS, 1, [0x88])
        ),
        [Event::Begun { key: 7 }]
    );
    // Padded by three.
    let body = frame(
        kind::DATA,
        flag::END_STREAM | flag::PADDED,
        1,
        b"\x03hello\0\0\0",
    );
    assert_eq!(
        fed(&mut session, body),
        [ended(7, End::Answered, 200, 10 + 18)]
    );
    assert!(session.has_room());
    assert_eq!(get(&mut session, 7), 3);
}

#[test]
fn interim_answers_and_trailers_belong_to_it() {
    let mut session = greeted(1, &[]);
    get(&mut session, 0);
    let interim = frame(kind::HEADERS, flag::END_HEADERS, 1, b"\x08\x03103");
    let head = frame(
        kind::HEADERS,
        flag::END_HEADERS | flag::PRIORITY,
        1,
        b"\0\0\0\0\0\x8d",
    );
    let trailers = frame(kind::HEADERS, DONE, 1, b"\0\x01a\x01b");
    let events = fed(&mut session, [interim, head, trailers].concat());
    assert_eq!(
        events,
        [
            Event::Begun { key: 0 },
            ended(0, End::Answered, 404, 14 + 15 + 14)
        ]
    );
}

#[test]
fn as_many_streams_as_both_sides_allow() {
    let mut session = greeted(3, &[(3, 2)]);
    get(&mut session, 0);
    get(&mut session, 1);
    assert!(!session.has_room());
    fed(&mut session, settings(&[(3, 100)]));
    get(&mut session, 2);
    assert!(!session.has_room());
    fed(&mut session, settings(&[(3, 0)]));
    fed(&mut session, [answer(1), answer(3), answer(5)].concat());
    assert!(!session.has_room(), "the server takes none at all for now");
    fed(&mut session, settings(&[(3, 1)]));
    assert!(session.has_room());
}

#[test]
fn a_head_may_need_several_frames() {
    let mut session = greeted(1, &[]);
    let block = vec![0x82; 40_000];
    session.request(
        0,
        Parts {
            block: &block,
            body: &[],
            bodiless: false,
        },
    );
    let frames = sent(&mut session);
    let shapes: Vec<_> = frames
        .iter()
        .map(|frame| (frame.0, frame.1, frame.3.len()))
        .collect();
    let expected = [
        (kind::HEADERS, flag::END_STREAM, 16_384),
        (kind::CONTINUATION, 0, 16_384),
        (kind::CONTINUATION, flag::END_HEADERS, 7_232),
    ];
    assert_eq!(shapes, expected);
    let begin = frame(kind::HEADERS, flag::END_STREAM, 1, [0x88]);
    assert_eq!(fed(&mut session, &begin), [Event::Begun { key: 0 }]);
    let end = frame(kind::CONTINUATION, flag::END_HEADERS, 1, b"\0\x01a\x01b");
    assert_eq!(
        fed(&mut session, end),
        [ended(0, End::Answered, 200, 10 + 14)]
    );
}

#[test]
fn streams_that_the_server_resets_or_does_not_take() {
    let mut session = greeted(9, &[]);
    for key in 0..4 {
        get(&mut session, key);
    }
    assert_eq!(
        fed(&mut session, reset(3, 7)),
        [ended(1, End::Reset(Code(7)), 0, 0)]
    );
    assert_eq!(fed(&mut session, reset(3, 7)), [], "twice does no harm");
    // A warning first, as RFC 9113 has it for a graceful end.
    assert_eq!(fed(&mut session, goaway(u32::MAX >> 1)), []);
    assert!(session.is_leaving() && !session.has_room());
    let lost = [
        ended(2, End::NotTaken(Code(0)), 0, 0),
        ended(3, End::NotTaken(Code(0)), 0, 0),
    ];
    assert_eq!(fed(&mut session, goaway(1)), lost);
    assert_eq!(
        fed(&mut session, answer(1)).pop(),
        Some(ended(0, End::Answered, 200, 10))
    );
    assert_eq!(session.under_way(), 0);
}

#[test]
fn pings_are_answered_and_asked() {
    let mut session = greeted(1, &[]);
    fed(&mut session, frame(kind::PING, 0, 0, b"12345678"));
    assert_eq!(
        sent(&mut session),
        [(kind::PING, flag::ACK, 0, b"12345678".to_vec())]
    );
    assert_eq!((session.ping(5), session.ping(9)), (None, Some(5)));
    assert_eq!(sent(&mut session).len(), 1);
    fed(&mut session, frame(kind::PING, flag::ACK, 0, [0; 8]));
    assert_eq!(session.ping(11), None);
}

#[test]
fn ids_run_out_and_the_connection_leaves() {
    let mut session = greeted(1, &[]);
    session.streams = Streams::starting_at(LAST_ID - 2);
    get(&mut session, 0);
    fed(&mut session, answer(LAST_ID - 2));
    assert!(session.has_room() && !session.is_leaving());
    assert_eq!(get(&mut session, 0), LAST_ID);
    assert!(session.is_leaving() && !session.has_room());
    fed(&mut session, answer(LAST_ID));
    assert_eq!(session.under_way(), 0);
}

proptest! {
    #[test]
    fn pieces_make_no_difference(cuts in prop::collection::vec(1..40usize, 1..20), order in Just((0..6u32).collect::<Vec<_>>()).prop_shuffle()) {
        let mut wire = Vec::new();
        for id in order.iter().map(|key| 2 * key + 1) {
            wire.extend(frame(kind::HEADERS, 0, id, [0x88]));
            wire.extend(frame(kind::CONTINUATION, flag::END_HEADERS, id, b"\0\x01a\x01b"));
            wire.extend(frame(kind::PING, 0, 0, [1; 8]));
            wire.extend(frame(kind::DATA, 0, id, vec![b'x'; id as usize * 9]));
            wire.extend(frame(kind::DATA, flag::END_STREAM, id, []));
        }
        let talk = |cuts: &[usize]| {
            let mut session = greeted(6, &[]);
            for key in 0..6 {
                get(&mut session, key);
            }
            let (mut rest, mut events) = (wire.as_slice(), Vec::new());
            for cut in cuts.iter().cycle() {
                let (piece, after) = rest.split_at(rest.len().min(*cut));
                events.extend(fed(&mut session, piece));
                rest = after;
                if rest.is_empty() {
                    break;
                }
            }
            (events, session.waiting().to_vec())
        };
        let whole = talk(&[wire.len()]);
        prop_assert_eq!(whole.0.len(), 12);
        prop_assert_eq!(talk(&cuts), whole);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), kind in 0..11u8, flags: u8, stream in 0..5u32) {
        let mut session = greeted(2, &[]);
        get(&mut session, 0);
        post(&mut session, 1, b"body");
        let _ = session.feed(&frame(kind, flags, stream, &bytes), &mut Vec::new());
        let _ = session.feed(&bytes, &mut Vec::new());
        while session.take().is_some() {}
        prop_assert_eq!(session.under_way(), 0);
    }
}
