//! Do intervals cover? Are lower bounds named?

use super::*;
use crate::record::hist;
use aefm_workloads::draw::{Draw, Stream, draw};
use rand::RngExt;

fn filled(values: impl IntoIterator<Item = u64>) -> crate::record::Hist {
    let mut hist = hist();
    values
        .into_iter()
        .for_each(|value| hist.saturating_record(value));
    hist
}

#[test]
fn a_quantile_needs_samples_enough() {
    let hist = filled(1..=662);
    assert!(quantile(&hist, 0.99).is_some());
    assert_eq!(quantile(&hist, 0.999), None);
    assert_eq!(quantile(&filled(1..=661), 0.99), None);
    assert_eq!(quantiles(&filled([])).max, None);
}

#[test]
fn a_quantile_that_given_up_requests_decide_is_a_lower_bound() {
    let with = |known: u64, given_up: &[(u64, u64)]| {
        let mut all = filled((0..known).map(|i| 1_000_000 + i * 10));
        let mut censored = hist();
        for &(ns, count) in given_up {
            all.saturating_record_n(ns, count);
            censored.saturating_record_n(ns, count);
        }
        move |p| bounded(&all, &censored, p).unwrap()
    };
    // Time-outs at 2 s decide the p99 and leave the rest alone.
    let timeouts = with(9_800, &[(2_000_000_000, 200)]);
    assert!(matches!(timeouts(0.5), Bound::Exact(_)));
    assert!(matches!(timeouts(0.95), Bound::Exact(_)));
    assert!(matches!(timeouts(0.99), Bound::AtLeast(_)));
    // Young ones among the fast leave the median open where they are many, and not where they are few.
    assert!(matches!(
        with(1_000, &[(1_000, 1_000)])(0.5),
        Bound::AtLeast(_)
    ));
    assert!(matches!(
        with(100_000, &[(1_000, 50)])(0.99),
        Bound::Exact(_)
    ));
}

/// Response times of an M/M/1 queue at half load, one histogram a second: correlated, as real ones are.
fn queue(draw: &mut Draw, rate_hz: f64, seconds: usize) -> Batches {
    let mut batches = Batches::default();
    let exponential = |draw: &mut Draw| -draw.random::<f64>().max(1e-300).ln();
    let (mut now, mut idle_at) = (0.0f64, 0.0f64);
    for second in 1..=seconds {
        let mut times = hist();
        while now < second as f64 {
            now += exponential(draw) / rate_hz;
            idle_at = idle_at.max(now) + exponential(draw) / (2.0 * rate_hz);
            times.saturating_record(((idle_at - now) * 1e9) as u64);
        }
        batches.add(&times);
    }
    batches
}

/// 1,000 simulated runs; the true quantile of an M/M/1 queue's response time is -ln(1 - p) / (mu - lambda).
#[test]
fn intervals_cover_correlated_samples() {
    let rate_hz = 500.0;
    for p in [0.5, 0.9, 0.99] {
        let truth = (-(1.0f64 - p).ln() / rate_hz * 1e9) as u64;
        let covered = (0..1000)
            .filter(|&run| {
                let batches = queue(
                    &mut draw(run, Stream::Service, (p * 1000.0) as u64),
                    rate_hz,
                    30,
                );
                let estimate = batches.all().value_at_quantile(p);
                let (low, high) = batches.interval(p, estimate).unwrap();
                (low..=high).contains(&truth)
            })
            .count();
        assert!(
            (930..=970).contains(&covered),
            "p{p}: {covered} of 1000 intervals hold the truth"
        );
    }
}

#[test]
fn a_trend_is_said_and_chance_is_not() {
    let mut rising = Batches::default();
    (0..20u64).for_each(|i| rising.add(&filled((0..100).map(|k| 1_000_000 + i * 50_000 + k))));
    assert!(rising.trend().unwrap().to_string().contains("rose"));
    let false_alarms = (0..200)
        .filter(|&run| {
            queue(&mut draw(run, Stream::Order, 0), 200.0, 20)
                .trend()
                .is_some()
        })
        .count();
    assert!(false_alarms <= 8, "{false_alarms} of 200");
}

#[test]
fn batches_stay_few_however_long_the_run() {
    let mut batches = Batches::default();
    (0..10_000u64).for_each(|i| batches.add(&filled([i + 1])));
    assert!(batches.len() <= 64);
    assert_eq!(batches.all().len(), 10_000);
}
