//! Files of any size in pieces that can be decoded one by one.
//!
//! What is broken costs itself: it is reported with its place, and the next document after it is looked for.

mod mask;
mod objects;
mod scan;

use super::source::{Source, ZSTD, other};
use super::{ImportError, LeftOut};
use scan::{Scan, Step};
use std::io::Read as _;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// How a piece is to be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// An element of Jaeger's `data`.
    JaegerTrace,
    /// An element of OTLP's `resourceSpans`.
    OtlpResource,
    /// `TracesData` as protobuf.
    OtlpProto,
    /// A message of the collector's file exporter: protobuf or JSON, which may be packed by itself.
    OtlpMessage,
    /// A document that says by its members what it is.
    Unknown,
    /// What a server says of what it left out.
    Said,
}

/// What a file is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    Json,
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
    pieces: Vec<(Range<usize>, Format)>,
    /// What was found broken on the way to them.
    pub(super) left_out: Vec<LeftOut>,
}

impl Batch {
    /// The pieces, each with its place in the file.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &[u8], Format)> {
        self.pieces.iter().map(|(piece, format)| {
            let at = self.at + piece.start as u64;
            (at, &self.bytes[piece.clone()], *format)
        })
    }
}

/// The pieces of one file, many at a time.
pub(super) struct Pieces {
    path: PathBuf,
    source: Source,
    buffer: Vec<u8>,
    // Where in the (unpacked) file the buffer begins.
    at: u64,
    is_end: bool,
    layout: Layout,
    scan: Scan,
    // Nothing more is to be had of this file.
    is_over: bool,
    // The next document is looked for, which is so far from the margin.
    is_lost: bool,
    indent: usize,
    left_out: Vec<LeftOut>,
}

/// What came of a look at the buffer.
enum Found {
    Piece(Range<usize>, Format),
    Reached(usize),
    More,
}

impl Pieces {
    pub(super) fn open(path: &Path) -> Result<Self, ImportError> {
        let source = Source::open(path).map_err(|cause| ImportError::Read {
            path: path.to_owned(),
            cause,
        })?;
        let mut pieces = Self {
            path: path.to_owned(),
            source,
            buffer: Vec::new(),
            at: 0,
            is_end: false,
            layout: Layout::Json,
            scan: Scan::default(),
            is_over: false,
            is_lost: false,
            indent: 0,
            left_out: Vec::new(),
        };
        pieces.fill()?;
        // A byte order mark is no part of what it stands before.
        let mark: &[u8] = b"\xef\xbb\xbf";
        if pieces.buffer.starts_with(mark) {
            pieces.done_with(mark.len());
        }
        match layout(&pieces.buffer) {
            Ok(layout) => pieces.layout = layout,
            Err(reason) => pieces.give_up(0, reason),
        }
        Ok(pieces)
    }

    fn fill(&mut self) -> Result<(), ImportError> {
        // Larger pieces are read in larger steps.
        let step = CHUNK.max(self.buffer.len());
        self.buffer.reserve(step);
        let read = (&mut self.source)
            .take(step as u64)
            .read_to_end(&mut self.buffer);
        match read {
            Ok(count) => self.is_end = count < step,
            Err(cause) if self.source.is_packed() => {
                // What was unpacked up to there is as good as ever.
                let end = self.buffer.len();
                self.is_end = true;
                self.leave_out(
                    end,
                    format!("what is packed in it breaks off here: {cause}"),
                );
            }
            Err(cause) => {
                return Err(ImportError::Read {
                    path: self.path.clone(),
                    cause,
                });
            }
        }
        Ok(())
    }

    fn leave_out(&mut self, used: usize, reason: impl Into<String>) {
        self.left_out.push(LeftOut {
            path: self.path.clone(),
            at: self.at + used as u64,
            reason: reason.into(),
        });
    }

    /// Nothing is to be had of the rest of the file.
    fn give_up(&mut self, used: usize, reason: &str) {
        self.leave_out(used, reason);
        self.is_over = true;
    }

