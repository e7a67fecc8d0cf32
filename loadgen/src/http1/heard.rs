//! An answer kept whole, for those who read it: scripts and scenarios.

use std::ops::Range;

/// The longest body that is kept: whoever reads answers of more is better served by a client of its own.
pub(super) const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Header fields and body of one answer. Reused from answer to answer.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    text: Vec<u8>,
    fields: Vec<(Range<usize>, Range<usize>)>,
    body: Vec<u8>,
}

impl Heard {
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.fields.clear();
        self.body.clear();
    }

    pub(super) fn add_field(&mut self, name: &[u8], value: &[u8]) {
        let name = self.add_text(name);
        let value = self.add_unfolded(value);
        self.fields.push((name, value));
    }

    fn add_text(&mut self, text: &[u8]) -> Range<usize> {
        let start = self.text.len();
        self.text.extend_from_slice(text);
        start..self.text.len()
    }

    /// Adds a value; where its lines are folded, a blank stands for each line end and the blanks behind it.
    fn add_unfolded(&mut self, value: &[u8]) -> Range<usize> {
        let start = self.text.len();
        for (at, line) in value.split(|&byte| byte == b'\n').enumerate() {
            if at > 0 {
                self.text.push(b' ');
            }
            self.text.extend_from_slice(line.trim_ascii());
        }
        start..self.text.len()
    }

    /// Adds to the body; false if it gets too long.
    pub(super) fn add_body(&mut self, piece: &[u8]) -> bool {
        let fits = self.body.len() + piece.len() <= BODY_BYTES_MAX;
        if fits {
            self.body.extend_from_slice(piece);
        }
        fits
    }

    /// Name and value of each field, as they came.
    pub(crate) fn fields(&self) -> impl ExactSizeIterator<Item = (&[u8], &[u8])> {
        self.fields
            .iter()
            .map(|(name, value)| (&self.text[name.clone()], &self.text[value.clone()]))
    }

    /// The values of all fields of that name, as far as they are text.
    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        self.fields()
            .filter(|(own, _)| own.eq_ignore_ascii_case(name.as_bytes()))
            .filter_map(|(_, value)| std::str::from_utf8(value).ok())
            .collect()
    }

    /// The body, without any transfer coding.
    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }
}
