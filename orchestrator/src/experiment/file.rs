//! An experiment file as text: what is no such text (a folder, a program, another encoding) is told before anybody parses.

use std::io::{self, Read as _};
use std::path::Path;

/// The longest file that is read. One of a thousand lines has some 50 kB.
const MOST_BYTES: u64 = 1 << 20;

/// Why a file is no text that could be an experiment.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("{0}")]
    Read(#[from] io::Error),
    /// A folder.
    #[error("it is a folder: name a file in it")]
    Folder,
    /// More than is sensible.
    #[error("it has more than {} MiB, and an experiment file is a few lines: is it another file?", MOST_BYTES >> 20)]
    TooLong,
    /// An encoding that YAML files of today do not have.
    #[error("it is written in {0}: save it as UTF-8")]
    Encoding(&'static str),
    /// Not text.
    #[error("it is no text: byte {at} is {byte:#04x}; an experiment file is YAML in UTF-8")]
    Binary {
        /// Which byte, from 1.
        at: usize,
        /// Its value.
        byte: u8,
    },
    /// Text in an old encoding, or broken.
    #[error("line {line} is no UTF-8 (byte {byte:#04x}): save the file as UTF-8")]
    Line {
        /// Which line, from 1.
        line: usize,
        /// The first byte that is wrong.
        byte: u8,
    },
}

/// The text of an experiment file, without a byte order mark.
///
/// # Errors
/// It cannot be read, or is not text in UTF-8.
pub fn read(path: &Path) -> Result<String, FileError> {
    let file = std::fs::File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(FileError::Folder);
    }
    let mut bytes = Vec::new();
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
    text(bytes)
}

fn text(bytes: Vec<u8>) -> Result<String, FileError> {
    if bytes.len() as u64 > MOST_BYTES {
        return Err(FileError::TooLong);
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(FileError::Encoding("UTF-16"));
    }
    let is_odd = |byte: &u8| byte.is_ascii_control() && !b"\t\n\r".contains(byte);
    if let Some(at) = bytes.iter().position(is_odd) {
        let byte = bytes[at];
        return Err(FileError::Binary { at: at + 1, byte });
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let before = &error.as_bytes()[..at];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        let byte = error.as_bytes()[at];
        FileError::Line { line, byte }
    })?;
    Ok(text
        .strip_prefix('\u{feff}')
        .map_or(text.clone(), str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(bytes: &[u8]) -> String {
        text(bytes.to_vec()).expect_err("it is refused").to_string()
    }

    #[test]
    fn a_byte_order_mark_is_skipped_and_line_ends_are_anybodys() {
        let bytes = "\u{feff}experiment: x\r\n".as_bytes().to_vec();
        assert_eq!(text(bytes).expect("it is text"), "experiment: x\r\n");
    }

    #[test]
    fn what_is_no_text_is_told_with_its_place() {
        assert!(refused(b"\xff\xfee\0x\0").contains("UTF-16"));
        assert!(refused(b"\x7fELF\x02").starts_with("it is no text: byte 1 is 0x7f"));
        assert!(refused(b"a: 1\nb: \xe4\n").starts_with("line 2 is no UTF-8 (byte 0xe4)"));
        assert!(refused(&vec![b' '; 2 << 20]).contains("more than 1 MiB"));
    }

    #[test]
    fn a_folder_is_no_file() {
        let error = read(Path::new("/")).expect_err("a folder");
        assert_eq!(error.to_string(), "it is a folder: name a file in it");
        let error = read(Path::new("/none/such")).expect_err("nothing there");
        assert!(matches!(error, FileError::Read(_)), "{error}");
    }
}
