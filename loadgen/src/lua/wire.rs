//! What a script returned, cut into requests: several in one string are a pipeline.

use crate::http1::{Chunks, ChunksFed};

/// One request within a string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    /// Where it ends.
    pub(super) end: usize,
    /// Where its head's last, empty line starts.
    pub(super) blank: usize,
    /// Its answer has no body.
    pub(super) bodiless: bool,
}

/// Cuts a string into its requests. Looks at lengths only and passes on whatever else a script writes: what a server
/// makes of it is the server's business.
///
/// # Errors
/// Why it is not a whole number of requests.
pub(super) fn cut(text: &[u8], cuts: &mut Vec<Cut>) -> Result<(), String> {
    cuts.clear();
    let mut start = 0;
    while start < text.len() {
        let (blank, after, body) = head(text, start)?;
        let length = match body {
            Body::Length(length) => length,
            Body::Chunked => {
                chunked(&text[after..]).ok_or_else(|| at(text, after, "no whole chunked body"))?
            }
        };
        let end = after.saturating_add(length);
        if end > text.len() {
            return Err(format!(
                "its body has {} of {length} bytes",
                text.len() - after
            ));
        }
        cuts.push(Cut {
            end,
            blank,
            bodiless: text[start..].starts_with(b"HEAD "),
        });
        start = end;
    }
    if cuts.is_empty() {
        Err("it is empty".to_owned())
    } else {
        Ok(())
    }
}

/// Checks the first line of each request, which a script that is wrong altogether gets wrong.
///
/// # Errors
/// Where the first fault is, as line and column.
pub(super) fn check(text: &[u8], cuts: &[Cut]) -> Result<(), String> {
    let mut start = 0;
    for cut in cuts {
        let line = text[start..cut.end]
            .split(|&byte| byte == b'\n')
            .next()
            .unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let words: Vec<&[u8]> = line.split(|&byte| byte == b' ').collect();
        let method = words
            .first()
            .is_some_and(|word| !word.is_empty() && word.iter().all(u8::is_ascii_alphabetic));
        if !method {
            return Err(at(text, start, "a request starts with its method"));
        }
        if words.len() != 3 || words[1].is_empty() || !words[2].starts_with(b"HTTP/1.") {
            return Err(at(
                text,
                start + words[0].len(),
                "then come a target without blanks and HTTP/1.1",
            ));
        }
        start = cut.end;
    }
    Ok(())
}

enum Body {
    Length(usize),
    Chunked,
}

/// Where the head's empty line starts and ends, and what follows it.
fn head(text: &[u8], start: usize) -> Result<(usize, usize, Body), String> {
    let mut body = Body::Length(0);
    let mut line = start;
    while let Some(length) = text[line..].iter().position(|&byte| byte == b'\n') {
        let end = line + length;
        let content = text[line..end]
            .strip_suffix(b"\r")
            .unwrap_or(&text[line..end]);
        if content.is_empty() {
            return Ok((line, end + 1, body));
        }
        if let Some(value) = field(content, b"content-length") {
            let number = std::str::from_utf8(value)
                .ok()
                .and_then(|value| value.parse().ok());
            body =
                Body::Length(number.ok_or_else(|| at(text, line, "Content-Length is no number"))?);
        } else if field(content, b"transfer-encoding")
            .is_some_and(|value| value.eq_ignore_ascii_case(b"chunked"))
        {
            body = Body::Chunked;
        }
        line = end + 1;
    }
    Err(at(
        text,
        text.len(),
        "incomplete request: its head ends with an empty line",
    ))
}

fn field<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (own, value) = line.split_at_checked(name.len())?;
    let value = value.strip_prefix(b":")?;
    own.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
}

/// The length of a chunked body.
fn chunked(text: &[u8]) -> Option<usize> {
    match Chunks::default().feed(text, |_| true).ok()? {
        ChunksFed::More => None,
        ChunksFed::Done(length) => Some(length),
    }
}

/// A fault at line and column.
fn at(text: &[u8], offset: usize, fault: &str) -> String {
    let before = &text[..offset.min(text.len())];
    let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
    let column = before
        .iter()
        .rev()
        .take_while(|&&byte| byte != b'\n')
        .count()
        + 1;
    format!("{fault} (at {line}:{column} of the request)")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ends(text: &[u8]) -> Result<Vec<usize>, String> {
        let mut cuts = Vec::new();
        cut(text, &mut cuts)?;
        check(text, &cuts)?;
        Ok(cuts.iter().map(|cut| cut.end).collect())
    }

    proptest! {
        #[test]
        fn a_pipeline_is_cut_where_its_requests_meet(bodies in prop::collection::vec("[a-z\r\n ]{0,20}", 1..5)) {
            let (mut text, mut expected) = (Vec::new(), Vec::new());
            for (index, body) in bodies.iter().enumerate() {
                let chunked = index % 2 == 1 && !body.is_empty();
                let head = if chunked { "Transfer-Encoding: chunked".to_owned() }
                    else { format!("content-length: {}", body.len()) };
                text.extend_from_slice(format!("POST /{index} HTTP/1.1\r\n{head}\r\n\r\n").as_bytes());
                if chunked {
                    text.extend_from_slice(format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()).as_bytes());
                } else {
                    text.extend_from_slice(body.as_bytes());
                }
                expected.push(text.len());
            }
            prop_assert_eq!(ends(&text), Ok(expected));
        }

        #[test]
        fn what_is_cut_short_is_refused(length in 1usize..55) {
            let text = b"POST / HTTP/1.1\r\nContent-Length: 10\r\nX: y\r\n\r\n0123456789";
            prop_assert!(ends(&text[..length]).is_err());
        }
    }

    #[test]
    fn faults_have_a_place() {
        assert_eq!(ends(b"").unwrap_err(), "it is empty");
        assert_eq!(ends(b"GET / HTTP/1.1\nHost: x\n\n"), Ok(vec![24]));
        assert!(
            ends(b"GET  HTTP/1.1\r\n\r\n")
                .unwrap_err()
                .contains("(at 1:4 of the request)")
        );
        assert!(
            ends(b"12 / HTTP/1.1\r\n\r\n")
                .unwrap_err()
                .contains("method")
        );
        assert!(
            ends(b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n")
                .unwrap_err()
                .contains("(at 2:1")
        );
    }
}
