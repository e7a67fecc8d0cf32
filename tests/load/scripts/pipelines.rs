//! Scripts that return several requests at once.

use super::{file, listening, parts};
use crate::harness::{program, run};
use aefm_tests::target::{Target, answer};
use std::collections::BTreeSet;

#[test]
fn each_request_of_a_pipeline_is_one_of_the_schedule() {
    for (arguments, traced) in [
        ("", false),
        ("-B", false),
        ("--trace w3c", true),
        ("--no-keepalive", false),
    ] {
        let (target, texts) = listening();
        let mut command = program(&format!(
            "-t2 -c2 -R 200 -d 1s --grace 1s -q --json {arguments} -s"
        ));
        let run = run(command
            .arg(file("scripts", "pipeline.lua"))
            .arg(target.url()));
        let texts = texts.lock().unwrap();
        if arguments == "--no-keepalive" {
            // The server answers a whole pipeline; each has a connection of its own.
            assert_eq!(
                run.outcome("protocol") + run.outcome("connect"),
                0,
                "{}",
                run.json
            );
        }
        // Each worker has 100: 33 pipelines and one request more.
        assert_eq!(
            (run.outcome("ok"), texts.len(), run.sum()),
            (200, 200, 200),
            "{arguments}: {}",
            run.json
        );
        let count = |start: &str| texts.iter().filter(|text| text.contains(start)).count();
        assert_eq!(
            (count("GET /a"), count("POST /b"), count("GET /c")),
            (68, 66, 66)
        );
        let ids: BTreeSet<_> = texts
            .iter()
            .filter_map(|text| text.split("traceparent: ").nth(1))
            .collect();
        assert_eq!(ids.len(), if traced { 200 } else { 0 });
        assert!(texts.iter().all(|text| {
            !traced
                || parts(text)
                    .1
                    .iter()
                    .any(|line| line.starts_with("traceparent"))
        }));
    }
}

#[test]
fn a_pipeline_that_breaks_off_has_an_outcome_for_each_request() {
    let target = Target::start(|wire| {
        wire.request();
        wire.send(answer(200, "one of three"));
    });
    let run = run(program("-t1 -c2 -R 60 -d 1s --grace 1s -q --json -s")
        .arg(file("scripts", "pipeline.lua"))
        .arg(target.url()));
    assert_eq!(
        (run.outcome("ok"), run.outcome("reset"), run.sum()),
        (20, 40, 60),
        "{}",
        run.json
    );
}
