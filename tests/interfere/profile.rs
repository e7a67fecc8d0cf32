//! `run PROFILE`: several kinds at once.

use crate::command::{Run, number, program, run};
use serde_json::Value;
use std::collections::BTreeSet;

const PROFILE: &str = "
duration: 30s
report: 100ms
stressors:
- {kind: cpu, cores: '0', intensity: 5%}
- {kind: mem_capacity, intensity: 16MiB}
- {kind: network, cores: '0', steps: [[0s, 1Mbit/s], [100ms, 2Mbit/s]]}
";

fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), text).expect("it can be written");
    file
}

#[test]
fn all_parts_press_are_retuned_and_end_together() {
    let profile = file(PROFILE);
    let mut command = program();
    command
        .arg("run")
        .arg(profile.path())
        .args(["--json", "--control"]);
    let mut run = Run::of(&mut command, None);
    let mut seen = BTreeSet::new();
    run.until(|_| true);
    run.say(r#"{"kind": "cpu", "intensity": 9}"#);
    run.until(|sample| sample["kind"] == "cpu" && number(sample, "requested") == 9.0);
    run.until(|sample| sample["kind"] == "network" && number(sample, "requested") == 2e6);
    run.stdin = None;
    while let Some(sample) = run.sample() {
        if sample["summary"] == true {
            seen.insert(sample["kind"].as_str().map(str::to_owned));
        }
    }
    assert_eq!(seen.len(), 3, "a summary of each: {seen:?}");
    assert!(
        run.child
            .wait()
            .expect("it ends")
            .code()
            .is_some_and(|code| code == 0 || code == 3)
    );
}

#[test]
fn a_broken_profile_starts_nothing() {
    for (text, word) in [
        (
            "duration: 5s\nstressors: [{kind: cpu, intensity: 5%, color: 1}]",
            "color",
        ),
        (
            "duration: 5s\nstressors: [{kind: cpu, cores: '4000', intensity: 5%}]",
            "core 4000",
        ),
        (
            "duration: 5s\nstressors: [{kind: disk, intensity: 5MB/s}]",
            "--dir",
        ),
    ] {
        let profile = file(text);
        let output = run(&["run", profile.path().to_str().expect("a name")]);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(
            String::from_utf8_lossy(&output.stderr).contains(word),
            "{text}"
        );
    }
}

#[test]
fn a_common_start_is_waited_for() {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970");
    let at_ns = now.as_nanos() + 700_000_000;
    let (seconds, ns) = (at_ns / 1_000_000_000, at_ns % 1_000_000_000);
    // Seconds since the epoch are no timestamp of the profile's: the shell's date makes one.
    let date = std::process::Command::new("date")
        .args(["-u", "-d", &format!("@{seconds}"), "+%FT%T"])
        .output();
    let date = String::from_utf8(date.expect("date runs").stdout).expect("text");
    let text = format!(
        "start_at: {}.{ns:09}Z\n{}",
        date.trim(),
        PROFILE.replace("30s", "300ms")
    );
    let profile = file(&text);
    let output = run(&["run", profile.path().to_str().expect("a name"), "--json"]);
    let text = String::from_utf8(output.stdout).expect("text");
    let first: Value = serde_json::from_str(text.lines().next().expect("a sample")).expect("JSON");
    assert!(
        first["wall_ns"]
            .as_i64()
            .is_some_and(|wall| i128::from(wall) > at_ns.cast_signed()),
        "{first}"
    );
}
