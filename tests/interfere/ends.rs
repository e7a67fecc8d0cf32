//! However a run ends, nothing of it is left: no process, no file.

use crate::command::{PATIENCE, Run, eventually, program};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A name in the environment by which all processes of a run are found, whoever their parent is by now.
const MARK: &str = "AEFM_TEST_MARK";

fn marked(mark: &str) -> BTreeSet<i32> {
    let wanted = format!("{MARK}={mark}").into_bytes();
    let processes = std::fs::read_dir("/proc").expect("it is there").flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    ids.filter(|id| {
        // A zombie has no environment any more, and presses on nothing.
        let environment = std::fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
        environment
            .split(|byte| *byte == 0)
            .any(|variable| variable == wanted)
    })
    .collect()
}

#[test]
fn signals_end_it_with_a_summary() {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let spec = json!({"kind": "cpu", "intensity": 5, "deadline_ms": 60_000, "report_ms": 50});
        let mut run = Run::start(&spec);
        run.until(|_| true);
        kill(Pid::from_raw(run.child.id().cast_signed()), signal).expect("it lives");
        run.until(|sample| sample["summary"] == true);
        assert_eq!(
            run.child.wait().expect("it ends").code(),
            Some(130),
            "{signal}"
        );
    }
}

#[test]
fn a_reader_that_goes_away_ends_it() {
    let mut child = program()
        .args(["cpu", "-i", "5%", "--json", "--report", "100ms"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program runs");
    drop(child.stdout.take());
    eventually("it ends", || {
        child.try_wait().expect("it is ours").is_some()
    });
    assert_eq!(child.wait().expect("it ended").code(), Some(1));
}

#[test]
fn a_parent_that_dies_takes_it_along() {
    let mark = format!("parent-{}", std::process::id());
    // A shell between us and it, which is then killed.
    let program = env!("CARGO_BIN_EXE_aefm-interfere");
    let output = tempfile::NamedTempFile::new().expect("a file");
    let mut shell = Command::new("sh")
        .args([
            "-c",
            &format!("{program} cpu -i 5% -d 1m --report 100ms & wait"),
        ])
        .env(MARK, &mark)
        .stdout(output.reopen().expect("the same file"))
        .spawn()
        .expect("a shell");
    // It has begun when it reports: a parent that died before that is nobody's parent any more.
    eventually("it reports", || {
        output.path().metadata().is_ok_and(|file| file.len() > 0)
    });
    assert_eq!(marked(&mark).len(), 2);
    shell.kill().expect("it lives");
    shell.wait().expect("it ends");
    eventually("nothing is left", || marked(&mark).is_empty());
}

/// Any process of a profile's run is killed at any moment, two hundred times: what is left after it is nothing.
#[test]
fn two_hundred_random_kills_leave_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let lanes: Vec<_> = (0..2)
        .map(|lane| {
            let folder = folder.path().to_owned();
            std::thread::spawn(move || {
                (0..100)
                    .map(|round| kill_one(lane * 100 + round, &folder))
                    .max()
            })
        })
        .collect();
    let slowest = lanes
        .into_iter()
        .filter_map(|lane| lane.join().expect("no round failed"))
        .max();
    eprintln!("the slowest of 200 kills left nothing after {slowest:?}");
    let left: Vec<_> = std::fs::read_dir(folder.path())
        .expect("it is there")
        .flatten()
        .collect();
    assert!(left.is_empty(), "files are left: {left:?}");
}

/// One round: how long after the kill the last process was gone.
fn kill_one(round: u64, folder: &std::path::Path) -> Duration {
    let mark = format!("kill-{}-{round}", std::process::id());
    let chance = aefm_workloads::draw::derive(7, round);
    let profile = tempfile::NamedTempFile::new().expect("a file");
    let text = format!(
        "duration: 30s\nreport: 100ms\nstressors:\n- {{kind: cpu, cores: '0', intensity: 3%}}\n\
         - {{kind: mem_capacity, intensity: 8MiB}}\n- {{kind: network, cores: '0', intensity: 1Mbit/s}}\n\
         - {{kind: disk, intensity: 20iops, options: {{dir: {folder:?}, file_bytes: 1048576, access: write}}}}\n"
    );
    std::fs::write(profile.path(), text).expect("it can be written");
    let mut supervisor = program()
        .arg("run")
        .arg(profile.path())
        .env(MARK, &mark)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program runs");
    // Some are killed before they have begun, some in the midst of it.
    let until = Instant::now() + Duration::from_micros(chance % 80_000);
    while Instant::now() < until {
        std::thread::sleep(Duration::from_micros(500));
    }
    let all: Vec<i32> = marked(&mark).into_iter().collect();
    let own = supervisor.id().cast_signed();
    let victim = if all.is_empty() {
        own
    } else {
        all[usize::try_from(chance >> 40).expect("small") % all.len()]
    };
    let killed = Instant::now();
    // It may have ended by itself meanwhile only if another failure ended the run; then there is nothing to kill.
    let _ = kill(Pid::from_raw(victim), Signal::SIGKILL);
    while !marked(&mark).is_empty() {
        assert!(
            killed.elapsed() < PATIENCE,
            "round {round}: {:?} live on after {victim} was killed",
            marked(&mark)
        );
        std::thread::sleep(Duration::from_millis(2));
    }
    let gone = killed.elapsed();
    supervisor.wait().expect("it is ours");
    gone
}
