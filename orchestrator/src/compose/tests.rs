//! What composing makes of files in memory.

use super::*;
use crate::experiment::Experiment;
use std::collections::BTreeMap;

/// Composes `a/main.yaml`, and reads it; faults as shown.
fn read(files: &[(&str, &str)], sets: &[&str]) -> Result<(Experiment, String), String> {
    let files: BTreeMap<_, _> = files.iter().copied().collect();
    let plain = |path: &Path| {
        let mut plain = PathBuf::new();
        for part in path.iter() {
            if part == ".." {
                plain.pop();
            } else {
                plain.push(part);
            }
        }
        plain
    };
    let world = World {
        read: &|path| {
            let own = plain(path);
            let text = own.to_str().and_then(|name| files.get(name));
            let text = text.ok_or_else(|| std::io::Error::from(std::io::ErrorKind::NotFound))?;
            Ok((own, (*text).to_owned()))
        },
        variable: &|name| match name {
            "DURATION" => Ok("7s".to_owned()),
            _ => Err(VarError::NotPresent),
        },
    };
    let start = Start {
        name: "a/main.yaml",
        path: Some(Path::new("a/main.yaml")),
        text: files["a/main.yaml"],
    };
    let sets: Vec<_> = sets.iter().map(|set| (*set).to_owned()).collect();
    let mut sources = Sources::default();
    let composed = match compose(&start, &sets, &world, &mut sources) {
        Ok(composed) => composed,
        Err(faults) => return Err(sources.show(faults)),
    };
    let text = emit::text(&composed.root);
    match Experiment::read_tree(&composed.root, &|_| false) {
        Ok(experiment) => Ok((experiment, text)),
        Err(faults) => Err(sources.show(faults)),
    }
}

#[test]
fn a_chain_of_files_and_settings_is_one_experiment_and_its_text_reads_the_same() {
    let files = [
        (
            "a/main.yaml",
            "extends: ../base.yaml\nload: {duration: \"${DURATION}\"}\n",
        ),
        (
            "base.yaml",
            "extends: b/far.yaml\nload: {duration: 5s, warmup: 2s}\naxes: {rate: [20, 40]}\n",
        ),
        (
            "b/far.yaml",
            "experiment: far\nload: {warmup: 9s, connections: 3}\naxes: {rate: [1], cpu: [0, 30]}\n",
        ),
    ];
    let sets = [
        "axes.cpu=null",
        "load.connections=5",
        "axes.round={min: 1, max: 2}",
        "axes.round=[1, 2]",
    ];
    let (experiment, text) = read(&files, &sets).expect("it is right");
    assert_eq!(experiment.name, "far");
    assert_eq!(experiment.load.duration.as_secs(), 7);
    assert_eq!(experiment.load.warmup.as_secs(), 2);
    assert_eq!(experiment.load.connections, 5);
    assert_eq!(experiment.axes.len(), 2);
    let again = Experiment::read(&text, &|_| false).expect("its text is right");
    assert_eq!(format!("{again:?}"), format!("{experiment:?}"));
}

#[test]
fn faults_name_the_file_the_line_and_the_setting() {
    let files = [
        ("a/main.yaml", "extends: base.yaml\nseed: x\n"),
        ("a/base.yaml", "axes: {rate: [20]}\nload:\n  wamup: 1s\n"),
    ];
    let said = read(&files, &["load.durtion=5s", "app=bank"]).expect_err("it is wrong");
    for wanted in [
        "--> a/main.yaml:2:7\n",
        "unknown key `wamup` in `load`, did you mean `warmup`?\n  --> a/base.yaml:3:3\n",
        "unknown key `durtion` in `load`, did you mean `duration`?\n  --> --set:1:6\n   |\n  1| load.durtion=5s\n   |      ^\n",
        "--> --set:1:5\n   |\n  1| app=bank\n",
        "4 faults in a/main.yaml, a/base.yaml, --set; nothing was started",
    ] {
        assert!(said.contains(wanted), "{wanted} is not in\n{said}");
    }
}

#[test]
fn what_cannot_be_put_together_is_said_at_its_line() {
    let main = ("a/main.yaml", "extends: b.yaml\naxes: {rate: [20]}\n");
    let with = |text| read(&[main, ("a/b.yaml", text)], &[]).expect_err("it is wrong");
    assert!(
        with("extends: c.yaml\n").contains("failed to read a/c.yaml"),
        "no such file"
    );
    let circle = with("\nextends: ../a/main.yaml\n");
    assert!(
        circle.contains("circle: a/main.yaml -> a/b.yaml -> a/main.yaml\n  --> a/b.yaml:2:10"),
        "{circle}"
    );
    let list = with("- rate\n");
    assert!(list.contains("not a list\n  --> a/b.yaml:1:"), "{list}");
    let unset = with("data: ${NONE}\n");
    assert!(
        unset.contains("no such variable") && unset.contains("a/b.yaml:1:7"),
        "{unset}"
    );
    let broken = with("load: {duration: 5s\n");
    assert!(broken.contains("--> a/b.yaml:"), "{broken}");
    let set = |set| read(&[("a/main.yaml", "axes: {rate: [20]}\n")], &[set]).expect_err("wrong");
    assert!(set("seed").contains("--> --set:1:5\n"), "{}", set("seed"));
    assert!(
        set("seed=[1").contains("--> --set:1:"),
        "{}",
        set("seed=[1")
    );
    assert!(set("extends=b.yaml").contains("cannot be set"));
}
