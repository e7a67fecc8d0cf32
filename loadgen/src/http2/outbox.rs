//! Bytes that wait for the kernel.

/// A buffer that is filled at its end and emptied from its start, without moving bytes about each time.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    sent: usize,
}

impl Outbox {
    pub(super) fn waiting(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.sent
    }

    /// The kernel took so many.
    pub(super) fn took(&mut self, count: usize) {
        self.sent += count;
        if self.sent == self.bytes.len() {
            self.bytes.clear();
            self.sent = 0;
        }
    }

    /// Where to append.
    pub(super) fn end(&mut self) -> &mut Vec<u8> {
        // What was sent is cut off when it is as much as what waits: each byte moves about once at most.
        if self.sent > 4096 && self.sent >= self.len() {
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
        &mut self.bytes
    }
}
