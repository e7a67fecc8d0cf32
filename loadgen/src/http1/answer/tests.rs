//! Answers in pieces, and answers that are none.

use super::*;
use proptest::prelude::*;

/// Feeds in pieces of these lengths (the last goes on), and says status, bytes used and keep-alive.
fn read(bytes: &[u8], pieces: &[usize]) -> Result<Option<(u16, usize, bool)>, Fault> {
    let mut answer = Answer::default();
    answer.start(false);
    let mut at = 0;
    let mut lengths = pieces
        .iter()
        .copied()
        .chain(std::iter::repeat(bytes.len().max(1)));
    while at < bytes.len() {
        let end = (at + lengths.next().unwrap_or(1).max(1)).min(bytes.len());
        if let Fed::Done(used) = answer.feed(&bytes[at..end])? {
            return Ok(Some((answer.status, at + used, answer.keep_alive)));
        }
        at = end;
    }
    Ok(None)
}

const SAMPLES: &[&str] = &[
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "HTTP/1.1 204 No Content\r\nServer: x\r\n\r\n",
    "HTTP/1.1 304 Not Modified\r\nContent-Length: 900\r\n\r\n",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n",
    "HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok",
    "HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
];

proptest! {
    #[test]
    fn pieces_do_not_matter(sample in 0..SAMPLES.len(), pieces in prop::collection::vec(1usize..9, 0..120)) {
        let bytes = SAMPLES[sample].as_bytes();
        let whole = read(bytes, &[]).unwrap();
        prop_assert_eq!(whole.map(|(_, used, _)| used), Some(bytes.len()));
        prop_assert_eq!(read(bytes, &pieces).unwrap(), whole);
    }

    #[test]
    fn what_follows_the_answer_is_left(sample in 0..SAMPLES.len(), junk in "[ -~]{1,40}", pieces in prop::collection::vec(1usize..9, 0..120)) {
        let bytes = format!("{}{junk}", SAMPLES[sample]);
        let (_, used, _) = read(bytes.as_bytes(), &pieces).unwrap().unwrap();
        prop_assert_eq!(used, SAMPLES[sample].len());
    }

    #[test]
    fn no_bytes_panic(bytes: Vec<u8>, pieces in prop::collection::vec(1usize..9, 0..20)) {
        let _ = read(&bytes, &pieces);
        let chunked = [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", bytes.as_slice()].concat();
        let _ = read(&chunked, &pieces);
    }
}

#[test]
fn statuses_and_keep_alive_are_read() {
    let seen: Vec<_> = SAMPLES
        .iter()
        .map(|s| read(s.as_bytes(), &[]).unwrap().unwrap())
        .map(|r| (r.0, r.2))
        .collect();
    assert_eq!(
        seen,
        [
            (200, true),
            (204, true),
            (304, true),
            (503, true),
            (200, true),
            (200, true),
            (200, true)
        ]
    );
    let closing = read(
        b"HTTP/1.1 200 OK\r\nconnection: Close\r\ncontent-length: 0\r\n\r\n",
        &[],
    )
    .unwrap()
    .unwrap();
    assert!(!closing.2);
    assert!(
        !read(b"HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n", &[])
            .unwrap()
            .unwrap()
            .2
    );
}

#[test]
fn a_body_without_a_length_ends_with_the_connection() {
    let mut answer = Answer::default();
    answer.start(false);
    assert!(answer.untouched());
    assert_eq!(answer.feed(b"HTTP/1.1 200 OK\r\n\r\nsome"), Ok(Fed::More));
    assert!(answer.end() && !answer.keep_alive && !answer.untouched());
    answer.start(true);
    assert_eq!(
        answer.feed(b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n"),
        Ok(Fed::Done(38))
    );
}

#[test]
fn what_is_no_answer_is_refused() {
    let head = |fields: &str| format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n");
    let cases = [
        ("SSH-2.0-OpenSSH_9\r\n\r\n".to_owned(), "no HTTP"),
        (
            head("content-length: 5\r\ncontent-length: 6"),
            "two lengths",
        ),
        (head("content-length: -5"), "a negative length"),
        (
            head("content-length: 99999999999999999999"),
            "a length beyond u64",
        ),
        (
            head("transfer-encoding: chunked") + "zz\r\n",
            "a size that is no number",
        ),
        (head("transfer-encoding: chunked") + "\r\n", "no size"),
        (
            head("transfer-encoding: chunked") + "2\r\nabc\r\n",
            "more data than the size",
        ),
        (
            head("transfer-encoding: chunked") + "ffffffffffffffff1\r\n",
            "a size beyond all bounds",
        ),
        (
            "HTTP/1.1 101 Switching Protocols\r\n\r\n".to_owned(),
            "an upgrade",
        ),
        (
            format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(300 * 1024)),
            "an endless head",
        ),
        (head(&"a: b\r\n".repeat(200)), "too many fields"),
    ];
    for (bytes, what) in &cases {
        assert!(
            read(bytes.as_bytes(), &[7]).is_err() || read(bytes.as_bytes(), &[]).is_err(),
            "{what} was taken"
        );
    }
    assert!(
        read(cases[9].0.as_bytes(), &[7; 60_000]).is_err(),
        "an endless head in pieces"
    );
}
