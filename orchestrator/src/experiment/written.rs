//! Workloads of the user's own: a Lua script or a scenario, read whole so that it travels with the spec.

use super::file;
use aefm_workloads::load::Written;
use aefm_workloads::scenario::Scenario;
use std::collections::BTreeMap;
use std::path::Path;

/// What a workload's name may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named<'a> {
    Script(&'a str),
    Scenario(&'a str),
}

/// The path in `script:PATH` or `scenario:PATH`.
pub(super) fn named(workload: &str) -> Option<Named<'_>> {
    let script = workload.strip_prefix("script:").map(Named::Script);
    script.or_else(|| workload.strip_prefix("scenario:").map(Named::Scenario))
}

/// Reads what the workload names. A scenario is checked, and its CSV files come along; a script is Lua's to check.
pub(super) fn read(workload: &str, folder: &Path) -> Result<Option<Written>, String> {
    let text_of = |name: &str| {
        let path = folder.join(name);
        file::read(&path).map_err(|error| format!("read {}: {error}", path.display()))
    };
    Ok(match named(workload) {
        None => None,
        Some(Named::Script(path)) => Some(Written::Script {
            name: path.to_owned(),
            text: text_of(path)?,
        }),
        Some(Named::Scenario(path)) => {
            let (text, mut files) = (text_of(path)?, BTreeMap::new());
            let beside = Path::new(path).parent().unwrap_or(Path::new(""));
            let checked = Scenario::from_yaml(&text, |name| {
                let path = folder.join(beside.join(name));
                let content = std::fs::read_to_string(&path)
                    .map_err(|error| format!("read {}: {error}", path.display()))?;
                files.insert(name.to_owned(), content.clone());
                Ok(content)
            });
            checked.map_err(|error| format!("use {path}: {error}"))?;
            Some(Written::Scenario {
                name: path.to_owned(),
                text,
                files,
            })
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_brings_its_files_along_and_a_fault_has_its_place() {
        let dir = tempfile::tempdir().expect("a folder");
        let write =
            |name: &str, text: &str| std::fs::write(dir.path().join(name), text).expect("written");
        std::fs::create_dir(dir.path().join("own")).expect("a folder");
        let text = "name: x\nvalues: {v: {csv: {file: v.csv}}}\nsessions: [{name: s, requests: [{path: '/${v.a}'}]}]\n";
        write("own/x.yaml", text);
        let missing = read("scenario:own/x.yaml", dir.path()).expect_err("no v.csv");
        assert!(
            missing.contains("own/v.csv") && missing.contains("line 2"),
            "{missing}"
        );
        write("own/v.csv", "a\nb\n");
        let read_in = read("scenario:own/x.yaml", dir.path()).expect("it is whole");
        let files = BTreeMap::from([("v.csv".to_owned(), "a\nb\n".to_owned())]);
        assert_eq!(
            read_in,
            Some(Written::Scenario {
                name: "own/x.yaml".into(),
                text: text.into(),
                files
            })
        );
        write("own/x.lua", "--");
        let script = Written::Script {
            name: "own/x.lua".into(),
            text: "--".into(),
        };
        assert_eq!(read("script:own/x.lua", dir.path()), Ok(Some(script)));
        assert_eq!(read("hotel-reservation/mixed", dir.path()), Ok(None));
        write("own/x.yaml", &text.replace("v.a", "v.b"));
        assert!(
            read("scenario:own/x.yaml", dir.path())
                .expect_err("no column b")
                .contains("line 3, column ")
        );
    }
}
