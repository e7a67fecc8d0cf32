//! What the machine runs out of, and the end of the run, which no server holds up.

use crate::harness::{load, program, run};
use aefm_tests::parts::{self, Part};
use aefm_tests::target::{Target, Wire};
use std::process::Command;
use std::time::Duration;

#[test]
fn out_of_file_descriptors() {
    let target = Target::healthy();
    let program = env!("CARGO_BIN_EXE_aefm-load");
    let line = format!(
        "ulimit -n 16; exec {program} -R 200 -d 1s -c 64 -t 1 -q --json {}",
        target.url()
    );
    let run = run(Command::new("sh").args(["-c", &line]));
    run.fault("Too many open files");
    assert!(
        run.outcome("ok") > 100,
        "the connections it has do the work: {}",
        run.json
    );
    assert!(
        run.json["reasons"].to_string().contains("ulimit -n"),
        "{}",
        run.json
    );
    assert_eq!((run.code, run.sum()), (3, 200));
}

/// Starts this program's test `name` in a network of its own, in which only these ports are given out.
fn alone_with_ports(ports: &str, name: &str) -> std::process::Output {
    parts::in_own_network(ports)
        .arg(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", name])
        .output()
        .expect("start unshare")
}

#[test]
fn out_of_ports() {
    if !parts::has(Part::Network) {
        return;
    }
    let output = alone_with_ports("40000 40019", "limits::within_twenty_ports");
    let out = String::from_utf8_lossy(&output.stdout);
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && out.contains("1 passed"),
        "{out}{err}"
    );
}

#[test]
#[ignore = "out_of_ports runs it in a network of its own"]
fn within_twenty_ports() {
    let target = Target::healthy();
    // The target's listener may have one of the twenty.
    let run = load("-c 64", &target.url());
    run.fault("Cannot assign requested address");
    assert!(
        run.outcome("ok") > 100,
        "the connections it has do the work: {}",
        run.json
    );
    assert!(
        run.json["reasons"].to_string().contains("port"),
        "{}",
        run.json
    );
    assert_eq!((run.code, run.sum()), (3, 200));
    // Each port is used up by one connection for a minute.
    let run = load("--no-keepalive", &target.url());
    run.fault("Cannot assign requested address");
    assert!(run.outcome("connect") > 100, "{}", run.json);
}

#[test]
fn a_server_that_hangs_does_not_hold_up_the_end() {
    let target = Target::start(Wire::hang);
    // Before time zero a server can hold connections up for as long as a connect may take.
    for (arguments, planned_ms) in [
        ("", 1000),
        ("--grace 500ms", 1500),
        ("--http2 --connect-timeout 100ms", 1000),
    ] {
        let run = run(&mut program(&format!(
            "-R 200 -d 1s -c 4 -q --json -T 10s {arguments} {}",
            target.url()
        )));
        assert!(
            run.took < Duration::from_millis(planned_ms + 1000),
            "{arguments}: it took {:?}",
            run.took
        );
        assert_eq!((run.outcome("ok"), run.sum()), (0, 200), "{}", run.json);
    }
}
