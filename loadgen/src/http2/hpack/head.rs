//! The head of an answer: two of its fields count, and all of them have to be sound (RFC 9113, section 8.2 and 8.3).
//!
//! The decoder has no dynamic table, since we tell the server that it has no room. So a block can be read without the
//! blocks before it.

use super::{STATUSES, huffman, known};
use crate::http2::fault::{Code, Fault};

/// Fields that say something of one connection, for which HTTP/2 has other means.
const OF_CONNECTIONS: [&[u8]; 5] = [
    b"connection",
    b"keep-alive",
    b"proxy-connection",
    b"transfer-encoding",
    b"upgrade",
];

/// What counts in the head of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::http2) struct Head {
    /// `:status`.
    pub(in crate::http2) status: Option<u16>,
    /// `content-length`.
    pub(in crate::http2) length: Option<u64>,
    /// What is wrong with it, though the connection may go on.
    pub(in crate::http2) malformed: Option<&'static str>,
    /// A field of the answer itself was there, behind which `:status` must not come.
    regular: bool,
}

/// A field's name, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    Status,
    /// Another one that starts with a colon: it belongs to a request, or to nothing.
    Pseudo,
    Length,
    Other,
}

impl Head {
    /// Reads a whole header block.
    ///
    /// # Errors
    /// It is no header block, or needs a table that we do not have.
    pub(in crate::http2) fn read(block: &[u8]) -> Result<Self, Fault> {
        let mut head = Self::default();
        let mut reader = Reader(block);
        let mut first_field = true;
        while let Some(first) = reader.byte() {
            let is_update = first & 0xe0 == 0x20;
            if is_update && !first_field {
                return Err(broken("a table size update behind a field"));
            }
            head.field(&mut reader, first)
                .ok_or(broken("a header block cannot be read"))?;
            first_field &= is_update;
        }
        Ok(head)
    }

    /// None: the block is broken.
    fn field(&mut self, reader: &mut Reader<'_>, first: u8) -> Option<()> {
        match first {
            // A field that is in the table.
            0x80.. => {
                let place = reader.number(first, 7)?;
                let name = self.known_name(place)?;
                let status = place
                    .checked_sub(known::STATUS)
                    .and_then(|at| STATUSES.get(at));
                self.take(name, status.map(|&status| u64::from(status)), 3);
            }
            // A field to be put into the table, which has no room.
            0x40.. => self.literal(reader, first, 6)?,
            // The table's new size.
            0x20.. => reader
                .number(first, 5)
                .filter(|&size| size == 0)
                .map(|_| ())?,
            _ => self.literal(reader, first, 4)?,
        }
        Some(())
    }

    fn literal(&mut self, reader: &mut Reader<'_>, first: u8, bits: u32) -> Option<()> {
        let name = match reader.number(first, bits)? {
            0 => {
                let text = reader.text()?.spell(is_of_a_name)?;
                self.spelled_name(&text)
            }
            place => self.known_name(place)?,
        };
        let value = reader.text()?.spell(is_of_a_value)?;
        if !value.sound {
            self.blame("a field's value has a byte that is not allowed");
        }
        self.take(name, value.digits(), value.length);
        Some(())
    }

    /// The name at this place of the static table. None: there is none.
    fn known_name(&mut self, place: usize) -> Option<Name> {
        Some(match place {
            known::STATUS..known::BEHIND_STATUS => Name::Status,
            1..known::STATUS => Name::Pseudo,
            known::CONTENT_LENGTH => Name::Length,
            known::TRANSFER_ENCODING => {
                self.blame("a field is about the connection");
                Name::Other
            }
            ..=known::LAST if place > 0 => Name::Other,
            _ => return None,
        })
    }

    fn spelled_name(&mut self, text: &Spelled) -> Name {
        let name = text.beginning();
        match name {
            b":status" => return Name::Status,
            [b':', ..] => return Name::Pseudo,
            b"content-length" => return Name::Length,
            b"" => self.blame("a field has no name"),
            _ if !text.sound => self.blame("a field's name has a byte that is not allowed"),
            _ if OF_CONNECTIONS.contains(&name) && text.length == name.len() => {
                self.blame("a field is about the connection");
            }
            _ => {}
        }
        Name::Other
    }

