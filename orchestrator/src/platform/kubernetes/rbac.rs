//! The rights that an experiment needs in a cluster, as objects: an account, a Role in its namespace, a ClusterRole for
//! what has no namespace, and their bindings. They grant what `rights` lists and what the experiment deploys.

use super::ownership::claims;
use super::provenance::is_kept;
use super::render::is_cluster_scoped;
use super::rights::{APPLIED, Need, Reach, Right, needed};
use super::root::METRICS_ACCOUNT;
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
    /// Only objects of these names; empty: all.
    names: Vec<String>,
    purpose: String,
}

/// What the account may do, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    namespace: String,
    rules: BTreeMap<Reach, Vec<Rule>>,
    /// Rules of Roles that are deployed, as they are written there: nobody may give what they do not have.
    held: BTreeMap<Reach, Vec<Value>>,
    /// The nodes whose figures the root's own account may read, if it may read any; empty: of all.
    metered: Option<Vec<String>>,
}

impl Grant {
    /// The rights for some needs, and those to deploy objects of the user's own. `nodes` are all that the experiment runs
    /// on, where it names them.
    #[must_use]
    pub fn new(
        namespace: &str,
        needs: &[Need],
        nodes: Option<&[String]>,
        deployed: &[Value],
    ) -> Self {
        let mut grant = Self {
            namespace: namespace.to_owned(),
            rules: BTreeMap::new(),
            held: BTreeMap::new(),
            metered: needs
                .contains(&Need::Metrics)
                .then(|| nodes.unwrap_or_default().to_vec()),
        };
        if let Some(nodes) = nodes {
            let rule = Rule {
                names: nodes.to_vec(),
                ..Rule::new(
                    "",
                    "nodes",
                    &["get", "list", "watch"],
                    "know the nodes that the experiment names, and that they stay ready",
                )
            };
            grant.add(Reach::Cluster, &rule);
        }
        for right in needed(needs) {
            grant.add(right.reach, &Rule::from(right));
        }
        if deployed.iter().any(needs_anchor) {
            for right in needed(&[Need::Anchor]) {
                grant.add(right.reach, &Rule::from(right));
            }
        }
        for object in deployed {
            grant.deploy(object, deployed);
        }
        grant
    }

