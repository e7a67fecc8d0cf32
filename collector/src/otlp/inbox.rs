//! Where received spans wait for their case.
//!
//! A span belongs to the case whose prefix its trace id has, and can reach no other: one that comes after its case was
//! taken is counted as late there, one of no known prefix as foreign. Memory is bounded: what would exceed it is
//! refused as a whole, so that the sender keeps it and tries again.

use super::losses::{Losses, Reason};
use super::strays::{FORGOTTEN_NS, Strays};
use crate::span::{Name, Span};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Bounds of what the receiver holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Spans waiting to be taken, in bytes of memory.
    pub held_bytes: usize,
    /// One request's body, decompressed.
    pub body_bytes: usize,
    /// Cases that were taken and of which late spans are still counted by case.
    pub closed_cases: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            held_bytes: 512 << 20,
            body_bytes: 64 << 20,
            closed_cases: 4096,
        }
    }
}

/// What has come for one case so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arrived {
    /// Spans received.
    pub spans: u64,
    /// Of these, by service.
    pub by_service: BTreeMap<String, u64>,
    /// Spans refused because memory was full; senders try again, so one span may count more than once.
    pub refused: u64,
    /// Spans that came after the case was taken, and are in no table.
    pub late: u64,
}

/// A case's spans, and what is known of their coming.
#[derive(Debug, Default)]
pub struct Taken {
    /// The spans, in the order of their arrival.
    pub spans: Vec<Span>,
    /// Their counts.
    pub arrived: Arrived,
}

/// What belongs to no case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Export requests.
    pub requests: u64,
    /// Of these, how many were no OTLP.
    pub malformed: u64,
    /// Of these, how many were refused because memory was full.
    pub refused: u64,
    /// Spans without valid ids.
    pub invalid: u64,
    /// Spans whose trace id has no registered prefix.
    pub foreign: u64,
}

#[derive(Default)]
struct Inbox {
    spans: Vec<Span>,
    by_service: HashMap<Name, u64>,
    weight: usize,
    refused: u64,
}

/// All cases' inboxes.
pub(super) struct Inboxes {
    limits: Limits,
    open: HashMap<u64, Inbox>,
    closed: HashMap<u64, Arrived>,
    // Oldest first.
    closed_order: std::collections::VecDeque<u64>,
    held_bytes: usize,
    /// Spans of no known prefix, where spans go by time.
    strays: Option<Strays>,
    pub(super) losses: Losses,
    pub(super) totals: Totals,
}

impl Inboxes {
    /// `by_time` keeps spans of no known prefix for [`Inboxes::take_between`].
    pub(super) fn new(limits: Limits, by_time: bool) -> Self {
        Self {
            strays: by_time.then(Strays::default),
            losses: Losses::default(),
            limits,
            open: HashMap::new(),
            closed: HashMap::new(),
            closed_order: std::collections::VecDeque::new(),
            held_bytes: 0,
            totals: Totals::default(),
        }
    }

    pub(super) fn expect(&mut self, prefix: u64) {
        self.open.entry(prefix).or_default();
    }

    /// Takes all of these spans in, which come at `now_ns`, or none of them if memory is full.
    pub(super) fn admit(&mut self, spans: Vec<Span>, now_ns: i64) -> Result<(), Full> {
        self.totals.requests += 1;
        let weight: usize = spans
            .iter()
            .filter(|span| self.holds(span, now_ns))
            .map(Span::weight)
            .sum();
        if self.held_bytes.saturating_add(weight) > self.limits.held_bytes {
            self.totals.refused += 1;
            for span in &spans {
                if let Some(inbox) = self.open.get_mut(&span.trace_id.prefix()) {
                    inbox.refused += 1;
                }
            }
            return Err(Full);
        }
        self.held_bytes += weight;
        for span in spans {
            self.route(span, now_ns);
        }
        Ok(())
    }

    /// Whether a span would be kept.
    fn holds(&self, span: &Span, now_ns: i64) -> bool {
        let prefix = span.trace_id.prefix();
        let is_late = self.closed.contains_key(&prefix);
        let goes_by_time = self.strays.is_some() && is_of_now(span, now_ns);
        self.open.contains_key(&prefix) || (goes_by_time && !is_late)
    }

    fn route(&mut self, span: Span, now_ns: i64) {
        let prefix = span.trace_id.prefix();
        if let Some(inbox) = self.open.get_mut(&prefix) {
            inbox.weight += span.weight();
            match inbox.by_service.get_mut(&span.origin.service) {
                Some(count) => *count += 1,
                None => {
                    inbox.by_service.insert(Arc::clone(&span.origin.service), 1);
                }
            }
            inbox.spans.push(span);
        } else if let Some(closed) = self.closed.get_mut(&prefix) {
            closed.late += 1;
        } else if let Some(strays) = &mut self.strays
            && is_of_now(&span, now_ns)
        {
            strays.push(span);
        } else {
            self.totals.foreign += 1;
            // By when it began: what came about before a case, as its data were put in, may arrive in the case's time. What
            // says that it began at another time altogether is told with those that came when it did.
            let (at_ns, reason) = match (is_of_now(&span, now_ns), &self.strays) {
                (true, _) => (span.start_ns, Reason::Foreign),
                (false, None) => (now_ns, Reason::Foreign),
                (false, Some(_)) => (now_ns, Reason::Untimely),
            };
            self.losses.note(at_ns, reason, 1, || {
                let off_s = (span.start_ns - now_ns) / 1_000_000_000;
                let clock = match off_s {
                    1.. => format!(", which began {off_s} s after it came: its clock is wrong"),
                    _ => String::new(),
                };
                format!(
                    "service `{}`, trace {}{clock}",
                    span.origin.service, span.trace_id
                )
            });
        }
    }

