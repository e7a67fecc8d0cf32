//! `aefm image tar`: the archive as engines read it, and the program in it run on nothing else.

use crate::session::aefm;
use aefm_tests::parts::{self, Part};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;

/// The files of an archive.
fn unpacked(archive: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(archive).entries().expect("a tar archive") {
        let mut entry = entry.expect("an entry");
        let path = entry.path().expect("a path").display().to_string();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).expect("its content");
        assert!(
            files.insert(path, content).is_none(),
            "a path is there twice"
        );
    }
    files
}

fn json(content: &[u8]) -> Value {
    serde_json::from_slice(content).expect("JSON")
}

/// Follows a descriptor to its blob, which must be what it says.
fn blob<'a>(files: &'a BTreeMap<String, Vec<u8>>, descriptor: &Value) -> &'a [u8] {
    let digest = descriptor["digest"]
        .as_str()
        .and_then(|digest| digest.strip_prefix("sha256:"))
        .expect("a digest");
    let content = &files[&format!("blobs/sha256/{digest}")];
    assert_eq!(descriptor["size"], content.len());
    assert_eq!(hex(content), digest);
    content
}

fn hex(content: &[u8]) -> String {
    Sha256::digest(content)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn write(out: &Path, more: &[&str]) -> Vec<u8> {
    let made = aefm()
        .args(["image", "tar", "--out"])
        .arg(out)
        .args(more)
        .output()
        .expect("aefm starts");
    assert_eq!(
        made.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    fs::read(out).expect("the archive")
}

#[test]
fn an_image_holds_what_its_digests_say_and_runs_on_nothing_else() {
    let dir = tempfile::tempdir().expect("a folder");
    let archive = write(&dir.path().join("a.tar"), &["--name", "me/aefm:1"]);
    assert_eq!(
        hex(&archive),
        hex(&write(&dir.path().join("b.tar"), &["--name", "me/aefm:1"])),
        "equal bytes"
    );
    let files = unpacked(&archive);
    let index = json(&files["index.json"]);
    let descriptor = &index["manifests"][0];
    assert_eq!(
        descriptor["annotations"]["io.containerd.image.name"],
        "docker.io/me/aefm:1"
    );
    let manifest = json(blob(&files, descriptor));
    let (config, layer) = (
        json(blob(&files, &manifest["config"])),
        blob(&files, &manifest["layers"][0]),
    );
    assert_eq!(
        config["rootfs"]["diff_ids"][0],
        format!("sha256:{}", hex(layer))
    );
    // What Docker reads is the same image.
    let docker = &json(&files["manifest.json"])[0];
    let path = |value: &Value| value.as_str().expect("a path").to_owned();
    assert_eq!(
        (
            &docker["RepoTags"][0],
            json(&files[&path(&docker["Config"])])
        ),
        (&"me/aefm:1".into(), config.clone())
    );
    assert_eq!(files[&path(&docker["Layers"][0])], layer);
    runs(layer, &config["config"], &dir.path().join("root"));
}

/// Unpacks the layer and runs its entry point with that folder as its root.
fn runs(layer: &[u8], config: &Value, root: &Path) {
    tar::Archive::new(layer).unpack(root).expect("the layer");
    if !parts::has(Part::Chroot) {
        return;
    }
    let mut command = parts::chroot();
    command
        .arg(root)
        .arg(config["Entrypoint"][0].as_str().expect("an entry point"))
        .arg("--version");
    let path = std::env::var_os("PATH").unwrap_or_default();
    command.env_clear().env("PATH", path);
    let environment = config["Env"]
        .as_array()
        .expect("an environment")
        .iter()
        .filter_map(Value::as_str);
    command.envs(
        environment
            .filter_map(|pair| pair.split_once('='))
            .filter(|(name, _)| *name != "PATH"),
    );
    let output = command.output().expect("chroot is there");
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(
        shown.trim(),
        concat!("aefm ", env!("CARGO_PKG_VERSION")),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn it_is_written_to_a_pipe_too_and_what_cannot_be_is_told() {
    let dir = tempfile::tempdir().expect("a folder");
    let shell = ["image", "tar", "--binary", "/bin/sh"];
    let piped = aefm().args(shell).output().expect("aefm starts");
    assert_eq!(
        piped.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&piped.stderr)
    );
    let files = unpacked(&piped.stdout);
    let config = json(
        &files[json(&files["manifest.json"])[0]["Config"]
            .as_str()
            .expect("a path")],
    );
    assert_eq!(config["config"]["Entrypoint"][0], "/bin/sh");

    let text = dir.path().join("script");
    fs::write(&text, "#!/bin/sh\n").expect("written");
    let script = text.to_str().expect("a path");
    let none = dir.path().join("none/a.tar");
    for (args, code, said) in [
        (
            &["--name", "Aefm:1"][..],
            2,
            "is no name of an image: write NAME:TAG",
        ),
        (&["--binary", script], 2, "it is no 64-bit ELF program"),
        (
            &["--binary", "/none/there"],
            2,
            "failed to read /none/there",
        ),
        (
            &[
                "--binary",
                "/bin/sh",
                "--out",
                none.to_str().expect("a path"),
            ],
            1,
            "failed to write",
        ),
    ] {
        let refused = aefm()
            .args(["image", "tar"])
            .args(args)
            .output()
            .expect("aefm starts");
        let stderr = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(code), "{args:?}: {stderr}");
        assert!(
            stderr.contains(said) && refused.stdout.is_empty(),
            "{args:?}: {stderr}"
        );
    }
}
