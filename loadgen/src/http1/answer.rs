//! Reads one answer after another from whatever pieces the network delivers.

use super::chunks::{Chunks, ChunksFed};
use super::heard::{BODY_BYTES_MAX, Heard};
use std::mem::MaybeUninit;
use thiserror::Error;

/// Longest head that is taken; servers' own limits are lower.
const HEAD_BYTES_MAX: usize = 256 * 1024;
/// Most header fields that are taken.
const FIELDS_MAX: usize = 128;

/// Why bytes are no answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum Fault {
    /// The head does not parse.
    #[error("read the answer's head: {0}")]
    Head(&'static str),
    /// The head does not end.
    #[error("read the answer's head: longer than {HEAD_BYTES_MAX} bytes")]
    HeadTooLong,
    /// Lengths that contradict each other or are no number.
    #[error("read the answer's Content-Length")]
    Length,
    /// A body in a coding other than chunked, or a broken chunk.
    #[error("read the answer's chunks")]
    Chunk,
    /// 101, which nobody asked for.
    #[error("take the answer: the server switched protocols")]
    Upgrade,
    /// More than can be kept for a reader.
    #[error(
        "keep the answer for the script or scenario: its body is longer than {BODY_BYTES_MAX} bytes"
    )]
    TooLong,
}

/// How far a piece brought us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fed {
    /// The answer goes on.
    More,
    /// The answer is complete; so many bytes of this piece belonged to it.
    Done(usize),
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Head,
    Length(u64),
    Chunked(Chunks),
    UntilClose,
}

/// The answer being read. Reused: its buffer is only touched by heads that arrive in pieces.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    state: State,
    head: Vec<u8>,
    /// The request was a HEAD, whose answers have no body whatever their fields say.
    bodiless: bool,
    /// The status of the answer, once its head is read.
    pub(crate) status: u16,
    /// Whether the connection may carry another request after it.
    pub(crate) keep_alive: bool,
    /// Where fields and body are kept, if somebody reads them.
    pub(crate) heard: Option<Box<Heard>>,
}

impl Answer {
    /// `hears`: fields and body are kept.
    pub(crate) fn new(hears: bool) -> Self {
        Self {
            heard: hears.then(Box::default),
            ..Self::default()
        }
    }

    /// Gets ready for the next answer.
    pub(crate) fn start(&mut self, bodiless: bool) {
        self.state = State::Head;
        self.head.clear();
        self.bodiless = bodiless;
        self.status = 0;
        self.keep_alive = true;
        if let Some(heard) = &mut self.heard {
            heard.clear();
        }
    }

    /// Takes the next piece.
    pub(crate) fn feed(&mut self, piece: &[u8]) -> Result<Fed, Fault> {
        let mut used = 0;
        loop {
            let rest = &piece[used..];
            match &mut self.state {
                State::Head => match self.feed_head(rest)? {
                    None => return Ok(Fed::More),
                    Some(taken) => used += taken,
                },
                State::Length(0) => return Ok(Fed::Done(used)),
                State::Length(left) => {
                    let taken = rest.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    *left -= taken as u64;
                    used += taken;
                    let done = *left == 0;
                    keep(&mut self.heard, &rest[..taken])?;
                    return Ok(if done { Fed::Done(used) } else { Fed::More });
                }
                State::Chunked(chunks) => {
                    let mut kept = Ok(());
                    let fed = chunks.feed(rest, |data| {
                        kept = keep(&mut self.heard, data);
                        kept.is_ok()
                    });
                    kept?;
                    return match fed.ok_or(Fault::Chunk)? {
                        ChunksFed::More => Ok(Fed::More),
                        ChunksFed::Done(taken) => Ok(Fed::Done(used + taken)),
                    };
                }
                State::UntilClose => {
                    keep(&mut self.heard, rest)?;
                    return Ok(Fed::More);
                }
            }
        }
    }

    /// The server closed its side: whether that completes the answer.
    pub(crate) fn end(&self) -> bool {
        matches!(self.state, State::UntilClose)
    }

    /// Whether nothing of the answer has come yet.
    pub(crate) fn untouched(&self) -> bool {
        matches!(self.state, State::Head) && self.head.is_empty()
    }

    /// How many bytes of the piece the head took; none if it goes on. 1xx heads are skipped here.
    fn feed_head(&mut self, piece: &[u8]) -> Result<Option<usize>, Fault> {
        if self.head.is_empty() {
            return match self.parse_head(piece)? {
                Some(taken) => Ok(Some(taken)),
                None => {
                    self.head.extend_from_slice(piece);
                    Ok(None)
                }
            };
        }
        // A head in pieces is parsed once, when its end is there: a server that dribbles must not cost CPU.
        let before = self.head.len();
        self.head.extend_from_slice(piece);
        if self.head.len() > HEAD_BYTES_MAX {
            return Err(Fault::HeadTooLong);
        }
        if !ends_a_head(&self.head[before.saturating_sub(3)..]) {
            return Ok(None);
        }
        let head = std::mem::take(&mut self.head);
        let parsed = self.parse_head(&head);
        self.head = head;
        match parsed? {
            Some(taken) => {
                self.head.clear();
                // An end that lies in the earlier pieces would have been parsed then.
                Ok(Some(taken.saturating_sub(before)))
            }
            None => Ok(None),
        }
    }

