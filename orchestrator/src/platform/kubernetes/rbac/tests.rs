//! What is granted, and nothing besides.

use super::*;
use std::collections::BTreeSet;

const RUN: [Need; 3] = [Need::Run, Need::Nodes, Need::Metrics];

fn object(version: &str, kind: &str) -> Value {
    json!({ "apiVersion": version, "kind": kind, "metadata": { "name": "x" } })
}

/// What a role allows: (group, resource, verb).
fn allowed(objects: &[Value], kind: &str) -> Vec<(String, String, String)> {
    let role = objects
        .iter()
        .find(|object| object["kind"] == kind)
        .unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let rules = role["rules"].as_array().unwrap().iter();
    let of = |rule: &Value| {
        let verbs = rule["verbs"].as_array().unwrap().clone();
        let (group, resource) = (text(&rule["apiGroups"][0]), text(&rule["resources"][0]));
        verbs
            .into_iter()
            .map(move |verb| (group.clone(), resource.clone(), text(&verb)))
            .collect::<Vec<_>>()
    };
    rules.flat_map(of).collect()
}

#[test]
fn it_grants_what_is_needed_where_it_is_needed_and_nothing_twice() {
    let objects = Grant::new("mine", &RUN, None, &[]).objects();
    for (kind, reach) in [("Role", Reach::Namespace), ("ClusterRole", Reach::Cluster)] {
        let granted = allowed(&objects, kind);
        let set: BTreeSet<_> = granted.iter().cloned().collect();
        assert_eq!(set.len(), granted.len(), "twice in {granted:?}");
        let wanted = needed(&RUN)
            .filter(|right| right.reach == reach)
            .flat_map(|right| {
                right.verbs.iter().map(|verb| {
                    (
                        right.group.to_owned(),
                        right.resource.to_owned(),
                        (*verb).to_owned(),
                    )
                })
            });
        assert_eq!(set, wanted.collect());
        assert!(granted.iter().all(|(_, _, verb)| verb != "*"));
    }
}

#[test]
fn what_is_deployed_is_granted_by_the_names_that_the_server_has() {
    let deployed = [
        object("networking.k8s.io/v1", "NetworkPolicy"),
        object("networking.k8s.io/v1", "Ingress"),
        object("v1", "PersistentVolume"),
        object("apps/v1", "StatefulSet"),
        json!({ "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": { "name": "y" },
            "spec": { "volumeClaimTemplates": [{ "metadata": { "name": "data" } }] } }),
    ];
    let objects = Grant::new("mine", &RUN, None, &deployed).objects();
    let role = allowed(&objects, "Role");
    let verbs = |group: &str, resource: &str| -> BTreeSet<&str> {
        let of = |(known, name, _): &&(String, String, String)| known == group && name == resource;
        role.iter()
            .filter(of)
            .map(|(_, _, verb)| verb.as_str())
            .collect()
    };
    for resource in ["networkpolicies", "ingresses"] {
        assert_eq!(
            verbs("networking.k8s.io", resource),
            APPLIED.iter().copied().collect()
        );
    }
    assert_eq!(
        verbs("", "persistentvolumeclaims"),
        ["delete", "get"].into()
    );
    let all = ["get", "list", "watch", "create", "patch", "delete"];
    assert_eq!(verbs("apps", "statefulsets"), all.into_iter().collect());
    let everywhere = allowed(&objects, "ClusterRole");
    assert!(everywhere.contains(&("".into(), "persistentvolumes".into(), "delete".into())));
    // What owns the volume.
    let owner = (
        "node.k8s.io".into(),
        "runtimeclasses".into(),
        "create".into(),
    );
    assert!(everywhere.contains(&owner));
    let namespace = Grant::new("mine", &RUN, None, &[object("v1", "Namespace")]).objects();
    let everywhere = allowed(&namespace, "ClusterRole");
    assert!(everywhere.contains(&("".into(), "namespaces".into(), "create".into())));
    let removes = |(_, _, verb): &(String, String, String)| verb == "delete" || verb == "patch";
    assert!(!everywhere.iter().any(removes) && !everywhere.contains(&owner));
    let lines = role
        .iter()
        .filter(|(_, resource, verb)| resource == "statefulsets" && verb == "create")
        .count();
    assert_eq!(lines, 1);
}

