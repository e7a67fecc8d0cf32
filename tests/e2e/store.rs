//! Runs whose dataset goes into a store that speaks S3.

use crate::moto::{Moto, variables};
use crate::session::{PATIENCE, Session, aefm, alone, run_dirs, said};
use aefm_tests::processes::wait_for;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use tokio::runtime::Runtime;

const TWO: &str = "experiment: short\naxes: {rate: [40, 50]}\nshuffle: false\nload: {warmup: 500ms, duration: 2s, grace: 1s}\n\
collect: {settle: 10s, pending: 1}\ndata: s3://bucket/lab\n";

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

fn in_folder(dir: &Path, variables: impl IntoIterator<Item = (String, String)>) -> Command {
    let mut command = aefm();
    for name in [
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_ENDPOINT_URL",
    ] {
        command.env_remove(name);
    }
    command.current_dir(dir).envs(variables);
    command
}

fn started(dir: &Path, moto: &Moto) -> Child {
    fs::write(dir.join("experiment.yaml"), TWO).expect("the file can be written");
    in_folder(dir, moto.variables())
        .args(["run", "experiment.yaml"])
        .spawn()
        .expect("aefm starts")
}

/// The files of a dataset by their names below it.
fn files(folder: &Path) -> BTreeSet<String> {
    let (mut names, mut open) = (BTreeSet::new(), vec![folder.to_owned()]);
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir).expect("a folder").flatten() {
            let name = entry
                .path()
                .strip_prefix(folder)
                .expect("below")
                .to_string_lossy()
                .into_owned();
            if entry.path().is_dir() {
                open.push(entry.path());
            } else if !name.starts_with('.') {
                names.insert(name);
            }
        }
    }
    names
}

/// All that is in the folder is in the store, byte for byte, and nothing else.
fn assert_there(moto: &Moto, folder: &Path, place: &str) {
    runtime().block_on(async {
        let there: BTreeSet<_> = moto
            .names()
            .await
            .into_iter()
            .filter(|name| name.starts_with(place))
            .collect();
        let here: BTreeSet<_> = files(folder)
            .into_iter()
            .map(|name| format!("{place}/{name}"))
            .collect();
        assert!(here.len() > 10, "{here:?}");
        assert_eq!(there, here);
        for name in files(folder) {
            let object = moto
                .object(&format!("{place}/{name}"))
                .await
                .expect("it is listed");
            assert!(
                object == fs::read(folder.join(&name)).expect("it is here"),
                "{name} differs"
            );
        }
    });
}

/// Waits until the first case's tables are in the store while the run goes on; the run's folder.
fn first_case_there(dir: &Path, moto: &Moto, run: &mut Child) -> PathBuf {
    let is_up = || {
        let folder = run_dirs(&dir.join("data")).pop()?;
        fs::read_to_string(folder.join("run.log"))
            .ok()?
            .contains(" files uploaded")
            .then_some(folder)
    };
    let folder = wait_for(PATIENCE, is_up).expect("the first case goes up");
    let names = runtime().block_on(moto.names());
    assert_eq!(
        run.try_wait().expect("it can be asked"),
        None,
        "the run is over before"
    );
    let there = |what: &str| names.iter().any(|name| name.ends_with(what));
    assert!(
        there("/cases/case=c001/part-0.parquet") && !there("run.json"),
        "{names:?}"
    );
    folder
}

#[test]
fn a_case_goes_up_while_the_next_one_runs_and_in_the_end_all_is_there() {
    let dir = tempfile::tempdir().expect("a folder");
    let Some(moto) = runtime().block_on(Moto::start(dir.path())) else {
        return;
    };
    let _alone = alone();
    let mut run = started(dir.path(), &moto);
    let folder = first_case_there(dir.path(), &moto, &mut run);
    let id = folder
        .file_name()
        .and_then(|name| name.to_str())
        .expect("a run's id")
        .to_owned();
    let output = run.wait_with_output().expect("its output can be read");
    let text = said(&output);
    assert!(
        output.status.success()
            && text.contains(&format!("uploaded: s3://bucket/lab/short/{id} (")),
        "{text}"
    );
    assert_there(&moto, &folder, &format!("lab/short/{id}"));

    // Nothing is sent twice, and to another place all is.
    let upload = |to: &[&str]| {
        let output = in_folder(dir.path(), moto.variables())
            .arg("upload")
            .arg(&folder)
            .args(to)
            .output();
        let output = output.expect("aefm starts");
        assert!(output.status.success(), "{}", said(&output));
        said(&output)
    };
    assert!(upload(&[]).contains("(0 files sent now"));
    assert!(upload(&["--to", "s3://bucket/elsewhere"]).contains("; 0 were there)"));
    assert_there(&moto, &folder, &format!("elsewhere/short/{id}"));
}

