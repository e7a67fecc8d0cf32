//! Where the pieces of JSON begin and end, without reading what is in them.
//!
//! A file of JSON is any number of documents, one after the other or in arrays. Within a document that is known to hold many
//! (Jaeger's `data`, OTLP's `resourceSpans`, Tempo's `batches`, Elasticsearch's `hits`) each element is a piece; any other
//! document is one piece.

use super::Format;
use super::objects::{Broken, object_length, string_end, value_length};

/// What surrounds the place that was reached, the outermost first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Frame {
    /// An array of documents.
    Documents,
    /// An array whose elements are pieces.
    Pieces(Format),
    /// A document that has pieces in it.
    Document,
}

/// Arrays within arrays are followed so far.
const DEPTH: usize = 16;

/// How many pieces a document has, and how many there are for what was asked, as it says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) pieces: u64,
    pub(super) total: Option<u64>,
}

/// Finds the pieces.
#[derive(Debug, Default)]
pub(super) struct Scan {
    frames: Vec<Frame>,
    /// What each of the open documents has, the outermost first.
    counts: Vec<Count>,
    /// A document has ended that has less than it says.
    short: Option<Count>,
    /// What is skipped until the next document is part of something broken that was reported.
    is_after_fault: bool,
}

/// A step of the way.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A piece from here to there.
    Piece(usize, usize, Format),
    /// No piece, but everything up to here is done with.
    Reached(usize),
    /// What is there does not end in these bytes.
    More,
}

impl Scan {
    /// No document is open.
    pub(super) fn is_between(&self) -> bool {
        self.frames.is_empty()
    }

    /// Begins anew behind something broken, at the beginning of a document.
    pub(super) fn restart(&mut self) {
        self.frames.clear();
        self.counts.clear();
        self.is_after_fault = true;
    }

    /// What the document has that ended with the last step, if it says that there is more.
    pub(super) fn take_short(&mut self) -> Option<Count> {
        self.short.take()
    }

    /// Whether what is found between documents is part of something broken that was reported.
    pub(super) fn is_after_fault(&self) -> bool {
        self.is_after_fault
    }

    /// The next step in `bytes`.
    ///
    /// # Errors
    /// What is there is no JSON, or does not belong there.
    pub(super) fn next(&mut self, bytes: &[u8]) -> Result<Step, Broken> {
        let comma = |byte: u8| byte == b',' && (!self.frames.is_empty() || self.is_after_fault);
        let is_space = |byte: &u8| byte.is_ascii_whitespace() || *byte == RECORD || comma(*byte);
        let mut at = 0;
        loop {
            let rest = &bytes[at..];
            at += rest.iter().take_while(|byte| is_space(byte)).count();
            // Saved answers, one after the other: each may begin with a byte order mark.
            if self.frames.is_empty() && bytes[at..].starts_with(MARK) {
                at += MARK.len();
            } else if self.frames.is_empty() && at < bytes.len() && MARK.starts_with(&bytes[at..]) {
                return Ok(Step::More);
            } else {
                break;
            }
        }
        let Some(byte) = bytes.get(at) else {
            return Ok(if at > 0 {
                Step::Reached(at)
            } else {
                Step::More
            });
        };
        match (self.frames.last().copied(), byte) {
            (Some(Frame::Documents | Frame::Pieces(_)), b']') => {
                self.frames.pop();
                Ok(Step::Reached(at + 1))
            }
            (Some(Frame::Document), b'}') => {
                self.frames.pop();
                let count = self.counts.pop().unwrap_or_default();
                self.short = count
                    .total
                    .is_some_and(|total| total > count.pieces)
                    .then_some(count);
                Ok(Step::Reached(at + 1))
            }
            (Some(Frame::Document), b'"') => self.member(bytes, at),
            (Some(Frame::Pieces(format)), b'{') => {
                let Some(length) = object_length(&bytes[at..]).map_err(|broken| broken.from(at))?
                else {
                    return Ok(Step::More);
                };
                if let Some(count) = self.counts.last_mut() {
                    count.pieces += 1;
                }
                Ok(Step::Piece(at, at + length, format))
            }
            (None | Some(Frame::Documents), b'{') => self.document(bytes, at),
            (None | Some(Frame::Documents), b'[') => self.open(Frame::Documents, at + 1),
            // Null is absent.
            (Some(_), b'n') if bytes[at..].starts_with(b"null") => Ok(Step::Reached(at + 4)),
            (Some(_), b'n') if b"null".starts_with(&bytes[at..]) => Ok(Step::More),
            (None, _) => Err(Broken {
                at,
                reason: "no JSON begins here",
            }),
            (Some(Frame::Document), _) => Err(Broken {
                at,
                reason: "a name or the end of an object belongs here",
            }),
            (Some(_), _) => Err(Broken {
                at,
                reason: "an object, or the end of an array of these, belongs here",
            }),
        }
    }

