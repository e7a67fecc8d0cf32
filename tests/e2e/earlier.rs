//! Datasets of earlier versions stay readable: `earlier/` holds one of each schema, written by the program of its time.

use crate::session::{aefm, table_rows};
use std::path::Path;

/// Copies a folder.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("it can be copied");
        }
    }
}

/// Two cases of 10 requests a second for a second, of schema version 1.
#[test]
fn a_dataset_of_schema_1_is_exported_and_collected_again() {
    let dir = tempfile::tempdir().expect("a folder");
    let run = dir.path().join("run");
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/e2e/earlier/8aa08c8");
    copy(&fixture, &run);
    for (format, said) in [
        ("otlp", "156 spans of 2 cases"),
        ("jaeger-json", "156 spans of 2 cases"),
        ("csv", "302 rows of 2 cases"),
        ("alibaba", "156 calls of 2 cases"),
        ("aefm-csv", "134 rows of 2 cases"),
    ] {
        let out = dir.path().join(format);
        let done = aefm()
            .args(["export", "--format", format, "--out"])
            .args([&out, &run])
            .output()
            .expect("aefm runs");
        let told = String::from_utf8_lossy(&done.stdout).into_owned();
        let stderr = String::from_utf8_lossy(&done.stderr);
        assert!(
            done.status.success() && told.contains(said),
            "{format}: {told}{stderr}"
        );
    }
    let file = dir.path().join("collect.yaml");
    let text = "collect: {tables: {mine: {command: [sh, -c, \"printf 'a\\\\n7\\\\n'\"], format: csv, again: true}}}\n";
    std::fs::write(&file, text).expect("it can be written");
    let again = aefm()
        .arg("collect")
        .arg(&run)
        .arg("--file")
        .arg(&file)
        .output()
        .expect("aefm runs");
    assert!(
        again.status.success(),
        "{}",
        String::from_utf8_lossy(&again.stderr)
    );
    assert_eq!(table_rows(&run, "user_mine").len(), 2);
    assert_eq!(table_rows(&run, "requests").len(), 30);
}
