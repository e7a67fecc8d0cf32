//! The open streams of a connection, found by their ids.

use std::collections::VecDeque;

/// A request under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stream {
    /// The caller's name for it.
    pub(super) key: u32,
    /// The status, once the head of the answer is there; 0 before.
    pub(super) status: u16,
    /// Some of the answer is there.
    pub(super) begun: bool,
    /// The request was a HEAD.
    pub(super) bodiless: bool,
    /// The announced length of the answer's body.
    pub(super) length: Option<u64>,
    /// The body's bytes so far.
    pub(super) body_bytes: u64,
    /// All bytes of its frames so far.
    pub(super) bytes: u64,
    /// Bytes received since we last widened the window.
    pub(super) taken: u32,
    /// The server's window for the request's body.
    pub(super) window: i64,
    /// How much of the request's body was sent.
    pub(super) body_at: usize,
    /// The request is out, its body included.
    pub(super) sent: bool,
}

impl Stream {
    /// Whether its answer has no body, whatever length is announced.
    pub(super) const fn has_no_body(&self) -> bool {
        self.bodiless || matches!(self.status, 204 | 304)
    }

    /// As much as its body may have.
    pub(super) fn body_bytes_max(&self) -> u64 {
        if self.has_no_body() {
            0
        } else {
            self.length.unwrap_or(u64::MAX)
        }
    }
}

/// Ids only ever grow, by two: so a queue from the oldest open stream on finds each at once. What a stream that hangs
/// keeps in the queue is bounded by its time-out.
#[derive(Debug)]
pub(super) struct Streams {
    /// The id of the queue's first place.
    first: u32,
    queue: VecDeque<Option<Stream>>,
    open: usize,
}

impl Default for Streams {
    fn default() -> Self {
        Self {
            first: 1,
            queue: VecDeque::new(),
            open: 0,
        }
    }
}

impl Streams {
    /// As if all ids before this one were used up.
    #[cfg(test)]
    pub(super) fn starting_at(id: u32) -> Self {
        Self {
            first: id,
            ..Self::default()
        }
    }

    /// How many are open.
    pub(super) fn len(&self) -> usize {
        self.open
    }

    /// Opens the next one, and says its id.
    pub(super) fn push(&mut self, stream: Stream) -> u32 {
        let id = self.next_id();
        self.queue.push_back(Some(stream));
        self.open += 1;
        id
    }

    /// The id that the next one gets.
    pub(super) fn next_id(&self) -> u32 {
        self.first + 2 * self.queue.len() as u32
    }

    /// Whether a stream of this id has ever been open.
    pub(super) fn knows(&self, id: u32) -> bool {
        id % 2 == 1 && id < self.next_id()
    }

    fn place(&self, id: u32) -> Option<usize> {
        (id % 2 == 1).then_some((id.checked_sub(self.first)? / 2) as usize)
    }

    pub(super) fn get_mut(&mut self, id: u32) -> Option<&mut Stream> {
        let place = self.place(id)?;
        self.queue.get_mut(place)?.as_mut()
    }

    /// Closes one.
    pub(super) fn remove(&mut self, id: u32) -> Option<Stream> {
        let place = self.place(id)?;
        let stream = self.queue.get_mut(place)?.take()?;
        self.open -= 1;
        while let Some(None) = self.queue.front() {
            self.queue.pop_front();
            self.first += 2;
        }
        Some(stream)
    }

    /// The oldest open one above this id.
    pub(super) fn next_above(&self, id: u32) -> Option<u32> {
        let from = id
            .checked_sub(self.first)
            .map_or(0, |steps| (steps / 2 + 1) as usize);
        let place = (from..self.queue.len()).find(|&place| self.queue[place].is_some())?;
        Some(self.first + 2 * place as u32)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Stream> {
        self.queue.iter_mut().flatten()
    }
}

/// Closed streams that are remembered.
const CANCELLED_MAX: usize = 256;

/// Streams that were closed from our side lately: frames that the server has sent by then are no fault of its.
#[derive(Debug, Default)]
pub(super) struct Cancelled {
    recent: VecDeque<u32>,
    /// Up to this id some are forgotten, so that all count as cancelled.
    forgotten: u32,
}

impl Cancelled {
    pub(super) fn add(&mut self, id: u32) {
        if self.recent.len() == CANCELLED_MAX
            && let Some(oldest) = self.recent.pop_front()
        {
            self.forgotten = self.forgotten.max(oldest);
        }
        self.recent.push_back(id);
    }

    pub(super) fn has(&self, id: u32) -> bool {
        id <= self.forgotten || self.recent.contains(&id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn streams_are_found_by_id(steps in prop::collection::vec((any::<bool>(), 0..40u32), 0..80)) {
            let (mut streams, mut model, mut next) = (Streams::default(), BTreeMap::new(), 1);
            for (open, id) in steps {
                if open {
                    prop_assert_eq!(streams.push(Stream { key: next, ..Stream::default() }), next);
                    model.insert(next, next);
                    next += 2;
                } else {
                    prop_assert_eq!(streams.remove(id).map(|stream| stream.key), model.remove(&id));
                }
                prop_assert_eq!(streams.len(), model.len());
                prop_assert_eq!(streams.knows(id), id % 2 == 1 && id < next);
                prop_assert_eq!(streams.get_mut(id).map(|stream| stream.key), model.get(&id).copied());
                prop_assert_eq!(streams.next_above(id), model.range(id + 1..).next().map(|(id, _)| *id));
            }
        }
    }
}