    fn open(&mut self, frame: Frame, at: usize) -> Result<Step, Broken> {
        if self.frames.len() == DEPTH {
            return Err(Broken {
                at,
                reason: "arrays are nested too deeply",
            });
        }
        self.frames.push(frame);
        Ok(Step::Reached(at))
    }

    /// A document that begins at `at`: member by member if there are pieces in it, or as a piece itself.
    fn document(&mut self, bytes: &[u8], at: usize) -> Result<Step, Broken> {
        self.is_after_fault = false;
        let mut reached = at + 1;
        loop {
            match Member::next(bytes, reached)? {
                Found::More => return Ok(Step::More),
                Found::End(end) => return Ok(Step::Piece(at, end, Format::Unknown)),
                Found::Member(member) => {
                    if member.inside(bytes).is_some() {
                        self.counts.push(Count::default());
                        return self.open(Frame::Document, at + 1);
                    }
                    match member.end(bytes)? {
                        Some(end) => reached = end,
                        None => return Ok(Step::More),
                    }
                }
            }
        }
    }

    /// A member of a document that is open.
    fn member(&mut self, bytes: &[u8], at: usize) -> Result<Step, Broken> {
        let Found::Member(member) = Member::next(bytes, at)? else {
            return Ok(Step::More);
        };
        match member.inside(bytes) {
            Some(Inside::Pieces(format)) => {
                return self.open(Frame::Pieces(format), member.value + 1);
            }
            Some(Inside::Document) => return self.document(bytes, member.value),
            Some(Inside::Piece(_)) | None => {}
        }
        let Some(end) = member.end(bytes)? else {
            return Ok(Step::More);
        };
        if let Some(Inside::Piece(format)) = member.inside(bytes) {
            return Ok(Step::Piece(member.value, end, format));
        }
        if member.name(bytes) == b"total"
            && let Some(count) = self.counts.last_mut()
        {
            count.total = total(&bytes[member.value..end]);
        }
        // What a server has to say of what it left out, with its name.
        Ok(if SAID.contains(&member.name(bytes)) {
            Step::Piece(member.from, end, Format::Said)
        } else {
            Step::Reached(end)
        })
    }
}

/// By these members servers say that something is missing; most say that nothing is.
const SAID: [&[u8]; 5] = [b"errors", b"error", b"status", b"timed_out", b"_shards"];

/// How many there are, as Jaeger writes it, and Elasticsearch of before and since its version 7.
fn total(value: &[u8]) -> Option<u64> {
    #[derive(serde::Deserialize)]
    struct Value {
        value: u64,
    }
    let number = serde_json::from_slice(value).ok();
    number.or_else(|| Some(serde_json::from_slice::<Value>(value).ok()?.value))
}

/// What may stand before a text.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// What separates the texts of a JSON sequence (RFC 7464).
const RECORD: u8 = 0x1e;

/// What a member's value is.
enum Inside {
    /// An array of pieces.
    Pieces(Format),
    /// A piece.
    Piece(Format),
    /// A document, to be looked at as one that stands by itself.
    Document,
}

/// A member of an object: where its name (with its quotes) and its value begin, and where the name ends.
struct Member {
    from: usize,
    to: usize,
    value: usize,
}

enum Found {
    Member(Member),
    /// The object ends here.
    End(usize),
    More,
}

