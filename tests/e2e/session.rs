//! One `aefm` under test: its folder, its process, and what it left.

use aefm_tests::processes::{self, Process};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Row, RowAccessor};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Nothing of ours takes longer, even on a machine that does three other things.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// An experiment of two short cases: one without interference, one with.
pub(crate) const SHORT: &str = "experiment: short\naxes: {rate: [40], cpu: [0, 40]}\norder: [cpu, rate]\nshuffle: false\n\
load: {arrival: poisson, warmup: 500ms, duration: 2s, grace: 1s}\ncollect: {settle: 10s}\n";

/// What a case says for which a busy machine had no time or no room.
const BUSY: [&str; 2] = [
    "in the median of the measured phase",
    "samples of the machine were not taken",
];

/// The binary under test.
pub(crate) fn aefm() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aefm"));
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// All that it printed.
pub(crate) fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// One run at a time: two on the testbed's core would take each other's room, and saturate where they should hold.
static ALONE: Mutex<()> = Mutex::new(());

/// A run that has been started in a folder of its own.
pub(crate) struct Session {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) process: Child,
    pub(crate) alone: Option<MutexGuard<'static, ()>>,
}

/// Waits until no other test has a run.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    // A test that failed leaves nothing in there that matters.
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Session {
    /// Starts `aefm run` on an experiment file of this text.
    pub(crate) fn start(experiment: &str) -> Self {
        let alone = Some(alone());
        Self {
            alone,
            ..Self::beside(experiment)
        }
    }

    /// Starts it beside another run that this test has.
    pub(crate) fn beside(experiment: &str) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("experiment.yaml");
        fs::write(&file, experiment).expect("the file can be written");
        let process = aefm()
            .arg("run")
            .arg(&file)
            .arg("--data")
            .arg(dir.path().join("data"))
            .spawn()
            .expect("aefm starts");
        Self {
            dir,
            process,
            alone: None,
        }
    }

    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.process.id()).expect("a pid")
    }

    /// Waits until some child of the run has this in its command line.
    pub(crate) fn wait_for_child(&self, what: &str) -> Process {
        let look = || {
            processes::descendants(self.pid())
                .into_iter()
                .find(|child| child.command.contains(what))
        };
        processes::wait_for(PATIENCE, look).unwrap_or_else(|| panic!("no child `{what}`"))
    }

    /// Waits until the journal says that a step of an event was taken, in the case if one is named.
    pub(crate) fn wait_for_journal(&self, step: &str, event: &str, case: Option<&str>) {
        let look = || self.has_journal(step, event, case).then_some(());
        processes::wait_for(PATIENCE, look)
            .unwrap_or_else(|| panic!("the journal never says {step} {event}"));
    }

    /// Whether it says so now.
    pub(crate) fn has_journal(&self, step: &str, event: &str, case: Option<&str>) -> bool {
        let says = |line: &str| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
            line["step"] == step
                && line["event"] == event
                && case.is_none_or(|case| line["case"] == case)
        };
        let journal = self
            .run_dir()
            .and_then(|dir| fs::read_to_string(dir.join("journal.jsonl")).ok());
        journal.is_some_and(|journal| journal.lines().any(says))
    }

    /// Waits until the log says something.
    pub(crate) fn wait_for_log(&self, what: &str) {
        let look = || {
            fs::read_to_string(self.run_dir()?.join("run.log"))
                .ok()?
                .contains(what)
                .then_some(())
        };
        processes::wait_for(PATIENCE, look).unwrap_or_else(|| panic!("the log never says {what}"));
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).expect("it can be signalled");
    }

    /// Waits for the end and keeps the folder.
    pub(crate) fn finish(self) -> Finished {
        let children = processes::descendants(self.pid());
        let output = self
            .process
            .wait_with_output()
            .expect("its output can be read");
        drop(self.alone);
        Finished {
            dir: self.dir,
            output,
            children,
        }
    }

    fn run_dir(&self) -> Option<PathBuf> {
        run_dirs(&self.dir.path().join("data")).pop()
    }
}

