//! Properties of schedules, and their golden fingerprints.

use super::*;
use proptest::prelude::*;

const SECOND: u64 = 1_000_000_000;

fn constant(rate_hz: f64, end_ns: u64) -> Schedule {
    Schedule::new(
        Arrival::Constant,
        Profile::constant(rate_hz).unwrap(),
        1,
        end_ns,
    )
}

fn poisson(rate_hz: f64, seed: u64, end_ns: u64) -> Schedule {
    Schedule::new(
        Arrival::Poisson,
        Profile::constant(rate_hz).unwrap(),
        seed,
        end_ns,
    )
}

fn fingerprint(schedule: &Schedule) -> String {
    let mut fingerprint = Fingerprint::default();
    schedule
        .times()
        .for_each(|request| fingerprint.add(request.offset_ns));
    fingerprint.finish()
}

proptest! {
    #[test]
    fn constant_arrivals_are_exactly_rate_times_duration(rate in 1u32..50_000, seconds in 1u64..20) {
        let count = constant(f64::from(rate), seconds * SECOND).times().count() as u64;
        prop_assert_eq!(count, u64::from(rate) * seconds);
    }

    #[test]
    fn times_ascend_within_the_run(rate in 0.1f64..5_000.0, seed: u64, random: bool) {
        let schedule = if random { poisson(rate, seed, 5 * SECOND) } else { constant(rate, 5 * SECOND) };
        let all: Vec<_> = schedule.times().collect();
        prop_assert!(all.windows(2).all(|w| w[0].offset_ns <= w[1].offset_ns && w[0].number + 1 == w[1].number));
        prop_assert!(all.iter().all(|request| request.offset_ns < 5 * SECOND));
    }

    #[test]
    fn shards_and_workers_union_to_the_whole(seed: u64, shards in 1u64..5, workers in 1u64..5, rate in 1.0f64..3000.0) {
        let whole = poisson(rate, seed, 2 * SECOND).limited(4000);
        let mut union: Vec<_> = (0..shards)
            .flat_map(|shard| {
                let shard = whole.clone().sharded(Share { index: shard, of: shards });
                (0..workers).flat_map(move |worker| shard.part(worker, workers).collect::<Vec<_>>())
            })
            .collect();
        union.sort_by_key(|request| request.number);
        prop_assert_eq!(union, whole.times().collect::<Vec<_>>());
    }

    #[test]
    fn a_ramp_has_the_area_under_its_rates(from in 1.0f64..2000.0, to in 1.0f64..2000.0, seconds in 1u64..10) {
        let end = Stage { at_s: seconds as f64, rate_hz: to };
        let profile = Profile::stages(&[Stage { at_s: 0.0, rate_hz: from }, end]).unwrap();
        let count = Schedule::new(Arrival::Constant, profile, 0, seconds * SECOND).times().count() as f64;
        prop_assert!((count - (from + to) / 2.0 * seconds as f64).abs() <= 1.0);
    }
}

#[test]
fn fractional_rates_are_kept() {
    let offsets: Vec<_> = constant(0.5, 10 * SECOND)
        .times()
        .map(|request| request.offset_ns / SECOND)
        .collect();
    assert_eq!(offsets, [0, 2, 4, 6, 8]);
}

#[test]
fn a_step_is_two_stages_at_one_time() {
    let profile: Profile = "0s:10,1s:10,1s:100".parse().unwrap();
    let schedule = Schedule::new(Arrival::Constant, profile, 0, 2 * SECOND);
    let early = schedule
        .times()
        .filter(|request| request.offset_ns < SECOND)
        .count();
    assert_eq!((early, schedule.times().count()), (10, 110));
    assert!((schedule.mean_rate_hz(SECOND) - 100.0).abs() < 1e-9);
}

#[test]
fn stages_that_make_no_sense_are_refused() {
    assert!(matches!(
        "5s:10".parse::<Profile>(),
        Err(ProfileError::Order(_))
    ));
    assert!(matches!(
        "0s:10,x".parse::<Profile>(),
        Err(ProfileError::Stage(_))
    ));
    assert!(matches!(
        "0s:0,9s:0".parse::<Profile>(),
        Err(ProfileError::Empty)
    ));
    assert!(matches!(
        Profile::constant(f64::NAN),
        Err(ProfileError::Rate(_))
    ));
}

