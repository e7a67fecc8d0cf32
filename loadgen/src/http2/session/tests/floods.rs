//! Frames without end that bring nothing.

use super::*;

/// What the session says at last of a server that goes on like this.
fn flooded(session: &mut Session, block: &[u8]) -> Option<Fault> {
    let block = block.repeat(100);
    (0..2000).find_map(|_| session.feed(&block, &mut Vec::new()).err())
}

#[test]
fn each_kind_is_named_and_ended() {
    let open = frame(kind::HEADERS, flag::END_HEADERS, 1, [0x88]);
    let interim = frame(kind::HEADERS, flag::END_HEADERS, 1, b"\x08\x03103");
    for (first, block, name) in [
        (&open, frame(kind::DATA, 0, 1, []), "empty DATA"),
        (
            &open,
            frame(kind::DATA, flag::PADDED, 1, [3, 0, 0, 0]),
            "empty DATA",
        ),
        (&vec![], interim, "HEADERS"),
        (&vec![], frame(kind::PRIORITY, 0, 1, [0; 5]), "PRIORITY"),
        (&answer(1), reset(1, 0), "RST_STREAM"),
        (&vec![], settings(&[]), "SETTINGS"),
        (&vec![], frame(kind::SETTINGS, flag::ACK, 0, []), "SETTINGS"),
        (&vec![], frame(kind::PING, flag::ACK, 0, [0; 8]), "PING"),
        (&vec![], window(0, 1), "WINDOW_UPDATE"),
        (&vec![], window(1, 1), "WINDOW_UPDATE"),
        (&vec![], goaway(u32::MAX >> 1), "GOAWAY"),
        (&vec![], frame(42, 0xff, 7, b"x"), "unknown types"),
        (
            &frame(kind::HEADERS, 0, 1, [0x88]),
            frame(kind::CONTINUATION, 0, 1, []),
            "CONTINUATION",
        ),
    ] {
        let mut session = greeted(1, &[]);
        get(&mut session, 0);
        fed(&mut session, first);
        let fault = flooded(&mut session, &block);
        assert!(
            matches!(fault, Some(Fault::Flood(what)) if what.contains(name)),
            "{name}: {fault:?}"
        );
        assert_eq!(fault.map(Fault::code), Some(Code::ENHANCE_YOUR_CALM));
    }
}

#[test]
fn what_goes_with_requests_and_data_is_no_flood() {
    let mut session = greeted(1, &[]);
    for key in 0..20_000 {
        let id = get(&mut session, key);
        let talk = [
            frame(kind::PING, 0, 0, [0; 8]),
            window(0, 1),
            window(id, 1),
            settings(&[]),
            answer(id),
        ];
        fed(&mut session, talk.concat());
        sent(&mut session);
    }
    let id = get(&mut session, 0);
    fed(
        &mut session,
        frame(kind::HEADERS, flag::END_HEADERS, id, [0x88]),
    );
    for _ in 0..50_000 {
        let talk = [frame(kind::DATA, 0, id, b"x"), window(0, 1), window(id, 1)];
        fed(&mut session, talk.concat());
        sent(&mut session);
    }
    // The other way round: what is sent is answered by windows.
    let mut session = greeted(1, &[(4, 0)]);
    let body = vec![b'x'; 20_000];
    let id = post(&mut session, 0, &body);
    for _ in 0..body.len() - 1 {
        fed(
            &mut session,
            [window(0, 1), window(id, 1), settings(&[])].concat(),
        );
        while let Some((id, _)) = session.next_waiting() {
            session.send_body(id, &body);
        }
        sent(&mut session);
    }
}
