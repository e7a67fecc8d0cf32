//! A file's bytes, unpacked where it is packed with gzip or zstd, in one member or in many.

use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufReader, Chain, Cursor, Read};
use std::path::Path;

/// A file whose first bytes were looked at.
type Begun = Chain<Cursor<Vec<u8>>, File>;

/// The bytes of a file after each other.
pub(super) enum Source {
    Plain(Begun),
    Gzip(Box<MultiGzDecoder<BufReader<Begun>>>),
    Zstd(Box<zstd::Decoder<'static, BufReader<Begun>>>),
}

const GZIP: &[u8] = &[0x1f, 0x8b];
/// A frame that says how zstd's others can be found begins with one of 16 magics.
const SKIPPABLE: &[u8] = &[0x2a, 0x4d, 0x18];
pub(super) const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// What other files begin with, and what they are.
const OTHERS: [(&[u8], &str); 7] = [
    (b"PK\x03\x04", "a zip archive: unpack it first"),
    (b"BZh", "packed with bzip2: unpack it first"),
    (
        &[0xfd, b'7', b'z', b'X', b'Z'],
        "packed with xz: unpack it first",
    ),
    (
        &[0x04, 0x22, 0x4d, 0x18],
        "packed with lz4: unpack it first",
    ),
    (
        b"PAR1",
        "a table in Parquet, not traces as they were exported",
    ),
    (&[0xff, 0xfe], "text in UTF-16: save it as UTF-8"),
    (&[0xfe, 0xff], "text in UTF-16: save it as UTF-8"),
];

/// Bytes by which files are told apart.
const HEAD: usize = 8;

/// Whether a file can be read, as far as that shows without reading: a pipe gives what it has only once.
///
/// # Errors
/// It cannot.
pub(super) fn check(path: &Path) -> io::Result<()> {
    let kind = std::fs::metadata(path)?.file_type();
    if kind.is_dir() {
        return Err(io::Error::other("it is a folder: name the files in it"));
    }
    if kind.is_file() {
        File::open(path)?;
    }
    Ok(())
}

impl Source {
    /// Opens a file.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let mut head = Vec::new();
        (&mut file).take(HEAD as u64).read_to_end(&mut head)?;
        let is_gzip = head.starts_with(GZIP);
        let is_skippable = head.first().is_some_and(|byte| byte & 0xf0 == 0x50)
            && head[1..].starts_with(SKIPPABLE);
        let is_zstd = head.starts_with(ZSTD) || is_skippable;
        let whole = Cursor::new(head).chain(file);
        Ok(if is_gzip {
            Self::Gzip(Box::new(MultiGzDecoder::new(BufReader::new(whole))))
        } else if is_zstd {
            Self::Zstd(Box::new(zstd::Decoder::with_buffer(BufReader::new(whole))?))
        } else {
            Self::Plain(whole)
        })
    }

    /// It is unpacked on the way, so that an error may be one of what it holds.
    pub(super) const fn is_packed(&self) -> bool {
        !matches!(self, Self::Plain(_))
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(reader) => reader.read(buffer),
            Self::Gzip(reader) => reader.read(buffer),
            Self::Zstd(reader) => reader.read(buffer),
        }
    }
}

/// What a file is that begins so, where it is nothing that holds spans.
pub(super) fn other(head: &[u8]) -> Option<&'static str> {
    let known = OTHERS.iter().find(|(magic, _)| head.starts_with(magic));
    known.map(|(_, what)| *what)
}

/// A message that was packed by itself, unpacked.
///
/// # Errors
/// It is broken.
pub(super) fn unpacked(message: &[u8]) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if message.starts_with(ZSTD) {
        zstd::Decoder::with_buffer(message)?.read_to_end(&mut bytes)?;
    } else if message.starts_with(GZIP) {
        MultiGzDecoder::new(message).read_to_end(&mut bytes)?;
    } else {
        bytes.extend_from_slice(message);
    }
    Ok(bytes)
}
