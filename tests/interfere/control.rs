//! Held, reported, retuned, ended by its input: the contract of `--spec -`.

use crate::command::{Run, number, program, run};
use serde_json::json;

fn cpu(intensity: f64) -> serde_json::Value {
    json!({"kind": "cpu", "intensity": intensity, "cores": [0], "deadline_ms": 60_000, "report_ms": 200})
}

#[test]
fn an_intensity_is_held_and_reported() {
    let run = Run::start(&cpu(30.0));
    let held = run.until(|sample| sample["held"] == true && sample["saturated"] == false);
    for key in [
        "kind",
        "requested",
        "achieved",
        "unit",
        "wall_ns",
        "mono_ns",
    ] {
        assert!(!held[key].is_null(), "{key} in {held}");
    }
    let (summary, code) = run.finish();
    assert_eq!(
        (summary["kind"].as_str(), summary["unit"].as_str()),
        (Some("cpu"), Some("percent"))
    );
    // Where other loads leave no room the answer is 3, and the summary says saturated; never a silent miss.
    assert_eq!(
        code,
        if summary["held"] == true {
            Some(0)
        } else {
            Some(3)
        }
    );
}

#[test]
fn an_intensity_is_changed_without_a_restart() {
    let mut run = Run::start(&cpu(10.0));
    run.until(|sample| sample["held"] == true);
    run.say(r#"{"intensity": 40}"#);
    run.until(|sample| number(sample, "requested") == 40.0 && number(sample, "achieved") > 25.0);
    run.say("nonsense");
    run.say(r#"{"intensity": 400}"#);
    run.say("");
    let after = run.until(|_| true);
    assert_eq!(
        number(&after, "requested"),
        40.0,
        "what makes no sense changes nothing"
    );
    run.say(r#"{"intensity": 0}"#);
    run.until(|sample| number(sample, "requested") == 0.0 && number(sample, "achieved") < 2.0);
}

#[test]
fn intensity_zero_starts_nothing_and_is_no_error() {
    for kind in [
        "cpu",
        "mem_capacity",
        "mem_bandwidth",
        "network",
        "llc",
        "l2",
        "l1d",
        "l1i",
        "tlb",
        "ctx",
    ] {
        let run = Run::start(
            &json!({"kind": kind, "intensity": 0, "deadline_ms": 60_000, "report_ms": 50}),
        );
        let sample = run.until(|_| true);
        assert_eq!(
            (number(&sample, "requested"), number(&sample, "achieved")),
            (0.0, 0.0),
            "{kind}"
        );
        assert_eq!(sample["held"], true, "{kind}");
        let tasks = std::fs::read_dir(format!("/proc/{}/task", run.child.id()))
            .expect("it lives")
            .count();
        assert_eq!(tasks, 1, "{kind} started threads");
        assert_eq!(run.finish().1, Some(0), "{kind}");
    }
}

#[test]
fn without_a_line_in_time_it_stops() {
    let mut spec = cpu(5.0);
    spec["lease_ms"] = json!(400);
    let mut run = Run::start(&spec);
    for _ in 0..3 {
        run.until(|_| true);
        run.say("");
    }
    run.until(|sample| sample["summary"] == true);
    assert!(
        run.child
            .wait()
            .expect("it ends")
            .code()
            .is_some_and(|code| code == 0 || code == 3)
    );
}

#[test]
fn its_own_deadline_ends_it() {
    let mut spec = cpu(5.0);
    spec["deadline_ms"] = json!(300);
    let mut run = Run::start(&spec);
    run.until(|sample| sample["summary"] == true);
    assert!(
        run.child
            .wait()
            .expect("it ends")
            .code()
            .is_some_and(|code| code == 0 || code == 3)
    );
}

#[test]
fn people_get_plain_lines_and_programs_json() {
    let plain = run(&["cpu", "-i", "1%", "-d", "300ms", "--report", "100ms"]);
    let text = String::from_utf8(plain.stdout).expect("text");
    assert!(
        text.starts_with("cpu ") && text.contains("of 1.0 %"),
        "{text}"
    );
    let lines = run(&[
        "cpu", "-i", "1%", "-d", "300ms", "--report", "100ms", "--json",
    ]);
    let text = String::from_utf8(lines.stdout).expect("text");
    let last = text.lines().last().expect("a summary");
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(last).expect("JSON")["summary"],
        true
    );
}

#[test]
fn it_spends_next_to_nothing_on_itself() {
    // Nothing is asked, so all that the process uses is its own overhead.
    let run = Run::start(
        &json!({"kind": "cpu", "intensity": 0, "deadline_ms": 60_000, "report_ms": 100}),
    );
    run.until(|_| true);
    let ticks = || -> u64 {
        let stat =
            std::fs::read_to_string(format!("/proc/{}/stat", run.child.id())).expect("it lives");
        let fields: Vec<&str> = stat
            .rsplit(')')
            .next()
            .expect("fields")
            .split_whitespace()
            .collect();
        fields[11].parse::<u64>().expect("utime") + fields[12].parse::<u64>().expect("stime")
    };
    let before = ticks();
    (0..30).for_each(|_| drop(run.until(|_| true)));
    // Three seconds are 300 ticks: a hundredth of a core is three.
    assert!(ticks() - before <= 3, "{} ticks in 3 s", ticks() - before);
    let status =
        std::fs::read_to_string(format!("/proc/{}/status", run.child.id())).expect("it lives");
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS"))
        .expect("a resident size");
    let kib: u64 = line
        .split_whitespace()
        .nth(1)
        .and_then(|kib| kib.parse().ok())
        .expect("a number");
    assert!(kib < 20 << 10, "{kib} KiB resident");
}

#[test]
fn help_names_every_kind_and_the_exit_codes() {
    let help = program().arg("--help").output().expect("the program runs");
    let text = String::from_utf8(help.stdout).expect("text");
    for word in [
        "cpu",
        "mem_capacity",
        "mem_bandwidth",
        "network",
        "disk",
        "llc",
        "tlb",
        "ctx",
        "run",
        "list",
        "130",
    ] {
        assert!(text.contains(word), "{word} in {text}");
    }
    assert_eq!(help.status.code(), Some(0));
}
