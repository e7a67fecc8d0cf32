//! Files of any size in pieces that can be decoded one by one.

use super::{ImportError, Kind};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// How a piece is to be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// An element of Jaeger's `data`.
    JaegerTrace,
    /// `TracesData` as JSON.
    OtlpJson,
    /// `TracesData` as protobuf.
    OtlpProto,
}

/// What a file is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    JaegerData,
    JsonLines,
    /// Each message after its length in four bytes.
    Frames,
    /// One message: its `resource_spans` are pieces, which are messages of one field each.
    Message,
}

/// A single piece that is larger than this is no trace.
const PIECE_MAX: usize = 512 << 20;
const CHUNK: usize = 1 << 20;

/// The pieces of one file, with their place in it.
pub(super) struct Pieces {
    path: PathBuf,
    file: File,
    buffer: Vec<u8>,
    // What of the buffer was handed out.
    used: usize,
    at: u64,
    is_end: bool,
    layout: Layout,
    scan: Scan,
}

impl Pieces {
    pub(super) fn open(kind: Kind, path: &Path) -> Result<Self, ImportError> {
        let read = |cause| ImportError::Read { path: path.to_owned(), cause };
        let file = File::open(path).map_err(read)?;
        let mut pieces = Self {
            path: path.to_owned(),
            file,
            buffer: Vec::new(),
            used: 0,
            at: 0,
            is_end: false,
            layout: Layout::JaegerData,
            scan: Scan::default(),
        };
        pieces.fill()?;
        pieces.layout = match kind {
            Kind::Jaeger => Layout::JaegerData,
            Kind::Otlp if is_json_object(&pieces.buffer) => Layout::JsonLines,
            // A message begins with the tag of its one field; a frame with the high byte of its length.
            Kind::Otlp if pieces.buffer.first() == Some(&0x0a) => Layout::Message,
            Kind::Otlp => Layout::Frames,
        };
        Ok(pieces)
    }

    fn fill(&mut self) -> Result<(), ImportError> {
        self.buffer.drain(..self.used);
        self.used = 0;
        let before = self.buffer.len();
        // Larger pieces are read in larger steps.
        self.buffer.resize(before + CHUNK.max(before), 0);
        let mut filled = before;
        while filled < self.buffer.len() {
            match self.file.read(&mut self.buffer[filled..]) {
                Ok(0) => {
                    self.is_end = true;
                    break;
                }
                Ok(count) => filled += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(cause) => return Err(ImportError::Read { path: self.path.clone(), cause }),
            }
        }
        self.buffer.truncate(filled);
        if self.buffer.len() > PIECE_MAX {
            return Err(self.wrong("there is no end of a trace in half a gigabyte"));
        }
        Ok(())
    }

    fn wrong(&self, reason: &str) -> ImportError {
        ImportError::Format { path: self.path.clone(), at: self.at, reason: reason.to_owned() }
    }

    /// The next piece within the buffer: where it begins and ends, and where the next one may begin.
    fn find(&mut self) -> Result<Option<(usize, usize, usize)>, &'static str> {
        let rest = &self.buffer[self.used..];
        match self.layout {
            Layout::JaegerData => self.scan.next_element(rest),
            Layout::JsonLines => Ok(match rest.iter().position(|byte| *byte == b'\n') {
                Some(end) => Some((0, end, end + 1)),
                None if self.is_end && !rest.is_empty() => Some((0, rest.len(), rest.len())),
                None => None,
            }),
            Layout::Frames => match rest.split_first_chunk::<4>() {
                None => Ok(None),
                Some((length, rest)) => {
                    let length = u32::from_be_bytes(*length) as usize;
                    if length > PIECE_MAX {
                        Err("a frame of more than half a gigabyte")
                    } else {
                        Ok((rest.len() >= length).then_some((4, 4 + length, 4 + length)))
                    }
                }
            },
            Layout::Message => resource_spans(rest),
        }
    }

    fn step(&mut self) -> Result<Option<(u64, Vec<u8>, Format)>, ImportError> {
        loop {
            match self.find().map_err(|reason| self.wrong(reason))? {
                Some((from, to, next)) => {
                    let piece = self.buffer[self.used + from..self.used + to].to_vec();
                    let at = self.at + from as u64;
                    self.used += next;
                    self.at += next as u64;
                    let format = match self.layout {
                        Layout::JaegerData => Format::JaegerTrace,
                        Layout::JsonLines => Format::OtlpJson,
                        Layout::Frames | Layout::Message => Format::OtlpProto,
                    };
                    if piece.trim_ascii().is_empty() && format == Format::OtlpJson {
                        continue;
                    }
                    return Ok(Some((at, piece, format)));
                }
                None if self.is_end => return self.end(),
                None => self.fill()?,
            }
        }
    }

    /// The file is over: is what is left of it nothing?
    fn end(&self) -> Result<Option<(u64, Vec<u8>, Format)>, ImportError> {
        let rest = &self.buffer[self.used..];
        let is_whole = match self.layout {
            Layout::JaegerData => self.scan.is_over,
            _ => rest.trim_ascii().is_empty(),
        };
        if is_whole { Ok(None) } else { Err(self.wrong("the file ends in the middle of something")) }
    }
}