    /// What it takes to deploy an object, and to remove it.
    fn deploy(&mut self, object: &Value, beside: &[Value]) {
        let kind = object["kind"].as_str().unwrap_or_default();
        let version = object["apiVersion"].as_str().unwrap_or_default();
        let (group, version) = version.split_once('/').unwrap_or(("", version));
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind)).plural;
        let reach = if is_cluster_scoped(kind) {
            Reach::Cluster
        } else {
            Reach::Namespace
        };
        let purpose = format!("deploy objects of kind {kind}");
        self.add(
            reach,
            &Rule::new(group, &resource, verbs_for(object), &purpose),
        );
        if !claims(object).is_empty() {
            let purpose = "remove what stores claimed";
            let rule = Rule::new("", "persistentvolumeclaims", &["get", "delete"], purpose);
            self.add(reach, &rule);
        }
        match kind {
            "Role" | "ClusterRole" => {
                let rules = object["rules"].as_array().into_iter().flatten().cloned();
                self.held.entry(reach).or_default().extend(rules);
            }
            "RoleBinding" | "ClusterRoleBinding" => {
                let (kind, name) = (&object["roleRef"]["kind"], &object["roleRef"]["name"]);
                let comes_along =
                    |one: &&Value| one["kind"] == *kind && one["metadata"]["name"] == *name;
                if !beside.iter().any(|one| comes_along(&one)) {
                    let resource = if *kind == "Role" {
                        "roles"
                    } else {
                        "clusterroles"
                    };
                    let name = name.as_str().unwrap_or_default();
                    let purpose = format!("bind {name}, which is there already");
                    self.add(
                        reach,
                        &Rule {
                            names: vec![name.to_owned()],
                            ..Rule::new(GROUP, resource, &["bind"], &purpose)
                        },
                    );
                }
            }
            _ => {}
        }
    }

    /// Grants no verb twice.
    fn add(&mut self, reach: Reach, rule: &Rule) {
        let rules = self.rules.entry(reach).or_default();
        let same = |known: &&Rule| {
            let covers = known.names.is_empty() || known.names == rule.names;
            known.group == rule.group && known.resource == rule.resource && covers
        };
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
            let rules = self.rules.get(&reach).into_iter().flatten();
            let held = self.held.get(&reach).into_iter().flatten().cloned();
            let rules: Vec<_> = rules.map(Rule::to_json).chain(held).collect();
            if !rules.is_empty() {
                objects.extend(bound(kind, &metadata, &rules, ACCOUNT, namespace));
            }
        }
        if let Some(nodes) = &self.metered {
            let account = json!({ "name": METRICS_ACCOUNT, "namespace": namespace });
            objects
                .push(json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": account }));
            let rule = Rule {
                names: nodes.clone(),
                ..Rule::new("", "nodes/metrics", &["get"], "")
            };
            let metadata = json!({ "name": format!("{METRICS_ACCOUNT}-{namespace}") });
            let rules = vec![rule.to_json()];
            objects.extend(bound(
                "ClusterRole",
                &metadata,
                &rules,
                METRICS_ACCOUNT,
                namespace,
            ));
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
                names,
                purpose,
                ..
            } in rules
            {
                let of = if names.is_empty() {
                    String::new()
                } else {
                    format!(" {}", names.join(", "))
                };
                let _ = writeln!(
                    lines,
                    "  {resource}{of} ({}) to {purpose}",
                    verbs.join(", ")
                );
            }
        }
        if !self.held.is_empty() {
            lines += "and what the Roles give that are deployed: nobody may give what they do not have\n";
        }
        if self.metered.is_some() {
            let _ = writeln!(
                lines,
                "The account {METRICS_ACCOUNT} is the run's root's: it may read kubelets' figures (nodes/metrics, get) and do nothing\n\
                 else: no command can be run by it."
            );
        }
        if self.has("nodes/proxy") {
            lines += DANGER;
        }
        lines
    }

    fn has(&self, resource: &str) -> bool {
        let mut rules = self.rules.values().flatten();
        rules.any(|rule| rule.resource == resource)
    }
}

/// What an administrator must know of `nodes/proxy`.
const DANGER: &str = "DANGER: nodes/proxy (get) is more than it looks like. Whoever holds this account's token can run commands as root in\n\
    any pod of any node (a kubelet takes a websocket's GET for `exec`), and so take over the cluster. The experiment asks\n\
    for it with `kubernetes.metrics: nodes-proxy`; without that line figures are read by nodes/metrics, which cannot do that.\n";

/// A role and the binding that leads to it from an account.
fn bound(
    kind: &str,
    metadata: &Value,
    rules: &[Value],
    account: &str,
    namespace: &str,
) -> [Value; 2] {
    let role = json!({ "apiGroup": GROUP, "kind": kind, "name": metadata["name"] });
    let subject = json!({ "kind": "ServiceAccount", "name": account, "namespace": namespace });
    [
        json!({ "apiVersion": VERSION, "kind": kind, "metadata": metadata, "rules": rules }),
        json!({ "apiVersion": VERSION, "kind": format!("{kind}Binding"), "metadata": metadata,
            "roleRef": role, "subjects": [subject] }),
    ]
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
        Self::new(right.group, right.resource, right.verbs, right.purpose)
    }
}

impl Rule {
    fn new(group: &str, resource: &str, verbs: &[&'static str], purpose: &str) -> Self {
        Self {
            group: group.to_owned(),
            resource: resource.to_owned(),
            verbs: verbs.to_vec(),
            names: Vec::new(),
            purpose: purpose.to_owned(),
        }
    }

    fn to_json(&self) -> Value {
        let mut rule =
            json!({ "apiGroups": [self.group], "resources": [self.resource], "verbs": self.verbs });
        if !self.names.is_empty() {
            rule["resourceNames"] = json!(self.names);
        }
        rule
    }
}

#[cfg(test)]
mod tests;
