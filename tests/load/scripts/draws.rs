//! What scripts draw at random.

use super::{listening, target_of, written};
use crate::harness::{Run, run};
use std::collections::BTreeSet;

fn drawn(arguments: &str, script: &str) -> Vec<String> {
    let (target, texts) = listening();
    let run: Run = run(&mut written(
        script,
        &format!("--json -R 100 --requests 20 {arguments}"),
        &target.url(),
    )
    .0);
    assert_eq!(run.code & !3, 0, "{}", run.stderr);
    let mut sent: Vec<_> = texts
        .lock()
        .unwrap()
        .iter()
        .map(|text| target_of(text).to_owned())
        .collect();
    sent.sort();
    sent
}

#[test]
fn draws_follow_the_seed_the_shard_and_the_worker() {
    // Whatever a script seeds with, and whether it does so at all.
    for seeds in [
        "math.randomseed(os.time())",
        "",
        "function init() math.randomseed(1) end",
    ] {
        let script = format!(
            "{seeds}\nfunction request() return wrk.format('GET', '/' .. math.random(2^50)) end"
        );
        let one = drawn("--seed 1 -t2 -c2", &script);
        assert_eq!(one, drawn("--seed 1 -t2 -c2", &script), "{seeds}");
        let all = [
            "--seed 1 -t2 -c2",
            "--seed 2 -t2 -c2",
            "--seed 1 -t2 -c2 --shard 1/2",
        ]
        .map(|own| drawn(own, &script));
        let different: BTreeSet<_> = all.iter().flatten().collect();
        assert_eq!(
            different.len(),
            all.iter().map(Vec::len).sum::<usize>(),
            "two of them sent the same: {seeds}"
        );
    }
    let told = "math.randomseed(5)\nfunction request() return wrk.format('GET', '/' .. math.random(2^50)) end";
    let wall = drawn("--seed 1 -t1 -c1 --script-seed wall", told);
    assert_eq!(
        wall,
        drawn("--seed 2 -t1 -c1 --script-seed wall", told),
        "the script's own seed counts"
    );
}