#[test]
fn a_store_that_goes_away_costs_no_data_and_upload_ends_it_later() {
    let dir = tempfile::tempdir().expect("a folder");
    let Some(moto) = runtime().block_on(Moto::start(dir.path())) else {
        return;
    };
    let _alone = alone();
    let mut run = started(dir.path(), &moto);
    let folder = first_case_there(dir.path(), &moto, &mut run);
    drop(moto);
    let output = run.wait_with_output().expect("its output can be read");
    let text = said(&output);
    assert_eq!(output.status.code(), Some(3), "{text}");
    let told = format!(
        "`aefm upload {}` sends the rest",
        folder.strip_prefix(dir.path()).expect("below").display()
    );
    assert!(text.contains(&told) && text.contains("refused"), "{text}");
    let file: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.join("run.json")).expect("it is there"))
            .expect("run.json is JSON");
    assert_eq!(
        (file["state"].as_str(), file["cases"]["ok"].as_u64()),
        (Some("complete"), Some(2)),
        "{file}"
    );

    let moto = runtime()
        .block_on(Moto::start(dir.path()))
        .expect("there was one");
    let output = in_folder(dir.path(), moto.variables())
        .arg("upload")
        .arg(&folder)
        .output()
        .expect("aefm starts");
    assert!(output.status.success(), "{}", said(&output));
    assert_there(
        &moto,
        &folder,
        &format!("lab/short/{}", file["run_id"].as_str().expect("an id")),
    );
}

#[test]
fn nothing_is_started_for_a_store_that_cannot_be_written() {
    let dir = tempfile::tempdir().expect("a folder");
    let run = |variables: Vec<(String, String)>, data: &str| {
        let output = in_folder(dir.path(), variables)
            .args(["run", "--data", data])
            .output()
            .expect("aefm starts");
        assert!(!dir.path().join("data").exists(), "a run's folder was made");
        (output.status.code(), said(&output))
    };
    // Faults of the line and of the file, with a way out.
    for data in ["ftp://host/x", "s3:/x"] {
        let (code, text) = run(Vec::new(), data);
        assert!(
            code == Some(2) && text.contains("s3://BUCKET/FOLDER"),
            "{text}"
        );
    }
    fs::write(
        dir.path().join("e.yaml"),
        "data: s3:/x\nseed: x\naxes: {rate: [40]}\n",
    )
    .expect("the file can be written");
    let wrong = in_folder(dir.path(), [])
        .args(["plan", "e.yaml"])
        .output()
        .expect("aefm starts");
    assert!(
        wrong.status.code() == Some(2) && said(&wrong).contains("2 faults in e.yaml"),
        "{}",
        said(&wrong)
    );
    let none = in_folder(dir.path(), [])
        .args(["upload", "nowhere"])
        .output()
        .expect("aefm starts");
    assert!(
        none.status.code() == Some(2) && said(&none).contains("name a run's folder"),
        "{}",
        said(&none)
    );

    // Nobody knows who we are.
    let metadata = (
        "AWS_METADATA_ENDPOINT".to_owned(),
        "http://127.0.0.1:1".to_owned(),
    );
    let (code, text) = run(vec![metadata], "s3://bucket/x");
    assert!(
        code == Some(1) && text.contains("AWS_SECRET_ACCESS_KEY are not set"),
        "{text}"
    );
    assert!(text.contains("nothing was started"), "{text}");

    let Some(moto) = runtime().block_on(Moto::start(dir.path())) else {
        return;
    };
    let (code, text) = run(
        variables(moto.port, "key", "secret").into(),
        "s3://nowhere/x",
    );
    assert!(
        code == Some(1) && text.contains("s3://nowhere/x: NoSuchBucket"),
        "{text}"
    );
}

#[test]
fn a_run_into_a_folder_is_uploaded_where_it_is_told_to() {
    let experiment =
        "experiment: short\naxes: {rate: [40]}\nload: {warmup: 500ms, duration: 1s, grace: 1s}\n";
    let run = Session::start(experiment).finish();
    assert_eq!(run.code(), 0, "{}", run.stderr());
    let upload = |to: &[&str]| {
        let output = in_folder(run.dir.path(), [])
            .arg("upload")
            .arg(run.run_dir())
            .args(to)
            .output();
        let output = output.expect("aefm starts");
        (output.status.code(), said(&output))
    };
    let (code, text) = upload(&[]);
    assert!(code == Some(2) && text.contains("add --to URL"), "{text}");
    let (code, text) = upload(&["--to", "gs:/x"]);
    assert!(
        code == Some(2) && text.contains("gs://BUCKET/FOLDER"),
        "{text}"
    );
}
