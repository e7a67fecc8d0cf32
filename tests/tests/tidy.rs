//! The house rules that a machine can check: layout, who may know whom, the opening line of every file, sizes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What each package may depend on among ours (tests apart).
const MAY_KNOW: &[(&str, &str, &[&str])] = &[
    ("workloads", "aefm-workloads", &[]),
    ("workloads/testbed", "aefm-testbed", &["aefm-workloads"]),
    ("collector", "aefm-collector", &["aefm-workloads"]),
    (
        "loadgen",
        "aefm-loadgen",
        &["aefm-collector", "aefm-workloads"],
    ),
    ("interfere", "aefm-interfere", &["aefm-workloads"]),
    (
        "orchestrator",
        "aefm",
        &[
            "aefm-collector",
            "aefm-interfere",
            "aefm-loadgen",
            "aefm-testbed",
            "aefm-workloads",
        ],
    ),
];

/// What a package must not depend on, whoever else does: each name, and all that begin with it and a hyphen (`arrow` is
/// `arrow-array`, too).
const MUST_NOT_KNOW: &[(&str, &[&str])] = &[
    (
        "workloads",
        &["tokio", "arrow", "parquet", "kube", "hyper", "nix", "libc"],
    ),
    ("collector", &["kube"]),
    ("loadgen", &["kube"]),
    ("interfere", &["kube", "arrow", "parquet", "tokio"]),
    ("workloads/testbed", &["kube"]),
];

/// Names that say nothing.
const EMPTY_NAMES: &[&str] = &[
    "manager", "helper", "helpers", "util", "utils", "common", "misc", "mod",
];

const MAX_LINES: usize = 600;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace")
        .to_owned()
}

fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders: Vec<_> = MAY_KNOW
        .iter()
        .map(|(folder, ..)| root().join(folder))
        .collect();
    folders.push(root().join("tests"));
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() && path.file_name().is_none_or(|name| name != "target") {
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kind == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

fn dependencies(folder: &str, section: &str) -> BTreeSet<String> {
    let manifest = fs::read_to_string(root().join(folder).join("Cargo.toml")).expect("a manifest");
    let mut inside = false;
    let mut names = BTreeSet::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line == format!("[{section}]");
        } else if inside && let Some(end) = line.find(['.', ' ', '=']) {
            names.insert(line[..end].to_owned());
        }
    }
    names
}

#[test]
fn packages_know_only_whom_they_may() {
    for (folder, _, may) in MAY_KNOW {
        let known = dependencies(folder, "dependencies");
        assert!(!known.is_empty(), "{folder} has dependencies");
        let ours: Vec<_> = known
            .iter()
            .filter(|name| *name == "aefm" || name.starts_with("aefm-"))
            .collect();
        assert!(
            ours.iter().all(|name| may.contains(&name.as_str())),
            "{folder} knows {ours:?}, and may know {may:?}"
        );
        let banned = MUST_NOT_KNOW
            .iter()
            .find(|(of, _)| of == folder)
            .map_or(&[][..], |(_, banned)| banned);
        let broken = banned_among(&known, banned);
        assert!(broken.is_empty(), "{folder} must not know {broken:?}");
    }
}

fn banned_among<'a>(known: &'a BTreeSet<String>, banned: &[&str]) -> Vec<&'a str> {
    let is_banned = |name: &str| {
        banned.iter().any(|banned| {
            let rest = name.strip_prefix(banned);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        })
    };
    known
        .iter()
        .map(String::as_str)
        .filter(|name| is_banned(name))
        .collect()
}

#[test]
fn a_ban_is_of_a_name_and_of_all_that_begin_with_it() {
    let known = ["arrow-array", "arrowhead", "tokio"]
        .map(str::to_owned)
        .into();
    assert_eq!(banned_among(&known, &["arrow"]), ["arrow-array"]);
    assert_eq!(banned_among(&known, &["tokio", "kube"]), ["tokio"]);
    // Those that stand in the manifests today: a ban that none of them could break would be no ban.
    let collector = dependencies("collector", "dependencies");
    assert!(
        banned_among(&collector, &["arrow"]).len() > 2,
        "{collector:?}"
    );
}

