//! What a load got for its requests: a case in which nobody answered well has measured nothing.

use super::Finding;
use crate::platform::LoadRun;
use crate::report::Status;
use aefm_collector::records::QualityRow;
use aefm_workloads::load::{LoadSecond, Outcome, Phase};
use std::collections::BTreeMap;

/// Judges the answers of the measured phase. `least` is the share that must be answered ok (`load.min_ok`; 0: whatever
/// comes is fine), `redirects` how many of those answered ok are mere redirects, which the load does not follow. Nothing
/// is said of a load that did not come to its end, nor of one that somebody else has put on.
pub(crate) fn answers(run: &LoadRun, redirects: u64, least: f64) -> Option<Finding> {
    if run.shards.is_empty() || run.summary.is_none() {
        return None;
    }
    let mut outcomes: BTreeMap<Outcome, u64> = BTreeMap::new();
    for second in measured(run) {
        for (outcome, count) in &second.outcomes {
            *outcomes.entry(*outcome).or_default() += count;
        }
    }
    let intended: u64 = measured(run).map(|second| second.intended).sum();
    let ok = outcomes.get(&Outcome::Ok).copied().unwrap_or_default();
    let others = others(&outcomes);
    let judged = judge(intended, ok, redirects, least, &others)
        .or_else(|| gone(run).filter(|_| least > 0.0));
    let (case, reason) = judged.unwrap_or((Status::Ok, others));
    let row = QualityRow {
        source: "answers".to_owned(),
        expected: Some(intended),
        received: Some(ok),
        missing: Some(intended.saturating_sub(ok)),
        status: case,
        reason: (!reason.is_empty()).then_some(reason),
    };
    Some(Finding { row, case })
}

fn measured(run: &LoadRun) -> impl DoubleEndedIterator<Item = &LoadSecond> {
    run.seconds
        .iter()
        .filter(|second| second.phase == Phase::Measure)
}

/// What became of requests that were not answered ok: `240 http_5xx, 3 timeout`.
fn others(outcomes: &BTreeMap<Outcome, u64>) -> String {
    let others = outcomes
        .iter()
        .filter(|(outcome, count)| **outcome != Outcome::Ok && **count > 0);
    let words: Vec<_> = others
        .map(|(outcome, count)| format!("{count} {}", outcome.name()))
        .collect();
    words.join(", ")
}

fn judge(
    intended: u64,
    ok: u64,
    redirects: u64,
    least: f64,
    others: &str,
) -> Option<(Status, String)> {
    if least <= 0.0 {
        return None;
    }
    if intended == 0 {
        let reason =
            "the schedule has no request in the measured phase: raise `rate` or `load.duration`";
        return Some((Status::Failed, reason.to_owned()));
    }
    if ok == 0 {
        return Some((
            Status::Failed,
            format!("not one of {intended} requests was answered ok: {others}"),
        ));
    }
    if redirects >= ok {
        let more = if others.is_empty() {
            String::new()
        } else {
            format!(" (beside {others})")
        };
        return Some((
            Status::Failed,
            format!(
                "not one of {intended} requests was answered but by a redirect{more}: redirects are not followed, load their target"
            ),
        ));
    }
    #[expect(clippy::cast_precision_loss, reason = "counts of requests")]
    let share = ok as f64 / intended as f64;
    (share < least).then(|| {
        (
            Status::Degraded,
            format!(
                "{ok} of {intended} requests were answered ok, {:.1} % where `load.min_ok` wants {:.1} %: {others}",
                share * 100.0,
                least * 100.0
            ),
        )
    })
}

/// An application that is gone before the end: from some second on no connection could be had or held, and what found
/// none to try was not sent.
fn gone(run: &LoadRun) -> Option<(Status, String)> {
    let mut seconds: BTreeMap<u32, Tail> = BTreeMap::new();
    for second in measured(run) {
        let of = |outcome| second.outcomes.get(&outcome).copied().unwrap_or_default();
        let sums = seconds.entry(second.second).or_default();
        sums.intended += second.intended;
        sums.lost += of(Outcome::Connect) + of(Outcome::Reset);
        sums.unsent += of(Outcome::Unsent);
    }
    let mut tail = Tail::default();
    let mut first = None;
    for (number, second) in seconds.iter().rev() {
        if second.lost + second.unsent < second.intended {
            break;
        }
        if second.lost > 0 {
            first = Some(*number);
        }
        tail.intended += second.intended;
    }
    let (first, requests) = (first?, tail.intended);
    Some((
        Status::Degraded,
        format!(
            "the application was gone from second {first} of the load on: the last {requests} requests found no connection or lost it"
        ),
    ))
}

