//! The lossless search against a pure double that caps, refuses and times out.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// A trace as a server knows it: when it begins, of which operation, how long.
#[derive(Clone, Debug)]
struct Known {
    start_us: i64,
    operation: u8,
    duration_us: i64,
}

/// How a server misbehaves.
#[derive(Clone, Debug)]
struct Faults {
    /// It never answers with more than this, whatever was asked.
    cap: Option<usize>,
    /// It refuses limits above this.
    limit_max: Option<usize>,
    /// Every so-manieth question fails.
    fail_every: Option<usize>,
    /// Which of the matching traces it keeps when it cuts, and their order.
    seed: u64,
    /// Answers of more than so many traces take too long.
    slow_above: Option<usize>,
}

struct Server {
    traces: Vec<Known>,
    faults: Faults,
    asked: usize,
}

impl Server {
    fn matching(&self, query: &Query) -> Vec<usize> {
        let matches = |known: &Known| {
            (query.from_us..query.to_us).contains(&known.start_us)
                && query
                    .operation
                    .as_ref()
                    .is_none_or(|name| *name == known.operation.to_string())
                && query.min_us.is_none_or(|min| known.duration_us >= min)
                && query.max_us.is_none_or(|max| known.duration_us <= max)
        };
        let mut found: Vec<_> = (0..self.traces.len())
            .filter(|number| matches(&self.traces[*number]))
            .collect();
        // No order that anyone could rely on.
        found.sort_by_key(|number| aefm_workloads::draw::mix(*number as u64 ^ self.faults.seed));
        found
    }

    fn ask(&mut self, query: &Query) -> Result<Vec<usize>, Failure> {
        self.asked += 1;
        if self.faults.limit_max.is_some_and(|max| query.limit > max) {
            return Err(Failure::Limit);
        }
        if self
            .faults
            .fail_every
            .is_some_and(|every| self.asked.is_multiple_of(every))
        {
            return Err(Failure::Other);
        }
        let mut found = self.matching(query);
        found.truncate(query.limit.min(self.faults.cap.unwrap_or(usize::MAX)));
        if self
            .faults
            .slow_above
            .is_some_and(|most| found.len() > most)
        {
            return Err(Failure::Size);
        }
        Ok(found)
    }
}

/// Runs a search to its end: what was found, and the gaps.
fn run(server: &mut Server, bounds: Bounds, window: (i64, i64)) -> (BTreeSet<usize>, Search) {
    let mut search = Search::new(window.0, window.1, bounds);
    let mut found = BTreeSet::new();
    loop {
        match search.step() {
            Next::Done => return (found, search),
            Next::Operations => {
                search.operations((0..4).map(|operation| operation.to_string()).collect());
            }
            Next::Ask(query) => match server.ask(&query) {
                Ok(traces) => {
                    let before = found.len();
                    let answer = Answer {
                        traces: traces.len(),
                        fresh: 0,
                        bytes: traces.len() * 1_000,
                    };
                    found.extend(traces);
                    search.answered(
                        &query,
                        Answer {
                            fresh: found.len() - before,
                            ..answer
                        },
                    );
                }
                Err(failure) => search.failed(&query, failure, "as told"),
            },
        }
    }
}

prop_compose! {
    fn any_trace()(start_us in 0..2_000_i64, burst: bool, operation in 0..4_u8, duration_us in 0..3_000_i64) -> Known {
        // Half of all traces begin within a few microseconds.
        Known { start_us: if burst { 700 + start_us % 4 } else { start_us }, operation, duration_us }
    }
}

