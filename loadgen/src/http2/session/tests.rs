//! A session against a server of frames: what it sends, and what it makes of what comes.

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
fn what_is_no_http2_is_told_by_its_first_bytes() {
    assert_eq!(
        fault(&mut Session::new(1), "HTTP/1.1 400 Bad Request\r\n\r\n"),
        Fault::Http1
    );
    assert_eq!(
        fault(&mut Session::new(1), "220 mail ready\r\n"),
        Fault::Preface
    );
    assert_eq!(
        fault(&mut Session::new(1), frame(kind::PING, 0, 0, [0; 8])),
        Fault::Preface
    );
    assert_eq!(
        fault(
            &mut Session::new(1),
            frame(kind::SETTINGS, flag::ACK, 0, [])
        ),
        Fault::Preface
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
fn answers_that_are_none() {
    let head = |flags, block: &[u8]| frame(kind::HEADERS, flags, 1, block);
    for bytes in [
        head(DONE, b"\0\x01a\x01b"),
        head(DONE, b"\x08\x02xx"),
        head(flag::END_HEADERS, b"\x08\x03101"),
        head(DONE, b"\x08\x03100"),
        [
            head(flag::END_HEADERS, &[0x88]),
            head(flag::END_HEADERS, &[0x88]),
        ]
        .concat(),
        frame(kind::DATA, 0, 1, b"no head"),
        [
            head(flag::END_HEADERS, b"\x88\x0f\x0d\x015"),
            frame(kind::DATA, flag::END_STREAM, 1, b"four"),
        ]
        .concat(),
        head(DONE, b"\x88\x0f\x0d\x015"),
    ] {
        let mut session = greeted(1, &[]);
        get(&mut session, 0);
        sent(&mut session);
        let last = fed(&mut session, &bytes).pop();
        assert!(
            matches!(
                last,
                Some(Event::Ended {
                    end: End::Malformed(_),
                    ..
                })
            ),
            "{last:?} of {bytes:?}"
        );
        assert_eq!(
            sent(&mut session),
            [(kind::RST_STREAM, 0, 1, vec![0, 0, 0, 1])]
        );
        // The connection goes on, and what still comes for the stream is ignored.
        assert!(
            fed(
                &mut session,
                frame(kind::DATA, flag::END_STREAM, 1, b"late")
            )
            .is_empty()
                && session.has_room()
        );
    }
}

#[test]
fn answers_without_bodies_may_announce_a_length() {
    let block = b"\x88\x0f\x0d\x015".as_slice();
    let mut session = greeted(1, &[]);
    session.request(
        0,
        Parts {
            block: &[],
            body: &[],
            bodiless: true,
        },
    );
    assert_eq!(
        fed(&mut session, frame(kind::HEADERS, DONE, 1, block)).pop(),
        Some(ended(0, End::Answered, 200, 14))
    );
    get(&mut session, 0);
    let not_modified = frame(kind::HEADERS, DONE, 3, b"\x8b\x0f\x0d\x015");
    assert_eq!(
        fed(&mut session, not_modified).pop(),
        Some(ended(0, End::Answered, 304, 14))
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
fn a_body_goes_as_far_as_the_windows() {
    let mut session = greeted(2, &[(4, 5)]);
    let body = b"twelve bytes";
    let id = post(&mut session, 9, body);
    let data = |frames: Vec<(u8, u8, u32, Vec<u8>)>| {
        frames
            .into_iter()
            .filter(|frame| frame.0 == kind::DATA)
            .map(|frame| (frame.1, frame.3))
            .collect::<Vec<_>>()
    };
    assert_eq!(data(sent(&mut session)), [(0, b"twelv".to_vec())]);
    assert_eq!(session.next_waiting(), None);
    // The stream's window; then that of all streams, which what is open already gets, too.
    fed(&mut session, window(id, 3));
    assert_eq!(session.next_waiting(), Some((id, 9)));
    session.send_body(id, body);
    assert_eq!(data(sent(&mut session)), [(0, b"e b".to_vec())]);
    fed(&mut session, settings(&[(4, 100)]));
    assert_eq!(session.next_waiting(), Some((id, 9)));
    session.send_body(id, body);
    assert_eq!(
        data(sent(&mut session)),
        [(flag::END_STREAM, b"ytes".to_vec())]
    );
    assert_eq!(session.next_waiting(), None);
    assert_eq!(
        fed(&mut session, answer(id)).pop(),
        Some(ended(9, End::Answered, 200, 10))
    );
    assert!(
        sent(&mut session)
            .iter()
            .all(|frame| frame.0 != kind::RST_STREAM)
    );
}

#[test]
fn bodies_share_the_connections_window_and_its_buffer() {
    let mut session = greeted(2, &[(4, 1 << 20)]);
    let body = vec![b'x'; 100_000];
    let first = post(&mut session, 0, &body);
    // The buffer is full at 64 KiB, and the connection's window at nearly as much.
    assert!(session.waiting().len() < 68_000 && !session.has_room());
    session.took(session.waiting().len());
    assert_eq!(
        session.next_waiting(),
        None,
        "the connection's window is shut"
    );
    fed(&mut session, window(0, 1 << 20));
    assert_eq!(session.next_waiting(), Some((first, 0)));
    session.send_body(first, &body);
    let second = post(&mut session, 1, b"short");
    session.cancel(first);
    let last = sent(&mut session).pop().unwrap();
    assert_eq!((last.0, last.2), (kind::RST_STREAM, first));
    assert_eq!(
        (session.next_waiting(), session.under_way(), second),
        (None, 1, 3)
    );
}

#[test]
fn an_answer_before_the_request_is_out_ends_both() {
    let mut session = greeted(1, &[(4, 0)]);
    let id = post(&mut session, 0, b"never taken");
    sent(&mut session);
    assert_eq!(
        fed(&mut session, answer(id)).pop(),
        Some(ended(0, End::Answered, 200, 10))
    );
    assert_eq!(
        sent(&mut session),
        [(kind::RST_STREAM, 0, id, vec![0, 0, 0, 8])]
    );
    assert!(session.next_waiting().is_none() && session.has_room());
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
fn windows_are_widened_before_they_shut() {
    let mut session = greeted(1, &[]);
    get(&mut session, 0);
    sent(&mut session);
    fed(
        &mut session,
        frame(kind::HEADERS, flag::END_HEADERS, 1, [0x88]),
    );
    let piece = frame(kind::DATA, 0, 1, vec![0; 16_384]);
    let (mut taken, mut given) = (0u64, [u64::from(WINDOW), u64::from(WINDOW) + 65_535]);
    // Three times as much as a window holds.
    for _ in 0..3 * (1 << 16) {
        fed(&mut session, &piece);
        taken += 16_384;
        for (kind, _, stream, payload) in sent(&mut session) {
            assert_eq!(kind, kind::WINDOW_UPDATE);
            given[usize::from(stream == 0)] += u64::from(crate::http2::frame::number(&payload));
        }
        assert!(
            given.iter().all(|given| *given > taken),
            "a window is shut at {taken}"
        );
    }
}

#[test]
fn what_breaks_the_rules_ends_the_connection() {
    let mut long = vec![0; 16_384];
    long[0] = 0x88;
    let flood: Vec<u8> = std::iter::repeat_n(frame(kind::CONTINUATION, 0, 1, &long), 20)
        .flatten()
        .collect();
    for (bytes, code) in [
        (
            frame(kind::PUSH_PROMISE, flag::END_HEADERS, 1, [0, 0, 0, 2, 0x82]),
            Code::PROTOCOL,
        ),
        (frame(kind::HEADERS, DONE, 1, [0xbe]), Code::COMPRESSION),
        (frame(kind::HEADERS, DONE, 3, [0x88]), Code::PROTOCOL),
        (frame(kind::DATA, 0, 0, []), Code::PROTOCOL),
        (frame(kind::DATA, flag::PADDED, 1, [9, 1]), Code::PROTOCOL),
        (frame(kind::CONTINUATION, 0, 1, []), Code::PROTOCOL),
        (
            [frame(kind::HEADERS, 0, 1, [0x88]), window(0, 1)].concat(),
            Code::PROTOCOL,
        ),
        (
            [frame(kind::HEADERS, 0, 1, [0x88]), flood].concat(),
            Code::ENHANCE_YOUR_CALM,
        ),
        (frame(kind::RST_STREAM, 0, 1, [0; 3]), Code::FRAME_SIZE),
        (frame(kind::PING, 0, 0, [0; 9]), Code::FRAME_SIZE),
        (frame(kind::SETTINGS, 0, 0, [0; 5]), Code::FRAME_SIZE),
        (frame(kind::SETTINGS, 0, 1, []), Code::PROTOCOL),
        (frame(kind::GOAWAY, 0, 0, [0; 7]), Code::FRAME_SIZE),
        (window(0, 0), Code::PROTOCOL),
        (window(0, u32::MAX >> 1), Code::FLOW_CONTROL),
        (
            frame(kind::PING, 0, 0, [0; 8]).repeat(70_000),
            Code::ENHANCE_YOUR_CALM,
        ),
    ] {
        let mut session = greeted(1, &[]);
        get(&mut session, 0);
        let fault = fault(&mut session, &bytes);
        assert_eq!(fault.code(), code, "{fault}");
        session.say_goodbye(fault);
        assert!(session.waiting().ends_with(&code.0.to_be_bytes()));
        assert_eq!(
            session.take().map(|(key, ..)| key),
            Some(0),
            "what was under way is still there to be ended"
        );
    }
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
