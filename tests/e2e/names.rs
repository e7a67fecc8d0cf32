//! The programs by their own names: links to `aefm`.

use std::os::unix::fs::symlink;
use std::process::{Command, Output};

fn named(name: &str, args: &[&str]) -> Output {
    let dir = tempfile::tempdir().expect("a folder");
    let link = dir.path().join(name);
    symlink(env!("CARGO_BIN_EXE_aefm"), &link).expect("a link can be made");
    let profile = dir.path().join("profile.yaml");
    let text =
        "duration: 1s\nreport: 200ms\nstressors:\n- {kind: cpu, cores: '0', intensity: 2%}\n";
    std::fs::write(&profile, text).expect("it can be written");
    let args = args.iter().map(|arg| {
        if *arg == "PROFILE" {
            profile.as_os_str()
        } else {
            arg.as_ref()
        }
    });
    Command::new(&link).args(args).output().expect("it runs")
}

#[test]
fn a_link_is_the_program_of_its_name_and_so_are_its_children() {
    let load = named("aefm-load", &["workloads"]);
    assert!(
        load.status.success()
            && String::from_utf8_lossy(&load.stdout).contains("train-ticket/query"),
        "{load:?}"
    );
    // Each stressor of a profile is a process of the same program. A busy machine may keep it from holding its share.
    let interfere = named("aefm-interfere", &["run", "PROFILE", "--json"]);
    assert!(
        [0, 3].contains(&interfere.status.code().unwrap_or(-1)),
        "{interfere:?}"
    );
    assert!(
        String::from_utf8_lossy(&interfere.stdout).contains("\"summary\":true"),
        "{interfere:?}"
    );
}