    /// The first bytes of the buffer are not needed any more.
    fn done_with(&mut self, used: usize) {
        self.at += used as u64;
        self.buffer.drain(..used);
    }

    /// What is next in the buffer from `used`.
    fn find(&mut self, used: usize) -> Found {
        let end = self.buffer.len();
        if self.is_over {
            return Found::Reached(end);
        }
        if used == end {
            if self.is_end && !self.scan.is_between() {
                self.leave_out(used, "the file ends within a document");
                self.scan.restart();
            }
            return Found::More;
        }
        if self.is_lost {
            return self.find_document(used);
        }
        let rest = &self.buffer[used..];
        let found = match self.layout {
            Layout::Json => match self.scan.next(rest) {
                Ok(Step::Piece(from, to, format)) => {
                    Ok(Found::Piece(used + from..used + to, format))
                }
                Ok(Step::Reached(to)) => {
                    self.note_short(used + to);
                    Ok(Found::Reached(used + to))
                }
                Ok(Step::More) => Ok(Found::More),
                Err(broken) => return self.broken(used, broken.at, broken.reason),
            },
            Layout::Frames => frame(rest, used),
            Layout::Message => resource_spans(rest, used),
        };
        match found {
            Ok(Found::More) if self.is_end && self.layout == Layout::Json => {
                let begin = self.begin(used) - used;
                self.broken(used, begin, "what begins here has no end")
            }
            Ok(Found::More) if self.is_end => {
                self.give_up(used, "the file ends within what begins here");
                Found::Reached(end)
            }
            Ok(Found::More) if end - used > PIECE_MAX => {
                self.give_up(used, "what begins here has no end in half a gigabyte");
                Found::Reached(end)
            }
            Ok(found) => found,
            Err(reason) => {
                self.give_up(used, reason);
                Found::Reached(end)
            }
        }
    }

    /// A document that ends here may have less than there is.
    fn note_short(&mut self, end: usize) {
        if let Some(count) = self.scan.take_short() {
            let (pieces, total) = (count.pieces, count.total.unwrap_or_default());
            self.leave_out(
                end,
                format!(
                    "the answer that ends here has {pieces} of {total} or more: ask for more at a time (Elasticsearch's \
                     `size`, Jaeger's `limit`), or page by page"
                ),
            );
        }
    }

    /// Where something begins behind white space and commas.
    fn begin(&self, used: usize) -> usize {
        let is_space = |byte: &u8| byte.is_ascii_whitespace() || *byte == b',';
        let skipped = self.buffer[used..].iter().take_while(|byte| is_space(byte));
        used + skipped.count()
    }

    /// Leaves out what is broken in the document at `used`, and looks for the next one.
    fn broken(&mut self, used: usize, at: usize, reason: &str) -> Found {
        if !(self.scan.is_between() && self.scan.is_after_fault()) {
            self.leave_out(used + at, reason);
        }
        let begin = self.begin(used);
        // Where a name belongs the next document may stand: the one before broke off.
        let is_next = !self.scan.is_between()
            && used + at == begin
            && matches!(self.buffer.get(begin), Some(b'{' | b'['));
        self.scan.restart();
        self.is_lost = true;
        let before = &self.buffer[used..begin];
        let line = before.iter().rposition(|byte| *byte == b'\n');
        self.indent = line.map_or(0, |line| before.len() - line - 1);
        self.find_document(if is_next { used } else { begin })
    }

    /// The next line that begins a document, as far from the margin as the one that is broken: what is further in belongs to
    /// it.
    fn find_document(&mut self, used: usize) -> Found {
        let begins = |line: &[u8]| {
            let [b'\n', indent @ .., b'{' | b'['] = line else {
                return false;
            };
            indent.iter().all(|byte| matches!(byte, b' ' | b'\t'))
        };
        let (end, width) = (self.buffer.len(), self.indent + 2);
        match self.buffer[used..].windows(width).position(begins) {
            Some(place) => {
                self.is_lost = false;
                Found::Reached(used + place + 1)
            }
            None if self.is_end => Found::Reached(end),
            // The last bytes may be the line break before it, and some of its indentation.
            None if end - used < width => Found::More,
            None => Found::Reached(end + 1 - width),
        }
    }