    /// Takes note of a field. `number`: its value, if that is one.
    fn take(&mut self, name: Name, number: Option<u64>, digits: usize) {
        match name {
            Name::Pseudo => self.blame("it has a pseudo-field of a request, or of nothing"),
            Name::Status => {
                let status = number
                    .filter(|number| digits == 3 && *number >= 100)
                    .map(|number| number as u16);
                if status.is_none() {
                    self.blame("its status is not three digits");
                }
                if self.status.is_some() {
                    self.blame("it has two statuses");
                }
                if self.regular {
                    self.blame("its status comes behind other fields");
                }
                self.status = status;
            }
            Name::Length => {
                if number.is_none() || self.length.is_some_and(|other| Some(other) != number) {
                    self.blame("its content-length makes no sense");
                }
                self.length = number;
            }
            Name::Other => {}
        }
        self.regular |= matches!(name, Name::Length | Name::Other);
    }

    fn blame(&mut self, what: &'static str) {
        self.malformed.get_or_insert(what);
    }
}

const fn broken(what: &'static str) -> Fault {
    Fault::Broken(Code::COMPRESSION, what)
}

/// RFC 9113, section 8.2.1: small letters, digits and signs.
const fn is_of_a_name(byte: u8) -> bool {
    matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'0'..=b'9' | b'^'..=b'z' | b'|' | b'~')
}

/// Blanks at its ends are against the rules, too, but usual, and other clients take them.
const fn is_of_a_value(byte: u8) -> bool {
    !matches!(byte, 0 | b'\r' | b'\n')
}

pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// The number whose first byte, of which the `bits` lowest are its own, was just read.
    pub(super) fn number(&mut self, first: u8, bits: u32) -> Option<usize> {
        let most = (1 << bits) - 1;
        let start = usize::from(first) & most;
        if start < most {
            return Some(start);
        }
        let mut rest = 0;
        // Four bytes more than hold any length or place that can be right.
        for shift in [0, 7, 14, 21] {
            let byte = self.byte()?;
            rest |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(most + rest);
            }
        }
        None
    }

    fn text(&mut self) -> Option<Text<'a>> {
        let first = self.byte()?;
        let length = self.number(first, 7)?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(Text {
            huffman: first & 0x80 != 0,
            bytes,
        })
    }
}

#[derive(Clone, Copy)]
pub(super) struct Text<'a> {
    pub(super) huffman: bool,
    pub(super) bytes: &'a [u8],
}

impl Text<'_> {
    /// Reads all of it. None: it is no Huffman code.
    pub(super) fn spell(self, is_allowed: impl Fn(u8) -> bool) -> Option<Spelled> {
        let mut spelled = Spelled {
            kept: [0; KEPT],
            length: 0,
            sound: true,
        };
        if self.huffman {
            huffman::decode(self.bytes, |byte| {
                if let Some(place) = spelled.kept.get_mut(spelled.length) {
                    *place = byte;
                }
                spelled.length += 1;
                spelled.sound &= is_allowed(byte);
            })?;
        } else {
            let kept = self.bytes.len().min(KEPT);
            spelled.kept[..kept].copy_from_slice(&self.bytes[..kept]);
            spelled.length = self.bytes.len();
            spelled.sound = self.bytes.iter().all(|&byte| is_allowed(byte));
        }
        Some(spelled)
    }
}

/// More than the longest name that is looked for, and than the digits of any length.
const KEPT: usize = 24;

/// A string: its beginning, its length, and whether it has only bytes that are allowed.
pub(super) struct Spelled {
    kept: [u8; KEPT],
    length: usize,
    sound: bool,
}

impl Spelled {
    fn beginning(&self) -> &[u8] {
        &self.kept[..self.length.min(KEPT)]
    }

    /// The number in decimal digits that it is.
    pub(super) fn digits(&self) -> Option<u64> {
        if self.length == 0 || self.length > KEPT {
            return None;
        }
        self.beginning().iter().try_fold(0u64, |number, byte| {
            let digit = byte.checked_sub(b'0').filter(|&digit| digit < 10)?;
            number.checked_mul(10)?.checked_add(u64::from(digit))
        })
    }
}
