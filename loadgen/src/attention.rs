//! When a worker's loop looked, and when it could not: what happened meanwhile was seen late, and that is the generator's
//! own doing, whatever kept it. Pure: times are arguments, monotonic ns.

use crate::record::LATE_NS;

/// A stall is listed from this length on.
pub(crate) const STALL_NS: u64 = 20_000_000;
/// A loop that waits wakes up after this long at the latest, so that a stall shows when nothing else is due, too.
pub(crate) const BEAT_NS: u64 = 10_000_000;

/// A time in which the loop did not look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    pub(crate) from_ns: u64,
    pub(crate) to_ns: u64,
    /// It was waiting for events, not at work.
    pub(crate) waiting: bool,
}

impl Gap {
    pub(crate) const fn length_ns(&self) -> u64 {
        self.to_ns - self.from_ns
    }
}

/// What the loop knows of its own attention.
#[derive(Debug, Default)]
pub(crate) struct Attention {
    /// When the clock was last read.
    seen_ns: u64,
    /// When the loop last came back from waiting.
    woke_ns: u64,
    /// Since when it has not looked, if this turn is a late one.
    blind_ns: Option<u64>,
    /// A time of arrival has been asked for in this turn.
    asked: bool,
}

impl Attention {
    /// The loop begins.
    pub(crate) fn begin(&mut self, now_ns: u64) {
        (self.seen_ns, self.woke_ns) = (now_ns, now_ns);
    }

    /// It comes back from waiting, which was to end at `due_ns` at the latest; none where it only looked. Tells if it
    /// was away for so long that it is worth a line.
    pub(crate) fn woke(&mut self, now_ns: u64, due_ns: Option<u64>) -> Option<Gap> {
        let seen_ns = self.seen_ns;
        // What is due already is waited for no more.
        let due_ns = due_ns.unwrap_or(seen_ns).max(seen_ns);
        self.blind_ns = (now_ns.saturating_sub(due_ns) >= LATE_NS).then_some(seen_ns);
        self.asked = false;
        self.woke_ns = now_ns;
        self.seen_ns = now_ns.max(seen_ns);
        // It began between the last look and the time at which it would have ended otherwise: half-way is near enough.
        let from_ns = seen_ns + (due_ns.min(now_ns) - seen_ns.min(now_ns)) / 2;
        (now_ns.saturating_sub(seen_ns) >= STALL_NS).then_some(Gap {
            from_ns,
            to_ns: now_ns,
            waiting: due_ns > seen_ns,
        })
    }

    /// The clock is read while the loop is at work. Tells if something held it up that long.
    pub(crate) fn at(&mut self, now_ns: u64) -> Option<Gap> {
        let from_ns = self.seen_ns;
        let gap_ns = now_ns.saturating_sub(from_ns);
        if gap_ns >= LATE_NS {
            self.blind_ns.get_or_insert(from_ns);
        }
        self.seen_ns = now_ns.max(from_ns);
        (gap_ns >= STALL_NS).then_some(Gap {
            from_ns,
            to_ns: now_ns,
            waiting: false,
        })
    }

    /// Whether it is worth asking the kernel when bytes came.
    pub(crate) fn wants_stamps(&self) -> bool {
        !self.asked || self.blind_ns.is_some() || self.seen_ns - self.woke_ns >= LATE_NS
    }

    /// The kernel says that what is read at `now_ns` had come at `arrived_ns`.
    pub(crate) fn saw(&mut self, arrived_ns: u64, now_ns: u64) {
        self.asked = true;
        if now_ns.saturating_sub(arrived_ns) >= LATE_NS {
            self.blind_ns.get_or_insert(arrived_ns);
        }
    }

    /// Since when something may have been there that is seen at `now_ns`, where nobody knows better. What cannot be
    /// known is the generator's.
    pub(crate) fn unseen_since(&self, now_ns: u64) -> u64 {
        let held_up = now_ns.saturating_sub(self.seen_ns) >= LATE_NS;
        let since_ns = if held_up { self.seen_ns } else { now_ns };
        self.blind_ns.unwrap_or(since_ns).min(since_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn looking(at_ns: u64) -> Attention {
        let mut attention = Attention::default();
        attention.begin(at_ns);
        attention
    }

    #[test]
    fn a_turn_on_time_books_nothing() {
        let mut attention = looking(100 * MS);
        assert_eq!(attention.woke(105 * MS, Some(110 * MS)), None);
        assert_eq!(attention.unseen_since(105 * MS), 105 * MS);
        assert!(attention.wants_stamps());
        attention.saw(105 * MS - 20_000, 105 * MS);
        assert!(!attention.wants_stamps());
    }

    #[test]
    fn a_stop_while_waiting_is_a_stall_to_within_half_a_beat() {
        let mut attention = looking(100 * MS);
        let gap = attention.woke(1_100 * MS, Some(110 * MS)).unwrap();
        assert_eq!((gap.from_ns, gap.to_ns), (105 * MS, 1_100 * MS));
        assert!(gap.waiting && attention.wants_stamps());
        // Without a stamp all since the last look is the generator's.
        assert_eq!(attention.unseen_since(1_100 * MS), 100 * MS);
        assert_eq!(attention.woke(1_101 * MS, Some(1_102 * MS)), None);
        assert_eq!(attention.unseen_since(1_101 * MS), 1_101 * MS);
    }

    #[test]
    fn work_that_takes_long_is_a_stall_as_well() {
        let mut attention = looking(0);
        assert_eq!(attention.woke(MS, Some(2 * MS)), None);
        assert_eq!(attention.at(MS + 50_000), None);
        attention.saw(MS, MS + 50_000);
        assert!(!attention.wants_stamps());
        let gap = attention.at(41 * MS).unwrap();
        assert_eq!(gap.from_ns, MS + 50_000);
        assert!(!gap.waiting && attention.wants_stamps());
        assert_eq!(attention.unseen_since(41 * MS), MS + 50_000);
    }

    #[test]
    fn what_is_read_late_shows_that_the_turn_is_late() {
        let mut attention = looking(0);
        attention.woke(8 * MS, Some(10 * MS));
        attention.saw(3 * MS, 8 * MS);
        assert!(attention.wants_stamps());
        assert_eq!(attention.unseen_since(8 * MS), 3 * MS);
    }
}
