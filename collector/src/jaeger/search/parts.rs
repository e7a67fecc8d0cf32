//! The parts of a window that is asked for again: halves, operations, durations.

use super::{Check, Gap, Query, Search};

impl Search {
    /// Asks for the parts of a window: it was full, or (`whole` traces) is to be checked.
    pub(super) fn split(&mut self, query: &Query, whole: Option<usize>) {
        if query.to_us - query.from_us > 1 {
            self.halve(query, whole);
        } else if query.operation.is_none() && query.min_us.is_none() && query.max_us.is_none() {
            let query = Query {
                check: whole.map(|whole| Check { whole, last: false }),
                ..query.clone()
            };
            match self.operations {
                Some(_) => self.split_by_operation(&query),
                None => self.unsplit.push(query),
            }
        } else {
            self.split_by_duration(query, whole);
        }
    }

    pub(super) fn halve(&mut self, query: &Query, whole: Option<usize>) {
        let middle = query.from_us + (query.to_us - query.from_us) / 2;
        let lower = Query {
            to_us: middle,
            ..query.clone()
        };
        self.ask_parts(
            [
                lower,
                Query {
                    from_us: middle,
                    ..query.clone()
                },
            ]
            .into(),
            whole,
        );
    }

    /// Asks for parts in their order.
    fn ask_parts(&mut self, parts: Vec<Query>, whole: Option<usize>) {
        for (place, part) in parts.into_iter().rev().enumerate() {
            // The last one to be asked goes to the bottom.
            self.open.push(Query {
                check: whole.map(|whole| Check {
                    whole,
                    last: place == 0,
                }),
                ..part
            });
        }
    }

    pub(super) fn split_by_operation(&mut self, query: &Query) {
        let whole = query.check.map(|check| check.whole);
        let operations = self.operations.clone().unwrap_or_default();
        if operations.len() < 2 {
            return self.split_by_duration(query, whole);
        }
        let part = |operation| Query {
            operation: Some(operation),
            ..query.clone()
        };
        self.ask_parts(operations.into_iter().map(part).collect(), whole);
    }

    fn split_by_duration(&mut self, query: &Query, whole: Option<usize>) {
        /// An hour: longer requests need not be told apart.
        const LONGEST_US: i64 = 3_600_000_000;
        let (min, max) = (
            query.min_us.unwrap_or(0),
            query.max_us.unwrap_or(LONGEST_US),
        );
        if max > min {
            // Durations are spread over magnitudes: the middle is the geometric one.
            let middle = (((min + 1) as f64) * ((max + 1) as f64)).sqrt() as i64 - 1;
            let middle = middle.clamp(min, max - 1);
            let lower = Query {
                max_us: Some(middle),
                ..query.clone()
            };
            let upper = Query {
                min_us: Some(middle + 1),
                ..query.clone()
            };
            return self.ask_parts([lower, upper].into(), whole);
        }
        // All of one microsecond, operation and duration: only a higher limit can tell.
        let capped = whole.is_some() || self.cap.is_some_and(|cap| cap < query.limit);
        if query.limit < self.limit_max && !capped {
            let limit = (query.limit * 4).min(self.limit_max);
            self.open.push(Query {
                limit,
                check: None,
                ..query.clone()
            });
        } else {
            let most = whole.or(self.cap).unwrap_or(query.limit).min(query.limit);
            let reason = format!(
                "{most} traces that cannot be told apart begin in one microsecond; there may be more"
            );
            let cap = capped.then_some(most);
            if let Some(size) = cap {
                self.given_up.push((
                    Query {
                        check: None,
                        ..query.clone()
                    },
                    size,
                ));
                self.probe(size);
            }
            self.push_gap(Gap {
                from_us: query.from_us,
                to_us: query.to_us,
                reason,
                cap,
            });
        }
    }

    /// Asks for everything with a higher limit, once: an answer of more than `size` shows that there is no such cap.
    fn probe(&mut self, size: usize) {
        if size > self.probed && size < self.limit_max {
            self.probed = size;
            let (from_us, to_us) = self.window;
            let limit = (size * 2).min(self.limit_max);
            let all = Query {
                from_us,
                to_us,
                operation: None,
                min_us: None,
                max_us: None,
                limit,
                check: None,
                is_probe: true,
            };
            self.open.push(all);
        }
    }
}