    /// How many spans of traces that began in this time have come, where spans go by time.
    pub(super) fn count_between(&self, from_ns: i64, to_ns: i64) -> u64 {
        let strays = self.strays.as_ref();
        strays.map_or(0, |strays| strays.count(from_ns, to_ns))
    }

    /// How many such spans came after those that began from `from_ns` on were taken.
    pub(super) fn late_since(&self, from_ns: i64) -> u64 {
        let strays = self.strays.as_ref();
        strays.map_or(0, |strays| strays.late(from_ns))
    }

    /// Hands over the spans of traces that began in this time, where spans go by time.
    pub(super) fn take_between(&mut self, from_ns: i64, to_ns: i64) -> Vec<Span> {
        let Some(strays) = &mut self.strays else {
            return Vec::new();
        };
        let timely = strays.take(from_ns, to_ns);
        self.held_bytes -= timely.weight;
        if timely.forgotten > 0 {
            self.totals.foreign += timely.forgotten;
            self.losses
                .note(from_ns, Reason::Untimely, timely.forgotten, String::new);
        }
        timely.spans
    }

    pub(super) fn arrived(&self, prefix: u64) -> Arrived {
        match self.open.get(&prefix) {
            Some(inbox) => inbox.arrived(),
            None => self.closed.get(&prefix).cloned().unwrap_or_default(),
        }
    }

    /// How many spans have come for this prefix: [`Inboxes::arrived`] without its map.
    pub(super) fn count(&self, prefix: u64) -> u64 {
        self.open
            .get(&prefix)
            .map_or(0, |inbox| inbox.spans.len() as u64)
    }

    pub(super) fn take(&mut self, prefix: u64) -> Taken {
        let Some(inbox) = self.open.remove(&prefix) else {
            return Taken {
                spans: Vec::new(),
                arrived: self.arrived(prefix),
            };
        };
        self.held_bytes -= inbox.weight;
        let arrived = inbox.arrived();
        self.closed.insert(prefix, arrived.clone());
        self.closed_order.push_back(prefix);
        if self.closed_order.len() > self.limits.closed_cases
            && let Some(oldest) = self.closed_order.pop_front()
        {
            self.closed.remove(&oldest);
        }
        Taken {
            spans: inbox.spans,
            arrived,
        }
    }
}

impl Inbox {
    fn arrived(&self) -> Arrived {
        Arrived {
            spans: self.spans.len() as u64,
            by_service: self
                .by_service
                .iter()
                .map(|(name, count)| (name.to_string(), *count))
                .collect(),
            refused: self.refused,
            late: 0,
        }
    }
}

/// A span cannot begin after it came, but for what clocks differ by.
const AHEAD_NS: i64 = 1_000_000_000;

/// Whether a span may have begun when it says so.
fn is_of_now(span: &Span, now_ns: i64) -> bool {
    let off_ns = span.start_ns.saturating_sub(now_ns);
    (-FORGOTTEN_NS..=AHEAD_NS).contains(&off_ns)
}