/// Modules (files, or folders of files) and what of their own crate they must not use.
const LAYERS: &[(&str, &[&str])] = &[
    // What a file says is known before there is anything to run.
    (
        "orchestrator/src/experiment",
        &[
            "run", "driver", "handler", "gather", "platform", "receive", "command", "ui",
        ],
    ),
    // What stands in front of the reader of files knows no more than the reader.
    (
        "orchestrator/src/compose",
        &[
            "run", "driver", "handler", "gather", "platform", "receive", "command", "ui",
        ],
    ),
    (
        "orchestrator/src/lifecycle",
        &[
            "run", "driver", "handler", "gather", "platform", "receive", "command", "ui",
        ],
    ),
    (
        "orchestrator/src/plan",
        &[
            "run", "driver", "handler", "gather", "platform", "command", "ui",
        ],
    ),
    // HTTP/2 is bytes in, events out.
    (
        "loadgen/src/http2",
        &["worker", "run", "output", "cli", "clock"],
    ),
    // Traces are analysed the same wherever they came from.
    (
        "collector/src/trace",
        &["jaeger", "import", "export", "store", "otlp", "http"],
    ),
    // Decisions are pure; the shell around them is the session.
    (
        "interfere/src/holding",
        &["session", "stressor", "clock", "machine", "cli"],
    ),
    (
        "interfere/src/monitor",
        &["session", "stressor", "clock", "machine", "cli"],
    ),
    (
        "interfere/src/duty",
        &["session", "stressor", "clock", "machine", "cli"],
    ),
    (
        "interfere/src/schedule",
        &["session", "stressor", "clock", "machine", "cli"],
    ),
];

/// The modules of its own crate that a text names, by `crate::NAME`.
fn named_in_own_crate(text: &str) -> BTreeSet<&str> {
    let after = text.split("crate::").skip(1);
    after
        .flat_map(|rest| {
            let end = |c: char| !(c.is_alphanumeric() || c == '_');
            // `use crate::{a, b::c};` names several.
            match rest.strip_prefix('{') {
                Some(list) => list
                    .split('}')
                    .next()
                    .unwrap_or_default()
                    .split(',')
                    .map(|one| one.trim().split(end).next().unwrap_or_default())
                    .collect(),
                None => vec![rest.split(end).next().unwrap_or_default()],
            }
        })
        .collect()
}

#[test]
fn layers_inside_a_crate_know_nothing_above_them() {
    for (module, banned) in LAYERS {
        let is_in = |path: &PathBuf| {
            let path = path.strip_prefix(root()).expect("below the root");
            path.starts_with(module) || path == Path::new(&format!("{module}.rs"))
        };
        let files: Vec<_> = sources().into_iter().filter(is_in).collect();
        assert!(!files.is_empty(), "there is no {module}");
        for path in files {
            let text = fs::read_to_string(&path).expect("a file");
            let named = named_in_own_crate(&text);
            let broken: Vec<_> = banned
                .iter()
                .filter(|name| named.contains(**name))
                .collect();
            assert!(broken.is_empty(), "{} uses {broken:?}", path.display());
        }
    }
}

#[test]
fn what_a_file_uses_of_its_crate_is_found_in_either_form() {
    let text =
        "use crate::run::Run;\nuse crate::{ui, platform::Held};\nfn f() { crate::clock::now() }";
    let found: BTreeSet<_> = ["run", "ui", "platform", "clock"].into();
    assert_eq!(named_in_own_crate(text), found);
}

#[test]
fn only_main_links_the_programs_together() {
    let linked = ["aefm_loadgen", "aefm_interfere", "aefm_testbed"];
    for path in sources()
        .iter()
        .filter(|path| path.starts_with(root().join("orchestrator/src")))
    {
        let text = fs::read_to_string(path).expect("a file");
        let named: Vec<_> = linked
            .iter()
            .filter(|name| text.contains(&format!("{name}::")))
            .collect();
        assert!(
            named.is_empty() || path.ends_with("main.rs"),
            "{} links {named:?}",
            path.display()
        );
    }
}

