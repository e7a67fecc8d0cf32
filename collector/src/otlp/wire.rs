//! The protobuf wire format, borrowed and bounds-checked: any bytes are either fields or an error, never a panic.
//!
//! Format: <https://protobuf.dev/programming-guides/encoding/>.

/// Bytes that are not protobuf, or not the message that was expected.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
pub enum WireError {
    /// A field says it is longer than what is left.
    #[error("the message ends within a field")]
    Truncated,
    /// A number of more than ten bytes.
    #[error("a varint does not end")]
    Varint,
    /// Field number 0, or a wire type that does not exist (groups were never used here).
    #[error("a field has no valid number or wire type")]
    Tag,
    /// A known field has another wire type than its own.
    #[error("field {0} has an unexpected wire type")]
    Type(u32),
    /// Values nested beyond reason.
    #[error("values are nested too deeply")]
    Depth,
}

/// The value of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32(u32),
}

/// A field: its number and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Field<'a> {
    pub(super) number: u32,
    pub(super) value: Value<'a>,
}

impl<'a> Field<'a> {
    pub(super) const fn bytes(self) -> Result<&'a [u8], WireError> {
        match self.value {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err(WireError::Type(self.number)),
        }
    }

    pub(super) const fn varint(self) -> Result<u64, WireError> {
        match self.value {
            Value::Varint(number) => Ok(number),
            _ => Err(WireError::Type(self.number)),
        }
    }

    pub(super) const fn fixed64(self) -> Result<u64, WireError> {
        match self.value {
            Value::Fixed64(number) => Ok(number),
            _ => Err(WireError::Type(self.number)),
        }
    }
}

/// Reads the fields of one message in turn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], WireError> {
        let (head, tail) = self
            .0
            .split_at_checked(length)
            .ok_or(WireError::Truncated)?;
        self.0 = tail;
        Ok(head)
    }

    fn varint(&mut self) -> Result<u64, WireError> {
        let mut number = 0;
        for (position, byte) in self.0.iter().take(10).enumerate() {
            number |= u64::from(byte & 0x7f) << (7 * position);
            if byte & 0x80 == 0 {
                self.0 = &self.0[position + 1..];
                return Ok(number);
            }
        }
        Err(if self.0.len() < 10 {
            WireError::Truncated
        } else {
            WireError::Varint
        })
    }

    fn field(&mut self) -> Result<Field<'a>, WireError> {
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3).map_err(|_| WireError::Tag)?;
        let value = match tag & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(u64::from_le_bytes(
                self.take(8)?.try_into().unwrap_or_default(),
            )),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| WireError::Truncated)?;
                Value::Bytes(self.take(length)?)
            }
            5 => Value::Fixed32(u32::from_le_bytes(
                self.take(4)?.try_into().unwrap_or_default(),
            )),
            _ => return Err(WireError::Tag),
        };
        if number == 0 {
            Err(WireError::Tag)
        } else {
            Ok(Field { number, value })
        }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            // What follows a broken field has no meaning.
            self.0 = &[];
        }
        Some(field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fields_of_every_wire_type_are_read() {
        let bytes = [
            0x08, 0x96, 0x01, 0x11, 1, 0, 0, 0, 0, 0, 0, 0, 0x1a, 2, b'h', b'i', 0x25, 2, 0, 0, 0,
        ];
        let fields: Result<Vec<_>, _> = Fields(&bytes).collect();
        let values: Vec<_> = fields
            .unwrap()
            .into_iter()
            .map(|field| (field.number, field.value))
            .collect();
        let expected = [
            (1, Value::Varint(150)),
            (2, Value::Fixed64(1)),
            (3, Value::Bytes(b"hi")),
            (4, Value::Fixed32(2)),
        ];
        assert_eq!(values, expected);
    }

    #[test]
    fn what_is_not_protobuf_is_an_error() {
        let error = |bytes: &[u8]| Fields(bytes).find_map(Result::err);
        assert_eq!(error(&[0x0a, 5, 1]), Some(WireError::Truncated));
        assert_eq!(error(&[0xff; 11]), Some(WireError::Varint));
        assert_eq!(error(&[0x0b]), Some(WireError::Tag));
        assert_eq!(error(&[0x00, 0]), Some(WireError::Tag));
        assert_eq!(error(&[0x80]), Some(WireError::Truncated));
        assert_eq!(
            error(&[
                0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1
            ]),
            Some(WireError::Truncated)
        );
    }

    proptest! {
        #[test]
        fn any_bytes_end(bytes: Vec<u8>) {
            prop_assert!(Fields(&bytes).count() <= bytes.len());
        }
    }
}
