//! What users read, word by word, beside files in `reads/`: help of every command, faults of wrong files, the plan.
//! `INSTA_UPDATE=always` writes the files anew; the difference is then read before it is committed.

use crate::session::{aefm, said};
use std::fs;
use std::path::Path;
use std::process::Output;

/// Compares a text with its file.
fn assert_reads(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("reads");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

fn help(words: &[&str]) -> String {
    let output = aefm()
        .args(words)
        .arg("--help")
        .env_remove("COLUMNS")
        .output()
        .expect("aefm starts");
    assert_eq!(
        output.status.code(),
        Some(0),
        "{words:?}: {}",
        said(&output)
    );
    String::from_utf8(output.stdout).expect("help is text")
}

/// The names below "Commands:" in a help.
fn commands(help: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let lines = lines.take_while(|line| !line.is_empty());
    // A name stands two blanks in; what goes on from the line before stands deeper.
    let names = lines.filter_map(|line| {
        let line = line
            .strip_prefix("  ")
            .filter(|line| !line.starts_with(' '))?;
        line.split_whitespace().next().map(str::to_owned)
    });
    names.filter(|name| name != "help").collect()
}

fn read_help_below(words: &[&str], read: &mut Vec<String>) {
    let text = help(words);
    let name = [&["help"][..], words].concat().join("-");
    assert_reads(&name, &text);
    read.push(name);
    for command in commands(&text) {
        read_help_below(&[words, &[command.as_str()]].concat(), read);
    }
}

#[test]
fn help_of_every_command() {
    let mut read = Vec::new();
    read_help_below(&[], &mut read);
    for known in [
        "help-run",
        "help-load",
        "help-interfere-cpu",
        "help-image-tar",
    ] {
        assert!(read.iter().any(|name| name == known), "{known}: {read:?}");
    }
}

fn plan(file: &Path) -> Output {
    let folder = file.parent().expect("a folder");
    let name = file.file_name().expect("a name");
    let mut command = aefm();
    command.current_dir(folder).arg("plan").arg(name);
    command.output().expect("aefm starts")
}

/// Files that are wrong, each in its own way; what is said of each.
#[test]
fn faults_of_files_that_are_wrong() {
    let dir = tempfile::tempdir().expect("a folder");
    let bomb: String = (1..30)
        .map(|n| {
            let earlier = vec![format!("*a{}", n - 1); 10].join(", ");
            format!("a{n}: &a{n} [{earlier}]\n")
        })
        .collect();
    let long = format!("experiment: x\n# {}\n", "x".repeat(2 << 20));
    let cases: &[(&str, &[u8])] = &[
        ("two-documents", b"experiment: x\naxes: {rate: [20]}\n---\nexperiment: y\naxes: {rate: [40]}\n"),
        ("key-twice", b"experiment: x\naxes: {rate: [20]}\naxes: {rate: [40]}\n"),
        ("quoted-numbers", b"experiment: x\naxes: {rate: [\"20\", '40']}\nseed: '7'\nshuffle: 'true'\n"),
        ("keys-elsewhere", b"axes: {rate: [20]}\nmeasuree: 5s\nwarm_up: 1s\nsettle: 3s\nload: {seed: 3, wamup: 1s}\n"),
        ("unknown-key", b"axes: {rate: [20]}\ncolour: blue\n"),
        ("tabs", b"axes:\n\trate: [20]\n"),
        ("no-break-space", b"axes:\n  rate:\xc2\xa0[20]\n"),
        ("wrong-types", b"axes: [20]\nload: 5s\nshuffle: yes\nseed: 1.5\nexperiment: [a]\ncollect: 3\n"),
        ("unknown-anchor", b"axes: {rate: *rates}\n"),
        ("alias-bomb", &[b"a0: &a0 [x, x]\n", bomb.as_bytes()].concat()),
        ("unclosed", b"axes: {rate: [20]\nload: {}\n"),
        ("empty", b""),
        ("only-comments", b"# nothing yet\n"),
        ("a-list", b"- axes\n"),
        ("utf-16", b"\xff\xfea\0x\0"),
        ("binary", b"\x7fELF\x02\x01"),
        ("latin-1", b"experiment: gr\xfcn\n"),
        ("too-long", long.as_bytes()),
    ];
    for (name, text) in cases {
        let file = dir.path().join("wrong.yaml");
        fs::write(&file, text).expect("it can be written");
        let output = plan(&file);
        assert_eq!(output.status.code(), Some(2), "{name}: {}", said(&output));
        assert!(output.stdout.is_empty(), "{name}: {}", said(&output));
        assert_reads(
            &format!("fault-{name}"),
            &String::from_utf8_lossy(&output.stderr),
        );
    }
    let folder = dir.path().join("wrong");
    fs::create_dir(&folder).expect("a folder");
    assert_reads("fault-folder", &said(&plan(&folder)));
    assert_reads(
        "fault-missing",
        &said(&plan(&dir.path().join("nowhere.yaml"))),
    );
}

#[test]
fn files_of_other_systems_are_read_as_they_are() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("right.yaml");
    let plain = "experiment: x\naxes: {rate: &r [20, 40], cpu: [0, 30]}\nseed: 1\n";
    let planned = |text: &str| {
        fs::write(&file, text).expect("it can be written");
        let output = plan(&file);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        said(&output)
    };
    let expected = planned(plain);
    assert_eq!(
        planned(&format!("\u{feff}{}", plain.replace('\n', "\r\n"))),
        expected
    );
    assert_eq!(planned(&format!("---\n{plain}...\n")), expected);
    assert_reads("plan", &expected);
}