#[test]
fn a_file_of_times_is_sent_as_it_stands() {
    let ArrivalFile::Times(times) =
        ArrivalFile::parse("t\n100.0\n100.25\n# pause\n101.5\n", 2.0).unwrap()
    else {
        panic!("a list of times is expected");
    };
    assert_eq!(*times, [0, 500_000_000, 3_000_000_000]);
    let numbers: Vec<_> = Schedule::listed(times, SECOND)
        .times()
        .map(|request| request.number)
        .collect();
    assert_eq!(numbers, [0, 1]);
}

#[test]
fn a_file_of_rates_is_steps() {
    let ArrivalFile::Rates(profile) = ArrivalFile::parse("0,10\n1,0\n2,5", 1.0).unwrap() else {
        panic!("a profile is expected");
    };
    let schedule = Schedule::new(Arrival::Constant, profile, 0, 3 * SECOND);
    let seconds: Vec<_> = schedule
        .times()
        .map(|request| request.offset_ns / SECOND)
        .collect();
    assert_eq!(seconds.iter().filter(|&&s| s == 0).count(), 10);
    assert_eq!(seconds.iter().filter(|&&s| s == 1).count(), 0);
    assert_eq!(seconds.iter().filter(|&&s| s == 2).count(), 5);
    assert_eq!(
        ArrivalFile::parse("0\n1\n0.5", 1.0),
        Err(FileError::Order { line: 3 })
    );
    assert_eq!(
        ArrivalFile::parse("0\n1,3", 1.0),
        Err(FileError::Mixed { line: 2 })
    );
}

/// Anderson-Darling against the exponential law with a known mean: 1 % critical value 3.857 (case 0).
fn anderson_darling(mut gaps: Vec<f64>, mean: f64) -> f64 {
    gaps.sort_by(f64::total_cmp);
    let n = gaps.len();
    let law = |gap: f64| 1.0 - (-gap / mean).exp();
    let sum: f64 = (0..n)
        .map(|i| (2 * i + 1) as f64 * (law(gaps[i]).max(1e-300).ln() + (-gaps[n - 1 - i] / mean)))
        .sum();
    -(n as f64) - sum / n as f64
}

#[test]
fn poisson_gaps_pass_anderson_darling() {
    let rejected = (0..100)
        .filter(|&seed| {
            let times: Vec<_> = poisson(2000.0, seed, 2 * SECOND)
                .times()
                .map(|r| r.offset_ns as f64)
                .collect();
            let gaps = times.windows(2).map(|w| w[1] - w[0]).collect();
            anderson_darling(gaps, 1e9 / 2000.0) > 3.857
        })
        .count();
    // One in a hundred is expected; six or more would happen once in two thousand.
    assert!(rejected < 6, "{rejected} of 100 seeds rejected at 1 %");
}

#[test]
fn a_poisson_schedule_has_poisson_counts() {
    let counts: Vec<f64> = (0..400)
        .map(|seed| poisson(100.0, seed, SECOND).times().count() as f64)
        .collect();
    let mean = counts.iter().sum::<f64>() / 400.0;
    let variance = counts
        .iter()
        .map(|count| (count - mean).powi(2))
        .sum::<f64>()
        / 399.0;
    assert!((mean - 100.0).abs() < 2.5, "mean {mean}");
    assert!(
        (variance / mean - 1.0).abs() < 0.3,
        "dispersion {}",
        variance / mean
    );
}

/// The promise "same seed, same schedule" across versions and machines.
#[test]
fn fingerprints_are_pinned() {
    let ramp: Profile = "0s:100,1s:1000,2s:1000".parse().unwrap();
    let schedules = [
        constant(1000.0, 2 * SECOND),
        constant(333.3, 3 * SECOND),
        poisson(1000.0, 42, 2 * SECOND),
        Schedule::new(Arrival::Poisson, ramp, 7, 2 * SECOND),
    ];
    let prints: Vec<String> = schedules
        .iter()
        .map(|schedule| fingerprint(schedule)[..16].to_owned())
        .collect();
    assert_eq!(
        prints,
        [
            "af77fc603994b25b",
            "4e747f5b550557e0",
            "eb844c36b8749337",
            "2c0a64c503818ce1"
        ]
    );
}
