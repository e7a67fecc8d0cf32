//! What a server may not do (RFC 9113), and what it is told.

use super::*;

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
        // Against the rules for fields.
        head(DONE, b"\0\x01a\x01b\x88"),
        head(DONE, b"\x88\0\x01A\x01b"),
        head(DONE, b"\x88\0\x01a\x01\n"),
        head(DONE, b"\x88\0\x0aconnection\x05close"),
        head(DONE, b"\x88\x82"),
        head(DONE, b"\x08\x042000"),
        // More than announced, at once.
        [
            head(flag::END_HEADERS, b"\x88\x0f\x0d\x012"),
            frame(kind::DATA, 0, 1, b"two and more"),
        ]
        .concat(),
        // A body where there is none.
        [
            head(flag::END_HEADERS, b"\x89"),
            frame(kind::DATA, 0, 1, b"x"),
        ]
        .concat(),
        // A pseudo-field in trailers.
        [head(flag::END_HEADERS, b"\x88"), head(DONE, b"\x82")].concat(),
        window(1, 0),
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
        (frame(kind::HEADERS, DONE, 5, [0x88]), Code::PROTOCOL),
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
        (frame(kind::GOAWAY, 0, 1, [0; 8]), Code::PROTOCOL),
        (frame(kind::PING, 0, 1, [0; 8]), Code::PROTOCOL),
        (frame(kind::PRIORITY, 0, 0, [0; 5]), Code::PROTOCOL),
        // Of a stream that nobody can reset.
        (frame(kind::PRIORITY, 0, 7, [0; 4]), Code::FRAME_SIZE),
        (settings(&[(2, 1)]), Code::PROTOCOL),
        // Behind the end of an answer.
        (
            [answer(1), frame(kind::DATA, 0, 1, b"late")].concat(),
            Code::STREAM_CLOSED,
        ),
        ([answer(1), answer(1)].concat(), Code::STREAM_CLOSED),
        ([reset(1, 0), answer(1)].concat(), Code::STREAM_CLOSED),
        // A table's new size behind a field; a field in no Huffman code.
        (
            frame(kind::HEADERS, DONE, 1, [0x88, 0x20]),
            Code::COMPRESSION,
        ),
        (
            frame(kind::HEADERS, DONE, 1, b"\x88\0\x01a\x82\x1f\xff"),
            Code::COMPRESSION,
        ),
        (window(0, 0), Code::PROTOCOL),
        (window(0, u32::MAX >> 1), Code::FLOW_CONTROL),
        (
            frame(kind::PING, 0, 0, [0; 8]).repeat(70_000),
            Code::ENHANCE_YOUR_CALM,
        ),
    ] {
        let mut session = greeted(2, &[]);
        get(&mut session, 0);
        get(&mut session, 1);
        let fault = fault(&mut session, &bytes);
        assert_eq!(fault.code(), code, "{fault}");
        session.say_goodbye(fault);
        assert!(session.waiting().ends_with(&code.0.to_be_bytes()));
        assert!(
            session.take().is_some(),
            "what was under way is still there to be ended"
        );
    }
}

#[test]
fn errors_of_a_stream_have_their_own_codes() {
    for (bytes, code) in [
        (window(1, u32::MAX >> 1), Code::FLOW_CONTROL),
        (frame(kind::PRIORITY, 0, 1, [0; 4]), Code::FRAME_SIZE),
    ] {
        let mut session = greeted(1, &[]);
        get(&mut session, 0);
        sent(&mut session);
        let events = fed(&mut session, &bytes);
        assert!(
            matches!(
                events[..],
                [Event::Ended {
                    end: End::Malformed(_),
                    ..
                }]
            ),
            "{events:?}"
        );
        let told = code.0.to_be_bytes().to_vec();
        assert_eq!(sent(&mut session), [(kind::RST_STREAM, 0, 1, told)]);
        assert!(session.has_room(), "the connection goes on");
    }
}

#[test]
fn what_was_on_its_way_when_we_cancelled_is_ignored() {
    let mut session = greeted(1, &[]);
    // More than are remembered one by one.
    let ids: Vec<u32> = (0..600)
        .map(|key| {
            let id = get(&mut session, key);
            session.cancel(id);
            id
        })
        .collect();
    for id in ids {
        let late = [
            frame(kind::HEADERS, flag::END_HEADERS, id, [0x88]),
            frame(kind::DATA, flag::END_STREAM, id, b"late"),
        ];
        assert_eq!(fed(&mut session, late.concat()), []);
    }
}
