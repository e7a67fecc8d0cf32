//! Searching without loss, where the server says nothing about what it left out.
//!
//! Jaeger answers with at most `limit` traces and never says that there were more. So an answer that reaches the limit
//! is not believed: the window is halved, down to a microsecond, then split by operation, then by duration, then asked
//! with a higher limit; and what still does not fit is a [`Gap`]. A server (or proxy) may have a cap of its own below
//! the limit: an answer as large as the largest seen so far is checked by its halves before it is believed.
//!
//! Pure: [`Search::step`] says what to ask, [`Search::answered`] and [`Search::failed`] take what came of it.

mod parts;

/// What to ask for: traces of which some span of the service begins in the window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// First microsecond.
    pub from_us: i64,
    /// Microsecond after the last.
    pub to_us: i64,
    /// Only spans of this operation.
    pub operation: Option<String>,
    /// Only spans of at least this duration.
    pub min_us: Option<i64>,
    /// Only spans of at most this duration.
    pub max_us: Option<i64>,
    /// At most so many traces.
    pub limit: usize,
    check: Option<Check>,
    // Only the size of the answer is of interest.
    is_probe: bool,
}

/// This is a half of a window whose answer seemed whole: is that believable?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Check {
    /// So many traces were in that answer.
    whole: usize,
    /// The other half, and all that came of it, was asked before.
    last: bool,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Ask this.
    Ask(Query),
    /// Ask for the service's operations.
    Operations,
    /// Nothing: all is known, but for the gaps.
    Done,
}

/// What could not be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// First microsecond.
    pub from_us: i64,
    /// Microsecond after the last.
    pub to_us: i64,
    /// Why.
    pub reason: String,
    // It is only feared that the server gives no more than so many traces.
    cap: Option<usize>,
}

/// Bounds of a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The limit to begin with.
    pub limit: usize,
    /// The limit not to exceed.
    pub limit_max: usize,
    /// Answers should not be much larger than this: the limit follows.
    pub answer_bytes: usize,
    /// At most so many questions; what is then still open is a gap.
    pub queries: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            limit: 500,
            limit_max: 20_000,
            answer_bytes: 32 << 20,
            queries: 100_000,
        }
    }
}

/// What an answer held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Traces.
    pub traces: usize,
    /// Of these, how many no earlier answer had.
    pub fresh: usize,
    /// Its size.
    pub bytes: usize,
}

/// Why there was no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Too large or too slow: less may come.
    Size,
    /// The server does not take such a limit.
    Limit,
    /// Anything else.
    Other,
}

/// A search under way.
#[derive(Clone, Debug)]
pub struct Search {
    bounds: Bounds,
    limit: usize,
    // No larger limit is asked for: our own bound, or the server's.
    limit_max: usize,
    // The largest limit that the server took.
    accepted: usize,
    // Queries to be asked, the next one last.
    open: Vec<Query>,
    // Waiting for the operations.
    unsplit: Vec<Query>,
    operations: Option<Vec<String>>,
    // The largest answer so far: there is no cap below it.
    largest: usize,
    // An answer of this size was found whole.
    proven: usize,
    // An answer of this size was found short.
    cap: Option<usize>,
    asked: usize,
    gaps: Vec<Gap>,
    // What was given up only because the server might give no more than so many.
    given_up: Vec<(Query, usize)>,
    // Everything was asked for with a limit above this, to see whether more come.
    probed: usize,
    window: (i64, i64),
}

impl Search {
    /// Everything from `from_us` up to, and without, `to_us`.
    #[must_use]
    pub fn new(from_us: i64, to_us: i64, bounds: Bounds) -> Self {
        let limit = bounds.limit.clamp(1, bounds.limit_max.max(1));
        let all = Query {
            from_us,
            to_us,
            operation: None,
            min_us: None,
            max_us: None,
            limit,
            check: None,
            is_probe: false,
        };
        Self {
            bounds,
            limit,
            limit_max: bounds.limit_max.max(1),
            accepted: 0,
            open: if from_us < to_us {
                vec![all]
            } else {
                Vec::new()
            },
            unsplit: Vec::new(),
            operations: None,
            largest: 0,
            proven: 0,
            cap: None,
            asked: 0,
            gaps: Vec::new(),
            given_up: Vec::new(),
            probed: 0,
            window: (from_us, to_us),
        }
    }

