//! Each rule has its reason, and nothing else makes a run suspect.

use super::*;
use crate::record::hist;
use crate::stall::Cause;

const MS: u64 = 1_000_000;

fn filled(ns: u64, slow: (u64, u64)) -> Hist {
    let mut hist = hist();
    hist.saturating_record_n(ns, 10_000 - slow.1);
    hist.saturating_record_n(slow.0, slow.1);
    hist
}

/// `slow`: how many of 10,000 requests took 400 ms, 2 ms of which the server needed.
fn judged(slow: u64, change: impl FnOnce(&mut Evidence<'_>)) -> Vec<String> {
    let (response, unhindered) = (
        filled(2 * MS, (400 * MS, slow)),
        filled(2 * MS, (2 * MS, slow)),
    );
    let faults = BTreeMap::from([
        ("connect: refused".to_owned(), 7),
        ("read: reset".to_owned(), 99),
    ]);
    let stalls = [Stall {
        from_ns: 2_000 * MS,
        to_ns: 3_000 * MS,
        cause: Cause::Stopped,
    }];
    let mut evidence = Evidence {
        rate_asked_hz: Some(1000.0),
        intended: 10_000,
        sent: 10_000,
        unsent: 0,
        connections: 8,
        open_most: 8,
        faults: &faults,
        response: &response,
        unhindered: &unhindered,
        stalls: &stalls,
        generator_ns: &[(2, 5)],
        out_of_ports: 0,
        out_of_files: 0,
        unaccounted: 0,
        interrupted: false,
    };
    change(&mut evidence);
    judge(&evidence).1
}

#[test]
fn a_stall_that_moves_no_quantile_is_no_reason() {
    assert_eq!(judged(0, |_| {}), Vec::<String>::new());
    // One of 10,000: below p99.9, and p99.99 wants more samples than there are.
    assert_eq!(judged(1, |_| {}), Vec::<String>::new());
}

#[test]
fn what_the_generator_moved_is_named_with_when_and_why() {
    let reasons = judged(200, |_| {});
    assert_eq!(reasons.len(), 1, "{reasons:?}");
    for part in [
        "p99 is 400.",
        "p99.9 is 400.",
        "2.00 ms without it",
        "from second 2.00 to 3.00 (stopped)",
    ] {
        assert!(reasons[0].contains(part), "no `{part}` in {reasons:?}");
    }
    assert!(!reasons[0].contains("p95"), "{reasons:?}");
    let reasons = judged(200, |e| (e.stalls, e.rate_asked_hz) = (&[], None));
    assert!(reasons[0].contains("from second 2 to 3"), "{reasons:?}");
}

#[test]
fn each_other_rule_has_its_reason() {
    let reason = |reasons: Vec<String>, word: &str| {
        assert!(
            reasons.len() == 1 && reasons[0].contains(word),
            "{reasons:?} without {word}"
        );
    };
    let short = |open_most| {
        judged(0, |e| {
            (e.sent, e.unsent, e.open_most) = (9_000, 1_000, open_most);
        })
    };
    reason(short(8), "90.0 %");
    reason(short(8), "8 connections were open at most, and all waited");
    reason(
        short(3),
        "3 of 8 connections were open at most (7 x failed to connect: refused)",
    );
    reason(short(0), "none of 8 connections could be had (7 x");
    reason(judged(0, |e| e.out_of_ports = 7), "7 connects");
    reason(judged(0, |e| e.out_of_files = 7), "ulimit");
    reason(judged(0, |e| e.unaccounted = 1), "fault of aefm-load");
    // Evidence outlives this function's own values.
    let three: &'static mut Hist = Box::leak(Box::new(hist()));
    three.saturating_record_n(MS, 3);
    let three: &'static Hist = three;
    reason(
        judged(0, |e| (e.response, e.unhindered) = (three, three)),
        "too few",
    );
}
