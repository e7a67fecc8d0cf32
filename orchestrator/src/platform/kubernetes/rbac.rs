//! The rights that an experiment needs in a cluster, as objects: an account, a Role in its namespace, a ClusterRole for
//! what has no namespace, and their bindings. They grant what [`rights`] lists and what the experiment deploys.

use super::ownership::claims;
use super::provenance::is_kept;
use super::render::is_cluster_scoped;
use super::rights::{APPLIED, Need, Reach, Right, needed};
use kube::core::GroupVersionKind;
use kube::discovery::ApiResource;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;

/// The account's name.
pub const ACCOUNT: &str = "aefm";

/// A rule: group and resource, the verbs, and what for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    group: String,
    resource: String,
    verbs: Vec<&'static str>,
    purpose: String,
}

/// What the account may do, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    namespace: String,
    rules: BTreeMap<Reach, Vec<Rule>>,
}

impl Grant {
    /// The rights for some needs, and those to deploy objects of the user's own.
    #[must_use]
    pub fn new(namespace: &str, needs: &[Need], deployed: &[Value]) -> Self {
        let mut grant = Self {
            namespace: namespace.to_owned(),
            rules: BTreeMap::new(),
        };
        for right in needed(needs) {
            grant.add(right.reach, &Rule::from(right));
        }
        if deployed.iter().any(needs_anchor) {
            for right in needed(&[Need::Anchor]) {
                grant.add(right.reach, &Rule::from(right));
            }
        }
        for object in deployed {
            let kind = object["kind"].as_str().unwrap_or_default();
            let version = object["apiVersion"].as_str().unwrap_or_default();
            let (group, version) = version.split_once('/').unwrap_or(("", version));
            let resource =
                ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind)).plural;
            let reach = if is_cluster_scoped(kind) {
                Reach::Cluster
            } else {
                Reach::Namespace
            };
            let purpose = format!("deploy objects of kind {kind}");
            grant.add(
                reach,
                &Rule {
                    group: group.to_owned(),
                    resource,
                    verbs: verbs_for(object).to_vec(),
                    purpose,
                },
            );
            if !claims(object).is_empty() {
                let (resource, purpose) = (
                    "persistentvolumeclaims".to_owned(),
                    "remove what stores claimed".to_owned(),
                );
                grant.add(
                    reach,
                    &Rule {
                        group: String::new(),
                        resource,
                        verbs: vec!["get", "delete"],
                        purpose,
                    },
                );
            }
        }
        grant
    }

    /// Grants no verb twice.
    fn add(&mut self, reach: Reach, rule: &Rule) {
        let rules = self.rules.entry(reach).or_default();
        let same = |known: &&Rule| known.group == rule.group && known.resource == rule.resource;
        let has = |verb: &&'static str| {
            rules
                .iter()
                .filter(same)
                .any(|known| known.verbs.contains(verb))
        };
        let verbs: Vec<_> = rule
            .verbs
            .iter()
            .filter(|verb| !has(verb))
            .copied()
            .collect();
        if !verbs.is_empty() {
            rules.push(Rule {
                verbs,
                ..rule.clone()
            });
        }
    }

    /// The objects, in the order in which they are applied.
    #[must_use]
    pub fn objects(&self) -> Vec<Value> {
        let namespace = &self.namespace;
        let here = json!({ "name": ACCOUNT, "namespace": namespace });
        // Objects without a namespace are told apart by it: several experiments may have their rights in one cluster.
        let everywhere = json!({ "name": format!("{ACCOUNT}-{namespace}") });
        let mut objects = vec![
            json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } }),
            json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": here }),
        ];
        for (reach, kind, metadata) in [
            (Reach::Namespace, "Role", here),
            (Reach::Cluster, "ClusterRole", everywhere),
        ] {
            let rules = self
                .rules
                .get(&reach)
                .map(Vec::as_slice)
                .unwrap_or_default();
            let role = json!({ "apiGroup": GROUP, "kind": kind, "name": metadata["name"] });
            let subject =
                json!({ "kind": "ServiceAccount", "name": ACCOUNT, "namespace": namespace });
            objects.push(
                json!({ "apiVersion": VERSION, "kind": kind, "metadata": metadata,
                "rules": rules.iter().map(Rule::to_json).collect::<Vec<_>>() }),
            );
            objects.push(json!({ "apiVersion": VERSION, "kind": format!("{kind}Binding"), "metadata": metadata,
                "roleRef": role, "subjects": [subject] }));
        }
        objects
    }

    /// Each right and what it is for, a line each.
    #[must_use]
    pub fn explained(&self) -> String {
        let mut lines = String::new();
        for (reach, rules) in &self.rules {
            let place = match reach {
                Reach::Cluster => "the cluster".to_owned(),
                Reach::Namespace => format!("namespace {}", self.namespace),
            };
            let _ = writeln!(lines, "in {place}:");
            for Rule {
                resource,
                verbs,
                purpose,
                ..
            } in rules
            {
                let _ = writeln!(lines, "  {resource} ({}) to {purpose}", verbs.join(", "));
            }
        }
        lines
    }
}

/// Whether an object needs an owner without a namespace.
fn needs_anchor(object: &Value) -> bool {
    let scoped = object["kind"].as_str().is_some_and(is_cluster_scoped);
    scoped && !is_kept(&object["kind"])
}

/// What stays is looked for and made, never changed or removed.
fn verbs_for(object: &Value) -> &'static [&'static str] {
    if is_kept(&object["kind"]) {
        &["get", "create"]
    } else {
        APPLIED
    }
}

const GROUP: &str = "rbac.authorization.k8s.io";
const VERSION: &str = "rbac.authorization.k8s.io/v1";

impl From<&Right> for Rule {
    fn from(right: &Right) -> Self {
        let (group, resource, purpose) = (
            right.group.into(),
            right.resource.into(),
            right.purpose.into(),
        );
        Self {
            group,
            resource,
            verbs: right.verbs.to_vec(),
            purpose,
        }
    }
}

impl Rule {
    fn to_json(&self) -> Value {
        json!({ "apiGroups": [self.group], "resources": [self.resource], "verbs": self.verbs })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

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
        let objects = Grant::new("mine", &[Need::Run], &[]).objects();
        for (kind, reach) in [("Role", Reach::Namespace), ("ClusterRole", Reach::Cluster)] {
            let granted = allowed(&objects, kind);
            let set: BTreeSet<_> = granted.iter().cloned().collect();
            assert_eq!(set.len(), granted.len(), "twice in {granted:?}");
            let wanted = needed(&[Need::Run])
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
        let objects = Grant::new("mine", &[Need::Run], &deployed).objects();
        let role = allowed(&objects, "Role");
        let verbs = |group: &str, resource: &str| -> BTreeSet<&str> {
            let of =
                |(known, name, _): &&(String, String, String)| known == group && name == resource;
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
        let namespace = Grant::new("mine", &[Need::Run], &[object("v1", "Namespace")]).objects();
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
        let objects = Grant::new("mine", &[Need::Run], &[]).objects();
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
        let explained = Grant::new("mine", &[Need::Run], &[]).explained();
        assert!(
            explained.contains("in namespace mine:\n")
                && explained.contains("pods/attach (get, create) to steer")
        );
    }
}
