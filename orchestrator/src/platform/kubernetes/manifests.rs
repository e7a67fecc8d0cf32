//! The user's own folder of manifests: any kinds, several documents a file, and no two for the same object.

mod scalar;
pub mod written;
mod yaml;

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Objects by what they are there for. Those below a folder called `infra` are infrastructure.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Manifests {
    /// Objects that must be ready first.
    pub infra: Vec<Value>,
    /// Objects under test.
    pub under_test: Vec<Value>,
}

/// Why there are no objects.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The folder or a file cannot be read.
    #[error("read {path}: {source}", path = path.display())]
    Read {
        /// What.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A file is not YAML.
    #[error("read {file} as YAML: {reason}")]
    Yaml {
        /// Which file.
        file: String,
        /// Why not, with its place.
        reason: String,
    },
    /// A document is not an object.
    #[error("use document {number} of {file}: it has no {missing}")]
    NoObject {
        /// Which file.
        file: String,
        /// Which of its documents, from 1.
        number: usize,
        /// What is missing.
        missing: &'static str,
    },
    /// Two documents are for one object.
    #[error("deploy {kind} `{name}`: it is in {first} and in {second}; remove one of them")]
    Twice {
        /// The kind.
        kind: String,
        /// The name.
        name: String,
        /// The file that has it first.
        first: String,
        /// The file that has it again.
        second: String,
    },
    /// There is nothing to deploy.
    #[error("find an object in {folder}: it has no file *.yaml, *.yml or *.json with one", folder = .0.display())]
    None(PathBuf),
}

/// Reads a folder with all that is below it, in the order of paths.
///
/// # Errors
/// When something cannot be read, is no object, or is there twice.
pub fn read(folder: &Path) -> Result<Manifests, ManifestError> {
    let mut files = Vec::new();
    list(folder, &mut files)?;
    files.sort();
    let texts = files.into_iter().map(|path| {
        let text = std::fs::read_to_string(&path).map_err(|source| ManifestError::Read {
            path: path.clone(),
            source,
        })?;
        let name = path
            .strip_prefix(folder)
            .unwrap_or(&path)
            .display()
            .to_string();
        Ok((name, text))
    });
    let manifests = parse(&texts.collect::<Result<Vec<_>, _>>()?)?;
    if manifests == Manifests::default() {
        Err(ManifestError::None(folder.to_owned()))
    } else {
        Ok(manifests)
    }
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), ManifestError> {
    let failed = |source| ManifestError::Read {
        path: folder.to_owned(),
        source,
    };
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            list(&path, files)?;
        } else if path
            .extension()
            .is_some_and(|kind| ["yaml", "yml", "json"].iter().any(|known| kind == *known))
        {
            files.push(path);
        }
    }
    Ok(())
}

/// The objects of files, given by their names below the folder and their texts.
///
/// # Errors
/// See [`read`].
pub fn parse(files: &[(String, String)]) -> Result<Manifests, ManifestError> {
    let mut manifests = Manifests::default();
    let mut known: BTreeMap<[String; 3], &str> = BTreeMap::new();
    for (file, text) in files {
        for object in documents(file, text)? {
            let part = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let (kind, name) = (part(&object["kind"]), part(&object["metadata"]["name"]));
            // Two groups may have a kind of one name; versions of one group have the same objects.
            let group = object["apiVersion"]
                .as_str()
                .and_then(|version| version.split_once('/'));
            let group = group.map(|(group, _)| group.to_owned()).unwrap_or_default();
            if let Some(first) = known.insert([group, kind.clone(), name.clone()], file) {
                return Err(ManifestError::Twice {
                    kind,
                    name,
                    first: first.to_owned(),
                    second: file.clone(),
                });
            }
            let infra = Path::new(file)
                .parent()
                .is_some_and(|dir| dir.iter().any(|part| part == "infra"));
            if infra {
                manifests.infra.push(object);
            } else {
                manifests.under_test.push(object);
            }
        }
    }
    Ok(manifests)
}

fn documents(file: &str, text: &str) -> Result<Vec<Value>, ManifestError> {
    let failed = |reason: String| ManifestError::Yaml {
        file: file.to_owned(),
        reason,
    };
    let documents = yaml::documents(text).map_err(|error| failed(error.to_string()))?;
    let mut objects = Vec::new();
    for (at, document) in documents.into_iter().enumerate() {
        unfold(document, &mut |object| objects.push((at, object)));
    }
    let missing = |object: &Value| {
        let parts = [
            ("apiVersion", &object["apiVersion"]),
            ("kind", &object["kind"]),
            ("metadata.name", &object["metadata"]["name"]),
        ];
        parts
            .into_iter()
            .find(|(_, value)| value.as_str().is_none_or(str::is_empty))
            .map(|(name, _)| name)
    };
    for (at, object) in &objects {
        if let Some(missing) = missing(object) {
            return Err(ManifestError::NoObject {
                file: file.to_owned(),
                number: at + 1,
                missing,
            });
        }
    }
    Ok(objects.into_iter().map(|(_, object)| object).collect())
}

