//! What breaks in mid-run: the case says so, the run goes on, the exit code tells.

use crate::session::{SHORT, Session, aefm, text};
use aefm_tests::parts::{self, Part, SmallDisk};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::net::TcpListener;

fn kill_child(run: &Session, what: &str) {
    let child = run.wait_for_child(what);
    kill(Pid::from_raw(child.pid), Signal::SIGKILL).expect("it can be killed");
}

#[test]
fn a_service_that_dies_fails_its_case_and_is_back_for_the_next() {
    let run = Session::start(SHORT);
    run.wait_for_log("second 0 of the load has all its");
    kill_child(&run, "testbed geo");
    let run = run.finish();
    assert_eq!(run.code(), 3, "{}", run.stderr());
    let cases = run.cases();
    assert_eq!(cases[0].1, "failed", "{cases:?}");
    run.assert_whole(&["c002"]);
    assert!(
        cases[0].2.contains("geo") && cases[0].2.contains("signal: 9"),
        "{cases:?}"
    );
    let quality: Vec<_> = run
        .rows("quality")
        .iter()
        .filter(|row| text(row, "case_id") == "c001")
        .map(|row| text(row, "reason"))
        .collect();
    assert!(
        quality.iter().any(|reason| reason.contains("geo")),
        "{quality:?}"
    );
    assert!(
        run.rows("load")
            .iter()
            .any(|row| text(row, "case_id") == "c001"),
        "what was measured before is kept"
    );
    run.assert_nothing_left();
}

#[test]
fn a_stressor_that_dies_fails_its_case_only() {
    let run = Session::start(
        "experiment: s\naxes: {cpu: [40], round: [1, 2]}\norder: [cpu, round]\nshuffle: false\nload: {warmup: 500ms, duration: 2s}\n",
    );
    run.wait_for_child("load --spec");
    kill_child(&run, "interfere --spec");
    let run = run.finish();
    assert_eq!(run.code(), 3, "{}", run.stderr());
    let cases = run.cases();
    assert_eq!(cases[0].1, "failed", "{cases:?}");
    run.assert_whole(&["c002"]);
    assert!(cases[0].2.contains("cpu interference ended"), "{cases:?}");
}

#[test]
fn a_load_process_that_dies_fails_its_case_only() {
    let run = Session::start(SHORT);
    kill_child(&run, "load --spec");
    let run = run.finish();
    assert_eq!(run.code(), 3, "{}", run.stderr());
    let cases = run.cases();
    assert_eq!(cases[0].1, "failed", "{cases:?}");
    run.assert_whole(&["c002"]);
}

#[test]
fn a_port_that_is_taken_fails_the_cases_and_names_the_port() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("it has an address").port();
    let run = Session::start(&format!(
        "{SHORT}local: {{entrance: \"127.0.0.1:{port}\"}}\n"
    ))
    .finish();
    assert_ne!(run.code(), 0);
    let cases = run.cases();
    assert!(
        cases
            .iter()
            .all(|(_, status, reason)| status == "failed" && reason.contains(&port.to_string())),
        "{cases:?}"
    );
    run.assert_nothing_left();
}

#[test]
fn a_receiver_that_falls_behind_degrades_its_case_and_counts_what_it_refused() {
    let text_of = SHORT.replace(
        "collect: {settle: 10s}",
        "collect: {settle: 1s, trace_memory: 64KiB}",
    );
    let run = Session::start(&text_of).finish();
    assert_eq!(run.code(), 3, "{}", run.stderr());
    let cases = run.cases();
    assert!(
        cases.iter().all(|(_, status, _)| status == "degraded"),
        "{cases:?}"
    );
    assert!(
        run.rows("quality")
            .iter()
            .any(|row| text(row, "source") == "traces"
                && text(row, "reason").contains("spans are missing"))
    );
    assert!(!run.rows("spans").is_empty(), "what came is kept");
}

/// Needs the right to mount; says so where it has not.
#[test]
fn a_full_disk_fails_cases_and_loses_nothing_recorded_before() {
    if !parts::has(Part::Mount) {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let data = dir.path().join("data");
    std::fs::create_dir(&data).expect("a folder");
    // 1 MiB is kept in reserve; the first case of about 300 KiB fits, and the filler takes the rest before the second.
    let disk = SmallDisk::mount(&data, "4m").expect("it was tried");
    let file = dir.path().join("experiment.yaml");
    std::fs::write(&file, SHORT).expect("it can be written");
    let lock = crate::session::alone();
    let run = aefm()
        .arg("run")
        .arg(&file)
        .arg("--data")
        .arg(&data)
        .spawn()
        .expect("aefm starts");
    let run = Session {
        dir,
        process: run,
        alone: Some(lock),
    };
    run.wait_for_journal("done", "start_data_collection", Some("c001"));
    let cases = || {
        crate::session::run_dirs(&data)
            .pop()
            .map(|dir| crate::session::table_rows(&dir, "cases"))
            .filter(|rows| !rows.is_empty())
    };
    aefm_tests::processes::wait_for(crate::session::PATIENCE, cases)
        .expect("the first case is recorded");
    fill(&data.join("filler"));
    let run = run.finish();
    let (code, cases, stderr) = (run.code(), run.cases(), run.stderr());
    drop(disk);
    assert_eq!(code, 3, "{stderr}");
    assert_eq!(cases[1].1, "failed", "{cases:?}");
    assert_ne!(cases[0].1, "failed", "{cases:?}");
    assert!(
        cases[1].2.contains("No space left") || cases[1].2.contains("disk is full"),
        "{cases:?}"
    );
    assert!(!stderr.contains("panicked"), "{stderr}");
    // Unmounted: its file system is that of the folder above it again.
    assert_eq!(device(&data), device(run.dir.path()));
}

/// Writes until nothing more fits.
fn fill(path: &std::path::Path) {
    use std::io::Write;
    let mut file = std::fs::File::create(path).expect("a file");
    while file.write_all(&[0; 4096]).is_ok() {}
}

fn device(path: &std::path::Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).expect("a folder").dev()
}
