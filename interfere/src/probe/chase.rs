//! A chase: every load's address comes from the load before it, so that each costs what the cache it hits costs.

use crate::kernels::stream::LINE_WORDS;
use crate::mapping::{Mapping, Pages};
use aefm_workloads::draw::{Stream, draw};
use rand::RngExt;

/// Lines of memory in one random circle.
pub(super) struct Chase {
    memory: Mapping,
    lines: usize,
    at: u64,
}

impl Chase {
    /// A circle over so many bytes; none when there is no memory.
    pub(super) fn new(bytes: usize) -> Option<Self> {
        let lines = (bytes / 64).max(2);
        let mut memory = Mapping::new(lines * 64, Pages::Huge).ok()?;
        // Sattolo's shuffle makes one circle of all lines.
        let mut order: Vec<u64> = (0..lines as u64).collect();
        let mut rng = draw(0, Stream::Content, bytes as u64);
        for index in (1..lines).rev() {
            order.swap(index, rng.random_range(0..index));
        }
        for (line, next) in order.into_iter().enumerate() {
            memory.words_mut()[line * LINE_WORDS] = next;
        }
        Some(Self {
            memory,
            lines,
            at: 0,
        })
    }

    pub(super) fn lines(&self) -> usize {
        self.lines
    }

    /// Follows so many loads.
    pub(super) fn walk(&mut self, loads: usize) {
        let words = self.memory.words();
        for _ in 0..loads {
            let index = usize::try_from(self.at).unwrap_or(0) * LINE_WORDS;
            self.at = words[index];
        }
        std::hint::black_box(self.at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chase_is_one_circle() {
        let mut chase = Chase::new(64 * 100).unwrap();
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..chase.lines() {
            chase.walk(1);
            seen.insert(chase.at);
        }
        assert_eq!(seen.len(), 100);
    }
}
