//! What the server says it can do.

use super::resource::{RESOURCES, Resource};
use serde_json::{Value, json};

/// Answers `/version`, `/api`, `/apis` and what lies below, up to the lists of resources.
pub(crate) fn answer(words: &[&str], minor: u32) -> Option<Value> {
    match words {
        ["version"] => Some(json!({
            "major": "1", "minor": minor.to_string(), "gitVersion": format!("v1.{minor}.0+aefm"), "gitCommit": "",
            "gitTreeState": "clean", "buildDate": "1970-01-01T00:00:00Z", "goVersion": "", "compiler": "", "platform": "linux/amd64",
        })),
        ["api"] => Some(
            json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}),
        ),
        ["apis"] => {
            let mut groups: Vec<(&str, &str)> = there(minor)
                .map(|one| (one.group, one.version))
                .filter(|(group, _)| !group.is_empty())
                .collect();
            groups.push(("authorization.k8s.io", "v1"));
            groups.sort_unstable();
            groups.dedup();
            let groups: Vec<_> = groups
                .into_iter()
                .map(|(group, version)| one_group(group, version))
                .collect();
            Some(json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}))
        }
        ["api", "v1"] => Some(resources("", "v1", minor)),
        ["apis", "authorization.k8s.io", "v1"] => Some(json!({
            "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "authorization.k8s.io/v1",
            "resources": [{"name": "selfsubjectaccessreviews", "singularName": "selfsubjectaccessreview", "namespaced": false,
                "kind": "SelfSubjectAccessReview", "verbs": ["create"]}],
        })),
        ["apis", group] => there(minor)
            .find(|one| one.group == *group)
            .map(|one| one_group(one.group, one.version)),
        ["apis", group, version] => there(minor)
            .any(|one| one.group == *group && one.version == *version)
            .then(|| resources(group, version, minor)),
        _ => None,
    }
}

fn there(minor: u32) -> impl Iterator<Item = &'static Resource> {
    RESOURCES
        .iter()
        .filter(move |resource| resource.since <= minor)
}

fn one_group(group: &str, version: &str) -> Value {
    let version = json!({"groupVersion": format!("{group}/{version}"), "version": version});
    json!({"kind": "APIGroup", "apiVersion": "v1", "name": group, "versions": [version], "preferredVersion": version})
}

fn resources(group: &str, version: &str, minor: u32) -> Value {
    let mut listed = Vec::new();
    for one in there(minor).filter(|one| one.group == group && one.version == version) {
        let entry = |name: String, kind: &str, verbs: &[&str]| json!({"name": name, "singularName": "", "namespaced": one.namespaced, "kind": kind, "verbs": verbs});
        let verbs = [
            "create",
            "delete",
            "deletecollection",
            "get",
            "list",
            "patch",
            "update",
            "watch",
        ];
        listed.push(entry(one.plural.to_owned(), one.kind, &verbs));
        if one.status {
            listed.push(entry(
                format!("{}/status", one.plural),
                one.kind,
                &["get", "patch", "update"],
            ));
        }
        if one.plural == "pods" {
            listed.push(entry("pods/log".to_owned(), "Pod", &["get"]));
            for name in ["attach", "exec", "portforward"] {
                listed.push(entry(format!("pods/{name}"), "Pod", &["create", "get"]));
            }
        }
    }
    let of = if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    };
    json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": of, "resources": listed})
}
