//! Files of any size in pieces that can be decoded one by one.

mod mask;
mod scan;

use super::{ImportError, Kind};
use scan::Scan;
use std::fs::File;
use std::io::Read as _;
use std::ops::Range;
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

/// Some pieces of a file, as they lie in it.
pub(super) struct Batch {
    bytes: Vec<u8>,
    /// Where in the file `bytes` begin.
    at: u64,
    pieces: Vec<Range<usize>>,
    pub(super) format: Format,
}

impl Batch {
    /// The pieces, each with its place in the file.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &[u8])> {
        self.pieces
            .iter()
            .map(|piece| (self.at + piece.start as u64, &self.bytes[piece.clone()]))
    }
}

/// The pieces of one file, many at a time.
pub(super) struct Pieces {
    path: PathBuf,
    file: File,
    buffer: Vec<u8>,
    // Where in the file the buffer begins.
    at: u64,
    is_end: bool,
    layout: Layout,
    scan: Scan,
}

impl Pieces {
    pub(super) fn open(kind: Kind, path: &Path) -> Result<Self, ImportError> {
        let read = |cause| ImportError::Read {
            path: path.to_owned(),
            cause,
        };
        let file = File::open(path).map_err(read)?;
        let mut pieces = Self {
            path: path.to_owned(),
            file,
            buffer: Vec::new(),
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
        // Larger pieces are read in larger steps.
        let step = CHUNK.max(self.buffer.len());
        self.buffer.reserve(step);
        let read = (&mut self.file)
            .take(step as u64)
            .read_to_end(&mut self.buffer);
        self.is_end = read.map_err(|cause| ImportError::Read {
            path: self.path.clone(),
            cause,
        })? < step;
        if self.buffer.len() > PIECE_MAX {
            return Err(self.wrong("there is no end of a trace in half a gigabyte", 0));
        }
        Ok(())
    }

    fn wrong(&self, reason: &str, used: usize) -> ImportError {
        ImportError::Format {
            path: self.path.clone(),
            at: self.at + used as u64,
            reason: reason.to_owned(),
        }
    }

    /// The next piece of what is left of the buffer: where it begins, where it ends, and where the next may begin.
    fn find(&mut self, used: usize) -> Result<Option<(usize, usize, usize)>, &'static str> {
        let rest = &self.buffer[used..];
        match self.layout {
            Layout::JaegerData => Ok(self
                .scan
                .next_element(rest)?
                .map(|(from, to)| (from, to, to))),
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

    /// All pieces that the buffer holds whole, with the buffer; what is left of it begins the next one.
    fn step(&mut self) -> Result<Option<Batch>, ImportError> {
        loop {
            let (mut pieces, mut used) = (Vec::new(), 0);
            while let Some((from, to, next)) =
                self.find(used).map_err(|reason| self.wrong(reason, used))?
            {
                // Empty lines between documents are nothing.
                if self.layout != Layout::JsonLines
                    || !self.buffer[used + from..used + to].trim_ascii().is_empty()
                {
                    pieces.push(used + from..used + to);
                }
                used += next;
            }
            let at = self.at;
            self.at += used as u64;
            if !pieces.is_empty() {
                let rest = self.buffer.split_off(used);
                let bytes = std::mem::replace(&mut self.buffer, rest);
                return Ok(Some(Batch {
                    bytes,
                    at,
                    pieces,
                    format: self.layout.format(),
                }));
            }
            self.buffer.drain(..used);
            if self.is_end {
                return self.end().map(|()| None);
            }
            self.fill()?;
        }
    }

    /// The file is over: is what is left of it nothing?
    fn end(&self) -> Result<(), ImportError> {
        let is_whole = match self.layout {
            Layout::JaegerData => self.scan.is_over,
            _ => self.buffer.trim_ascii().is_empty(),
        };
        if is_whole {
            Ok(())
        } else {
            Err(self.wrong("the file ends in the middle of something", 0))
        }
    }
}

impl Layout {
    const fn format(self) -> Format {
        match self {
            Self::JaegerData => Format::JaegerTrace,
            Self::JsonLines => Format::OtlpJson,
            Self::Frames | Self::Message => Format::OtlpProto,
        }
    }
}

impl Iterator for Pieces {
    type Item = Result<Batch, ImportError>;

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
    let Some((tag, rest)) = bytes.split_first() else {
        return Ok(None);
    };
    if *tag != 0x0a {
        return Err(
            "this is no TracesData: neither JSON, nor protobuf, nor protobuf after lengths",
        );
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
    if rest.len() >= 5 {
        Err("a length does not end")
    } else {
        Ok(None)
    }
}