impl Iterator for Pieces {
    type Item = Result<(u64, Vec<u8>, Format), ImportError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}

/// An object begins here. (A newline is a tag in protobuf, and a brace may be the length after it, but no quote follows.)
fn is_json_object(bytes: &[u8]) -> bool {
    let inside = bytes.trim_ascii_start().strip_prefix(b"{");
    inside.is_some_and(|inside| matches!(inside.trim_ascii_start().first(), Some(b'"' | b'}')))
}

/// One `resource_spans` field with its tag, which is a message of its own.
fn resource_spans(bytes: &[u8]) -> Result<Option<(usize, usize, usize)>, &'static str> {
    let Some((tag, rest)) = bytes.split_first() else { return Ok(None) };
    if *tag != 0x0a {
        return Err("this is no TracesData: neither JSON, nor protobuf, nor protobuf after lengths");
    }
    let mut length = 0_usize;
    for (place, byte) in rest.iter().enumerate().take(5) {
        length |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            let end = place + 2 + length;
            return if length > PIECE_MAX {
                Err("a message of more than half a gigabyte")
            } else {
                Ok((bytes.len() >= end).then_some((0, end, end)))
            };
        }
    }
    if rest.len() >= 5 { Err("a length does not end") } else { Ok(None) }
}

/// Finds the elements of the array `data` in Jaeger's JSON without reading what is in them.
#[derive(Debug, Default)]
struct Scan {
    // Within the array.
    is_inside: bool,
    is_over: bool,
}

impl Scan {
    fn next_element(&mut self, bytes: &[u8]) -> Result<Option<(usize, usize, usize)>, &'static str> {
        if self.is_over {
            return Ok(None);
        }
        let mut at = 0;
        if !self.is_inside {
            // A plain array of traces is taken as well as an answer.
            let Some(first) = bytes.iter().position(|byte| !byte.is_ascii_whitespace()) else { return Ok(None) };
            at = match bytes[first] {
                b'[' => first + 1,
                b'{' => match find_data(&bytes[first..])? {
                    Some(place) => first + place,
                    None => return Ok(None),
                },
                _ => return Err("this is no JSON of Jaeger's: it begins with neither { nor ["),
            };
        }
        loop {
            match bytes.get(at) {
                None => return Ok(None),
                Some(b',') => at += 1,
                Some(byte) if byte.is_ascii_whitespace() => at += 1,
                Some(b']') => {
                    self.is_over = true;
                    return Ok(None);
                }
                Some(b'{') => break,
                // `"data": null` is how nothing found is said.
                Some(b'n') if !self.is_inside => {
                    self.is_over = true;
                    return Ok(None);
                }
                Some(_) => return Err("an element of data is no object"),
            }
        }
        let Some(length) = object_length(&bytes[at..]) else { return Ok(None) };
        self.is_inside = true;
        Ok(Some((at, at + length, at + length)))
    }
}

/// The place after `"data":[` (or at `null`) at the top level of an object.
fn find_data(bytes: &[u8]) -> Result<Option<usize>, &'static str> {
    let mut depth = 0;
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return Err("there is no array data in this object");
                }
            }
            b'"' => {
                let Some(end) = string_end(bytes, at) else { return Ok(None) };
                if depth == 1 && &bytes[at..end] == b"\"data\"" {
                    let mut rest = bytes[end..].iter().enumerate().filter(|(_, byte)| !byte.is_ascii_whitespace());
                    if rest.next().is_some_and(|(_, byte)| *byte == b':') {
                        return match rest.next() {
                            Some((place, b'[')) => Ok(Some(end + place + 1)),
                            Some((place, b'n')) => Ok(Some(end + place)),
                            Some(_) => Err("data is no array"),
                            None => Ok(None),
                        };
                    }
                }
                at = end;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    Ok(None)
}

/// The length of the object at the beginning of `bytes`; none if it does not end there.
fn object_length(bytes: &[u8]) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'{' => depth += 1,
            b'}' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            b'"' => {
                at = string_end(bytes, at)?;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// The place after the string that begins at `at`.
fn string_end(bytes: &[u8], at: usize) -> Option<usize> {
    let mut place = at + 1;
    loop {
        match bytes.get(place)? {
            b'"' => return Some(place + 1),
            b'\\' => place += 2,
            _ => place += 1,
        }
    }
}
