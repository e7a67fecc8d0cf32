//! Are the numbers true? Stalls of a known length, arrivals as the server saw them, and accounts that add up.

use crate::harness::{load, program, run};
use aefm_tests::target::{Target, answer, gate};
use std::time::Duration;

/// A server that stalls all answers for `stall` at the end of every `period`.
fn stalling(period: Duration, stall: Duration) -> Target {
    let gate = gate(period, stall);
    Target::start(move |wire| {
        while wire.request().is_some() {
            gate();
            if !wire.send(answer(200, "x")) {
                break;
            }
        }
    })
}

fn ms(run: &crate::harness::Run, times: &str, quantile: &str) -> f64 {
    run.json[times][quantile]
        .as_f64()
        .unwrap_or_else(|| panic!("no {times} {quantile}: {}", run.json))
        / 1000.0
}

/// In an open loop a stall of 600 ms in every 3 s is seen by a fifth of all requests, evenly between 0 and 600 ms:
/// the p-quantile is 600 ms * (1 - (1 - p) / 0.2), less what the drain of the backlog adds.
#[test]
fn a_stall_is_seen_by_all_requests_it_delays() {
    let target = stalling(Duration::from_secs(3), Duration::from_millis(600));
    let run = run(&mut program(&format!(
        "-R 500 -d 6s -c 16 -t 1 --grace 1s -q --json --seed 1 {}",
        target.url()
    )));
    assert_eq!((run.outcome("ok"), run.sum()), (3000, 3000), "{}", run.json);
    for (quantile, p) in [("p90", 0.90), ("p95", 0.95), ("p99", 0.99)] {
        let (theory, seen) = (
            600.0 * (1.0 - (1.0 - p) / 0.2),
            ms(&run, "response_time_us", quantile),
        );
        // A busy machine only adds to it.
        assert!(
            seen > theory - 30.0 && seen < theory + 250.0,
            "{quantile} is {seen} ms, theory {theory} ms"
        );
    }
    // At most 16 requests a stall are in flight: the service time hardly shows it, and the lag not at all.
    assert!(ms(&run, "service_time_us", "p95") < 200.0, "{}", run.json);
    assert!(ms(&run, "send_lag_us", "p95") < 100.0, "{}", run.json);
    assert!(
        run.json["wait_us"]["max"].as_f64().unwrap() > 300_000.0,
        "{}",
        run.json
    );
}

#[test]
fn a_stall_in_the_last_second_is_not_lost() {
    // The gate is closed from 1 s on; the run ends at 2 s: half of all requests are cut off.
    let target = stalling(Duration::from_secs(60), Duration::from_secs(59));
    let run = load("-R 500 -d 2s -c 16", &target.url());
    let cut_off = run.outcome("unfinished") + run.outcome("unsent");
    assert!((400..=700).contains(&cut_off), "{}", run.json);
    // The oldest of them waited for as long as the server was silent.
    let p90 = ms(&run, "response_time_us", "p90");
    let silent = cut_off as f64 / 500.0 * 1000.0;
    let theory = silent - 0.1 * 2000.0;
    assert!(
        (p90 - theory).abs() < 60.0,
        "p90 {p90} ms, theory {theory} ms"
    );
    let bounds = run.json["lower_bound"].to_string();
    assert!(bounds.contains("p90") && bounds.contains("p75"), "{bounds}");
}

#[test]
fn the_schedule_does_not_depend_on_the_server() {
    let sha = |target: &Target| {
        load("--arrival poisson", &target.url()).json["schedule_sha256"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let healthy = sha(&Target::healthy());
    assert_eq!(healthy, sha(&Target::start(|_| {})));
    assert_eq!(healthy.len(), 64);
}

/// Anderson-Darling of the gaps between arrivals as the server saw them, against an exponential law of known mean.
#[test]
fn arrivals_at_the_server_are_poisson() {
    let target = Target::healthy();
    let run = run(&mut program(&format!(
        "-R 40 -d 8s -c 32 -t 1 --arrival poisson -q --json --seed 3 {}",
        target.url()
    )));
    let arrivals = target.seen.arrivals();
    assert_eq!(arrivals.len() as u64, run.number("sent"));
    let mut gaps: Vec<f64> = arrivals
        .windows(2)
        .map(|w| w[1].saturating_duration_since(w[0]).as_secs_f64())
        .collect();
    gaps.sort_by(f64::total_cmp);
    let n = gaps.len();
    let law = |gap: f64| 1.0 - (-gap * 40.0).exp();
    let sum: f64 = (0..n)
        .map(|i| (2 * i + 1) as f64 * (law(gaps[i]).max(1e-12).ln() - gaps[n - 1 - i] * 40.0))
        .sum();
    let statistic = -(n as f64) - sum / n as f64;
    // 1 % point: 3.86. A busy machine bunches arrivals a little; constant or closed-loop arrivals score hundreds.
    assert!(statistic < 8.0, "A^2 = {statistic} over {n} gaps");
}

#[test]
fn shards_send_the_schedule_between_them() {
    let target = Target::healthy();
    let runs: Vec<_> = (0..3)
        .map(|i| load(&format!("--shard {i}/3 --trace w3c"), &target.url()))
        .collect();
    assert_eq!(
        runs.iter().map(|run| run.number("intended")).sum::<u64>(),
        200
    );
    let mut ids: Vec<_> = target
        .seen
        .heads()
        .iter()
        .map(|head| {
            head.lines()
                .find(|line| line.starts_with("traceparent: 00-"))
                .unwrap()
                .to_owned()
        })
        .collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(
        ids.len(),
        target.seen.requests(),
        "no request was sent twice"
    );
}

#[test]
fn the_closed_loop_sends_one_at_a_time() {
    let target = Target::healthy();
    let run = run(&mut program(&format!(
        "--closed --requests 500 -c 3 -t 2 -q --json {}",
        target.url()
    )));
    assert_eq!(
        (run.outcome("ok"), run.sum(), target.seen.requests()),
        (500, 500, 500),
        "{}",
        run.json
    );
    assert!(run.json["schedule_sha256"].is_null() && run.json["rate_asked_hz"].is_null());
    // A busy machine may make the generator late; then it says so.
    let reasons = run.json["reasons"].as_array().unwrap();
    assert_eq!(
        run.json["verdict"] == "valid",
        reasons.is_empty(),
        "{}",
        run.json
    );
}

#[test]
fn the_pool_may_grow() {
    let target = stalling(Duration::from_secs(60), Duration::from_millis(59_800));
    let run = load("-c 1 --connections-max 30", &target.url());
    let connections = target
        .seen
        .connections
        .load(std::sync::atomic::Ordering::Relaxed);
    assert!(
        (20..=31).contains(&connections),
        "{connections} connections: {}",
        run.json
    );
}

/// The last time of a list is sent and its answer awaited, however long it takes.
#[test]
fn the_last_arrival_of_a_file_is_awaited() {
    let target = Target::start(|wire| {
        while wire.request().is_some() {
            std::thread::sleep(Duration::from_millis(300));
            if !wire.send(answer(200, "x")) {
                break;
            }
        }
    });
    let times = tempfile::NamedTempFile::with_suffix(".csv").unwrap();
    std::fs::write(times.path(), "0\n0.2\n0.5\n").unwrap();
    let run = run(&mut program(&format!(
        "--arrival {} -c 4 -t 1 -T 20s -q --json {}",
        times.path().display(),
        target.url()
    )));
    assert_eq!((run.outcome("ok"), run.sum()), (3, 3), "{}", run.json);
    assert!(run.took < Duration::from_secs(15), "{:?}", run.took);
}
