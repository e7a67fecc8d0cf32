//! Is a stall seen by all requests that it delays? A server that stops answering for 1.0 s in every 10 s, at 2,000/s,
//! against what theory says of an open loop; needs a quiet machine.
//!
//! `cargo bench -p aefm-tests --bench stall -- PROGRAM`, with PROGRAM a release build of aefm-load.
//!
//! With stalls of 1 s in every 10 s, the share of requests that wait longer than x is 0.1 (1 - x) / (1 - R/S), where S
//! is the rate at which the backlog drains. A run that ends in a stall never drains it: there S is infinite, and the
//! quantiles are lower bounds.

use aefm_tests::target::{Target, answer, gate};
use serde_json::Value;
use std::process::{Command, ExitCode};
use std::time::Duration;

const RATE_HZ: f64 = 2000.0;
const PERIOD_S: f64 = 10.0;
const STALL_S: f64 = 1.0;

fn main() -> ExitCode {
    let Some(program) = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'))
    else {
        eprintln!("usage: cargo bench -p aefm-tests --bench stall -- PROGRAM");
        return ExitCode::from(2);
    };
    // Four stalls with their drains in 40 s; and one that the run ends with.
    let held = [
        measure(&program, &["--warmup", "5s", "-d", "40s"], true),
        measure(&program, &["-d", "10s"], false),
    ];
    if held == [true, true] {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Runs a load whose every tenth request meets a stall; whether its quantiles are what theory says.
fn measure(program: &str, length: &[&str], drains: bool) -> bool {
    let target = stalling();
    let (report, arrivals_s) = load(program, length, &target);
    let drain_hz = if drains {
        drain_rate_hz(&arrivals_s)
    } else {
        f64::INFINITY
    };
    println!(
        "{}: drain rate {drain_hz:.0}/s, outcomes {}",
        length.join(" "),
        report["outcomes"]
    );
    println!("  lower bounds: {}", report["lower_bound"]);
    let mut held = true;
    for (name, p) in [("p95", 0.95), ("p99", 0.99), ("p99.9", 0.999)] {
        let q = (1.0 - p) / (STALL_S / PERIOD_S);
        let theory_ms = 1000.0 * STALL_S * (1.0 - q * (1.0 - RATE_HZ / drain_hz));
        let seen_ms = ms(&report, "response_time_us", name);
        let within = (seen_ms - theory_ms).abs() <= (0.02 * theory_ms).max(15.0);
        held &= within;
        println!(
            "  {name}: {seen_ms:.1} ms, theory {theory_ms:.1} ms{}",
            if within { "" } else { "  OUT OF BOUNDS" }
        );
    }
    for times in ["service_time_us", "send_lag_us"] {
        let [p95, p99, max] = ["p95", "p99", "max"].map(|name| ms(&report, times, name));
        println!("  {times}: p95 {p95:.3} ms, p99 {p99:.3} ms, max {max:.1} ms");
    }
    held
}

/// A server whose stalls end every period, counted from its first request: the run's time zero.
fn stalling() -> Target {
    let gate = gate(
        Duration::from_secs_f64(PERIOD_S),
        Duration::from_secs_f64(STALL_S),
    );
    Target::start(move |wire| {
        while wire.request().is_some() {
            gate();
            if !wire.send(answer(200, "x")) {
                break;
            }
        }
    })
}

/// The report, and when the server saw each request: s since the first.
fn load(program: &str, length: &[&str], target: &Target) -> (Value, Vec<f64>) {
    let output = Command::new(program)
        .args([
            "-t1",
            "-c50",
            "-q",
            "--json",
            "--seed",
            "1",
            "-R",
            &RATE_HZ.to_string(),
        ])
        .args(length)
        .arg(target.url())
        .output()
        .expect("start PROGRAM");
    let report = serde_json::from_slice(&output.stdout).expect("PROGRAM prints JSON");
    let arrivals = target.seen.arrivals();
    let first = arrivals.iter().min().copied().expect("requests came");
    let mut arrivals_s: Vec<f64> = arrivals
        .iter()
        .map(|at| (*at - first).as_secs_f64())
        .collect();
    arrivals_s.sort_by(f64::total_cmp);
    (report, arrivals_s)
}

/// Requests per second from the end of the first stall until the backlog is gone.
fn drain_rate_hz(arrivals_s: &[f64]) -> f64 {
    let begin = arrivals_s.partition_point(|&at_s| at_s < PERIOD_S);
    // The k-th request is intended at k / R; the backlog is gone when one comes on time again.
    let on_time = |&k: &usize| arrivals_s[k] - k as f64 / RATE_HZ < 0.001;
    let end = (begin..arrivals_s.len())
        .find(on_time)
        .unwrap_or(arrivals_s.len() - 1);
    (end - begin) as f64 / (arrivals_s[end] - PERIOD_S)
}

fn ms(report: &Value, times: &str, quantile: &str) -> f64 {
    report[times][quantile].as_f64().unwrap_or(f64::NAN) / 1000.0
}
