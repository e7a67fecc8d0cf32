//! Reads one answer after another from whatever pieces the network delivers.

use super::chunks::{Chunks, ChunksFed};
use super::fault::{Fault, HEAD_BYTES_MAX, INTERIM_MAX};
use super::framing::{Body, Framing};
use super::heard::Heard;
use std::mem::MaybeUninit;

/// As many header fields are read without an allocation.
const FIELDS_USUAL: usize = 128;

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
    /// Line ends in front of the head, which are skipped.
    blank: usize,
    /// Interim answers before this one.
    interim: u32,
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
        self.blank = 0;
        self.interim = 0;
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
                    return match fed.map_err(Fault::Chunk)? {
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

    /// Whether its head is there, and its body goes on.
    pub(crate) fn in_body(&self) -> bool {
        !matches!(self.state, State::Head)
    }

    /// Whether nothing of the answer has come yet.
    pub(crate) fn untouched(&self) -> bool {
        matches!(self.state, State::Head) && self.head.is_empty()
    }

    /// How many bytes of the piece the head took; none if it goes on. 1xx heads are skipped here.
    fn feed_head(&mut self, piece: &[u8]) -> Result<Option<usize>, Fault> {
        if self.head.is_empty() {
            let blank = piece
                .iter()
                .take_while(|byte| b"\r\n".contains(byte))
                .count();
            self.blank += blank;
            if self.blank > HEAD_BYTES_MAX {
                return Err(Fault::HeadTooLong);
            }
            let piece = &piece[blank..];
            return match self.parse_head(piece)? {
                Some(taken) => Ok(Some(blank + taken)),
                None => {
                    self.head.extend_from_slice(piece);
                    Ok(None)
                }
            };
        }
        // A head in pieces is parsed once, when its end is there: a server that dribbles must not cost CPU.
        let before = self.head.len();
        self.head.extend_from_slice(piece);
        if !ends_a_head(&self.head[before.saturating_sub(3)..]) {
            if self.head.len() > HEAD_BYTES_MAX {
                return Err(Fault::HeadTooLong);
            }
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
        let mut fields = [const { MaybeUninit::uninit() }; FIELDS_USUAL];
        match self.parse_into(bytes, &mut fields) {
            Err(httparse::Error::TooManyHeaders) => {
                // No field is shorter than a line, and the head's length has a limit of its own.
                let lines = bytes.iter().filter(|&&byte| byte == b'\n').count();
                let mut fields = vec![MaybeUninit::uninit(); lines];
                self.parse_into(bytes, &mut fields)?
            }
            parsed => parsed?,
        }
        .transpose()
    }

    /// Parses with room for so many fields: the length of the head if it is whole, and what that makes of the answer.
    fn parse_into<'b>(
        &mut self,
        bytes: &'b [u8],
        fields: &mut [MaybeUninit<httparse::Header<'b>>],
    ) -> Result<Option<Result<usize, Fault>>, httparse::Error> {
        let mut response = httparse::Response::new(&mut []);
        let mut config = httparse::ParserConfig::default();
        // RFC 9112, section 5.2: a user agent reads folded lines.
        config.allow_obsolete_multiline_headers_in_responses(true);
        Ok(
            match config.parse_response_with_uninit_headers(&mut response, bytes, fields)? {
                httparse::Status::Complete(length) if length > HEAD_BYTES_MAX => {
                    Some(Err(Fault::HeadTooLong))
                }
                httparse::Status::Complete(length) => {
                    Some(self.take_head(&response).map(|()| length))
                }
                httparse::Status::Partial if bytes.len() > HEAD_BYTES_MAX => {
                    Some(Err(Fault::HeadTooLong))
                }
                httparse::Status::Partial => None,
            },
        )
    }

    /// A head is whole.
    fn take_head(&mut self, response: &httparse::Response<'_, '_>) -> Result<(), Fault> {
        let status = response.code.unwrap_or(0);
        if status == 101 {
            return Err(Fault::Upgrade);
        }
        if (100..200).contains(&status) {
            // An interim answer: the real one follows.
            self.interim += 1;
            if self.interim > INTERIM_MAX {
                return Err(Fault::Interim);
            }
            return Ok(());
        }
        self.status = status;
        let framing = Framing::of(response.version == Some(1), response.headers)?;
        let bodiless = self.bodiless || status == 204 || status == 304;
        let (body, keep_alive) = framing.body(bodiless)?;
        self.keep_alive = keep_alive;
        if let Some(heard) = &mut self.heard {
            response
                .headers
                .iter()
                .for_each(|field| heard.add_field(field.name.as_bytes(), field.value));
        }
        self.state = match body {
            Body::Length(length) => State::Length(length),
            Body::Chunked => State::Chunked(Chunks::default()),
            Body::UntilClose => State::UntilClose,
        };
        Ok(())
    }
}

/// Keeps data of the body, if somebody reads them.
fn keep(heard: &mut Option<Box<Heard>>, data: &[u8]) -> Result<(), Fault> {
    let fits = heard.as_mut().is_none_or(|heard| heard.add_body(data));
    if fits { Ok(()) } else { Err(Fault::TooLong) }
}

fn ends_a_head(bytes: &[u8]) -> bool {
    bytes.windows(2).any(|pair| pair == b"\n\n") || bytes.windows(3).any(|three| three == b"\n\r\n")
}

#[cfg(test)]
mod tests;
