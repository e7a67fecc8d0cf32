//! What the receiver did not take, by time and reason: so that each case can be told what was lost in its time.

use std::collections::BTreeMap;

/// So many tenths of a second with losses are remembered, each reason by itself; the oldest go first.
const KEPT: usize = 100_000;
/// Times are told apart to a tenth of a second.
const STEP_NS: i64 = 100_000_000;

/// Why spans are in no table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Posted to another path than that of spans.
    Path,
    /// Of a content type or an encoding that is not read.
    Type,
    /// Larger than a body may be.
    TooLarge,
    /// The body did not arrive whole, or not in time.
    Cut,
    /// The body is not what its content type says.
    Undecodable,
    /// There was no room; senders try again.
    Full,
    /// Spans without valid ids.
    Invalid,
    /// Spans whose trace id is of no case.
    Foreign,
    /// Spans that began in no case's time, where that is all there is to go by.
    Untimely,
}

impl Reason {
    /// Whether spans are counted; else export requests are.
    #[must_use]
    pub const fn counts_spans(self) -> bool {
        matches!(self, Self::Invalid | Self::Foreign | Self::Untimely)
    }
}

/// Losses of one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Why.
    pub reason: Reason,
    /// How many export requests or spans: see [`Reason::counts_spans`].
    pub count: u64,
    /// What was said of the first of them.
    pub example: String,
}

/// All losses of a receiver.
#[derive(Debug, Default)]
pub(super) struct Losses(BTreeMap<(i64, Reason), (u64, String)>);

impl Losses {
    /// Notes a loss at an instant, ns since the epoch.
    pub(super) fn note(
        &mut self,
        at_ns: i64,
        reason: Reason,
        count: u64,
        example: impl FnOnce() -> String,
    ) {
        let key = (at_ns.div_euclid(STEP_NS), reason);
        let loss = self.0.entry(key).or_insert_with(|| (0, example()));
        loss.0 = loss.0.saturating_add(count);
        if self.0.len() > KEPT {
            self.0.pop_first();
        }
    }

    /// Losses of a time, to a tenth of a second, by reason.
    pub(super) fn between(&self, from_ns: i64, to_ns: i64) -> Vec<Loss> {
        let mut by_reason: BTreeMap<Reason, Loss> = BTreeMap::new();
        let first = (from_ns.div_euclid(STEP_NS), Reason::Path);
        let last = (to_ns.div_euclid(STEP_NS), Reason::Untimely);
        for ((_, reason), (count, example)) in self.0.range(first..=last.max(first)) {
            let loss = by_reason.entry(*reason).or_insert_with(|| Loss {
                reason: *reason,
                count: 0,
                example: example.clone(),
            });
            loss.count += count;
        }
        by_reason.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_NS: i64 = 1_000_000_000;

    #[test]
    fn losses_add_up_by_reason_and_belong_to_their_time() {
        let mut losses = Losses::default();
        let mut note = |second: i64, reason, count, example: &str| {
            losses.note(second * SECOND_NS, reason, count, || example.to_owned());
        };
        note(1, Reason::Foreign, 2, "first");
        note(1, Reason::Foreign, 3, "not told");
        note(2, Reason::Foreign, 4, "later");
        note(2, Reason::Type, 1, "text/plain");
        note(9, Reason::Type, 1, "beyond");
        let told = losses.between(SECOND_NS, 3 * SECOND_NS);
        let loss = |reason, count, example: &str| Loss {
            reason,
            count,
            example: example.to_owned(),
        };
        let expected = [
            loss(Reason::Type, 1, "text/plain"),
            loss(Reason::Foreign, 9, "first"),
        ];
        assert_eq!(told, expected);
        assert_eq!(losses.between(3 * SECOND_NS, 4 * SECOND_NS), []);
        // A time that ends before it begins has none.
        assert_eq!(losses.between(9 * SECOND_NS, 0), []);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut losses = Losses::default();
        for second in 0..(KEPT as i64 + 10) {
            losses.note(second * SECOND_NS, Reason::Full, 1, String::new);
        }
        assert_eq!(losses.0.len(), KEPT);
    }
}
