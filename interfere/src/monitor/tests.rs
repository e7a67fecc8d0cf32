//! What samples and summaries say of windows.

use super::*;
use proptest::prelude::*;

const TOLERANCE: Tolerance = Tolerance {
    absolute: 1.0,
    relative: 0.0,
};

fn at(mono_ns: u64) -> Instant {
    Instant {
        mono_ns,
        wall_ns: 7,
    }
}

fn reached(achieved: f64) -> Reached {
    Reached::of(achieved)
}

fn under(achieved: f64, why: Why) -> Reached {
    Reached {
        hindrance: Some(Hindrance::new(why, "so it is")),
        ..reached(achieved)
    }
}

#[test]
fn the_first_second_does_not_count() {
    let mut monitor = Monitor::new(Kind::Cpu, "percent", TOLERANCE, 50.0, 0);
    for tick in 1..=30 {
        monitor.push(
            tick * 100_000_000,
            &reached(if tick <= 10 { 0.0 } else { 50.0 }),
        );
    }
    let summary = monitor.summary(at(3_000_000_000));
    assert!((summary.achieved - 50.0).abs() < 1e-9);
    assert_eq!(
        (summary.held, summary.saturated, summary.summary),
        (true, false, true)
    );
}

#[test]
fn a_run_shorter_than_that_is_taken_whole() {
    let mut monitor = Monitor::new(Kind::Cpu, "percent", TOLERANCE, 50.0, 0);
    monitor.push(400_000_000, &reached(20.0));
    let summary = monitor.summary(at(400_000_000));
    assert!((summary.achieved - 20.0).abs() < 1e-9 && !summary.saturated && !summary.held);
    assert_eq!(summary.why, Some(Why::TooShort));
}

#[test]
fn a_request_that_changes_within_a_sample_is_averaged_as_what_was_reached_is() {
    let mut monitor = Monitor::new(Kind::Cpu, "percent", TOLERANCE, 60.1, 0);
    monitor.push(100_000_000, &reached(60.1));
    monitor.push(300_000_000, &reached(60.1));
    assert_eq!(monitor.sample(at(1)).requested, 60.1);
    monitor.push(400_000_000, &reached(60.0));
    monitor.request(20.0);
    monitor.push(500_000_000, &reached(20.0));
    let mixed = monitor.sample(at(2));
    assert!((mixed.requested - 40.05).abs() < 1e-9 && (mixed.achieved - 40.0).abs() < 1e-9);
}

#[test]
fn a_run_of_no_length_reports_zeros() {
    let summary = Monitor::new(Kind::Cpu, "percent", TOLERANCE, 0.0, 5).summary(at(5));
    assert_eq!(
        (summary.requested, summary.achieved, summary.held),
        (0.0, 0.0, true)
    );
}

/// Pushes windows of 100 ms from the end of the last one on.
fn push(monitor: &mut Monitor, windows: &[Reached]) {
    for reached in windows {
        monitor.push(monitor.last_ns + 100_000_000, reached);
    }
}

fn monitor() -> Monitor {
    Monitor::new(Kind::Cpu, "percent", TOLERANCE, 50.0, 0)
}

#[test]
fn a_sample_is_held_only_if_all_of_it_since_it_settled_was_at_the_request() {
    let mut monitor = monitor();
    push(&mut monitor, &vec![reached(50.0); 10]);
    let first = monitor.sample(at(1));
    assert!(first.held && first.why.is_none());
    // A dip in the middle of a sample whose end is at the request again.
    push(&mut monitor, &vec![reached(20.0); 3]);
    push(&mut monitor, &vec![reached(50.0); 5]);
    let dip = monitor.sample(at(2));
    assert_eq!(
        (dip.held, dip.saturated, dip.why),
        (false, false, Some(Why::Missed))
    );
    push(&mut monitor, &vec![reached(50.0); 5]);
    assert!(monitor.sample(at(3)).held);
    push(&mut monitor, &vec![reached(20.0); 5]);
    let short = monitor.sample(at(4));
    assert_eq!(
        (short.held, short.saturated, short.why),
        (false, true, None)
    );
}

#[test]
fn what_settles_in_mid_sample_is_held_from_then_on() {
    let mut monitor = monitor();
    push(&mut monitor, &vec![under(0.0, Why::Measuring); 4]);
    push(&mut monitor, &vec![reached(50.0); 4]);
    let sample = monitor.sample(at(1));
    assert!(sample.held && sample.achieved < 30.0, "{sample:?}");
}