prop_compose! {
    fn any_faults()(
        cap in prop::option::of(2..60_usize), limit_max in prop::option::of(1..200_usize), seed: u64,
        slow_above in prop::option::weighted(0.2, 20..100_usize),
    ) -> Faults {
        Faults { cap, limit_max, fail_every: None, seed, slow_above }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    /// Whatever the server does, each trace of the window is found, or lies in a gap that says so.
    #[test]
    fn nothing_is_lost_in_silence(
        traces in prop::collection::vec(any_trace(), 0..120), faults in any_faults(), limit in 1..100_usize,
        from in 0..1_500_i64, length in 0..2_000_i64,
    ) {
        let mut server = Server { traces, faults, asked: 0 };
        let bounds = Bounds { limit, limit_max: 400, ..Bounds::default() };
        let (found, search) = run(&mut server, bounds, (from, from + length));
        for (number, known) in server.traces.iter().enumerate() {
            let within = (from..from + length).contains(&known.start_us);
            let gap = search.gaps().iter().any(|gap| (gap.from_us..gap.to_us).contains(&known.start_us));
            prop_assert!(!within || found.contains(&number) || gap, "trace {} {:?} is lost: {:?}", number, known, search);
        }
        prop_assert!(search.asked() <= bounds.queries);
    }
}

proptest! {
    /// Failures leave gaps exactly where something was asked in vain.
    #[test]
    fn failures_are_gaps(traces in prop::collection::vec(any_trace(), 0..120), every in 2..9_usize, seed: u64) {
        let faults = Faults { cap: None, limit_max: None, fail_every: Some(every), seed, slow_above: None };
        let mut server = Server { traces, faults, asked: 0 };
        let (found, search) = run(&mut server, Bounds { limit: 10, limit_max: 40, ..Bounds::default() }, (0, 2_000));
        for (number, known) in server.traces.iter().enumerate() {
            let gap = search.gaps().iter().any(|gap| (gap.from_us..gap.to_us).contains(&known.start_us));
            prop_assert!(found.contains(&number) || gap);
        }
        prop_assert!(search.gaps().iter().all(|gap| gap.reason == "as told" || gap.reason.contains("may be more")));
    }
}

fn calm() -> Faults {
    Faults {
        cap: None,
        limit_max: None,
        fail_every: None,
        seed: 1,
        slow_above: None,
    }
}

#[test]
fn a_quiet_window_costs_few_questions() {
    let traces = (0..100)
        .map(|n| Known {
            start_us: n * 1_000,
            operation: 0,
            duration_us: 5,
        })
        .collect();
    let mut server = Server {
        traces,
        faults: calm(),
        asked: 0,
    };
    let (found, search) = run(&mut server, Bounds::default(), (0, 100_000));
    assert_eq!((found.len(), search.gaps().len()), (100, 0));
    assert!(search.asked() <= 3, "{} questions", search.asked());
}

#[test]
fn a_load_of_twenty_thousand_traces_takes_hundreds_of_questions_not_thousands() {
    let traces = (0..20_000)
        .map(|n| Known {
            start_us: n * 2_000,
            operation: 0,
            duration_us: 5,
        })
        .collect();
    let mut server = Server {
        traces,
        faults: calm(),
        asked: 0,
    };
    let bounds = Bounds {
        answer_bytes: 500_000,
        ..Bounds::default()
    };
    let (found, search) = run(&mut server, bounds, (0, 40_000_000));
    assert_eq!((found.len(), search.gaps().len()), (20_000, 0));
    assert!(search.asked() < 200, "{} questions", search.asked());
}

#[test]
fn what_cannot_be_told_apart_is_a_gap_that_says_how_many() {
    let traces = (0..50)
        .map(|_| Known {
            start_us: 7,
            operation: 1,
            duration_us: 5,
        })
        .collect();
    let mut server = Server {
        traces,
        faults: Faults {
            cap: Some(20),
            ..calm()
        },
        asked: 0,
    };
    let (_, search) = run(
        &mut server,
        Bounds {
            limit: 10,
            limit_max: 40,
            ..Bounds::default()
        },
        (0, 100),
    );
    assert_eq!((search.gaps()[0].from_us, search.gaps()[0].to_us), (7, 8));
    assert!(
        search.gaps()[0].reason.contains("one microsecond"),
        "{:?}",
        search.gaps()
    );
}

#[test]
fn questions_are_bounded() {
    let traces = (0..1_000)
        .map(|n| Known {
            start_us: n,
            operation: 0,
            duration_us: 5,
        })
        .collect();
    let mut server = Server {
        traces,
        faults: calm(),
        asked: 0,
    };
    let bounds = Bounds {
        limit: 2,
        limit_max: 2,
        queries: 20,
        ..Bounds::default()
    };
    let (found, search) = run(&mut server, bounds, (0, 1_000));
    assert!(search.asked() == 20 && found.len() < 100 && !search.gaps().is_empty());
    let covered: i64 = search
        .gaps()
        .iter()
        .map(|gap| gap.to_us - gap.from_us)
        .sum();
    assert!(covered > 900);
}
