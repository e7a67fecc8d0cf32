//! Bodies, and the windows that they go through.

use super::*;

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