#[test]
fn bindings_lead_from_the_account_to_its_roles() {
    let objects = Grant::new("mine", &RUN, None, &[]).objects();
    for (kind, role) in [("RoleBinding", "aefm"), ("ClusterRoleBinding", "aefm-mine")] {
        let binding = objects
            .iter()
            .find(|object| object["kind"] == kind)
            .unwrap();
        assert_eq!(
            (&binding["roleRef"]["name"], &binding["metadata"]["name"]),
            (&json!(role), &json!(role))
        );
        assert_eq!(
            binding["subjects"][0],
            json!({ "kind": "ServiceAccount", "name": "aefm", "namespace": "mine" })
        );
    }
    let explained = Grant::new("mine", &RUN, None, &[]).explained();
    assert!(
        explained.contains("in namespace mine:\n")
            && explained.contains("pods/attach (get, create) to steer")
    );
}

#[test]
fn figures_are_read_by_an_account_that_can_do_nothing_else() {
    let objects = Grant::new("mine", &RUN, Some(&["n1".to_owned()]), &[]).objects();
    let named = |kind: &str, name: &str| {
        objects
            .iter()
            .find(|object| object["kind"] == kind && object["metadata"]["name"] == name)
            .unwrap()
    };
    let rule = json!({ "apiGroups": [""], "resources": ["nodes/metrics"], "verbs": ["get"], "resourceNames": ["n1"] });
    assert_eq!(
        named("ClusterRole", "aefm-metrics-mine")["rules"],
        json!([rule])
    );
    let binding = named("ClusterRoleBinding", "aefm-metrics-mine");
    assert_eq!(binding["subjects"][0]["name"], METRICS_ACCOUNT);
    let all = json!(objects).to_string();
    assert!(!all.contains("nodes/proxy"), "{all}");
    // With all nodes named, no other node is seen.
    let named_nodes = needed(&[Need::Run, Need::Metrics]).all(|right| right.resource != "nodes");
    assert!(named_nodes);
}

#[test]
fn the_danger_of_nodes_proxy_is_said_where_it_is_granted() {
    let with = Grant::new("mine", &[Need::Run, Need::NodesProxy], None, &[]);
    assert!(with.explained().contains("DANGER") && with.explained().contains("as root"));
    let without = Grant::new("mine", &RUN, None, &[]);
    assert!(!without.explained().contains("DANGER"));
}

#[test]
fn who_deploys_roles_holds_what_they_give() {
    let rule =
        json!({ "apiGroups": ["apps"], "resources": ["deployments/scale"], "verbs": ["patch"] });
    let mut role = object("rbac.authorization.k8s.io/v1", "Role");
    role["rules"] = json!([rule]);
    let mut own = object("rbac.authorization.k8s.io/v1", "RoleBinding");
    own["roleRef"] = json!({ "kind": "Role", "name": "x" });
    let mut other = own.clone();
    other["roleRef"] = json!({ "kind": "ClusterRole", "name": "view" });
    let objects = Grant::new("mine", &RUN, None, &[role, own, other]).objects();
    let granted = objects
        .iter()
        .find(|object| object["kind"] == "Role")
        .unwrap();
    let rules = granted["rules"].as_array().unwrap();
    assert!(rules.contains(&rule), "{rules:?}");
    let binds: Vec<_> = rules
        .iter()
        .filter(|rule| rule["verbs"] == json!(["bind"]))
        .collect();
    assert_eq!(binds.len(), 1);
    assert_eq!(binds[0]["resourceNames"], json!(["view"]));
}