#[test]
fn versions_and_lints_come_from_the_workspace() {
    for (folder, name, _) in MAY_KNOW {
        let manifest =
            fs::read_to_string(root().join(folder).join("Cargo.toml")).expect("a manifest");
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{folder}");
        assert!(
            manifest.contains("[lints]\nworkspace = true"),
            "{folder} has lints of its own"
        );
        let own = manifest.lines().find(|line| line.contains("version = \""));
        assert!(own.is_none(), "{folder} names a version itself: {own:?}");
    }
}

#[test]
fn every_file_says_what_it_is_for_and_has_a_telling_name() {
    for path in sources() {
        let text = fs::read_to_string(&path).expect("a file");
        assert!(
            text.starts_with("//! "),
            "{} does not open with `//! `",
            path.display()
        );
        let stem = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or_default();
        assert!(
            !EMPTY_NAMES.contains(&stem),
            "{} has a name that says nothing",
            path.display()
        );
        // Put together here, so that this file does not hold it either.
        assert!(
            !text.contains(&["#[al", "low("].concat()),
            "{}: use #[expect(.., reason = ..)]",
            path.display()
        );
    }
}

#[test]
fn every_file_is_a_part_of_something() {
    let read = |path: PathBuf| fs::read_to_string(path).unwrap_or_default();
    let folders = MAY_KNOW.iter().map(|(folder, ..)| *folder).chain(["tests"]);
    let manifests: String = folders
        .map(|folder| read(root().join(folder).join("Cargo.toml")))
        .collect();
    let elsewhere: String = sources()
        .into_iter()
        .map(read)
        .filter(|text| text.contains("#[path"))
        .collect();
    for path in sources() {
        let (folder, name) = (
            path.parent().expect("a folder"),
            path.file_name().unwrap_or_default().to_string_lossy(),
        );
        let stem = name.trim_end_matches(".rs");
        let is_root = ["lib", "main"].contains(&stem) || folder.ends_with("tests/tests");
        let is_named =
            manifests.contains(&format!("/{name}\"")) || elsewhere.contains(&format!("/{name}\"]"));
        // Whoever may declare it: the file that the folder is named for, or a root beside it.
        let declares = |text: String| {
            text.lines()
                .any(|line| line.ends_with(&format!("mod {stem};")))
        };
        let parents = [
            folder.with_extension("rs"),
            folder.join("lib.rs"),
            folder.join("main.rs"),
        ];
        let is_declared = parents.into_iter().map(read).any(declares);
        assert!(
            is_root || is_named || is_declared,
            "{} is no module of anything",
            path.display()
        );
    }
}

#[test]
fn code_lives_in_the_six_folders() {
    let known: BTreeSet<_> = [
        "workloads",
        "collector",
        "loadgen",
        "interfere",
        "orchestrator",
        "tests",
    ]
    .into();
    for entry in fs::read_dir(root())
        .expect("the workspace")
        .flatten()
        .filter(|entry| entry.path().is_dir())
    {
        let name = entry.file_name().to_string_lossy().into_owned();
        let beside = name.starts_with('.') || ["docs", "target", "data"].contains(&name.as_str());
        assert!(
            beside || known.contains(name.as_str()),
            "folder {name} is not one of {known:?}"
        );
    }
}