/// What became of the requests of a second.
#[derive(Default)]
struct Tail {
    intended: u64,
    lost: u64,
    unsent: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shortfall::truncated::{second, summary};

    /// What is made of a load whose measured seconds end so.
    fn judged(seconds: &[&[(Outcome, u64)]], redirects: u64, least: f64) -> (Status, String) {
        let mut run = LoadRun::of(1);
        for (at, outcomes) in seconds.iter().enumerate() {
            let at = u32::try_from(at).unwrap();
            run.seconds.push(second(Phase::Measure, at, outcomes));
        }
        run.summary = Some(summary(0));
        let found = answers(&run, redirects, least).unwrap();
        assert_eq!(found.row.status, found.case);
        (found.case, found.row.reason.unwrap_or_default())
    }

    #[test]
    fn nothing_answered_ok_fails_and_less_than_asked_for_degrades() {
        use Outcome::{Connect, Http4xx, Http5xx, Ok, Reset, Timeout};
        let all = judged(&[&[(Http5xx, 10)], &[(Http5xx, 5), (Timeout, 5)]], 0, 0.5);
        assert_eq!(all.0, Status::Failed);
        assert_eq!(
            all.1,
            "not one of 20 requests was answered ok: 15 http_5xx, 5 timeout"
        );
        for outcome in [Connect, Reset, Timeout, Http4xx] {
            assert_eq!(judged(&[&[(outcome, 3)]], 0, 0.5).0, Status::Failed);
        }
        let few = judged(&[&[(Ok, 4), (Http4xx, 6)]], 0, 0.5);
        assert_eq!(few.0, Status::Degraded);
        assert!(
            few.1.contains("4 of 10") && few.1.contains("40.0 %") && few.1.contains("6 http_4xx"),
            "{}",
            few.1
        );
        assert_eq!(judged(&[&[(Ok, 5), (Http4xx, 5)]], 0, 0.5).0, Status::Ok);
        assert_eq!(judged(&[&[(Ok, 4), (Http4xx, 6)]], 0, 0.3).0, Status::Ok);
        assert_eq!(
            judged(&[&[(Ok, 9), (Http4xx, 1)]], 0, 1.0).0,
            Status::Degraded
        );
        // Nothing is asked for: whatever comes is fine.
        assert_eq!(judged(&[&[(Http5xx, 10)]], 0, 0.0).0, Status::Ok);
        assert_eq!(judged(&[], 0, 0.5).0, Status::Failed);
    }

    #[test]
    fn redirects_alone_are_no_answers() {
        let all = judged(&[&[(Outcome::Ok, 8), (Outcome::Timeout, 2)]], 8, 0.5);
        assert!(
            all.0 == Status::Failed && all.1.contains("redirect") && all.1.contains("2 timeout"),
            "{all:?}"
        );
        assert_eq!(judged(&[&[(Outcome::Ok, 8)]], 7, 0.5).0, Status::Ok);
    }

    #[test]
    fn an_application_that_dies_in_mid_case_is_noticed_whatever_it_answered_before() {
        use Outcome::{Connect, Ok, Reset, Timeout, Unsent};
        let died = judged(
            &[
                &[(Ok, 50)],
                &[(Ok, 50)],
                &[(Reset, 1), (Connect, 9)],
                &[(Connect, 10)],
            ],
            0,
            0.5,
        );
        assert_eq!(died.0, Status::Degraded);
        assert!(
            died.1.contains("from second 2") && died.1.contains("20 requests"),
            "{}",
            died.1
        );
        // What had no connection to be tried on was not sent.
        let unsent = judged(
            &[&[(Ok, 50)], &[(Connect, 4), (Unsent, 6)], &[(Unsent, 10)]],
            0,
            0.5,
        );
        assert!(unsent.1.contains("from second 1"), "{}", unsent.1);
        assert_eq!(
            judged(&[&[(Ok, 50)], &[(Unsent, 10)]], 0, 0.5).0,
            Status::Ok
        );
        // One that is merely slow at the end, or was gone for a moment, is not gone.
        assert_eq!(
            judged(&[&[(Ok, 50)], &[(Timeout, 10)]], 0, 0.5).0,
            Status::Ok
        );
        assert_eq!(
            judged(&[&[(Ok, 50)], &[(Connect, 10)], &[(Ok, 10)]], 0, 0.5).0,
            Status::Ok
        );
    }

    #[test]
    fn what_was_not_answered_ok_is_said_even_where_that_is_fine() {
        let most = judged(&[&[(Outcome::Ok, 9), (Outcome::Timeout, 1)]], 0, 0.5);
        assert_eq!(most, (Status::Ok, "1 timeout".to_owned()));
    }
}
