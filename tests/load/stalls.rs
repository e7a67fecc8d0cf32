//! Ten runs in which the generator stalls and ten in which the server does: is each booked to whom it belongs?

use crate::http2::served::{Manner, Served};
use crate::whose::{Told, run};
use aefm_tests::target::{Target, answer, gate};
use std::time::Duration;

const PROGRAM: &str = env!("CARGO_BIN_EXE_aefm-load");

/// Runs ten at a time; they wait more than they work.
fn ten(one: impl Fn(u64) -> Told + Sync) -> Vec<Told> {
    std::thread::scope(|scope| {
        let one = &one;
        let all: Vec<_> = (0..10).map(|at| scope.spawn(move || one(at))).collect();
        all.into_iter().map(|run| run.join().unwrap()).collect()
    })
}

fn held(runs: &[Told]) {
    for (at, told) in runs.iter().enumerate() {
        assert_eq!(
            told.faults(),
            Vec::<String>::new(),
            "run {at}: {}",
            told.json
        );
    }
}

#[test]
fn a_generator_that_is_stopped_says_so() {
    // From 30 ms, which moves no quantile that has requests enough, to 0.9 s; over one connection and over many, and one
    // for each request.
    let runs = ten(|at| {
        let target = Target::healthy();
        let connections = ["-c 1", "-c 4", "-c 64", "-c 4 --no-keepalive"][at as usize % 4];
        let length_s = [0.03, 0.06, 0.3, 0.9][(at as usize / 2) % 4];
        let arguments = format!("-R 100 {connections} -d 3s --grace 1s --seed {at}");
        run(PROGRAM, &arguments, &target.url(), &[(1.0, length_s)])
    });
    held(&runs);
    for (at, told) in runs.iter().enumerate() {
        let (from_s, to_s) = told.made[0];
        if to_s - from_s > 0.5 {
            assert!(told.blames_the_generator(), "run {at}: {}", told.json);
        }
    }
}

#[test]
fn a_generator_that_is_stopped_in_the_middle_of_sending_owns_up_to_it() {
    // Requests are due every 10 ms. The stops begin from 0 to 0.3 ms after one is: some hit the loop when it has looked at
    // the clock and not yet sent.
    // One run after the other: what their servers have to wait for is told together.
    let (target, http2) = (Target::healthy(), Served::start(Manner::default()));
    for (connections, url) in [
        ("-c 1", target.url()),
        ("-c 4", target.url()),
        ("-c 4 --no-keepalive", target.url()),
        ("-c 2 --http2 --streams 8", http2.url()),
    ] {
        let arguments = format!("-R 100 {connections} -d 4s --grace 1s");
        let stops: Vec<_> = (0..30)
            .map(|stop| (0.5 + f64::from(stop) * 0.100_01, 0.06))
            .collect();
        held(&[run(PROGRAM, &arguments, &url, &stops)]);
    }
}

#[test]
fn a_server_that_stalls_is_not_the_generators_fault() {
    let runs = ten(|at| {
        let stall_ms = [50, 200, 600][at as usize % 3];
        let gate = gate(Duration::from_secs(1), Duration::from_millis(stall_ms));
        let target = Target::start(move |wire| {
            while wire.request().is_some() {
                gate();
                if !wire.send(answer(200, "x")) {
                    break;
                }
            }
        });
        let connections = [1, 4, 64][at as usize % 3];
        let arguments = format!("-R 100 -c {connections} -d 3s --grace 1s --seed {at}");
        run(PROGRAM, &arguments, &target.url(), &[])
    });
    held(&runs);
    for (at, told) in runs.iter().enumerate() {
        // Its loop takes time for its work; all else it could have done and did not.
        let (booked_ns, allowed_ns) = (told.most_booked_ns(), told.delay_ns + 10_000_000);
        assert!(
            booked_ns <= allowed_ns,
            "run {at}: {booked_ns} ns of {allowed_ns}: {}",
            told.json
        );
    }
}

#[test]
fn a_slow_hook_of_a_script_is_the_generators() {
    let target = Target::healthy();
    let script = tempfile::NamedTempFile::with_suffix(".lua").unwrap();
    let text = "local n = 0\n\
        function request()\n\
          n = n + 1\n\
          if n == 101 then local t = os.clock(); while os.clock() - t < 0.4 do end end\n\
          return wrk.format('GET', '/')\n\
        end\n";
    std::fs::write(script.path(), text).unwrap();
    let arguments = format!(
        "-R 100 -c 4 -d 2s --grace 1s -s {}",
        script.path().display()
    );
    let told = run(PROGRAM, &arguments, &target.url(), &[]);
    assert_eq!(told.faults(), Vec::<String>::new(), "{}", told.json);
    assert!(told.blames_the_generator(), "{}", told.json);
    let stalls = told.json["stalls"].as_array().unwrap();
    // On a busy machine the script's own time is not the longest part of it; then the core is what it had to share.
    let longest = stalls.iter().max_by(|a, b| {
        let length = |stall: &serde_json::Value| stall["length_ms"].as_f64().unwrap();
        length(a).total_cmp(&length(b))
    });
    let longest = longest.unwrap();
    assert!(longest["length_ms"].as_f64().unwrap() > 390.0, "{stalls:?}");
    let cause = longest["cause"].as_str().unwrap();
    let hook = cause == "slow script hook" || cause.contains("garbage");
    assert!(hook || told.delay_ns > 200_000_000, "{stalls:?}");
}
