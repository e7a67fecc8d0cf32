//! `aefm init`, `aefm plan`, and experiment files that are wrong.

use crate::session::{Session, aefm, run_dirs};
use std::fs;

#[test]
fn init_writes_the_default_experiment_and_never_over_a_file() {
    let dir = tempfile::tempdir().expect("a folder");
    let target = dir.path().join("new");
    let init = |force: bool| {
        aefm()
            .arg("init")
            .arg(&target)
            .args(force.then_some("--force"))
            .output()
            .expect("aefm runs")
    };
    assert_eq!(init(false).status.code(), Some(0));
    let file = target.join("experiment.yaml");
    let written = fs::read_to_string(&file).expect("it is there");
    assert!(
        written.lines().filter(|line| line.contains('#')).count() > 10,
        "it is commented"
    );

    fs::write(&file, "mine").expect("it can be written");
    let refused = init(false);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--force"));
    assert_eq!(fs::read_to_string(&file).expect("it is there"), "mine");
    assert_eq!(init(true).status.code(), Some(0));
    assert_eq!(fs::read_to_string(&file).expect("it is there"), written);

    let planned = aefm().arg("plan").arg(&file).output().expect("aefm runs");
    assert_eq!(planned.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&planned.stdout).contains("12 cases"));
}

#[test]
fn a_broken_file_gets_all_its_faults_and_starts_nothing() {
    let run = Session::start("axes: {ratee: [20]}\nload: {duration: soon}\n").finish();
    assert_eq!(run.code(), 2);
    let said = run.stderr();
    assert!(
        said.contains("experiment.yaml:1:8") && said.contains("did you mean `rate`?"),
        "{said}"
    );
    assert!(
        said.contains("experiment.yaml:2:18") && said.contains("2 faults"),
        "{said}"
    );
    assert!(run_dirs(&run.dir.path().join("data")).is_empty());
}

#[test]
fn a_missing_file_and_a_wrong_flag_are_usage_errors() {
    let missing = aefm()
        .args(["run", "nowhere.yaml"])
        .output()
        .expect("aefm runs");
    assert_eq!(missing.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("aefm init"));
    let wrong = aefm()
        .args(["run", "--dta", "x"])
        .output()
        .expect("aefm runs");
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("--data"));
}

#[test]
fn cores_that_are_not_there_are_refused_before_anything_starts() {
    let run = Session::start(
        "axes: {rate: [5]}\nlocal: {instrument_cores: [0], testbed_cores: [4095]}\n",
    )
    .finish();
    assert_eq!(run.code(), 2);
    assert!(run.stderr().contains("core 4095"), "{}", run.stderr());
}

#[test]
fn saved_traces_become_tables_and_broken_ones_say_where() {
    let dir = tempfile::tempdir().expect("a folder");
    let good = dir.path().join("good.json");
    let span = |id: &str, parent: &str, start: u64, duration: u64| {
        let reference = if parent.is_empty() {
            String::new()
        } else {
            format!(
                r#"{{"refType":"CHILD_OF","traceID":"00000000000000000000000000000001","spanID":"{parent}"}}"#
            )
        };
        format!(
            r#"{{"traceID":"00000000000000000000000000000001","spanID":"{id}","operationName":"op","references":[{reference}],"startTime":{start},"duration":{duration},"tags":[],"logs":[],"processID":"p1"}}"#
        )
    };
    let spans = [
        span("00000000000000aa", "", 1_000, 100),
        span("00000000000000bb", "00000000000000aa", 1_020, 60),
        span("00000000000000cc", "00000000000000aa", 1_030, 60),
    ];
    let answer = format!(
        r#"{{"data":[{{"traceID":"00000000000000000000000000000001","spans":[{}],"processes":{{"p1":{{"serviceName":"shop","tags":[]}}}}}}],"total":0,"limit":0,"offset":0,"errors":null}}"#,
        spans.join(",")
    );
    fs::write(&good, answer).expect("it can be written");
    let out = dir.path().join("tables");
    let import = |file: &std::path::Path, out: &std::path::Path, more: &[&str]| {
        aefm()
            .args(["import", "jaeger"])
            .arg(file)
            .arg("--out")
            .arg(out)
            .args(more)
            .output()
            .expect("aefm runs")
    };
    let imported = import(&good, &out, &[]);
    assert_eq!(
        imported.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&imported.stderr)
    );
    let rows = crate::session::table_rows(&out, "spans");
    let own: Vec<_> = rows
        .iter()
        .filter(|row| crate::session::text(row, "span_id") == "00000000000000aa")
        .map(|row| crate::session::int(row, "self_ns"))
        .collect();
    // Two parallel children cover 70 us of the 100 between them, not 120.
    assert_eq!(own, [30_000]);

    let broken = dir.path().join("broken.json");
    fs::write(&broken, "{\"data\": [{]").expect("it can be written");
    let other = dir.path().join("other");
    let refused = import(&broken, &other, &[]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("broken.json at byte"));
    assert!(!other.exists());

    // What is there is only written over when that is asked for.
    let again = import(&good, &out, &[]);
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("--force"));
    assert_eq!(import(&good, &out, &["--force"]).status.code(), Some(0));
    assert_eq!(
        import(&good, &out, &["--case", "more"]).status.code(),
        Some(0)
    );

    // A part that is left out is told, by its byte and by the exit code.
    let whole = fs::read_to_string(&good).expect("it is there");
    let partly = dir.path().join("partly.json");
    fs::write(&partly, format!("{whole}\n{{\"data\": [{{]")).expect("it can be written");
    let told = import(&partly, &other, &[]);
    assert_eq!(told.status.code(), Some(3));
    let at = format!("partly.json at byte {}", whole.len() + 11);
    assert!(
        String::from_utf8_lossy(&told.stderr).contains(&at),
        "{told:?}"
    );
    let cases = crate::session::table_rows(&other, "cases");
    assert_eq!(crate::session::text(&cases[0], "status"), "degraded");

    // It is exported like a run's.
    let exported = aefm()
        .arg("export")
        .arg(&other)
        .args(["--format", "jaeger-json", "--out"])
        .arg(dir.path().join("json"))
        .output()
        .expect("aefm runs");
    assert_eq!(exported.status.code(), Some(0), "{exported:?}");
    let back = dir.path().join("back");
    assert_eq!(
        import(&dir.path().join("json/c001.json"), &back, &[])
            .status
            .code(),
        Some(0)
    );
    assert_eq!(crate::session::table_rows(&back, "spans").len(), 3);
}