    /// What to do next.
    pub fn step(&mut self) -> Next {
        if let Some(mut query) = self.open.pop() {
            if self.asked >= self.bounds.queries {
                let reason = format!("not asked: {} questions were not enough", self.asked);
                self.open.push(query);
                let open: Vec<_> = self.open.drain(..).chain(self.unsplit.drain(..)).collect();
                for query in open {
                    self.gap(&query, reason.clone());
                }
                return Next::Done;
            }
            self.asked += 1;
            query.limit = query.limit.max(self.limit).min(self.limit_max);
            return Next::Ask(query);
        }
        if self.unsplit.is_empty() {
            Next::Done
        } else {
            Next::Operations
        }
    }

    /// How many questions were asked.
    #[must_use]
    pub const fn asked(&self) -> usize {
        self.asked
    }

    /// What could not be had.
    #[must_use]
    pub fn gaps(&self) -> &[Gap] {
        &self.gaps
    }

    /// The server's own cap on answers, if one showed.
    #[must_use]
    pub const fn cap(&self) -> Option<usize> {
        self.cap
    }

    /// Takes the answer to `query`.
    pub fn answered(&mut self, query: &Query, answer: Answer) {
        // Half of a window that seemed whole brought something new: the window was short. (Late traces look the same,
        // which costs some questions and loses nothing.)
        self.accepted = self.accepted.max(query.limit);
        if let Some(Check { whole, last }) = query.check {
            if answer.fresh > 0 {
                self.cap = Some(self.cap.map_or(whole, |cap| cap.min(whole)));
            } else if last && answer.traces < whole && self.cap.is_none_or(|cap| cap > whole) {
                self.proven = self.proven.max(whole);
            }
        }
        if self.cap.is_some_and(|cap| answer.traces > cap) {
            // It was none: late traces had looked like it.
            self.cap = None;
        }
        if answer.traces > self.largest {
            self.largest = answer.traces;
            self.ask_again();
        }
        if query.is_probe {
            return;
        }
        self.adapt(&answer);
        let full = answer.traces >= query.limit || self.cap.is_some_and(|cap| answer.traces >= cap);
        if full {
            self.split(query, None);
        } else if answer.traces >= self.largest && answer.traces > self.proven && answer.traces > 1
        {
            // None before was larger: a cap of the server's could look like this.
            self.split(query, Some(answer.traces));
        }
    }

    /// What was given up for fear of a cap that this answer shows not to be there.
    fn ask_again(&mut self) {
        let largest = self.largest;
        let (again, rest) = std::mem::take(&mut self.given_up)
            .into_iter()
            .partition(|(_, size)| *size < largest);
        self.given_up = rest;
        let again: Vec<(Query, usize)> = again;
        self.open.extend(again.into_iter().map(|(query, _)| query));
        self.gaps
            .retain(|gap| gap.cap.is_none_or(|size| size >= largest));
    }

    /// Takes the service's operations.
    pub fn operations(&mut self, operations: Vec<String>) {
        let waiting = std::mem::take(&mut self.unsplit);
        self.operations = Some(operations);
        for query in waiting {
            self.split_by_operation(&query);
        }
    }

    /// Takes that `query` was not answered, after all attempts.
    pub fn failed(&mut self, query: &Query, failure: Failure, reason: &str) {
        match failure {
            Failure::Limit if query.limit > 1 => {
                // Halved until something is taken, then halfway between what was taken and what was not.
                self.limit_max = self.limit_max.min(query.limit - 1);
                let limit = if self.accepted < query.limit {
                    (self.accepted + query.limit) / 2
                } else {
                    query.limit / 2
                };
                let limit = limit.clamp(1, self.limit_max);
                self.limit = self.limit.min(limit);
                self.open.push(Query {
                    limit,
                    ..query.clone()
                });
            }
            _ if query.is_probe => {}
            Failure::Size if query.to_us - query.from_us > 1 => {
                self.limit = (self.limit / 2).max(1);
                self.halve(query, None);
            }
            _ => self.gap(query, reason.to_owned()),
        }
    }

    /// Larger answers cost memory, smaller ones questions.
    fn adapt(&mut self, answer: &Answer) {
        if answer.traces >= 20 {
            let wanted = self.bounds.answer_bytes / (answer.bytes / answer.traces).max(1);
            self.limit = wanted.clamp(20, self.limit_max.max(20)).min(self.limit_max);
        }
    }

    fn gap(&mut self, query: &Query, reason: String) {
        self.push_gap(Gap {
            from_us: query.from_us,
            to_us: query.to_us,
            reason,
            cap: None,
        });
    }

    fn push_gap(&mut self, gap: Gap) {
        // The parts of one instant fail alike, one after the other.
        if self.gaps.last() != Some(&gap) {
            self.gaps.push(gap);
        }
    }
}

#[cfg(test)]
mod tests;