    fn parse_head(&mut self, bytes: &[u8]) -> Result<Option<usize>, Fault> {
        let mut fields = [const { MaybeUninit::uninit() }; FIELDS_MAX];
        let mut response = httparse::Response::new(&mut []);
        let config = httparse::ParserConfig::default();
        let length =
            match config.parse_response_with_uninit_headers(&mut response, bytes, &mut fields) {
                Ok(httparse::Status::Complete(length)) => length,
                Ok(httparse::Status::Partial) if bytes.len() > HEAD_BYTES_MAX => {
                    return Err(Fault::HeadTooLong);
                }
                Ok(httparse::Status::Partial) => return Ok(None),
                Err(error) => return Err(Fault::Head(describe(error))),
            };
        let status = response.code.unwrap_or(0);
        let body = Framing::of(response.version == Some(1), response.headers)?;
        if status == 101 {
            return Err(Fault::Upgrade);
        }
        if (100..200).contains(&status) {
            // An interim answer: the real one follows.
            return Ok(Some(length));
        }
        self.status = status;
        self.keep_alive = body.keep_alive;
        if let Some(heard) = &mut self.heard {
            response
                .headers
                .iter()
                .for_each(|field| heard.add_field(field.name.as_bytes(), field.value));
        }
        self.state = if self.bodiless || status == 204 || status == 304 {
            State::Length(0)
        } else if body.chunked {
            State::Chunked(Chunks::default())
        } else if let Some(length) = body.length {
            State::Length(length)
        } else {
            self.keep_alive = false;
            State::UntilClose
        };
        Ok(Some(length))
    }
}

/// Keeps data of the body, if somebody reads them.
fn keep(heard: &mut Option<Box<Heard>>, data: &[u8]) -> Result<(), Fault> {
    let fits = heard.as_mut().is_none_or(|heard| heard.add_body(data));
    if fits { Ok(()) } else { Err(Fault::TooLong) }
}

/// What the head says of body and connection.
struct Framing {
    length: Option<u64>,
    chunked: bool,
    keep_alive: bool,
}

impl Framing {
    fn of(version_11: bool, fields: &[httparse::Header<'_>]) -> Result<Self, Fault> {
        let mut framing = Self {
            length: None,
            chunked: false,
            keep_alive: version_11,
        };
        for field in fields {
            // Lengths first: comparing them is cheaper than comparing names that cannot match.
            match field.name.len() {
                14 if field.name.eq_ignore_ascii_case("content-length") => {
                    let length = digits(field.value).ok_or(Fault::Length)?;
                    if framing.length.is_some_and(|other| other != length) {
                        return Err(Fault::Length);
                    }
                    framing.length = Some(length);
                }
                17 if field.name.eq_ignore_ascii_case("transfer-encoding") => {
                    let last = field
                        .value
                        .rsplit(|&byte| byte == b',')
                        .next()
                        .unwrap_or_default();
                    framing.chunked = last.trim_ascii().eq_ignore_ascii_case(b"chunked");
                }
                10 if field.name.eq_ignore_ascii_case("connection") => {
                    let mut options = field
                        .value
                        .split(|&byte| byte == b',')
                        .map(<[u8]>::trim_ascii);
                    if options
                        .clone()
                        .any(|option| option.eq_ignore_ascii_case(b"close"))
                    {
                        framing.keep_alive = false;
                    } else if options.any(|option| option.eq_ignore_ascii_case(b"keep-alive")) {
                        framing.keep_alive = true;
                    }
                }
                _ => {}
            }
        }
        Ok(framing)
    }
}

/// Digits only: no sign, no blank inside.
fn digits(value: &[u8]) -> Option<u64> {
    let value = value.trim_ascii();
    if value.is_empty() {
        return None;
    }
    value.iter().try_fold(0u64, |number, &byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

fn ends_a_head(bytes: &[u8]) -> bool {
    bytes.windows(2).any(|pair| pair == b"\n\n") || bytes.windows(3).any(|three| three == b"\n\r\n")
}

fn describe(error: httparse::Error) -> &'static str {
    use httparse::Error;
    match error {
        Error::HeaderName => "a field's name has a byte that is not allowed",
        Error::HeaderValue => "a field's value has a byte that is not allowed",
        Error::NewLine => "a line does not end as it should",
        Error::Status => "the status is not a number",
        Error::TooManyHeaders => "more than 128 fields",
        Error::Version => "it does not start with HTTP/1",
        Error::Token => "a byte that is not allowed",
    }
}

#[cfg(test)]
mod tests;
