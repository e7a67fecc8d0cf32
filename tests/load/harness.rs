//! Runs `aefm-load` and checks what holds for every run, whatever the server does.

use serde_json::Value;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The machine may be busy; a run that hangs is minutes late, not seconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// A run that is over.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) json: Value,
    pub(crate) stderr: String,
    pub(crate) took: Duration,
}

/// The program with these arguments.
pub(crate) fn program(arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aefm-load"));
    command
        .args(arguments.split_whitespace())
        .stdin(Stdio::null());
    command
}

/// Runs a command that prints JSON.
pub(crate) fn run(command: &mut Command) -> Run {
    let begin = Instant::now();
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().expect("start aefm-load");
    let took = begin.elapsed();
    let stderr = String::from_utf8_lossy(&stderr).into_owned();
    let json = serde_json::from_slice(&stdout)
        .unwrap_or_else(|error| panic!("{error} in {stdout:?}: {stderr}"));
    Run {
        code: status.code().expect("no signal ended it"),
        json,
        stderr,
        took,
    }
}

/// One second at 200/s over 4 connections, and what always holds: it ends, every request has one outcome, nothing spins.
pub(crate) fn load(arguments: &str, url: &str) -> Run {
    let run = run(&mut program(&format!(
        "-R 200 -d 1s -c 4 -t 1 -q --json --seed 1 {arguments} {url}"
    )));
    assert!(run.took < PATIENCE, "it took {:?}", run.took);
    assert_eq!(
        run.sum(),
        run.number("intended"),
        "outcomes add up: {}",
        run.json
    );
    assert!(
        run.json["cpu_share"].as_f64().unwrap() < 0.5,
        "it spins: {}",
        run.json
    );
    run
}

impl Run {
    pub(crate) fn number(&self, field: &str) -> u64 {
        self.json[field]
            .as_u64()
            .unwrap_or_else(|| panic!("no {field} in {}", self.json))
    }

    pub(crate) fn outcome(&self, name: &str) -> u64 {
        self.json["outcomes"][name]
            .as_u64()
            .unwrap_or_else(|| panic!("no outcome {name} in {}", self.json))
    }

    pub(crate) fn sum(&self) -> u64 {
        self.json["outcomes"]
            .as_object()
            .unwrap()
            .values()
            .map(|count| count.as_u64().unwrap())
            .sum()
    }

    /// All requests ended like this, but for the few that the end of the run cut off.
    pub(crate) fn all(&self, outcome: &str) {
        let cut_off = self.outcome("unfinished") + self.outcome("unsent");
        assert_eq!(self.number("intended"), 200, "{}", self.json);
        assert!(self.outcome(outcome) > 0, "no {outcome}: {}", self.json);
        assert_eq!(
            self.outcome(outcome) + cut_off,
            200,
            "not all {outcome}: {}",
            self.json
        );
    }

    pub(crate) fn fault(&self, part: &str) {
        let faults = self.json["faults"].as_object().unwrap();
        assert!(
            faults.keys().any(|fault| fault.contains(part)),
            "no fault with `{part}`: {faults:?}"
        );
    }
}

/// Sends what the client may no longer be there to hear.
pub(crate) fn say(wire: &mut aefm_tests::target::Wire, bytes: impl AsRef<[u8]>) {
    let _ = wire.send(bytes);
}
