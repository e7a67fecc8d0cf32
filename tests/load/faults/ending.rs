//! Servers that end a connection, or leave it open and say nothing.

use super::{head, once};
use crate::harness::{load, say};
use aefm_tests::target::{Target, Wire, answer, reset};
use std::sync::atomic::Ordering;
use std::time::Duration;

#[test]
fn reset_before_the_answer() {
    let run = load("", &once(reset).url());
    assert!(
        run.outcome("reset") > 0 && run.outcome("ok") == 0,
        "{}",
        run.json
    );
}

#[test]
fn reset_in_the_head() {
    let target = once(|wire| {
        wire.send("HTTP/1.1 200 OK\r\nContent-Le");
        reset(wire);
    });
    let run = load("", &target.url());
    assert!(
        run.outcome("reset") > 0 && run.outcome("ok") == 0,
        "{}",
        run.json
    );
}

#[test]
fn reset_in_the_body() {
    let target = once(|wire| {
        wire.send(head("Content-Length: 100") + "half");
        reset(wire);
    });
    let run = load("", &target.url());
    assert!(
        run.outcome("reset") > 0 && run.outcome("ok") == 0,
        "{}",
        run.json
    );
}

#[test]
fn half_closed_before_the_answer() {
    let target = once(|wire| {
        wire.half_close();
        wire.hang();
    });
    let run = load("", &target.url());
    assert!(
        run.outcome("reset") > 0 && run.outcome("ok") == 0,
        "{}",
        run.json
    );
}

#[test]
fn half_closed_after_the_answer() {
    let target = once(|wire| {
        wire.send(answer(200, "x"));
        wire.half_close();
        wire.hang();
    });
    let run = load("", &target.url());
    assert!(run.outcome("ok") > 150, "{}", run.json);
}

#[test]
fn closed_after_each_answer_without_a_word() {
    let run = load("", &once(|wire| say(wire, answer(200, "x"))).url());
    assert!(run.outcome("ok") > 150, "{}", run.json);
    assert!(run.number("reconnects") > 100);
}

#[test]
fn closed_after_each_answer_as_announced() {
    let run = load(
        "",
        &once(|wire| say(wire, head("Connection: close\r\nContent-Length: 1") + "x")).url(),
    );
    run.all("ok");
}

#[test]
fn closed_when_idle() {
    let target = Target::start(|wire| {
        let _ = wire
            .stream()
            .set_read_timeout(Some(Duration::from_millis(5)));
        while wire.request().is_some_and(|_| wire.send(answer(200, "x"))) {}
    });
    let run = load("", &target.url());
    assert!(run.outcome("ok") > 100, "{}", run.json);
}

#[test]
fn closed_as_soon_as_accepted() {
    let run = load("", &Target::start(|_| {}).url());
    assert!(
        run.outcome("ok") == 0 && run.outcome("reset") + run.outcome("connect") > 150,
        "{}",
        run.json
    );
}

#[test]
fn answers_that_never_come() {
    let target = once(Wire::hang);
    let run = load("-T 200ms", &target.url());
    assert!(
        run.outcome("timeout") >= 8 && run.outcome("ok") == 0,
        "{}",
        run.json
    );
    // A request that timed out took its connection with it.
    assert!(target.seen.connections.load(Ordering::Relaxed) > 4);
    assert!(
        run.json["lower_bound"]
            .as_array()
            .unwrap()
            .contains(&"p50".into()),
        "{}",
        run.json
    );
}

#[test]
fn a_server_that_stops_for_the_end_of_the_run() {
    let target = Target::start(|wire| {
        while wire.request().is_some() {
            if wire.seen().requests() > 100 {
                return wire.hang();
            }
            wire.send(answer(200, "x"));
        }
    });
    let run = load("", &target.url());
    // Half of the run is cut off, and the quantiles say so.
    assert!(
        run.outcome("ok") <= 100 && run.outcome("unsent") + run.outcome("unfinished") >= 90,
        "{}",
        run.json
    );
    let bounds = run.json["lower_bound"].as_array().unwrap();
    assert!(
        bounds.contains(&"p90".into()) && bounds.contains(&"max".into()),
        "{}",
        run.json
    );
    assert!(
        run.json["response_time_us"]["p90"].as_f64().unwrap() > 300_000.0,
        "{}",
        run.json
    );
    assert_eq!(run.json["verdict"], "suspect");
}

#[test]
fn every_request_is_tried_though_each_one_before_it_broke() {
    for connections in [1, 8] {
        let target = once(reset);
        let run = load(&format!("-R 200 -c {connections}"), &target.url());
        run.all("reset");
        assert_eq!(run.outcome("connect"), 0, "{}", run.json);
        assert!(run.number("sent") > 150, "{}", run.json);
    }
}
