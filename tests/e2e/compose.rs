//! Experiments put together: a file over another one, keys from the command line, variables; which file is taken; what is
//! wrong, told without a run.

use crate::session::{aefm, alone, said};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Output;

const BASE: &str = "experiment: base\naxes: {rate: [40, 80], cpu: [0, 30]}\n\
    load: {warmup: 500ms, duration: 30s}\ncollect: {settle: 10s}\n";
const ABOVE: &str =
    "extends: base/base.yaml\nexperiment: above\nload: {duration: \"${HOW_LONG}\"}\n";

/// Runs `aefm` in a folder, with variables of its own.
fn in_folder(dir: &Path, variables: &[(&str, &str)], args: &[&str]) -> Output {
    let mut command = aefm();
    command
        .current_dir(dir)
        .env_remove("AEFM_CONFIGS")
        .envs(variables.iter().copied())
        .args(args);
    command.output().expect("aefm starts")
}

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("it can be made");
        fs::write(path, text).expect("it can be written");
    }
    dir
}

#[test]
fn a_run_keeps_what_was_run_and_the_texts_it_came_from() {
    let dir = folder(&[("experiment.yaml", ABOVE), ("base/base.yaml", BASE)]);
    let _alone = alone();
    let args = [
        "run",
        "--set",
        "axes.rate=[40]",
        "--set",
        "axes.cpu=",
        "--set",
        "axes.round=[1, 2]",
    ];
    let output = in_folder(dir.path(), &[("HOW_LONG", "2s")], &args);
    let all = said(&output);
    assert!([Some(0), Some(3)].contains(&output.status.code()), "{all}");
    assert!(
        all.contains("aefm: reads experiment.yaml: it is in this folder"),
        "{all}"
    );
    // The first of the two cases says how long the other one takes, and the last nothing any more.
    let lines: Vec<_> = all.lines().filter(|line| line.starts_with('[')).collect();
    assert!(
        lines.len() == 2 && !lines[1].ends_with(" left"),
        "{lines:?}"
    );
    let runs = dir.path().join("data/above");
    let run = fs::read_dir(runs)
        .expect("a run")
        .flatten()
        .next()
        .expect("one run");
    let file = fs::read(run.path().join("run.json")).expect("run.json");
    let file: Value = serde_json::from_slice(&file).expect("JSON");
    let source = file["source"].as_str().expect("a text");
    for line in [
        "experiment: above",
        "  duration: 2s",
        "  rate: [40]",
        "  round: [1, 2]",
        "  warmup: 500ms",
    ] {
        assert!(
            source.lines().any(|there| there == line),
            "{line}: {source}"
        );
    }
    let parts = file["parts"].as_array().expect("parts");
    let names: Vec<_> = parts.iter().map(|part| &part["name"]).collect();
    assert_eq!(
        names,
        [
            "experiment.yaml",
            "base/base.yaml",
            "--set",
            "--set",
            "--set"
        ]
    );
    assert_eq!(parts[0]["text"], ABOVE);
    assert_eq!(parts[2]["text"], "axes.rate=[40]");
    // What was kept is an experiment by itself, without the environment and the other file.
    fs::write(dir.path().join("kept.yaml"), source).expect("written");
    fs::remove_dir_all(dir.path().join("base")).expect("removed");
    let plan = in_folder(dir.path(), &[], &["plan", "kept.yaml"]);
    assert!(
        said(&plan).contains("2 cases of 2.5 s of load each"),
        "{}",
        said(&plan)
    );
}

#[test]
fn all_faults_are_told_without_a_run_for_people_and_as_json() {
    let base = BASE.replace("settle", "setle");
    let dir = folder(&[("experiment.yaml", ABOVE), ("base/base.yaml", &base)]);
    let unset = in_folder(dir.path(), &[], &["validate"]);
    assert_eq!(unset.status.code(), Some(2));
    let unset = said(&unset);
    assert!(
        unset.contains("no such variable") && unset.contains("--> experiment.yaml:3:"),
        "{unset}"
    );
    let variables = [("HOW_LONG", "soon")];
    let args = ["validate", "--json", "--set", "load.conections=3"];
    let output = in_folder(dir.path(), &variables, &args);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let places: Vec<_> = told["faults"]
        .as_array()
        .expect("faults")
        .iter()
        .map(|fault| json!([fault["file"], fault["line"], fault["column"]]))
        .collect();
    let wanted = [
        json!(["experiment.yaml", 3, 18]),
        json!(["base/base.yaml", 4, 11]),
        json!(["--set", 1, 6]),
    ];
    assert_eq!(places, wanted, "{told}");
    assert!(
        told["valid"] == false && output.stderr.is_empty(),
        "{}",
        said(&output)
    );
    assert!(!dir.path().join("data").exists(), "nothing was started");
    fs::write(dir.path().join("base/base.yaml"), BASE).expect("written");
    let right = in_folder(dir.path(), &[("HOW_LONG", "5s")], &["validate", "--json"]);
    assert_eq!(right.status.code(), Some(0), "{}", said(&right));
    let told: Value = serde_json::from_slice(&right.stdout).expect("JSON");
    assert_eq!(told["cases"], 4);
}

#[test]
fn init_takes_its_folder_in_either_way() {
    let dir = folder(&[]);
    for args in [&["init", "-d", "one"][..], &["init", "two"]] {
        let output = in_folder(dir.path(), &[], args);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    }
    for name in ["one", "two"] {
        let file = dir.path().join(name).join("experiment.yaml");
        assert!(file.is_file(), "{}", file.display());
    }
}

#[test]
fn the_file_that_nobody_named_is_looked_for_and_told() {
    let one = |rate: u32| format!("axes: {{rate: [{rate}]}}\nseed: 1\n");
    let dir = folder(&[
        ("aefm_configs.yaml", &one(21)),
        ("named.yaml", &one(22)),
        ("else.yaml", &one(23)),
    ]);
    let plan = |variables: &[(&str, &str)], args: &[&str]| {
        let output = in_folder(dir.path(), variables, &[&["plan"], args].concat());
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        said(&output)
    };
    let variables = [("AEFM_CONFIGS", "named.yaml")];
    let own = plan(&[], &[]);
    assert!(
        own.contains("reads aefm_configs.yaml: it is in this folder") && own.contains("rate=21"),
        "{own}"
    );
    fs::write(dir.path().join("experiment.yaml"), one(24)).expect("written");
    assert!(plan(&[], &[]).contains("rate=24"));
    let named = plan(&variables, &[]);
    assert!(
        named.contains("reads named.yaml: AEFM_CONFIGS names it") && named.contains("rate=22"),
        "{named}"
    );
    assert!(plan(&variables, &["else.yaml"]).contains("rate=23"));
    let gone = in_folder(dir.path(), &[("AEFM_CONFIGS", "gone.yaml")], &["plan"]);
    assert_eq!(gone.status.code(), Some(2));
    assert!(
        said(&gone).contains("gone.yaml (AEFM_CONFIGS names it)"),
        "{}",
        said(&gone)
    );
}
