//! `aefm get-file`: what it writes is taken back, and nothing is written over. No cluster, no home, and but for nginx's files
//! no network.

use crate::session::aefm;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Output;

/// Runs `aefm` in a folder where nothing leads to a cluster.
fn run(dir: &Path, args: &[&str]) -> Output {
    let mut command = aefm();
    command
        .args(args)
        .current_dir(dir)
        .env("KUBECONFIG", "/nonexistent")
        .env("HOME", dir.join("home"));
    command.output().expect("aefm starts")
}

fn done(dir: &Path, args: &[&str]) -> String {
    let output = run(dir, args);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What a plan would make, whatever the order.
fn planned(dir: &Path, app: &str, kubernetes: &str) -> BTreeSet<String> {
    let text = format!(
        "platform: kubernetes\napp: {app}\naxes: {{rate: [10]}}\nkubernetes: {{{kubernetes}}}\n"
    );
    fs::write(dir.join("experiment.yaml"), text).expect("written");
    let shown = done(dir, &["plan", "--offline", "experiment.yaml"]);
    let objects: BTreeSet<_> = shown
        .lines()
        .filter_map(|line| line.strip_prefix("+ "))
        .map(str::to_owned)
        .collect();
    assert!(objects.len() > 20, "{shown}");
    objects
}

#[test]
fn manifests_that_were_written_are_deployed_as_the_catalogue_is_and_edits_count() {
    for app in [
        "hotel-reservation",
        "social-network",
        "media-microservices",
        "train-ticket",
    ] {
        let dir = tempfile::tempdir().expect("a folder");
        done(
            dir.path(),
            &["get-file", "manifests", "--app", app, "--dir", "own"],
        );
        let folder = format!("own/manifests/{app}");
        let written = planned(dir.path(), app, &format!("manifests: {folder}"));
        assert_eq!(
            written,
            planned(dir.path(), app, "deploy: catalogue"),
            "{app}"
        );
    }
}

#[test]
fn an_edited_folder_is_what_is_deployed_and_a_copy_in_it_is_told_with_both_files() {
    let dir = tempfile::tempdir().expect("a folder");
    assert!(done(dir.path(), &["download", "manifests"]).contains("manifests/hotel-reservation ("));
    let folder = dir.path().join("manifests/hotel-reservation");
    let geo = folder.join("under-test/geo.deployment.yaml");
    let text = fs::read_to_string(&geo).expect("it is there");
    fs::write(&geo, text.replace("name: geo\n", "name: geo-2\n")).expect("written");
    let planned = planned(
        dir.path(),
        "hotel-reservation",
        "manifests: manifests/hotel-reservation",
    );
    let there = |name: &str| planned.contains(&format!("Deployment `{name}` in hotel-reserv"));
    assert!(there("geo-2") && !there("geo"), "{planned:?}");
    fs::copy(&geo, folder.join("copy.yaml")).expect("copied");
    let refused = run(dir.path(), &["plan", "--offline", "experiment.yaml"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(
        said.contains("copy.yaml") && said.contains("under-test/geo.deployment.yaml"),
        "{said}"
    );
}

#[test]
fn all_that_needs_no_network_is_written_once_and_again_only_by_force() {
    let dir = tempfile::tempdir().expect("a folder");
    let shown = done(dir.path(), &["get-file", "--dir", "got"]);
    for path in [
        "got/manifests/hotel-reservation",
        "got/rbac/hotel-reservation.yaml",
        "got/Containerfile",
    ] {
        assert!(
            shown.contains(&format!("wrote {path} (")) && dir.path().join(path).exists(),
            "{shown}"
        );
    }
    let file = dir.path().join("got/Containerfile");
    let written = fs::read_to_string(&file).expect("it is there");
    assert_eq!(written, include_str!("../../Containerfile"));
    fs::write(&file, "mine").expect("written");
    let refused = run(dir.path(), &["get-file", "all", "--dir", "got"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(
        said.contains("got/Containerfile: it exists") && said.contains("--force"),
        "{said}"
    );
    assert_eq!(fs::read_to_string(&file).expect("it is there"), "mine");
    done(dir.path(), &["get-file", "all", "--dir", "got", "--force"]);
    assert_eq!(fs::read_to_string(&file).expect("it is there"), written);
}

#[test]
fn what_an_experiment_says_is_in_what_is_written() {
    let dir = tempfile::tempdir().expect("a folder");
    let text = "platform: kubernetes\napp: social-network\naxes: {rate: [10]}\nkubernetes: {namespace: mine, entrance: ingress}\n";
    fs::write(dir.path().join("x.yaml"), text).expect("written");
    done(dir.path(), &["get-file", "rbac", "--file", "x.yaml"]);
    done(dir.path(), &["get-file", "manifests", "--file", "x.yaml"]);
    let rights =
        fs::read_to_string(dir.path().join("rbac/social-network.yaml")).expect("it is there");
    assert!(
        rights.contains("namespace: mine") && rights.contains("ingresses"),
        "{rights}"
    );
    assert!(
        rights.contains("in namespace mine:") && !rights.contains("persistentvolumes"),
        "{rights}"
    );
    let nginx = fs::read_to_string(
        dir.path()
            .join("manifests/social-network/under-test/nginx-thrift.deployment.yaml"),
    );
    assert!(
        nginx
            .expect("it is there")
            .contains(".mine.svc.cluster.local")
    );
}

#[test]
fn what_cannot_be_written_is_told_with_a_way_out() {
    let dir = tempfile::tempdir().expect("a folder");
    fs::write(dir.path().join("file"), "").expect("written");
    for (args, code, said) in [
        (&["get-file", "manifest"][..], 2, "manifests"),
        (&["get-file", "--app", "hotl"], 2, "hotel-reservation"),
        (&["get-file", "--file", "none.yaml"], 2, "aefm init"),
        (&["get-file", "nginx-configs"], 1, "has no nginx"),
        (
            &["get-file", "image", "--dir", "file"],
            1,
            "failed to write file/Containerfile",
        ),
    ] {
        let refused = run(dir.path(), args);
        let stderr = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(code), "{args:?}: {stderr}");
        assert!(stderr.contains(said), "{args:?}: {stderr}");
    }
}
