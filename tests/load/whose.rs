//! Whose fault is it: one run with a stall of the generator or of the server, the truth about it, and what was made of it.
//!
//! A busy machine stalls the generator, too. So nothing here is compared with a threshold: run delays are the kernel's, and
//! the quantiles that decide the verdict are taken anew from every request's row.

use aefm_collector::read::read_columns;
use aefm_collector::sink::part_path;
use arrow_array::types::Int64Type;
use arrow_array::{Array, RecordBatch, cast::AsArray};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A request's row, ns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) intended_ns: i64,
    pub(crate) done_ns: Option<i64>,
    pub(crate) wait_ns: i64,
    pub(crate) server_ns: i64,
    pub(crate) generator_ns: i64,
    pub(crate) headline: bool,
}

/// A run that is over, and the truth about it.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) json: Value,
    pub(crate) rows: Vec<Row>,
    /// Time zero, seconds since the epoch.
    pub(crate) zero_s: f64,
    /// Stalls that were made: begin and end, seconds since time zero.
    pub(crate) made: Vec<(f64, f64)>,
    /// How long the worker could have run and did not, and how long the machine itself was away, ns.
    pub(crate) delay_ns: u64,
    /// From the begin of each of these to that of the next: how long threads of the server, which are this process's, could
    /// have run and did not, ns.
    pub(crate) server_delays_ns: Vec<u64>,
}

/// Seconds since the epoch.
fn wall_s() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}

fn sleep_until(at_s: f64) {
    std::thread::sleep(Duration::from_secs_f64((at_s - wall_s()).max(0.0)));
}

/// Runs the program, stops it for `stops` (begin and length in seconds), and reads what it left.
pub(crate) fn run(program: &str, arguments: &str, url: &str, stops: &[(f64, f64)]) -> Told {
    let dir = tempfile::tempdir().expect("a folder for the tables");
    let zero_s = wall_s() + 0.8;
    let mut child = Command::new(program)
        .args(arguments.split_whitespace())
        .args(["-t1", "-q", "--json", "--log-requests", "--parquet"])
        .arg(dir.path())
        .args(["--start-at", &format!("{zero_s:.6}"), url])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("start the program");
    let stolen_ns = stolen_ns();
    let (mut made, mut delays_ns) = (Vec::new(), Vec::new());
    for &(begin_s, length_s) in stops {
        sleep_until(zero_s + begin_s - 0.005);
        delays_ns.push(own_delay_ns() + self::stolen_ns());
        made.push(stop(&child, zero_s, begin_s, length_s));
    }
    let delay_ns = follow(&mut child);
    delays_ns.push(own_delay_ns() + self::stolen_ns());
    let output = child.wait_with_output().expect("its output");
    let json = serde_json::from_slice(&output.stdout).expect("it prints JSON");
    let stolen_ns = self::stolen_ns().saturating_sub(stolen_ns);
    Told {
        json,
        rows: rows(dir.path()),
        zero_s,
        made,
        delay_ns: delay_ns + stolen_ns,
        server_delays_ns: delays_ns
            .windows(2)
            .map(|two| two[1].saturating_sub(two[0]))
            .collect(),
    }
}

/// Stops it, and tells from when to when.
fn stop(child: &Child, zero_s: f64, begin_s: f64, length_s: f64) -> (f64, f64) {
    let pid = Pid::from_raw(child.id().cast_signed());
    sleep_until(zero_s + begin_s);
    kill(pid, Signal::SIGSTOP).expect("stop it");
    let from_s = wall_s() - zero_s;
    std::thread::sleep(Duration::from_secs_f64(length_s));
    kill(pid, Signal::SIGCONT).expect("let it go on");
    (from_s, wall_s() - zero_s)
}

