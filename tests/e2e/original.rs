//! Files of AEFM 0.2.0 as they are: its sample file and its folders of manifests plan, and the sample runs on this machine.

use crate::session::{aefm, alone, said};
use aefm_tests::parts::{self, Part};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

fn in_folder(dir: &Path, args: &[&str]) -> Output {
    let mut command = aefm();
    command
        .current_dir(dir)
        .env_remove("AEFM_CONFIGS")
        .args(args);
    command.output().expect("aefm starts")
}

/// The sample file, copied to a folder of the test's.
fn sample() -> Option<(PathBuf, tempfile::TempDir)> {
    let package = parts::find(Part::Original)?;
    let dir = tempfile::tempdir().expect("a folder");
    let file = package.join("templates/sample_configs.yaml");
    fs::copy(file, dir.path().join("sample_configs.yaml")).expect("the sample file");
    Some((package, dir))
}

#[test]
fn its_sample_file_plans_as_it_is_and_so_does_what_it_is_migrated_to() {
    let Some((_, dir)) = sample() else {
        return;
    };
    let plan = |file: &str| {
        let output = in_folder(dir.path(), &["plan", "--offline", file]);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        (
            String::from_utf8(output.stdout).expect("text"),
            String::from_utf8(output.stderr).expect("text"),
        )
    };
    let (planned, told) = plan("sample_configs.yaml");
    assert!(planned.contains("80 cases of"), "{planned}");
    assert!(
        planned.contains("cpu, mem_capacity in pods on each node"),
        "{planned}"
    );
    let first = planned.lines().find(|line| line.starts_with("c001"));
    assert_eq!(first, Some("c001  round=1|rate=1|mem_capacity=1|cpu=1"));
    for key in [
        "duration",
        "jaeger_host",
        "test_cases.workload.range",
        "test_cases.sample_customize",
    ] {
        assert!(
            told.lines()
                .any(|line| line.split_whitespace().next() == Some(key)),
            "{key}: {told}"
        );
    }
    let migrated = in_folder(dir.path(), &["migrate", "sample_configs.yaml"]);
    assert_eq!(migrated.status.code(), Some(0), "{}", said(&migrated));
    fs::write(dir.path().join("new.yaml"), &migrated.stdout).expect("written");
    let (again, silent) = plan("new.yaml");
    assert_eq!((again, silent), (planned, String::new()));
    let twice = in_folder(dir.path(), &["migrate", "new.yaml"]);
    assert_eq!(twice.status.code(), Some(2), "{}", said(&twice));
}

#[test]
fn its_folders_of_manifests_plan_as_they_are() {
    let Some((package, dir)) = sample() else {
        return;
    };
    for (app, deployments) in [("hotel", 19), ("social", 29), ("media", 32), ("train", 64)] {
        let folder = package.join("yaml_repository").join(app);
        let repo = format!("file_paths.yaml_repo={}", folder.display());
        let app = format!("app={app}");
        let args = [
            "plan",
            "--offline",
            "sample_configs.yaml",
            "--set",
            &repo,
            "--set",
            &app,
            "--set",
            "replicas=",
            "--set",
            "test_cases.workload.configs.script=",
        ];
        let output = in_folder(dir.path(), &args);
        let all = said(&output);
        assert_eq!(output.status.code(), Some(0), "{app}: {all}");
        let planned = all
            .lines()
            .filter(|line| line.contains("Deployment"))
            .count();
        assert_eq!(planned, deployments, "{app}: {all}");
    }
}

#[test]
fn its_sample_file_runs_on_this_machine() {
    let Some((_, dir)) = sample() else {
        return;
    };
    let _alone = alone();
    let sets = [
        "platform=local",
        "duration=2",
        "load.warmup=500ms",
        "test_cases.workload.range=[20]",
        "test_cases.round=[1]",
        "test_cases.interferences.mem_capacity.range=[1]",
        "test_cases.interferences.mem_capacity.configs.mem_size=64Mi",
        "test_cases.interferences.cpu.range=[0, 5]",
    ];
    let mut args = vec!["run", "sample_configs.yaml"];
    args.extend(sets.iter().flat_map(|set| ["--set", set]));
    let output = in_folder(dir.path(), &args);
    let all = said(&output);
    // Five pods of a core are more than there is: that case is degraded, and says by how much.
    assert_eq!(output.status.code(), Some(3), "{all}");
    assert!(all.contains("app") && all.contains("[2/2]"), "{all}");
    let lines: Vec<_> = all.lines().filter(|line| line.starts_with('[')).collect();
    assert!(
        lines.iter().any(|line| line.contains("cpu=5 degraded")),
        "{all}"
    );
}
