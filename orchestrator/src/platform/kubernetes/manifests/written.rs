//! Objects as files of a folder that [`super::read`] takes back: one object a file, infrastructure in a folder of its own.

use super::Manifests;
use serde_json::Value;

/// The files: names below the folder, and their texts.
///
/// # Errors
/// When an object cannot be written as YAML.
pub fn files(manifests: &Manifests) -> Result<Vec<(String, String)>, String> {
    let parts = [
        ("infra", &manifests.infra),
        ("under-test", &manifests.under_test),
    ];
    let objects = parts
        .into_iter()
        .flat_map(|(folder, objects)| objects.iter().map(move |object| (folder, object)));
    objects
        .map(|(folder, object)| Ok((format!("{folder}/{}", file_name(object)), yaml(object)?)))
        .collect()
}

/// Kinds have no `.`, so no two objects have one name.
fn file_name(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    format!(
        "{}.{}.yaml",
        text(&object["metadata"]["name"]),
        text(&object["kind"]).to_lowercase()
    )
}

/// An object as YAML that any reader takes the same way, those of YAML 1.1 included.
///
/// # Errors
/// When it cannot be written.
pub fn yaml(object: &Value) -> Result<String, String> {
    serde_saphyr::to_string(object).map_err(|error| format!("write an object as YAML: {error}"))
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;
    use aefm_workloads::catalogue::Application;
    use aefm_workloads::catalogue::render::{Options, render};
    use proptest::prelude::*;
    use serde_json::json;

    fn sorted(mut objects: Vec<Value>) -> Vec<Value> {
        objects.sort_by_key(ToString::to_string);
        objects
    }

    #[test]
    fn every_application_comes_back_as_it_was_written() {
        for app in Application::shipped().unwrap() {
            let rendered = render(&app, &Options::default()).unwrap();
            let manifests = Manifests {
                infra: rendered.infra,
                under_test: rendered.under_test,
            };
            let back = parse(&files(&manifests).unwrap()).unwrap();
            assert_eq!(sorted(back.infra), sorted(manifests.infra), "{}", app.name);
            assert_eq!(
                sorted(back.under_test),
                sorted(manifests.under_test),
                "{}",
                app.name
            );
        }
    }

    proptest! {
        #[test]
        fn any_text_comes_back_as_text(key in "[a-z]{1,8}", text in any::<String>(), word in "yes|no|on|1e3|0x1f|08|1:30|~|null|- a|a: b|# c|'|\"|\\$\\(X\\)") {
            for text in [text, word] {
                let object = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "a" }, "data": { key.clone(): text } });
                let file = ("under-test/a.yaml".to_owned(), yaml(&object).unwrap());
                let back = parse(std::slice::from_ref(&file));
                prop_assert_eq!(back.map_err(|error| error.to_string()).map(|read| read.under_test), Ok(vec![object]), "{}", file.1);
            }
        }
    }
}