/// There is no room for these spans now.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::span::Names;
    use aefm_workloads::ids;

    const NOW_NS: i64 = 300;

    fn span(seed: u64, request: u64) -> Span {
        Span {
            trace_id: ids::trace_id(seed, request),
            span_id: ids::span_id(seed, request),
            parent: None,
            origin: Names::default().origin("geo", None, None),
            operation: "near".into(),
            kind: None,
            start_ns: 0,
            duration_ns: 1,
            negative: false,
            unfinished: false,
            error: false,
            http_status: None,
            attributes: None,
            extra: None,
        }
    }

    #[test]
    fn a_span_reaches_its_own_case_or_none() {
        let (one, two) = (ids::trace_prefix(1), ids::trace_prefix(2));
        let mut inboxes = Inboxes::new(Limits::default(), false);
        inboxes.expect(one);
        inboxes.expect(two);
        inboxes
            .admit(vec![span(1, 0), span(2, 0), span(1, 1), span(3, 0)], NOW_NS)
            .unwrap();
        assert_eq!(
            (
                inboxes.count(one),
                inboxes.count(two),
                inboxes.totals.foreign
            ),
            (2, 1, 1)
        );
        let told = inboxes.losses.between(0, 10);
        assert_eq!(
            (told.len(), told[0].reason, told[0].count),
            (1, Reason::Foreign, 1)
        );
        assert!(told[0].example.contains("service `geo`"), "{told:?}");
        assert_eq!(inboxes.take(one).spans.len(), 2);
        inboxes.admit(vec![span(1, 2)], NOW_NS).unwrap();
        assert_eq!(
            inboxes.arrived(one),
            Arrived {
                spans: 2,
                by_service: [("geo".to_owned(), 2)].into(),
                refused: 0,
                late: 1
            }
        );
        assert_eq!(inboxes.take(two).arrived.spans, 1);
        assert!(inboxes.take(one).spans.is_empty());
        assert_eq!(inboxes.held_bytes, 0);
    }

    #[test]
    fn what_does_not_fit_is_refused_whole_and_counted() {
        let prefix = ids::trace_prefix(1);
        let limits = Limits {
            held_bytes: 3 * span(1, 0).weight(),
            ..Limits::default()
        };
        let mut inboxes = Inboxes::new(limits, false);
        inboxes.expect(prefix);
        inboxes.admit(vec![span(1, 0), span(1, 1)], NOW_NS).unwrap();
        assert_eq!(
            inboxes.admit(vec![span(1, 2), span(1, 3)], NOW_NS),
            Err(Full)
        );
        assert_eq!(
            (inboxes.count(prefix), inboxes.arrived(prefix).refused),
            (2, 2)
        );
        // Foreign spans are not held and need no room.
        inboxes.admit(vec![span(9, 0), span(9, 1)], NOW_NS).unwrap();
        inboxes.take(prefix);
        inboxes.expect(ids::trace_prefix(2));
        inboxes.admit(vec![span(2, 2), span(2, 3)], NOW_NS).unwrap();
    }

    #[test]
    fn where_spans_go_by_time_a_trace_is_the_cases_in_whose_time_it_began() {
        let at = |request: u64, start_ns| Span {
            start_ns,
            ..span(9, request)
        };
        let mut inboxes = Inboxes::new(Limits::default(), true);
        // The first trace began in the window and goes on after it; the second began before it, the third after it.
        let spans = vec![at(1, 150), at(1, 250), at(2, 99), at(2, 150), at(3, 200)];
        inboxes.admit(spans, NOW_NS).unwrap();
        assert_eq!(inboxes.count_between(100, 200), 2);
        let begins = |spans: Vec<Span>| {
            let mut begins: Vec<_> = spans.iter().map(|span| span.start_ns).collect();
            begins.sort_unstable();
            begins
        };
        assert_eq!(begins(inboxes.take_between(100, 200)), [150, 250]);
        assert_eq!(begins(inboxes.take_between(200, 300)), [200]);
        assert!(inboxes.held_bytes > 0);
        // What comes for a time that was taken is late, what comes for another is not.
        assert_eq!(inboxes.late_since(100), 0);
        inboxes.admit(vec![at(4, 199), at(5, 300)], NOW_NS).unwrap();
        assert_eq!((inboxes.late_since(100), inboxes.late_since(101)), (1, 0));
        // Long after, what nobody came for is counted and forgotten.
        assert!(inboxes.take_between(1 << 60, (1 << 60) + 1).is_empty());
        assert_eq!((inboxes.held_bytes, inboxes.totals.foreign), (0, 4));
        assert_eq!(inboxes.losses.between(1 << 60, 1 << 60)[0].count, 4);
        // A case of known ids has its own all the same.
        inboxes.expect(ids::trace_prefix(1));
        inboxes.admit(vec![span(1, 0)], NOW_NS).unwrap();
        assert_eq!(inboxes.take(ids::trace_prefix(1)).spans.len(), 1);
    }

    #[test]
    fn what_cannot_have_begun_when_it_says_is_told_when_it_comes() {
        let now_ns = 1_800_000_000_000_000_000;
        let at = |start_ns| Span {
            start_ns,
            ..span(9, 1)
        };
        let hour_ns = 3_600_000_000_000;
        for by_time in [false, true] {
            let mut inboxes = Inboxes::new(Limits::default(), by_time);
            let spans = vec![
                at(now_ns + hour_ns),
                at(now_ns + hour_ns),
                at(now_ns - hour_ns),
            ];
            inboxes.admit(spans, now_ns).unwrap();
            let told = inboxes.losses.between(now_ns, now_ns);
            assert_eq!(
                told.iter().map(|loss| loss.count).sum::<u64>(),
                3,
                "{told:?}"
            );
            assert!(told[0].example.contains("3600 s after it came"), "{told:?}");
            assert_eq!((inboxes.held_bytes, inboxes.totals.foreign), (0, 3));
        }
    }

    #[test]
    fn closed_cases_are_bounded() {
        let limits = Limits {
            closed_cases: 2,
            ..Limits::default()
        };
        let mut inboxes = Inboxes::new(limits, false);
        for seed in 0..5 {
            inboxes.expect(ids::trace_prefix(seed));
            inboxes.take(ids::trace_prefix(seed));
        }
        assert_eq!(inboxes.closed.len(), 2);
        inboxes.admit(vec![span(0, 0), span(4, 0)], NOW_NS).unwrap();
        assert_eq!(
            (
                inboxes.totals.foreign,
                inboxes.arrived(ids::trace_prefix(4)).late
            ),
            (1, 1)
        );
    }
}