#[test]
fn only_the_machines_own_limit_is_saturation() {
    for why in [Why::Stopped, Why::Throttled, Why::Limited, Why::Unreachable] {
        let mut monitor = monitor();
        push(&mut monitor, &vec![under(20.0, why); 30]);
        let (sample, summary) = (monitor.sample(at(1)), monitor.summary(at(1)));
        for line in [sample, summary] {
            assert_eq!(
                (line.held, line.saturated, line.why),
                (false, false, Some(why))
            );
            assert_eq!(line.detail.as_deref(), Some("so it is"));
        }
    }
    let mut monitor = monitor();
    push(&mut monitor, &vec![reached(20.0); 30]);
    let summary = monitor.summary(at(1));
    assert_eq!(
        (summary.held, summary.saturated, summary.why),
        (false, true, None)
    );
}

#[test]
fn what_was_taken_away_is_not_held_although_as_much_is_reached() {
    let mut monitor = monitor();
    push(&mut monitor, &vec![reached(50.0); 20]);
    assert!(monitor.sample(at(1)).held);
    push(&mut monitor, &vec![under(50.0, Why::Taken); 5]);
    let sample = monitor.sample(at(2));
    assert_eq!((sample.held, sample.why), (false, Some(Why::Taken)));
    push(&mut monitor, &vec![reached(50.0); 20]);
    assert!(monitor.sample(at(3)).held, "given back");
    let summary = monitor.summary(at(3));
    assert_eq!(
        (summary.held, summary.saturated, summary.why),
        (false, false, Some(Why::Taken))
    );
}

#[test]
fn a_run_that_only_filled_says_so_and_one_that_got_there_is_judged_from_then_on() {
    let mut monitor = monitor();
    push(&mut monitor, &vec![under(10.0, Why::Filling); 25]);
    let summary = monitor.summary(at(1));
    assert_eq!((summary.held, summary.why), (false, Some(Why::Filling)));
    push(&mut monitor, &vec![reached(50.0); 5]);
    let summary = monitor.summary(at(2));
    assert!(
        summary.held && (summary.achieved - 50.0).abs() < 1e-9,
        "{summary:?}"
    );
}

#[test]
fn too_much_is_missed_and_not_saturated() {
    let mut monitor = monitor();
    push(&mut monitor, &vec![reached(70.0); 30]);
    let summary = monitor.summary(at(1));
    assert_eq!(
        (summary.held, summary.saturated, summary.why),
        (false, false, Some(Why::Missed))
    );
}

proptest! {
    /// No line is both held and saturated, or neither without a reason, whatever happens.
    #[test]
    fn every_line_says_one_thing(windows in prop::collection::vec((1..900u64, 0.0..100.0f64, 0..8usize, prop::option::of(0.0..100.0f64)), 1..80)) {
        let words = [Why::Taken, Why::Stopped, Why::Throttled, Why::Limited, Why::Filling];
        let mut monitor = monitor();
        for (length_ms, achieved, word, request) in windows {
            if let Some(request) = request {
                monitor.request(request);
            }
            let now_ns = monitor.last_ns + length_ms * 1_000_000;
            let reached = words.get(word).map_or_else(|| reached(achieved), |why| under(achieved, *why));
            monitor.push(now_ns, &reached);
            let summary = monitor.summary(at(now_ns));
            let sample = if length_ms % 3 == 0 { monitor.sample(at(now_ns)) } else { summary.clone() };
            for line in [sample, summary] {
                let said = [line.held, line.saturated, line.why.is_some()];
                prop_assert_eq!(said.iter().filter(|one| **one).count(), 1, "{:?}", line);
            }
        }
    }

    /// Samples weigh windows by their length, and the summary agrees with the samples.
    #[test]
    fn means_are_weighted_by_time(windows in prop::collection::vec((1..500_000_000u64, 0.0..100.0f64), 1..60)) {
        let mut monitor = Monitor::new(Kind::Cpu, "percent", TOLERANCE, 50.0, 0);
        let (mut now, mut area) = (0, 0.0);
        for (length, achieved) in &windows {
            now += length;
            area += seconds(*length) * achieved;
            monitor.push(now, &reached(*achieved));
        }
        let sample = monitor.sample(at(now));
        prop_assert!((sample.achieved - area / seconds(now)).abs() < 1e-6);
        prop_assert_eq!(monitor.sample(at(now)).achieved, 0.0);
    }
}
