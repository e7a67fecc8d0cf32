//! Connections in the order in which they sent: the first one is the first to time out.

const NONE: u32 = u32::MAX;

/// A doubly linked list over connection indices: push, remove and first in constant time, memory per connection only.
#[derive(Debug)]
pub(crate) struct Fifo {
    first: u32,
    last: u32,
    links: Vec<(u32, u32)>,
}

impl Fifo {
    pub(crate) fn new(size: usize) -> Self {
        Self {
            first: NONE,
            last: NONE,
            links: vec![(NONE, NONE); size],
        }
    }

    /// Makes room for one more index.
    pub(crate) fn grow(&mut self) {
        self.links.push((NONE, NONE));
    }

    pub(crate) fn first(&self) -> Option<u32> {
        (self.first != NONE).then_some(self.first)
    }

    /// Appends an index that is not in the list.
    pub(crate) fn push(&mut self, index: u32) {
        self.links[index as usize] = (self.last, NONE);
        match self.last {
            NONE => self.first = index,
            last => self.links[last as usize].1 = index,
        }
        self.last = index;
    }

    /// Takes out an index that is in the list.
    pub(crate) fn remove(&mut self, index: u32) {
        let (before, after) = self.links[index as usize];
        match before {
            NONE => self.first = after,
            before => self.links[before as usize].1 = after,
        }
        match after {
            NONE => self.last = before,
            after => self.links[after as usize].0 = before,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_keeps_order(steps in prop::collection::vec(0u32..8, 0..60)) {
            let (mut fifo, mut model) = (Fifo::new(8), Vec::new());
            for index in steps {
                if let Some(at) = model.iter().position(|&other| other == index) {
                    model.remove(at);
                    fifo.remove(index);
                } else {
                    model.push(index);
                    fifo.push(index);
                }
                prop_assert_eq!(fifo.first(), model.first().copied());
            }
            for index in model {
                prop_assert_eq!(fifo.first(), Some(index));
                fifo.remove(index);
            }
            prop_assert_eq!(fifo.first(), None);
        }
    }
}
