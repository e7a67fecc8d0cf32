//! What cannot be done is said at once, with a way out, and the exit code says which sort of fault it was.

use crate::command::{Run, program, run};
use serde_json::json;
use std::io::Write;
use std::process::Stdio;

fn refused(args: &[&str], code: i32, words: &[&str]) {
    let output = run(args);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {text}");
    for word in words {
        assert!(text.contains(word), "{args:?}: {word:?} is not in {text:?}");
    }
    assert!(output.stdout.is_empty(), "{args:?} printed samples");
}

#[test]
fn what_makes_no_sense_is_usage() {
    refused(&["gpu"], 2, &["gpu"]);
    refused(&["cpu", "--intensity", "lots"], 2, &["lots", "30%"]);
    refused(&["cpu", "--intensity", "130%"], 2, &["100 %"]);
    refused(&["cpu", "--intensity", "2GB/s"], 2, &["percent"]);
    refused(&["cpu", "--cores", "0,4000"], 2, &["core 4000", "may use"]);
    refused(&["cpu", "--cores", "first"], 2, &["first"]);
    refused(&["cpu", "--duration", "48h"], 2, &["24 h"]);
    refused(&["cpu", "--duration", "soon"], 2, &["soon"]);
    refused(&["network", "--server"], 2, &["--token-file"]);
    refused(&["network", "--link", "10%"], 2, &["Gbit/s"]);
    refused(&["disk", "-i", "1MB/s"], 2, &["--dir"]);
    refused(
        &["run", "/nowhere/profile.yaml"],
        2,
        &["/nowhere/profile.yaml"],
    );
    refused(
        &["--spec", "/nowhere/spec.json"],
        2,
        &["/nowhere/spec.json"],
    );
}

#[test]
fn what_the_machine_refuses_is_a_failure() {
    refused(
        &["disk", "--dir", "/nowhere", "-i", "1MB/s"],
        1,
        &["/nowhere"],
    );
    refused(&["disk", "--dir", "/proc", "-i", "1MB/s"], 1, &["/proc"]);
    refused(&["selftest", "--dir", "/nowhere"], 1, &["/nowhere"]);
    refused(
        &[
            "disk",
            "--dir",
            "/",
            "--file-size",
            "900000GB",
            "-i",
            "1MB/s",
        ],
        1,
        &["--file-size"],
    );
    refused(
        &["mem_bandwidth", "-i", "1GB/s", "--reserve", "9000GB"],
        1,
        &["reserve"],
    );
}

#[test]
fn a_link_of_unknown_speed_has_no_percent() {
    let token = ("AEFM_TOKEN", "a shared secret");
    // An address of the documentation range: no route of ours has a speed that the kernel knows.
    let args = ["network", "--client", "192.0.2.1", "-i", "50%", "-d", "1s"];
    let output = program()
        .args(args)
        .env(token.0, token.1)
        .output()
        .expect("the program runs");
    if output.status.code() == Some(1) {
        assert!(String::from_utf8_lossy(&output.stderr).contains("--link"));
    } else {
        // Where the speed is known nothing answers there, and that is said as not held.
        assert_eq!(output.status.code(), Some(3));
    }
}

#[test]
fn a_broken_spec_names_its_fault() {
    for (spec, word) in [
        ("{", "EOF"),
        (r#"{"kind":"cpu"}"#, "intensity"),
        (
            r#"{"kind":"gpu","intensity":1,"deadline_ms":1,"report_ms":100}"#,
            "gpu",
        ),
        (
            r#"{"kind":"cpu","intensity":1,"deadline_ms":1000,"report_ms":100,"color":1}"#,
            "color",
        ),
        (
            r#"{"kind":"cpu","intensity":1,"deadline_ms":0,"report_ms":100}"#,
            "0 ms",
        ),
    ] {
        let mut child = program();
        let mut child = child
            .args(["--spec", "-"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("runs");
        let mut stdin = child.stdin.take().expect("a pipe");
        writeln!(stdin, "{spec}").expect("it listens");
        let output = child
            .wait_with_output()
            .expect("it ends while its input is still open");
        drop(stdin);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{spec}: {text}");
        assert!(text.contains(word), "{spec}: {text}");
    }
}

#[test]
fn more_memory_than_there_is_saturates_at_what_may_be_taken() {
    // All but 64 MiB stays free, so little is really taken.
    let room = available_bytes().saturating_sub(64 << 20);
    let spec = json!({
        "kind": "mem_capacity", "intensity": 1e15, "unit": "bytes", "deadline_ms": 60_000, "report_ms": 100,
        "options": {"reserve_bytes": room},
    });
    let run = Run::start(&spec);
    let sample = run.until(|sample| sample["saturated"] == true);
    assert!(
        sample["achieved"].as_f64().expect("a number") < f64::from(1 << 30),
        "{sample}"
    );
    assert_eq!(run.finish().1, Some(3));
}

fn available_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").expect("it is there");
    let line = text
        .lines()
        .find(|line| line.starts_with("MemAvailable"))
        .expect("a line");
    line.split_whitespace()
        .nth(1)
        .and_then(|kib| kib.parse::<u64>().ok())
        .expect("a number")
        << 10
}