/// The one file that deletes in a cluster, and what only it may say. What a removal may hit is a type's matter:
/// `provenance::Made`, which nobody else can make.
const REMOVAL: &str = "orchestrator/src/platform/kubernetes/provenance/removal.rs";
const DELETES: &[&str] = &[
    ".delete(",
    "delete_collection",
    "delete_opt",
    "DeleteParams",
    "DeleteOptions",
    ".evict(",
    "Eviction",
    "Request::delete",
    "PropagationPolicy",
    "finalizer(",
];
/// A method of HTTP, for a file that a run's own receiver keeps: not a cluster's object.
const RECEIVERS: &[&str] = &[
    "orchestrator/src/platform/kubernetes/load.rs",
    "orchestrator/src/receive/serve.rs",
];
/// Writing that takes fields from others who have written them, or makes what may be there already.
const TAKES: &[&str] = &[
    "Patch::Apply",
    "PatchParams::apply",
    ".force()",
    "force: true",
];

/// What of these a text has in code: comments may speak of it.
fn says<'a>(text: &str, words: &[&'a str]) -> Vec<&'a str> {
    let code = |line: &&str| !line.trim_start().starts_with("//");
    let is_said = |word: &&&str| text.lines().filter(code).any(|line| line.contains(**word));
    words.iter().filter(is_said).copied().collect()
}

#[test]
fn one_file_deletes_in_a_cluster_and_none_takes_what_is_there() {
    for path in sources()
        .iter()
        .filter(|path| path.starts_with(root().join("orchestrator/src")))
    {
        let text = fs::read_to_string(path).expect("a file");
        let of = |names: &[&str]| names.iter().any(|name| *path == root().join(name));
        let taken = says(&text, TAKES);
        assert!(taken.is_empty(), "{} says {taken:?}", path.display());
        let deletes = says(&text, DELETES);
        if of(&[REMOVAL]) {
            assert!(deletes.contains(&".delete("), "{REMOVAL} deletes");
        } else {
            assert!(deletes.is_empty(), "{} says {deletes:?}", path.display());
        }
        let method = says(&text, &["Method::DELETE", "\"DELETE\""]);
        assert!(
            method.is_empty() || of(RECEIVERS),
            "{} says {method:?}",
            path.display()
        );
    }
}

#[test]
fn sizes() {
    let mut by_package: BTreeMap<String, Vec<(usize, PathBuf)>> = BTreeMap::new();
    for path in sources() {
        let lines = fs::read_to_string(&path).expect("a file").lines().count();
        let relative = path
            .strip_prefix(root())
            .expect("below the root")
            .to_owned();
        let package = relative
            .iter()
            .next()
            .expect("a folder")
            .to_string_lossy()
            .into_owned();
        if path.ends_with("src/main.rs") {
            assert!(
                lines <= 40,
                "{} has {lines} lines: a main parses, builds, runs, and ends",
                relative.display()
            );
        }
        by_package
            .entry(package)
            .or_default()
            .push((lines, relative));
    }
    for (package, mut files) in by_package {
        files.sort();
        let (longest, path) = files.last().cloned().expect("a file");
        let total: usize = files.iter().map(|(lines, _)| lines).sum();
        println!(
            "{package:13} {:3} files {total:6} lines, median {:3}, longest {longest:3} {}",
            files.len(),
            files[files.len() / 2].0,
            path.display()
        );
        assert!(
            longest <= MAX_LINES,
            "{} has {longest} lines",
            path.display()
        );
    }
}

#[test]
fn nothing_names_the_place_it_was_made_in() {
    let mut texts: Vec<PathBuf> = sources();
    texts.extend(
        [
            "README.md",
            "ARCHITECTURE.md",
            "CHANGELOG.md",
            "BENCHMARKS.md",
            ".ci/run",
        ]
        .map(|name| root().join(name)),
    );
    // Put together here, so that this file does not name them either.
    let banned = [
        ["/wo", "rk/"].concat(),
        ["/fa", "rm/"].concat(),
        ["/ro", "ot/"].concat(),
    ];
    for path in texts.iter().filter(|path| Path::new(path).exists()) {
        let text = fs::read_to_string(path).expect("a file");
        let named = banned.iter().find(|name| {
            text.lines().any(|line| {
                line.split(['"', ' ', '(', '`', '='])
                    .any(|word| word.starts_with(name.as_str()))
            })
        });
        assert!(named.is_none(), "{} names {named:?}", path.display());
    }
}
