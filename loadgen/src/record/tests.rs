//! The record adds up whatever happens in whatever order.

use super::*;
use aefm_workloads::load::{Outcome, Phase};
use proptest::prelude::*;

const MS: u64 = 1_000_000;

/// Read when it came.
fn on_time(done_ns: u64) -> End {
    End {
        done_ns,
        arrived_ns: done_ns,
        clogged_ns: 0,
    }
}

proptest! {
    /// Whatever the clocks and the kernel say, in whatever order: no time is lost, and none is counted twice.
    #[test]
    fn parts_add_up_to_the_response_time(
        intended_ns in 0..5_000u64, possible_ns in 0..5_000u64, sent_ns in 0..5_000u64, took_ns in 0..5_000u64,
        arrived_ns in 0..9_000u64, clogged in (0..5_000u64, 0..5_000u64),
    ) {
        let flight = Flight { intended_ns, possible_ns, sent_ns, clogged_ns: clogged.0, ..Flight::default() };
        let end = End { done_ns: sent_ns + took_ns, arrived_ns, clogged_ns: clogged.1 };
        let parts = flight.parts(&end);
        prop_assert_eq!(parts.response_ns(), end.done_ns - intended_ns.min(sent_ns));
        prop_assert_eq!(flight.wait_ns() + flight.lag_ns(), sent_ns - intended_ns.min(sent_ns));
        prop_assert!(parts.generator_ns >= flight.lag_ns());
    }

    #[test]
    fn bins_ascend_and_hold_their_times(warmup in 0u64..5_000, more in 1u64..5_000, at in 0u64..10_000) {
        let calendar = Calendar { warmup_ns: warmup * MS, end_ns: (warmup + more) * MS };
        let at = at.min(warmup + more - 1) * MS;
        let bin = calendar.bin(at);
        prop_assert!(at < calendar.end_of(bin) && bin < calendar.bins());
        prop_assert!(bin == 0 || at >= calendar.end_of(bin - 1));
        prop_assert_eq!(calendar.second(bin), at / 1_000_000_000);
        prop_assert_eq!(calendar.phase(bin) == Phase::WarmUp, at < warmup * MS);
    }

    #[test]
    fn every_request_is_in_exactly_one_outcome(
        ends in prop::collection::vec((0usize..9, 0u64..3_000), 1..200), warmup in 0u64..3_000,
    ) {
        let calendar = Calendar { warmup_ns: warmup * MS, end_ns: 4_000 * MS };
        let mut recorder = Recorder::new(calendar);
        let mut flights = Vec::new();
        let mut bins = Vec::new();
        for (index, &(outcome, took)) in ends.iter().enumerate() {
            let intended_ns = index as u64 * 20 * MS;
            let flight = Flight { intended_ns, sent_ns: intended_ns + MS, possible_ns: intended_ns, ..Flight::default() };
            match Outcome::ALL[outcome] {
                end @ (Outcome::Unsent | Outcome::Connect) => {
                    recorder.not_sent(intended_ns, end, &Parts { wait_ns: took * MS, ..Parts::default() });
                }
                end => {
                    recorder.sent(&flight);
                    flights.push((flight, end, intended_ns + (1 + took) * MS));
                }
            }
        }
        flights.sort_by_key(|flight| flight.2);
        for (flight, outcome, done_ns) in flights {
            recorder.done(&flight, outcome, &on_time(done_ns), 200, 10);
            bins.extend(std::iter::from_fn(|| recorder.take_closed(done_ns.min(4_000 * MS))));
        }
        let (rest, totals) = recorder.finish();
        bins.extend(rest);
        prop_assert!(bins.iter().enumerate().all(|(index, bin)| bin.number == index as u64));
        let mut sums = [0u64; 9];
        bins.iter().for_each(|bin| sums.iter_mut().zip(bin.outcomes).for_each(|(sum, n)| *sum += n));
        for (index, sum) in sums.iter().enumerate() {
            prop_assert_eq!(*sum, ends.iter().filter(|end| end.0 == index).count() as u64);
        }
        // The headline holds ok and what was given up, and nothing else.
        let headline: u64 = bins.iter().map(|bin| bin.response.len()).sum();
        prop_assert_eq!(headline, sums[0] + sums[5] + sums[7] + sums[8]);
        let errors: u64 = totals.errors.values().map(Hist::len).sum();
        prop_assert!(errors <= sums[1] + sums[2] + sums[3] + sums[4] + sums[6]);
    }
}

#[test]
fn a_bin_closes_when_its_last_request_ends() {
    let mut recorder = Recorder::new(Calendar {
        warmup_ns: 0,
        end_ns: 3_000 * MS,
    });
    let flight = Flight {
        intended_ns: 5 * MS,
        sent_ns: 6 * MS,
        possible_ns: 5 * MS,
        ..Flight::default()
    };
    recorder.sent(&flight);
    assert!(
        recorder.take_closed(2_000 * MS).is_none(),
        "a request is under way"
    );
    recorder.done(&flight, Outcome::Ok, &on_time(1_500 * MS), 200, 1);
    assert!(
        recorder.take_closed(999 * MS).is_none(),
        "more may be intended in this second"
    );
    let bin = recorder.take_closed(2_000 * MS).unwrap();
    assert_eq!((bin.number, bin.sent, bin.response.len()), (0, 1, 1));
    assert!(bin.response.equivalent(bin.response.max(), 1_495 * MS));
    assert!(bin.lag.equivalent(bin.lag.max(), MS));
    assert_eq!(
        recorder
            .take_closed(2_000 * MS)
            .map(|bin| (bin.number, bin.ended())),
        Some((1, 0))
    );
    assert!(recorder.take_closed(2_000 * MS).is_none());
}

#[test]
fn what_was_read_late_is_the_generators() {
    let flight = Flight {
        intended_ns: 0,
        sent_ns: MS,
        possible_ns: 0,
        ..Flight::default()
    };
    let end = End {
        done_ns: 900 * MS,
        arrived_ns: 3 * MS,
        clogged_ns: 0,
    };
    let parts = flight.parts(&end);
    let expected = Parts {
        wait_ns: 0,
        server_ns: 2 * MS,
        generator_ns: 898 * MS,
    };
    assert_eq!(parts, expected);
    // The next request on the connection would have found it free so much earlier.
    assert_eq!(flight.delays_ns(&end), 897 * MS);
    let mut bin = Bin::new(0);
    bin.headline(Outcome::Ok, &parts);
    assert!(bin.unhindered.max() < 3 * MS && bin.response.max() > 890 * MS);
}

#[test]
fn the_wait_for_a_connection_is_no_lag() {
    let mut recorder = Recorder::new(Calendar {
        warmup_ns: 0,
        end_ns: 3_000 * MS,
    });
    let flight = Flight {
        intended_ns: 0,
        possible_ns: 900 * MS,
        sent_ns: 901 * MS,
        ..Flight::default()
    };
    recorder.sent(&flight);
    recorder.done(&flight, Outcome::Ok, &on_time(950 * MS), 200, 1);
    let (bins, totals) = recorder.finish();
    assert!(bins[0].lag.max() < 2 * MS && bins[0].response.max() > 940 * MS);
    assert_eq!(totals.wait.len(), 1);
    assert_eq!(totals.status.get(&200), Some(&1));
}
