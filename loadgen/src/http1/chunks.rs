//! The chunked transfer coding, as a machine over single bytes that skips data in strides.

/// Digits of a chunk's size that are taken: 2^60 bytes are more than anyone sends.
const SIZE_DIGITS_MAX: u8 = 15;
/// Bytes of chunk extensions and trailers that are taken per answer.
const EXTRA_BYTES_MAX: u32 = 64 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Size,
    /// The rest of the size line: an extension, or blanks.
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// The start of a line after the last chunk.
    TrailerStart,
    Trailer,
    EndLf,
    End,
}

/// How far a piece brought us.
pub(crate) enum ChunksFed {
    More,
    Done(usize),
}

#[derive(Debug)]
pub(crate) struct Chunks {
    at: At,
    size: u64,
    digits: u8,
    extra: u32,
}

impl Default for Chunks {
    fn default() -> Self {
        Self {
            at: At::Size,
            size: 0,
            digits: 0,
            extra: 0,
        }
    }
}

impl Chunks {
    /// Takes the next piece and hands on the data in it; none if it is not chunked, or the data are not taken.
    pub(crate) fn feed(
        &mut self,
        piece: &[u8],
        mut data: impl FnMut(&[u8]) -> bool,
    ) -> Option<ChunksFed> {
        let mut used = 0;
        while used < piece.len() {
            if self.at == At::Data {
                let taken =
                    (piece.len() - used).min(usize::try_from(self.size).unwrap_or(usize::MAX));
                if !data(&piece[used..used + taken]) {
                    return None;
                }
                self.size -= taken as u64;
                used += taken;
                if self.size == 0 {
                    self.at = At::DataCr;
                }
                continue;
            }
            let byte = piece[used];
            used += 1;
            self.at = self.step(byte)?;
            if self.at == At::End {
                return Some(ChunksFed::Done(used));
            }
        }
        Some(ChunksFed::More)
    }

    fn step(&mut self, byte: u8) -> Option<At> {
        match (self.at, byte) {
            (At::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                let digit = char::from(byte).to_digit(16)?;
                self.digits += 1;
                self.size = self.size << 4 | u64::from(digit);
                (self.digits <= SIZE_DIGITS_MAX).then_some(At::Size)
            }
            (At::Size, b'\r') if self.digits > 0 => Some(At::SizeLf),
            (At::Size, b'\n') | (At::SizeLf, b'\n') if self.digits > 0 => Some(self.sized()),
            (At::Size, b';' | b' ' | b'\t') if self.digits > 0 => Some(At::Extension),
            (At::Extension, b'\n') => Some(self.sized()),
            (At::Extension, _) => self.count_extra(At::Extension),
            (At::DataCr, b'\r') => Some(At::DataLf),
            (At::DataCr | At::DataLf, b'\n') => {
                self.digits = 0;
                Some(At::Size)
            }
            (At::TrailerStart, b'\r') => Some(At::EndLf),
            (At::TrailerStart | At::EndLf, b'\n') => Some(At::End),
            (At::Trailer, b'\n') => Some(At::TrailerStart),
            (At::TrailerStart | At::Trailer, _) => self.count_extra(At::Trailer),
            _ => None,
        }
    }

    fn sized(&mut self) -> At {
        if self.size == 0 {
            At::TrailerStart
        } else {
            At::Data
        }
    }

    fn count_extra(&mut self, next: At) -> Option<At> {
        self.extra += 1;
        (self.extra <= EXTRA_BYTES_MAX).then_some(next)
    }
}