/// What a run left.
pub(crate) struct Finished {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) output: Output,
    pub(crate) children: Vec<Process>,
}

impl Finished {
    pub(crate) fn code(&self) -> i32 {
        self.output.status.code().unwrap_or(-1)
    }

    pub(crate) fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }

    /// The run's folder.
    pub(crate) fn run_dir(&self) -> PathBuf {
        run_dirs(&self.dir.path().join("data"))
            .pop()
            .unwrap_or_else(|| panic!("no run: {}", self.stderr()))
    }

    pub(crate) fn run_file(&self) -> serde_json::Value {
        let text = fs::read_to_string(self.run_dir().join("run.json")).expect("run.json is there");
        serde_json::from_str(&text).expect("run.json is JSON")
    }

    /// All rows of a table.
    pub(crate) fn rows(&self, table: &str) -> Vec<Row> {
        table_rows(&self.run_dir(), table)
    }

    /// Status and reason by case id.
    pub(crate) fn cases(&self) -> Vec<(String, String, String)> {
        let mut cases: Vec<_> = self
            .rows("cases")
            .iter()
            .map(|row| {
                (
                    text(row, "case_id"),
                    text(row, "status"),
                    text(row, "reason"),
                )
            })
            .collect();
        cases.sort();
        cases
    }

    /// Every case came out whole; one for whose interference or samples this machine had no room counts, if it says so.
    pub(crate) fn assert_whole(&self, ids: &[&str]) {
        for (id, status, reason) in self
            .cases()
            .iter()
            .filter(|(id, ..)| ids.contains(&id.as_str()))
        {
            let crowded = status == "degraded"
                && reason
                    .split("; ")
                    .all(|part| BUSY.iter().any(|words| part.contains(words)));
            assert!(status == "ok" || crowded, "{id} is {status}: {reason}");
        }
    }

    /// No process of the run is there any more.
    pub(crate) fn assert_nothing_left(&self) {
        let left = processes::survivors(&self.children, Duration::from_secs(5));
        assert!(left.is_empty(), "left behind: {left:?}");
    }
}

/// Run folders below a data folder.
pub(crate) fn run_dirs(data: &Path) -> Vec<PathBuf> {
    let experiments = fs::read_dir(data).into_iter().flatten().flatten();
    experiments
        .filter_map(|entry| fs::read_dir(entry.path()).ok())
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect()
}

/// All rows of a table of a run; reading every file of it checks that each is whole.
pub(crate) fn table_rows(run: &Path, table: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    for case in fs::read_dir(run.join(table))
        .into_iter()
        .flatten()
        .flatten()
    {
        for part in fs::read_dir(case.path())
            .expect("a case is a folder")
            .flatten()
        {
            let file = File::open(part.path()).expect("a part can be read");
            let reader = SerializedFileReader::new(file).expect("it is a whole Parquet file");
            rows.extend(
                reader
                    .get_row_iter(None)
                    .expect("it has rows")
                    .map(|row| row.expect("a row can be read")),
            );
        }
    }
    rows
}

fn column(row: &Row, name: &str) -> usize {
    row.get_column_iter()
        .position(|(known, _)| known == name)
        .unwrap_or_else(|| panic!("no column {name}"))
}

/// A text cell; empty for null.
pub(crate) fn text(row: &Row, name: &str) -> String {
    row.get_string(column(row, name))
        .cloned()
        .unwrap_or_default()
}

/// A whole number; -1 for null.
pub(crate) fn int(row: &Row, name: &str) -> i64 {
    row.get_long(column(row, name))
        .or_else(|_| row.get_int(column(row, name)).map(i64::from))
        .unwrap_or(-1)
}

/// A number.
pub(crate) fn float(row: &Row, name: &str) -> f64 {
    row.get_double(column(row, name)).unwrap_or(f64::NAN)
}

/// A flag; false for null.
pub(crate) fn flag(row: &Row, name: &str) -> bool {
    row.get_bool(column(row, name)).unwrap_or(false)
}