impl Member {
    /// The member at `at`, after white space and commas.
    fn next(bytes: &[u8], at: usize) -> Result<Found, Broken> {
        let skip = |from: usize, is_skipped: fn(u8) -> bool| {
            let rest = bytes.get(from..).unwrap_or_default();
            from + rest
                .iter()
                .position(|byte| !is_skipped(*byte))
                .unwrap_or(rest.len())
        };
        let from = skip(at, |byte| byte.is_ascii_whitespace() || byte == b',');
        match bytes.get(from) {
            None => return Ok(Found::More),
            Some(b'}') => return Ok(Found::End(from + 1)),
            Some(b'"') => {}
            Some(_) => {
                return Err(Broken {
                    at: from,
                    reason: "a name or the end of an object belongs here",
                });
            }
        }
        let Some(to) = string_end(bytes, from)? else {
            return Ok(Found::More);
        };
        let colon = skip(to, |byte| byte.is_ascii_whitespace());
        match bytes.get(colon) {
            None => return Ok(Found::More),
            Some(b':') => {}
            Some(_) => {
                return Err(Broken {
                    at: colon,
                    reason: "a colon belongs here",
                });
            }
        }
        let value = skip(colon + 1, |byte| byte.is_ascii_whitespace());
        if value >= bytes.len() {
            return Ok(Found::More);
        }
        Ok(Found::Member(Self { from, to, value }))
    }