    /// All pieces that the buffer holds whole, with the buffer; what is left of it begins the next one.
    fn step(&mut self) -> Result<Option<Batch>, ImportError> {
        loop {
            let (mut pieces, mut used) = (Vec::new(), 0);
            loop {
                match self.find(used) {
                    Found::Piece(piece, format) => {
                        used = piece.end;
                        pieces.push((piece, format));
                    }
                    Found::Reached(to) if to > used => used = to,
                    Found::Reached(_) | Found::More => break,
                }
            }
            if !pieces.is_empty() || !self.left_out.is_empty() {
                let rest = self.buffer.split_off(used);
                let batch = Batch {
                    bytes: std::mem::replace(&mut self.buffer, rest),
                    at: self.at,
                    pieces,
                    left_out: std::mem::take(&mut self.left_out),
                };
                self.at += used as u64;
                return Ok(Some(batch));
            }
            self.done_with(used);
            if self.is_end || self.is_over {
                return Ok(None);
            }
            self.fill()?;
        }
    }
}

impl Iterator for Pieces {
    type Item = Result<Batch, ImportError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}

/// What a file that begins so is made of.
fn layout(head: &[u8]) -> Result<Layout, &'static str> {
    if let Some(what) = other(head) {
        return Err(what);
    }
    if is_json(head) {
        return Ok(Layout::Json);
    }
    // A message begins with the tag of its one field; a frame with the high byte of its length.
    if head.first() == Some(&0x0a) {
        return Ok(Layout::Message);
    }
    match head.split_first_chunk::<4>() {
        Some((length, message))
            if u32::from_be_bytes(*length) as usize <= PIECE_MAX
                && (message.starts_with(b"\x0a")
                    || message.starts_with(b"{")
                    || message.starts_with(&[0x1f, 0x8b])
                    || message.starts_with(ZSTD)
                    || (*length == [0; 4] && !message.is_empty())) =>
        {
            Ok(Layout::Frames)
        }
        // What it is will be said by whoever looks for the first document.
        _ => Ok(Layout::Json),
    }
}

/// A document begins here. (A newline is a tag in protobuf, and a brace may be the length after it, but there a control
/// character follows the next quote.)
fn is_json(head: &[u8]) -> bool {
    let begin = head.trim_ascii_start();
    match begin.split_first() {
        None => true,
        Some((0x1e, rest)) => is_json(rest),
        Some((b'{', inside)) => match inside.trim_ascii_start() {
            [] | [b'}', ..] | [b'"'] => true,
            [b'"', next, ..] => *next >= 0x20,
            _ => false,
        },
        Some((b'[', inside)) => matches!(
            inside.trim_ascii_start().first(),
            None | Some(b'{' | b'[' | b']' | b'n')
        ),
        Some(_) => false,
    }
}

/// A message after its length.
fn frame(bytes: &[u8], used: usize) -> Result<Found, &'static str> {
    let Some((length, rest)) = bytes.split_first_chunk::<4>() else {
        return Ok(Found::More);
    };
    let length = u32::from_be_bytes(*length) as usize;
    if length > PIECE_MAX {
        return Err("a frame of more than half a gigabyte");
    }
    let piece = used + 4..used + 4 + length;
    Ok(if rest.len() >= length {
        Found::Piece(piece, Format::OtlpMessage)
    } else {
        Found::More
    })
}

/// One `resource_spans` field with its tag, which is a message of its own.
fn resource_spans(bytes: &[u8], used: usize) -> Result<Found, &'static str> {
    let Some((tag, rest)) = bytes.split_first() else {
        return Ok(Found::More);
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
            } else if bytes.len() >= end {
                Ok(Found::Piece(used..used + end, Format::OtlpProto))
            } else {
                Ok(Found::More)
            };
        }
    }
    if rest.len() >= 5 {
        Err("a length does not end")
    } else {
        Ok(Found::More)
    }
}
