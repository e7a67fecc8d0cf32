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
        (
            "HTTP/1.1 103 X\r\n\r\n".repeat(1001),
            "interim answers without end",
        ),
        ("\r\n".repeat(200_000), "empty lines without end"),
        (
            head("transfer-encoding: chunked") + &"0".repeat(20_000),
            "zeros without end",
        ),
        (
            head("transfer-encoding: chunked") + "1;" + &"x".repeat(20_000),
            "an extension without end",
        ),
        (
            head("transfer-encoding: chunked") + "0\r\n" + &"a: b\r\n".repeat(50_000),
            "trailers without end",
        ),
        (
            head("transfer-encoding: chunked, chunked"),
            "chunks in chunks",
        ),
        (head("content-length: 5, 6"), "two lengths in a list"),
        (head("content-length: +5"), "a sign"),
        (head("content-length: 5 5"), "a blank inside"),
        (head(": x"), "no name"),
        ("HTTP/1.1 2000 OK\r\n\r\n".to_owned(), "four digits"),
        ("HTTP/1.1 20 OK\r\n\r\n".to_owned(), "two digits"),
        ("HTTP/2.0 200 OK\r\n\r\n".to_owned(), "another version"),
        ("http/1.1 200 OK\r\n\r\n".to_owned(), "small letters"),
        (head("transfer-encoding: chunked") + "5\rhello", "a bare CR"),
    ];
    for (bytes, what) in &cases {
        assert!(read(bytes.as_bytes(), &[]).is_err(), "{what} was taken");
        assert!(
            read(bytes.as_bytes(), &vec![7; bytes.len()]).is_err(),
            "{what} was taken in pieces"
        );
    }
}

/// Status, bytes used and whether the connection goes on, of answers that are odd and sound.
#[test]
fn what_is_odd_is_read_as_the_rfc_has_it() {
    let head = |fields: &str| format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n");
    let many = |count: usize| {
        (0..count)
            .map(|n| format!("x-{n}: y\r\n"))
            .collect::<String>()
    };
    let chunks = head("Transfer-Encoding: chunked");
    let signed = format!("1;chunk-signature={}\r\nx\r\n", "a".repeat(64));
    for (bytes, goes_on) in [
        (head("x: b\r\n c\r\n\td\r\ncontent-length: 5") + "hello", true),
        (head("content-length:\r\n 5") + "hello", true),
        (head(&format!("{}content-length: 5", many(127))) + "hello", true),
        (head(&format!("{}content-length: 5", many(10_000))) + "hello", true),
        (head(&format!("x: {}\r\ncontent-length: 5", "y".repeat(100_000))) + "hello", true),
        ("\r\n".repeat(1000) + &head("content-length: 5") + "hello", true),
        (head("content-length: 5, 5") + "hello", true),
        (head("x: \u{e4}\r\ncontent-length: 5") + "hello", true),
        ("HTTP/1.1 200 \r\ncontent-length: 5\r\n\r\nhello".to_owned(), true),
        ("HTTP/1.1 200 \u{dc}bel\r\ncontent-length: 5\r\n\r\nhello".to_owned(), true),
        ("HTTP/1.1 199 X\r\n\r\n".repeat(900) + &head("content-length: 5") + "hello", true),
        ("HTTP/1.1 100 C\r\nContent-Length: x\r\n\r\n".to_owned() + &head("content-length: 0"), true),
        ("HTTP/1.1 103 X\r\nConnection: close\r\n\r\n".to_owned() + &head("content-length: 0"), true),
        (chunks.clone() + "00000000000000000005\r\nhello\r\n0000000000000000\r\n\r\n", true),
        (chunks.clone() + "5;a=\"b;c\"\r\nhello\r\n000\r\n\r\n", true),
        (chunks.clone() + &signed.repeat(5000) + "0\r\n\r\n", true),
        (chunks + "5 \r\nhello\r\n0\r\n\r\n", true),
        (head("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked") + "0\r\n\r\n", true),
        (head("Connection: close\r\nConnection: keep-alive\r\nContent-Length: 0"), true),
        // Chunks beside a length, and in HTTP/1.0: read, and no more from there.
        (head("Content-Length: 3\r\nTransfer-Encoding: chunked") + "5\r\nhello\r\n0\r\n\r\n", false),
        ("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(), false),
    ] {
        let shown = &bytes[..bytes.len().min(80)];
        let whole = read(bytes.as_bytes(), &[]);
        assert_eq!(whole, Ok(Some((200, bytes.len(), goes_on))), "{shown}");
        for length in [1, 5] {
            let pieces = vec![length; bytes.len()];
            assert_eq!(read(bytes.as_bytes(), &pieces), whole, "{shown}");
        }
    }
    // Not chunked at last: to the end of the connection, whatever a length says.
    let endless = head("Transfer-Encoding: gzip\r\nContent-Length: 2") + "all of it";
    assert_eq!(read(endless.as_bytes(), &[]), Ok(None));
    let reset = "HTTP/1.1 205 R\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(
        read(reset.as_bytes(), &[]),
        Ok(Some((205, reset.len(), true)))
    );
    let odd = "HTTP/1.1 099 X\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(read(odd.as_bytes(), &[]), Ok(Some((99, odd.len(), true))));
}

#[test]
fn folded_lines_are_handed_on_as_one() {
    let mut answer = Answer::new(true);
    answer.start(false);
    let bytes = b"HTTP/1.1 200 OK\r\nX-A: b\r\n  c\n\td\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(answer.feed(bytes), Ok(Fed::Done(bytes.len())));
    let heard = answer.heard.as_ref().unwrap();
    assert_eq!(heard.values("x-a"), ["b c d"]);
}