/// The objects of a document: of a `List` its items, which of a `DeploymentList` need not say what they are.
fn unfold(document: Value, found: &mut impl FnMut(Value)) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (kind, version) = (text(&document["kind"]), text(&document["apiVersion"]));
    let of = kind.strip_suffix("List").map(str::to_owned);
    match (document, of) {
        (Value::Null, _) => {}
        (Value::Object(mut list), Some(of)) if list.contains_key("items") || of.is_empty() => {
            let items = list.remove("items").unwrap_or_default();
            for mut item in items.as_array().cloned().unwrap_or_default() {
                if let Some(item) = item.as_object_mut().filter(|_| !of.is_empty()) {
                    item.entry("kind").or_insert_with(|| of.as_str().into());
                    item.entry("apiVersion")
                        .or_insert_with(|| version.as_str().into());
                }
                unfold(item, found);
            }
        }
        (object, _) => found(object),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, text: &str) -> (String, String) {
        (name.to_owned(), text.to_owned())
    }

    const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";

    #[test]
    fn several_documents_lists_and_empty_ones_are_read() {
        let many = format!(
            "---\n{MAP}---\n# nothing\n---\napiVersion: v1\nkind: Service\nmetadata: {{name: a}}\n"
        );
        let list = "{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"s\"}}]}";
        let read = parse(&[file("a.yaml", &many), file("infra/l.json", list)]).unwrap();
        assert_eq!(
            read.under_test
                .iter()
                .map(|o| &o["kind"])
                .collect::<Vec<_>>(),
            ["ConfigMap", "Service"]
        );
        assert_eq!(read.infra[0]["kind"], "Secret");
    }

    #[test]
    fn lists_of_a_kind_and_lists_in_lists_are_read() {
        let text = "apiVersion: apps/v1\nkind: DeploymentList\nitems:\n- metadata: {name: d}\n---\n\
            apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: Secret, metadata: {name: s}}]}\n\
            ---\napiVersion: v1\nkind: List\nitems: null\n";
        let read = parse(&[file("a.yaml", text)]).unwrap().under_test;
        assert_eq!(read.len(), 2);
        assert_eq!(
            (&read[0]["kind"], &read[0]["apiVersion"]),
            (&Value::from("Deployment"), &Value::from("apps/v1"))
        );
        assert_eq!(read[1]["kind"], "Secret");
    }

    #[test]
    fn numbers_are_those_that_kubectl_sends() {
        let text = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  template:\n    spec:\n      volumes:\n\
            \x20     - {name: v, configMap: {name: c, defaultMode: 0644}}\n";
        let read = parse(&[file("a.yaml", &format!("\u{feff}{text}"))])
            .unwrap()
            .under_test;
        let volume = &read[0]["spec"]["template"]["spec"]["volumes"][0];
        assert_eq!(volume["configMap"]["defaultMode"].to_string(), "420");
    }

    #[test]
    fn one_object_twice_names_both_files() {
        let error = parse(&[file("a.yaml", MAP), file("infra/b.yaml", MAP)])
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "deploy ConfigMap `a`: it is in a.yaml and in infra/b.yaml; remove one of them"
        );
    }

    #[test]
    fn kinds_of_one_name_in_two_groups_are_two_kinds() {
        let other = MAP.replace("apiVersion: v1", "apiVersion: example.org/v1");
        assert_eq!(
            parse(&[file("a.yaml", MAP), file("b.yaml", &other)])
                .unwrap()
                .under_test
                .len(),
            2
        );
        let newer = other.replace("org/v1", "org/v2");
        assert!(parse(&[file("a.yaml", &other), file("b.yaml", &newer)]).is_err());
    }

    #[test]
    fn what_is_no_object_says_where() {
        let error = |text: &str| parse(&[file("a.yaml", text)]).unwrap_err().to_string();
        assert_eq!(
            error(&format!("{MAP}---\nkind: X")),
            "use document 2 of a.yaml: it has no apiVersion"
        );
        assert!(error("a: [").contains("read a.yaml as YAML"));
    }

    #[test]
    fn a_folder_with_one_object_is_enough_and_one_with_none_is_not() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(read(dir.path()), Err(ManifestError::None(_))));
        std::fs::create_dir_all(dir.path().join("infra/deep")).unwrap();
        std::fs::write(dir.path().join("infra/deep/one.yml"), MAP).unwrap();
        std::fs::write(dir.path().join("notes.txt"), "no").unwrap();
        assert_eq!(read(dir.path()).unwrap().infra.len(), 1);
        assert!(matches!(
            read(&dir.path().join("none")),
            Err(ManifestError::Read { .. })
        ));
    }
}
