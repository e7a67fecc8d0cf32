//! The program under test, and what is left of it.

use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Longer than anything here should take on a machine that does much else, too.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_aefm-interfere"))
}

/// Runs it to its end with these arguments.
pub(crate) fn run(args: &[&str]) -> Output {
    program()
        .args(args)
        .stdin(Stdio::null())
        .output()
        .expect("the program runs")
}

/// A run under `--spec -`.
pub(crate) struct Run {
    pub(crate) child: Child,
    pub(crate) stdin: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Run {
    pub(crate) fn start(spec: &Value) -> Self {
        Self::of(program().args(["--spec", "-"]), Some(spec))
    }

    pub(crate) fn of(command: &mut Command, spec: Option<&Value>) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program runs");
        let mut stdin = child.stdin.take().expect("a pipe");
        if let Some(spec) = spec {
            writeln!(stdin, "{spec}").expect("a spec is taken");
        }
        let (sender, lines) = channel();
        let stdout = child.stdout.take().expect("a pipe");
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self {
            child,
            stdin: Some(stdin),
            lines,
        }
    }

    pub(crate) fn say(&mut self, line: &str) {
        writeln!(self.stdin.as_mut().expect("an open pipe"), "{line}").expect("it listens");
    }

    /// The next sample; none at the end of its output.
    pub(crate) fn sample(&self) -> Option<Value> {
        let line = self.lines.recv_timeout(PATIENCE).ok()?;
        Some(serde_json::from_str(&line).expect("a JSON object a line"))
    }

    /// The first sample of which that is true.
    pub(crate) fn until(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        let limit = Instant::now() + PATIENCE;
        let mut last = Value::Null;
        while Instant::now() < limit {
            last = self
                .sample()
                .unwrap_or_else(|| panic!("the output ended; the last sample was {last}"));
            if wanted(&last) {
                return last;
            }
        }
        panic!("no such sample; the last one was {last}");
    }

    /// Closes its input, and gives its summary and exit code.
    pub(crate) fn finish(mut self) -> (Value, Option<i32>) {
        self.stdin = None;
        let summary = self.until(|sample| sample["summary"] == true);
        assert_eq!(self.sample(), None, "the summary is the last line");
        (summary, self.child.wait().expect("it ends").code())
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // Ended runs are gone already; of a failed test nothing is to stay.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn number(sample: &Value, key: &str) -> f64 {
    sample[key]
        .as_f64()
        .unwrap_or_else(|| panic!("{key} is a number in {sample}"))
}

/// Waits for a condition.
pub(crate) fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let limit = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < limit, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
