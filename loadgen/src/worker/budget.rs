//! How much is done for one connection before all others, and the loop's deadlines, get their turn: no server holds a
//! worker by saying more than it can take in.

use super::Worker;

/// Bytes that are read from a connection in a turn: some tenths of a millisecond of work, whatever is in them.
const BYTES: usize = 128 * 1024;
/// Reads: what comes in small pieces costs a system call each.
const READS: u32 = 64;
/// HTTP/2 frames.
const FRAMES: u64 = 8192;

/// What is left of a connection's turn.
#[derive(Debug)]
pub(super) struct Budget {
    bytes: usize,
    reads: u32,
    frames: u64,
}

impl Budget {
    pub(super) const fn of_a_turn() -> Self {
        Self {
            bytes: BYTES,
            reads: READS,
            frames: FRAMES,
        }
    }

    /// A read has brought so much.
    pub(super) const fn spend(&mut self, bytes: usize, frames: u64) {
        self.bytes = self.bytes.saturating_sub(bytes);
        self.reads = self.reads.saturating_sub(1);
        self.frames = self.frames.saturating_sub(frames);
    }

    pub(super) const fn is_used_up(&self) -> bool {
        self.bytes == 0 || self.reads == 0 || self.frames == 0
    }
}

impl Worker {
    /// The connection's turn is over, and there may be more to read. Edge-triggered epoll will not say so again.
    pub(super) fn put_off(&mut self, index: u32) {
        let conn = &mut self.conns[index as usize];
        if !std::mem::replace(&mut conn.hungry, true) {
            self.hungry.push_back((index, conn.generation));
        }
    }

    /// Goes on with the connection that has waited for longest.
    pub(super) fn feed_one(&mut self) {
        while let Some((index, generation)) = self.hungry.pop_front() {
            let conn = &mut self.conns[index as usize];
            if conn.generation != generation {
                continue;
            }
            conn.hungry = false;
            self.ask_for_stamps(index);
            let conn = &self.conns[index as usize];
            if conn.session.is_some() {
                self.converse(index, false);
            } else {
                self.receive(index, false);
            }
            return;
        }
    }
}
