//! What others take from a stressor while it runs, and what limits it: seen, said, and never called the machine's maximum.

use crate::command::{Run, number, program};
use aefm_tests::parts::{self, Cgroup, Part};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

fn cpu(core: usize, intensity: f64) -> Value {
    json!({"kind": "cpu", "intensity": intensity, "cores": [core], "deadline_ms": 60_000, "report_ms": 200})
}

fn pid(run: &Run) -> Pid {
    Pid::from_raw(i32::try_from(run.child.id()).expect("a pid"))
}

/// Moves every thread that presses to these cores, as `taskset` would.
fn move_to(process: Pid, cores: &[usize]) {
    let mut set = CpuSet::new();
    cores
        .iter()
        .for_each(|core| set.set(*core).expect("a core"));
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).expect("it lives");
    for task in tasks.flatten() {
        let name = std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        if name.starts_with("stress-") {
            let id = task
                .file_name()
                .to_string_lossy()
                .parse()
                .expect("a thread");
            sched_setaffinity(Pid::from_raw(id), &set).expect("it is ours");
        }
    }
}

fn is(why: &'static str) -> impl Fn(&Value) -> bool {
    move |sample| sample["why"] == why && sample["held"] == false && sample["saturated"] == false
}

#[test]
fn a_core_that_is_taken_away_is_seen_although_as_much_is_reached_elsewhere() {
    if !parts::has(Part::SecondCore) {
        return;
    }
    let run = Run::start(&cpu(1, 20.0));
    run.until(|sample| sample["held"] == true);
    move_to(pid(&run), &[0]);
    let taken = run.until(is("taken"));
    let detail = taken["detail"].as_str().expect("it says which");
    assert_eq!(detail, "a thread on 1 may now run on 0");
    // Given back, it is held again; the run as a whole was not.
    move_to(pid(&run), &[1]);
    run.until(|sample| sample["held"] == true);
    let (summary, code) = run.finish();
    assert!(is("taken")(&summary), "{summary}");
    assert_eq!(code, Some(3));
}

#[test]
fn a_core_that_leaves_the_cpuset_is_seen_and_said() {
    if !(parts::has(Part::SecondCore) && parts::has(Part::Cgroups)) {
        return;
    }
    let group = Cgroup::make("cpuset", "cores").expect("it was tried");
    group.set_cores("0-1");
    let run = Run::start(&cpu(1, 20.0));
    group.take(run.child.id());
    run.until(|sample| sample["held"] == true);
    group.set_cores("0");
    let taken = run.until(is("taken"));
    assert!(
        taken["detail"]
            .as_str()
            .expect("text")
            .contains("may now run on 0"),
        "{taken}"
    );
    assert_eq!(run.finish().1, Some(3));
}

#[test]
fn what_is_stopped_says_so_and_is_held_again_when_it_goes_on() {
    let run = Run::start(&cpu(0, 20.0));
    run.until(|sample| sample["held"] == true);
    kill(pid(&run), Signal::SIGSTOP).expect("it is ours");
    std::thread::sleep(Duration::from_millis(900));
    kill(pid(&run), Signal::SIGCONT).expect("it is ours");
    let stopped = run.until(is("stopped"));
    assert!(
        stopped["detail"]
            .as_str()
            .expect("text")
            .starts_with("for "),
        "{stopped}"
    );
    run.until(|sample| sample["held"] == true);
    let (summary, _) = run.finish();
    assert_eq!(summary["saturated"], false, "{summary}");
}

#[test]
fn a_quota_of_its_control_group_is_no_maximum_of_the_machine() {
    if !parts::has(Part::Cgroups) {
        return;
    }
    let group = Cgroup::make("cpu", "quota").expect("it was tried");
    group.set_quota(10);
    let run = Run::start(&cpu(0, 60.0));
    group.take(run.child.id());
    let throttled = run.until(is("throttled"));
    assert!(number(&throttled, "achieved") < 40.0, "{throttled}");
    let (summary, code) = run.finish();
    assert!(is("throttled")(&summary), "{summary}");
    assert_eq!(code, Some(3));
}

