//! Accounts move with what they are there for: manifests of one namespace that are deployed in another bind roles to accounts
//! of the other one.

use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Where a folder's objects come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The namespaces that they name.
    namespaces: BTreeSet<String>,
    /// The ServiceAccounts among them.
    accounts: BTreeSet<String>,
}

impl Origin {
    /// Of these objects, as they were written.
    pub fn of<'a>(objects: impl IntoIterator<Item = &'a Value>) -> Self {
        let mut origin = Self::default();
        for object in objects {
            let text = |field: &str| object["metadata"][field].as_str().map(str::to_owned);
            origin.namespaces.extend(text("namespace"));
            match object["kind"].as_str() {
                Some("Namespace") => origin.namespaces.extend(text("name")),
                Some("ServiceAccount") => origin.accounts.extend(text("name")),
                _ => {}
            }
        }
        origin
    }

    /// Puts the subjects of a binding where their accounts go; those of other namespaces stay what they are.
    pub(super) fn move_subjects(&self, object: &mut Value, to: &str) {
        if !matches!(
            object["kind"].as_str(),
            Some("RoleBinding" | "ClusterRoleBinding")
        ) {
            return;
        }
        let subjects = object.get_mut("subjects").and_then(Value::as_array_mut);
        for subject in subjects.into_iter().flatten() {
            let name = subject["name"].as_str().unwrap_or_default().to_owned();
            match subject["kind"].as_str() {
                Some("ServiceAccount") => {
                    let from = subject["namespace"].as_str();
                    let moves = from.is_none_or(|from| {
                        self.namespaces.contains(from)
                            || self.namespaces.is_empty() && self.accounts.contains(&name)
                    });
                    if moves {
                        subject["namespace"] = json!(to);
                    }
                }
                Some("Group") => {
                    const ALL: &str = "system:serviceaccounts:";
                    let from = name.strip_prefix(ALL).unwrap_or_default();
                    if self.namespaces.contains(from) {
                        subject["name"] = json!(format!("{ALL}{to}"));
                    }
                }
                Some("User") => {
                    const ONE: &str = "system:serviceaccount:";
                    let from = name.strip_prefix(ONE).and_then(|rest| rest.split_once(':'));
                    if let Some((_, account)) =
                        from.filter(|(from, _)| self.namespaces.contains(*from))
                    {
                        subject["name"] = json!(format!("{ONE}{to}:{account}"));
                    }
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_go_where_their_accounts_go() {
        let account = json!({ "kind": "ServiceAccount", "metadata": { "name": "web", "namespace": "theirs" } });
        let origin = Origin::of([&account]);
        let mut binding = json!({ "kind": "RoleBinding", "subjects": [
            { "kind": "ServiceAccount", "name": "web", "namespace": "theirs" },
            { "kind": "ServiceAccount", "name": "default", "namespace": "theirs" },
            { "kind": "ServiceAccount", "name": "prometheus", "namespace": "monitoring" },
            { "kind": "Group", "name": "system:serviceaccounts:theirs" },
            { "kind": "Group", "name": "developers" },
            { "kind": "User", "name": "system:serviceaccount:theirs:web" },
        ] });
        origin.move_subjects(&mut binding, "mine");
        let subjects = &binding["subjects"];
        let of =
            |at: usize, field: &str| subjects[at][field].as_str().unwrap_or_default().to_owned();
        assert_eq!(
            (of(0, "namespace"), of(1, "namespace")),
            ("mine".into(), "mine".into())
        );
        assert_eq!(of(2, "namespace"), "monitoring");
        assert_eq!(of(3, "name"), "system:serviceaccounts:mine");
        assert_eq!(of(4, "name"), "developers");
        assert_eq!(of(5, "name"), "system:serviceaccount:mine:web");
    }

    #[test]
    fn an_account_without_a_namespace_is_known_by_its_name() {
        let account = json!({ "kind": "ServiceAccount", "metadata": { "name": "web" } });
        let mut binding = json!({ "kind": "ClusterRoleBinding", "subjects": [
            { "kind": "ServiceAccount", "name": "web", "namespace": "default" },
            { "kind": "ServiceAccount", "name": "other", "namespace": "default" },
        ] });
        Origin::of([&account]).move_subjects(&mut binding, "mine");
        assert_eq!(binding["subjects"][0]["namespace"], "mine");
        assert_eq!(binding["subjects"][1]["namespace"], "default");
    }
}
