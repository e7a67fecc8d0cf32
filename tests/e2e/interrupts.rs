//! Ctrl-C, SIGTERM and SIGKILL at awkward moments.

use crate::session::{SHORT, Session, int, text};
use aefm_tests::processes;
use nix::sys::signal::Signal;
use std::time::{Duration, Instant};

/// Two seconds are promised; the machine of the test may be busy with others.
const GONE: Duration = Duration::from_secs(10);

fn interrupted(signal: Signal) {
    let run = Session::start(SHORT);
    run.wait_for_journal("begin", "start_single_test_case", Some("c002"));
    run.wait_for_child("load --spec");
    let children = processes::descendants(run.pid());
    assert!(
        children.len() >= 10,
        "eight services, a stressor and a load: {children:?}"
    );
    let at = Instant::now();
    run.signal(signal);
    let left = processes::survivors(&children, GONE);
    assert!(
        left.is_empty(),
        "after {:?} there are still {left:?}",
        at.elapsed()
    );

    let run = run.finish();
    assert_eq!(run.code(), 130, "{}", run.stderr());
    assert_eq!(run.run_file()["state"], "interrupted");
    let cases = run.cases();
    run.assert_whole(&["c001"]);
    assert_eq!(cases[1].1, "failed", "{cases:?}");
    assert!(cases[1].2.contains("interrupted by SIG"), "{cases:?}");
    // Reading every row of every table checks that each file is whole.
    for table in [
        "load",
        "requests",
        "spans",
        "traces",
        "services",
        "edges",
        "metrics",
        "interference",
        "quality",
    ] {
        assert!(
            run.rows(table)
                .iter()
                .any(|row| text(row, "case_id") == "c001"),
            "{table}"
        );
    }
    assert!(run.rows("load").iter().all(|row| int(row, "intended") >= 0));
    let hidden = walk(&run.run_dir())
        .into_iter()
        .filter(|name| name.ends_with(".tmp") || name == ".reserve")
        .collect::<Vec<_>>();
    assert!(hidden.is_empty(), "{hidden:?}");
}

#[test]
fn ctrl_c_abandons_the_case_and_keeps_the_rest() {
    interrupted(Signal::SIGINT);
}

#[test]
fn sigterm_does_the_same() {
    interrupted(Signal::SIGTERM);
}

#[test]
fn kill_9_of_aefm_leaves_no_process() {
    for event in [
        "init_environment",
        "start_cpu",
        "start_single_test_case",
        "start_data_collection",
    ] {
        let mut run = Session::start(SHORT);
        run.wait_for_journal(
            "begin",
            event,
            Some(if event == "init_environment" {
                "c001"
            } else {
                "c002"
            }),
        );
        let children = processes::descendants(run.pid());
        run.process.kill().expect("it can be killed");
        run.process.wait().expect("it can be reaped");
        let left = processes::survivors(&children, GONE);
        assert!(left.is_empty(), "killed in {event}, still there: {left:?}");
    }
}

fn walk(dir: &std::path::Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        names.push(entry.file_name().to_string_lossy().into_owned());
        if entry.path().is_dir() {
            names.extend(walk(&entry.path()));
        }
    }
    names
}
