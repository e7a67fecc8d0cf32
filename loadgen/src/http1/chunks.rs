//! The chunked transfer coding, as a machine over single bytes that skips data in strides.

use super::fault::HEAD_BYTES_MAX;

/// Sizes from here on are refused with their next digit: 2^60 bytes are more than anyone sends.
const SIZE_MAX: u64 = 1 << 56;
/// The longest line in front of a chunk: its size and its extensions. There is no limit to how many chunks have some.
const LINE_BYTES_MAX: usize = 16 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Before the first digit of a chunk's size.
    Line,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChunksFed {
    More,
    Done(usize),
}

#[derive(Debug)]
pub(crate) struct Chunks {
    at: At,
    size: u64,
    /// Bytes of this line, or of all trailers.
    extra: usize,
}

impl Default for Chunks {
    fn default() -> Self {
        Self {
            at: At::Line,
            size: 0,
            extra: 0,
        }
    }
}

impl Chunks {
    /// Takes the next piece and hands on the data in it.
    ///
    /// # Errors
    /// It is not chunked, or (in the same words) the data were not taken.
    pub(crate) fn feed(
        &mut self,
        piece: &[u8],
        mut data: impl FnMut(&[u8]) -> bool,
    ) -> Result<ChunksFed, &'static str> {
        let mut used = 0;
        while used < piece.len() {
            if self.at == At::Data {
                let taken =
                    (piece.len() - used).min(usize::try_from(self.size).unwrap_or(usize::MAX));
                if !data(&piece[used..used + taken]) {
                    return Err("its data are not taken");
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
                return Ok(ChunksFed::Done(used));
            }
        }
        Ok(ChunksFed::More)
    }

    fn step(&mut self, byte: u8) -> Result<At, &'static str> {
        match (self.at, byte) {
            (At::Line | At::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => self.digit(byte),
            (At::Size, b'\r') => Ok(At::SizeLf),
            (At::Size | At::SizeLf | At::Extension, b'\n') => Ok(self.sized()),
            (At::Size, b';' | b' ' | b'\t') | (At::Extension, _) => self.count_line(At::Extension),
            (At::DataCr, b'\r') => Ok(At::DataLf),
            (At::DataCr | At::DataLf, b'\n') => Ok(At::Line),
            (At::TrailerStart, b'\r') => Ok(At::EndLf),
            (At::TrailerStart | At::EndLf, b'\n') => Ok(At::End),
            (At::Trailer, b'\n') => self.count_trailer().map(|_| At::TrailerStart),
            (At::TrailerStart | At::Trailer, _) => self.count_trailer(),
            (At::Line | At::Size, _) => Err("a size that is no hexadecimal number"),
            (At::DataCr | At::DataLf, _) => Err("more data than the size says"),
            _ => Err("a line that does not end as it should"),
        }
    }

    fn digit(&mut self, byte: u8) -> Result<At, &'static str> {
        if self.at == At::Line {
            (self.size, self.extra) = (0, 0);
        }
        if self.size >= SIZE_MAX {
            return Err("a size beyond all bounds");
        }
        let digit = char::from(byte).to_digit(16).unwrap_or(0);
        self.size = self.size << 4 | u64::from(digit);
        // Leading zeros are digits, too, and need a limit of their own.
        self.count_line(At::Size)
    }

    fn sized(&mut self) -> At {
        self.extra = 0;
        if self.size == 0 {
            At::TrailerStart
        } else {
            At::Data
        }
    }

    fn count_line(&mut self, next: At) -> Result<At, &'static str> {
        self.extra += 1;
        if self.extra > LINE_BYTES_MAX {
            return Err("a size and its extensions are longer than 16 KiB");
        }
        Ok(next)
    }

    fn count_trailer(&mut self) -> Result<At, &'static str> {
        self.extra += 1;
        if self.extra > HEAD_BYTES_MAX {
            return Err("its trailers are longer than 256 KiB");
        }
        Ok(At::Trailer)
    }
}
