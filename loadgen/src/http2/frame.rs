//! Frames (RFC 9113, section 4): the nine bytes in front of each, and whole frames out of whatever pieces come.

use super::fault::{Code, Fault};

/// Bytes in front of a payload.
pub(super) const HEADER_BYTES: usize = 9;
/// The longest payload that both sides take unless they say otherwise, which we do not.
pub(super) const PAYLOAD_BYTES_MAX: usize = 16_384;

/// Frame types.
pub(super) mod kind {
    pub(in crate::http2) const DATA: u8 = 0;
    pub(in crate::http2) const HEADERS: u8 = 1;
    pub(in crate::http2) const PRIORITY: u8 = 2;
    pub(in crate::http2) const RST_STREAM: u8 = 3;
    pub(in crate::http2) const SETTINGS: u8 = 4;
    pub(in crate::http2) const PUSH_PROMISE: u8 = 5;
    pub(in crate::http2) const PING: u8 = 6;
    pub(in crate::http2) const GOAWAY: u8 = 7;
    pub(in crate::http2) const WINDOW_UPDATE: u8 = 8;
    pub(in crate::http2) const CONTINUATION: u8 = 9;
}

/// Frame flags; the first one means END_STREAM or ACK.
pub(super) mod flag {
    pub(in crate::http2) const END_STREAM: u8 = 0x1;
    pub(in crate::http2) const ACK: u8 = 0x1;
    pub(in crate::http2) const END_HEADERS: u8 = 0x4;
    pub(in crate::http2) const PADDED: u8 = 0x8;
    pub(in crate::http2) const PRIORITY: u8 = 0x20;
}

/// A whole frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
    pub(super) payload: &'a [u8],
}

impl Frame<'_> {
    pub(super) const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Bytes on the wire.
    pub(super) const fn bytes(&self) -> u64 {
        (HEADER_BYTES + self.payload.len()) as u64
    }
}

/// Appends a frame's header.
pub(super) fn push_header(out: &mut Vec<u8>, length: usize, kind: u8, flags: u8, stream: u32) {
    debug_assert!(length < 1 << 24, "a length has 24 bits");
    let [_, high, middle, low] = (length as u32).to_be_bytes();
    let [a, b, c, d] = stream.to_be_bytes();
    out.extend_from_slice(&[high, middle, low, kind, flags, a, b, c, d]);
}

/// The first four bytes as a number.
pub(super) fn number(bytes: &[u8]) -> u32 {
    bytes
        .first_chunk()
        .map_or(0, |four| u32::from_be_bytes(*four))
}

/// The payload's length, from a whole header.
fn length_of(header: &[u8]) -> Result<usize, Fault> {
    match (number(header) >> 8) as usize {
        length if length > PAYLOAD_BYTES_MAX => {
            Err(Fault::Broken(Code::FRAME_SIZE, "a frame is too long"))
        }
        length => Ok(length),
    }
}

fn frame(bytes: &[u8]) -> Frame<'_> {
    // The highest bit of the stream's id is reserved.
    let stream = number(&bytes[5..]) & (u32::MAX >> 1);
    Frame {
        kind: bytes[3],
        flags: bytes[4],
        stream,
        payload: &bytes[HEADER_BYTES..],
    }
}

/// Makes frames whole that come in pieces. A frame that comes in one piece is not copied.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    /// The beginning of a frame.
    begun: Vec<u8>,
    /// It was completed, and handed out.
    whole: bool,
}

impl Pieces {
    /// The next whole frame; `piece` moves on behind it. None: the piece is used up.
    pub(super) fn next<'a, 'b: 'a>(
        &'a mut self,
        piece: &mut &'b [u8],
    ) -> Result<Option<Frame<'a>>, Fault> {
        if std::mem::take(&mut self.whole) {
            self.begun.clear();
        }
        if self.begun.is_empty()
            && piece.len() >= HEADER_BYTES
            && let Some((whole, rest)) = piece.split_at_checked(HEADER_BYTES + length_of(piece)?)
        {
            *piece = rest;
            return Ok(Some(frame(whole)));
        }
        if !self.fill(HEADER_BYTES, piece) {
            return Ok(None);
        }
        self.whole = self.fill(HEADER_BYTES + length_of(&self.begun)?, piece);
        Ok(self.whole.then(|| frame(&self.begun)))
    }

    /// Takes bytes until so many are there; false if the piece has too few.
    fn fill(&mut self, length: usize, piece: &mut &[u8]) -> bool {
        let (taken, rest) =
            piece.split_at(piece.len().min(length.saturating_sub(self.begun.len())));
        self.begun.extend_from_slice(taken);
        *piece = rest;
        self.begun.len() >= length
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn frames_come_whole_whatever_the_pieces(
            frames in prop::collection::vec((0..10u8, any::<u8>(), 0..1u32 << 31, prop::collection::vec(any::<u8>(), 0..40)), 0..8),
            cuts in prop::collection::vec(1..30usize, 1..40),
        ) {
            let mut wire = Vec::new();
            for (kind, flags, stream, payload) in &frames {
                push_header(&mut wire, payload.len(), *kind, *flags, *stream);
                wire.extend_from_slice(payload);
            }
            let (mut pieces, mut rest, mut found) = (Pieces::default(), wire.as_slice(), Vec::new());
            for cut in cuts.iter().cycle() {
                let (piece, after) = rest.split_at(rest.len().min(*cut));
                let mut piece = piece;
                while let Some(frame) = pieces.next(&mut piece).unwrap() {
                    found.push((frame.kind, frame.flags, frame.stream, frame.payload.to_vec()));
                }
                rest = after;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(found, frames);
        }
    }

    #[test]
    fn a_frame_beyond_the_limit_is_refused_by_its_header() {
        for pieces in [vec![9], vec![3, 6]] {
            let mut wire = Vec::new();
            push_header(&mut wire, PAYLOAD_BYTES_MAX + 1, kind::DATA, 0, 1);
            let (mut own, mut rest) = (Pieces::default(), wire.as_slice());
            let mut last = Ok(None);
            for length in pieces {
                let (mut piece, after) = rest.split_at(length);
                last = own
                    .next(&mut piece)
                    .map(|frame| frame.map(|frame| frame.stream));
                rest = after;
            }
            assert_eq!(
                last,
                Err(Fault::Broken(Code::FRAME_SIZE, "a frame is too long"))
            );
        }
    }
}