    fn name<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        &bytes[self.from + 1..self.to - 1]
    }

    /// What this member's value is, if pieces may be in it.
    fn inside(&self, bytes: &[u8]) -> Option<Inside> {
        match (self.name(bytes), bytes[self.value]) {
            (b"data", b'[') => Some(Inside::Pieces(Format::JaegerTrace)),
            (b"resourceSpans" | b"resource_spans" | b"batches", b'[') => {
                Some(Inside::Pieces(Format::OtlpResource))
            }
            // One without the array around it.
            (b"resourceSpans" | b"resource_spans" | b"batches", b'{') => {
                Some(Inside::Piece(Format::OtlpResource))
            }
            (b"hits", b'[') => Some(Inside::Pieces(Format::Unknown)),
            (b"hits" | b"result" | b"trace" | b"data", b'{') => Some(Inside::Document),
            _ => None,
        }
    }

    fn end(&self, bytes: &[u8]) -> Result<Option<usize>, Broken> {
        let length =
            value_length(&bytes[self.value..]).map_err(|broken| broken.from(self.value))?;
        Ok(length.map(|length| self.value + length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pieces of a whole text, and where it breaks off, whatever parts it comes in.
    fn pieces(text: &str, at_once: usize) -> (Vec<(String, Format)>, Option<usize>) {
        let (mut scan, mut found) = (Scan::default(), Vec::new());
        let (mut begin, mut end) = (0, at_once.min(text.len()));
        loop {
            match scan.next(&text.as_bytes()[begin..end]) {
                Ok(Step::Piece(from, to, format)) => {
                    found.push((text[begin + from..begin + to].to_owned(), format));
                    begin += to;
                }
                Ok(Step::Reached(to)) => begin += to,
                Ok(Step::More) if end < text.len() => end = (end + at_once).min(text.len()),
                Ok(Step::More) => return (found, (begin < end).then_some(begin)),
                Err(broken) => return (found, Some(begin + broken.at)),
            }
        }
    }

    #[test]
    fn pieces_are_found_in_every_form_and_in_whatever_parts_a_file_comes() {
        let trace = |id: u8| {
            (
                format!(r#"{{"traceID":"{id}","spans":[{{"a":"}}]"}}]}}"#),
                Format::JaegerTrace,
            )
        };
        let (one, two) = (trace(1).0, trace(2).0);
        let resource = (r#"{"scopeSpans":[{}]}"#.to_owned(), Format::OtlpResource);
        let unknown = |text: &str| (text.to_owned(), Format::Unknown);
        let said = |text: &str| (text.to_owned(), Format::Said);
        let errors = r#""errors":[{"msg":"storage"}]"#;
        for (text, expected) in [
            (
                format!(r#"{{"total":0,"data" : [{one} , {two}],"limit":0,"errors":null}}"#),
                vec![trace(1), trace(2), said(r#""errors":null"#)],
            ),
            (
                format!("{{\"data\":[{one}]}}\n\u{feff}{{\"data\":[{two}]}}\n"),
                vec![trace(1), trace(2)],
            ),
            (
                format!("{{\"data\":[{one}]}}{{\"data\":[null,{two}]}}"),
                vec![trace(1), trace(2)],
            ),
            (
                format!("[{{\"data\":[{one}]}},{{\"data\":null}},{{\"data\":[{two}]}}]"),
                vec![trace(1), unknown("{\"data\":null}"), trace(2)],
            ),
            (
                r#"{"data":null,"errors":[{"msg":"storage"}]}"#.to_owned(),
                vec![],
            ),
            (
                format!(r#"{{"data":[{one}],{errors}}}"#),
                vec![trace(1), said(errors)],
            ),
            // The order of members means nothing.
            (
                format!(r#"{{{errors},"data":[{one}]}}"#),
                vec![said(errors), trace(1)],
            ),
            (
                format!(
                    r#"{{"data":{one},"total":1}}{{"trace":{{"spans":[1]}}}}{{"resourceSpans":{{"scopeSpans":[{{}}]}}}}"#
                ),
                vec![unknown(&one), unknown(r#"{"spans":[1]}"#), resource.clone()],
            ),
            (format!("[{one},{two}]"), vec![unknown(&one), unknown(&two)]),
            (
                "[[{\"id\":\"1\"}],[{\"id\":\"2\"}]]".to_owned(),
                vec![unknown("{\"id\":\"1\"}"), unknown("{\"id\":\"2\"}")],
            ),
            (
                format!(
                    "\n {{ \"resourceSpans\" : [ {0} , {0} ] , \"x\":[1,\"]\"] }} {{\"batches\":[{0}]}}",
                    resource.0
                ),
                vec![resource.clone(), resource.clone(), resource.clone()],
            ),
            (
                format!(
                    r#"{{"result":{{"resourceSpans":[{0}]}}}}{{"trace":{{"resourceSpans":[{0}]}},"metrics":{{}}}}"#,
                    resource.0
                ),
                vec![resource.clone(), resource],
            ),
            (
                r#"{"took":1,"hits":{"total":{"value":1},"hits":[{"_source":{"traceID":"1"}}]}}"#
                    .to_owned(),
                vec![unknown(r#"{"_source":{"traceID":"1"}}"#)],
            ),
            (
                "\u{1e}{\"a\":1}\n\u{1e}{\"b\":[\"\\\"]\",-1.5e3,true]}".to_owned(),
                vec![
                    unknown("{\"a\":1}"),
                    unknown("{\"b\":[\"\\\"]\",-1.5e3,true]}"),
                ],
            ),
            (String::new(), vec![]),
        ] {
            for at_once in [1, 3, 7, 1000] {
                // An answer without any data is a document that says so.
                let found = pieces(&text, at_once);
                if text.starts_with("{\"data\":null,\"errors\"") {
                    assert_eq!(found, (vec![unknown(&text)], None));
                } else {
                    assert_eq!(found, (expected.clone(), None), "{text}");
                }
            }
        }
    }

    #[test]
    fn a_document_that_has_less_than_it_says_is_told() {
        let short = |text: &str| {
            let (mut scan, mut reached, mut short) = (Scan::default(), 0, None);
            while let Ok(step @ (Step::Piece(_, to, _) | Step::Reached(to))) =
                scan.next(&text.as_bytes()[reached..])
            {
                short = scan.take_short().or(short);
                assert_ne!(step, Step::More);
                reached += to;
            }
            assert_eq!(reached, text.len());
            short.map(|count| (count.pieces, count.total))
        };
        let hits =
            |total: &str| format!(r#"{{"took":1,"hits":{{"total":{total},"hits":[{{}},{{}}]}}}}"#);
        assert_eq!(short(&hits("2")), None);
        assert_eq!(short(&hits(r#"{"value":2,"relation":"eq"}"#)), None);
        assert_eq!(short(&hits("3")), Some((2, Some(3))));
        let more = r#"{"value":10000,"relation":"gte"}"#;
        assert_eq!(short(&hits(more)), Some((2, Some(10_000))));
        assert_eq!(short(r#"{"data":[{}],"total":2}"#), Some((1, Some(2))));
        assert_eq!(short(r#"{"total":0,"data":[{}]}"#), None);
    }

    #[test]
    fn what_does_not_belong_there_is_named_by_its_byte() {
        for (text, at) in [
            ("{\"data\":[]} x", 12),
            ("{\"data\":[]},", 11),
            ("{\"data\":[{", 9),
            ("{\"data\":[1]}", 9),
            ("{\"a\" 1}", 5),
            ("{\"a\":\"x\ny\"}", 7),
            ("{\"a\":1\n{\"b\":2}", 7),
            ("<html>", 0),
        ] {
            let (_, broken) = pieces(text, 1000);
            let broken = broken.unwrap_or_else(|| panic!("{text}"));
            assert!(broken == at || (at == 0 && broken > 0), "{text}: {broken}");
        }
    }
}