/// Waits for its end. Tells the run delay of its worker as it was last seen.
fn follow(child: &mut Child) -> u64 {
    let tasks = format!("/proc/{}/task", child.id());
    let mut last_ns = 0;
    while child.try_wait().expect("it is ours").is_none() {
        for task in std::fs::read_dir(&tasks).into_iter().flatten().flatten() {
            let name = std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
            if name.starts_with("load-") {
                last_ns = run_delay_ns(&task.path()).unwrap_or(last_ns);
            }
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    last_ns
}

/// How long a task could have run and did not, ns.
fn run_delay_ns(task: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(task.join("schedstat")).ok()?;
    text.split_whitespace().nth(1)?.parse().ok()
}

/// The same of all threads of this process.
fn own_delay_ns() -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten();
    tasks
        .flatten()
        .filter_map(|task| run_delay_ns(&task.path()))
        .sum()
}

/// What the host has taken from all cores of a virtual machine, ns.
fn stolen_ns() -> u64 {
    let text = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let ticks = text.split_whitespace().nth(8);
    ticks
        .and_then(|ticks| ticks.parse::<u64>().ok())
        .unwrap_or(0)
        * 10_000_000
}

fn rows(dir: &Path) -> Vec<Row> {
    let names = [
        "phase",
        "outcome",
        "intended_ns",
        "done_ns",
        "wait_ns",
        "server_ns",
        "generator_ns",
    ];
    let batches = read_columns(&part_path(dir, "requests", "c000"), &names).expect("the table");
    let mut rows = Vec::new();
    for batch in batches {
        let batch: RecordBatch = batch.expect("a batch");
        let ints = |name: &str| {
            batch
                .column_by_name(name)
                .unwrap()
                .as_primitive::<Int64Type>()
        };
        let texts = |name: &str| batch.column_by_name(name).unwrap().as_string::<i32>();
        for at in 0..batch.num_rows() {
            let done = ints("done_ns");
            let given_up = ["ok", "timeout", "unfinished", "unsent"];
            rows.push(Row {
                intended_ns: ints("intended_ns").value(at),
                done_ns: done.is_valid(at).then(|| done.value(at)),
                wait_ns: ints("wait_ns").value(at),
                server_ns: ints("server_ns").value(at),
                generator_ns: ints("generator_ns").value(at),
                headline: texts("phase").value(at) == "measure"
                    && given_up.contains(&texts("outcome").value(at)),
            });
        }
    }
    rows
}

impl Row {
    pub(crate) const fn response_ns(&self) -> i64 {
        self.wait_ns + self.server_ns + self.generator_ns
    }
}

impl Told {
    /// The largest part that was booked to the generator.
    pub(crate) fn most_booked_ns(&self) -> u64 {
        let all = self.rows.iter().map(|row| row.generator_ns.cast_unsigned());
        all.max().unwrap_or(0)
    }

    pub(crate) fn blames_the_generator(&self) -> bool {
        self.json["reasons"]
            .to_string()
            .contains("the generator itself")
    }

    /// Whether some quantile that has requests enough differs without the generator's part by more than 10 % and 250 us;
    /// none where it is too close to tell, since the program's histograms keep three digits.
    fn differs(&self) -> Option<bool> {
        let sorted = |of: fn(&Row) -> i64| {
            let mut all: Vec<i64> = self
                .rows
                .iter()
                .filter(|row| row.headline)
                .map(of)
                .collect();
            all.sort_unstable();
            all
        };
        let (with, without) = (
            sorted(Row::response_ns),
            sorted(|row| row.wait_ns + row.server_ns),
        );
        let mut differs = Some(false);
        for (p, least) in [
            (0.5, 11),
            (0.75, 24),
            (0.9, 64),
            (0.95, 130),
            (0.99, 662),
            (0.999, 6636),
        ] {
            if with.len() < least {
                break;
            }
            let at = ((with.len() as f64 * p).ceil() as usize).max(1) - 1;
            let added = (with[at] - without[at]) as f64;
            let needed = 250_000f64.max(with[at] as f64 * 0.1);
            match added / needed {
                ratio if ratio > 1.05 => return Some(true),
                ratio if ratio > 0.95 => differs = None,
                _ => {}
            }
        }
        differs
    }

    /// What does not hold of any run, in words.
    pub(crate) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let broken = self.rows.iter().find(|row| {
            let negative = row.wait_ns < 0 || row.server_ns < 0 || row.generator_ns < 0;
            let sum = row
                .done_ns
                .is_some_and(|done_ns| row.response_ns() != done_ns - row.intended_ns);
            negative || sum
        });
        faults.extend(broken.map(|row| format!("its parts do not add up: {row:?}")));
        let intended = self.json["intended"].as_u64().unwrap_or(0);
        if self.rows.len() as u64 != intended {
            faults.push(format!("{} rows of {intended} requests", self.rows.len()));
        }
        if let Some(differs) = self.differs()
            && differs != self.blames_the_generator()
        {
            let reasons = &self.json["reasons"];
            faults.push(format!(
                "a quantile differs: {differs}, and it says {reasons}"
            ));
        }
        faults.extend(self.made.iter().filter_map(|made| self.unlisted(*made)));
        let delays_ns = self.made.iter().zip(&self.server_delays_ns);
        faults.extend(delays_ns.filter_map(|(made, delay_ns)| self.elsewhere(*made, *delay_ns)));
        faults
    }

    /// Why the time of a request that was due while the generator was stopped is not booked to it: a healthy server has
    /// no more of it than its threads had to wait for a core.
    fn elsewhere(&self, (from_s, to_s): (f64, f64), delay_ns: u64) -> Option<String> {
        let allowed_ns = 20_000_000 + delay_ns;
        let stopped = self.rows.iter().filter(|row| {
            let due_s = row.intended_ns as f64 / 1e9 - self.zero_s;
            due_s >= from_s && due_s < to_s
        });
        let wrong: Vec<_> = stopped
            .filter(|row| (row.wait_ns + row.server_ns).cast_unsigned() > allowed_ns)
            .collect();
        let first = wrong.first()?;
        Some(format!(
            "{} requests that were due while it was stopped had more than {allowed_ns} ns elsewhere: {first:?}",
            wrong.len()
        ))
    }

    /// Why a stall of 20 ms and more is not listed as it was: its begin to within 20 ms, its length likewise, but for what
    /// the kernel kept the worker from running besides.
    fn unlisted(&self, (from_s, to_s): (f64, f64)) -> Option<String> {
        let (near_s, late_s): (f64, f64) = (0.02, 0.02 + self.delay_ns as f64 / 1e9);
        let stalls = self.json["stalls"].as_array()?;
        let listed = stalls.iter().any(|stall| {
            let begin_s = stall["second"].as_f64().unwrap_or(f64::NAN);
            let end_s = begin_s + stall["length_ms"].as_f64().unwrap_or(f64::NAN) / 1e3;
            let begins = begin_s - from_s > -near_s.max(late_s) && begin_s - from_s < near_s;
            begins && end_s - to_s > -near_s && end_s - to_s < late_s
        });
        (!listed).then(|| {
            format!("from {from_s:.3} s to {to_s:.3} s it was stopped, and listed is {stalls:?}")
        })
    }
}