/// Runs a line of the shell in which `$0` is the program.
fn shell(line: &str) -> Output {
    Command::new("sh")
        .args(["-c", line, env!("CARGO_BIN_EXE_aefm-interfere")])
        .stdin(Stdio::null())
        .output()
        .expect("a shell")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn last(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text
        .lines()
        .last()
        .unwrap_or_else(|| panic!("nothing: {}", said(output)));
    serde_json::from_str(line).expect("a JSON object a line")
}

#[test]
fn memory_that_ulimit_refuses_is_limited_and_what_was_had_is_kept() {
    let output = shell(
        "ulimit -v 400000; exec $0 mem_capacity --cores 0 -i 2GiB -d 3s --report 200ms --json",
    );
    let summary = last(&output);
    assert!(is("limited")(&summary), "{summary}");
    assert!(
        summary["detail"]
            .as_str()
            .expect("text")
            .contains("ulimit -v"),
        "{summary}"
    );
    assert!(
        number(&summary, "achieved") > f64::from(64 << 20),
        "{summary}"
    );
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
}

#[test]
fn limits_of_files_and_of_cpu_time_are_errors_that_name_them() {
    let near = std::path::Path::new(env!("CARGO_BIN_EXE_aefm-interfere"));
    let dir = tempfile::tempdir_in(near.parent().expect("a folder")).expect("a folder");
    let shown = dir.path().display();
    for (line, named) in [
        // The file that is pressed on.
        (
            format!("ulimit -f 64; exec $0 disk --dir {shown} -i 1MB/s -d 1s"),
            "ulimit -f",
        ),
        // The file that it reports to.
        (
            format!("ulimit -f 0; exec $0 cpu --cores 0 -i 1% -d 2s --report 100ms >{shown}/out"),
            "ulimit -f",
        ),
        (
            "ulimit -S -t 1; exec $0 cpu --cores 0 -i 100% -d 50s".to_owned(),
            "ulimit -t",
        ),
    ] {
        let output = shell(&line);
        assert_eq!(output.status.code(), Some(1), "{line}: {}", said(&output));
        assert!(said(&output).contains(named), "{line}: {}", said(&output));
    }
}

#[test]
fn a_run_that_is_too_short_to_tell_is_no_maximum() {
    let output = shell("exec $0 cpu --cores 0 -i 100% -d 60ms --json");
    let summary = last(&output);
    assert_eq!(summary["saturated"], false, "{summary}");
    assert!(
        summary["held"] == true || is("too_short")(&summary),
        "{summary}"
    );
}

#[test]
fn a_calibration_that_is_broken_or_of_another_machine_is_said_and_not_used() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("calibration.json");
    let foreign = json!({"machine": {"processor": "Z80", "cores": 1, "memory_gib": 0, "last_cache_bytes": 0}, "wall_ns": 1, "peaks": {}});
    for (text, reason) in [
        ("{\"machine\"".to_owned(), "EOF"),
        (foreign.to_string(), "of another machine, of Z80"),
    ] {
        std::fs::write(&file, text).expect("it can be written");
        let output = program()
            .args(["tlb", "--cores", "0", "-i", "5%", "-d", "200ms"])
            .env("AEFM_CALIBRATION", &file)
            .output()
            .expect("the program runs");
        assert!(
            said(&output).contains("is not used, and peaks are measured anew"),
            "{}",
            said(&output)
        );
        assert!(said(&output).contains(reason), "{}", said(&output));
        // A peak that is given needs none.
        let given = program()
            .args([
                "tlb", "--cores", "0", "-i", "5%", "-d", "100ms", "--peak", "1e8",
            ])
            .env("AEFM_CALIBRATION", &file)
            .output()
            .expect("the program runs");
        assert!(!said(&given).contains("calibration"), "{}", said(&given));
    }
}

#[test]
fn a_profile_whose_stressor_loses_its_core_is_not_held() {
    if !parts::has(Part::SecondCore) {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let profile = dir.path().join("profile.yaml");
    let text =
        "duration: 60s\nreport: 200ms\nstressors: [{kind: cpu, intensity: 20%, cores: '1'}]\n";
    std::fs::write(&profile, text).expect("it can be written");
    let mut command = program();
    command
        .arg("run")
        .arg(&profile)
        .args(["--json", "--control"]);
    let run = Run::of(&mut command, None);
    run.until(|sample| sample["held"] == true);
    let children = aefm_tests::processes::descendants(pid(&run).as_raw());
    let pressing = children.first().expect("a process a stressor").pid;
    move_to(Pid::from_raw(pressing), &[0]);
    run.until(is("taken"));
    assert_eq!(run.finish().1, Some(3));
}
