//! The order in which objects are applied: what others refer to comes first. Deleting goes the other way round.

use serde_json::Value;

/// Kinds in the order they must exist; one that is not here comes after configuration and before workloads, since it is
/// most often a custom resource that workloads use.
const BEFORE: [&str; 13] = [
    "Namespace",
    "CustomResourceDefinition",
    "PriorityClass",
    "StorageClass",
    "ResourceQuota",
    "LimitRange",
    "ServiceAccount",
    "ClusterRole",
    "Role",
    "ClusterRoleBinding",
    "RoleBinding",
    "Secret",
    "ConfigMap",
];
const AFTER: [&str; 11] = [
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Service",
    "DaemonSet",
    "StatefulSet",
    "Deployment",
    "ReplicaSet",
    "Job",
    "CronJob",
    "Pod",
    "Ingress",
];

/// The place of a kind.
#[must_use]
pub fn rank(kind: &str) -> usize {
    let at = |kinds: &[&str]| kinds.iter().position(|known| *known == kind);
    let after = |place: usize| BEFORE.len() + 1 + place;
    at(&BEFORE)
        .or_else(|| at(&AFTER).map(after))
        .unwrap_or(BEFORE.len())
}

/// Sorts objects for applying; those of one kind keep their order.
pub fn sort(objects: &mut [Value]) {
    objects.sort_by_key(|object| rank(object["kind"].as_str().unwrap_or_default()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    proptest! {
        #[test]
        fn whatever_the_order_of_files_references_exist_first(
            kinds in proptest::sample::subsequence(vec!["Deployment", "Namespace", "Widget", "ConfigMap", "Service",
                "PersistentVolume", "PersistentVolumeClaim", "Pod", "ServiceAccount"], 0..=9).prop_shuffle()
        ) {
            let mut objects: Vec<_> = kinds.iter().map(|kind| json!({ "kind": kind })).collect();
            sort(&mut objects);
            let at = |kind: &str| objects.iter().position(|object| object["kind"] == kind);
            for (first, second) in [("Namespace", "ConfigMap"), ("ConfigMap", "Deployment"), ("ServiceAccount", "Pod"),
                ("PersistentVolume", "PersistentVolumeClaim"), ("PersistentVolumeClaim", "Deployment"),
                ("Service", "Deployment"), ("Widget", "Deployment"), ("ConfigMap", "Widget")] {
                if let (Some(first), Some(second)) = (at(first), at(second)) {
                    prop_assert!(first < second);
                }
            }
        }
    }

    #[test]
    fn one_kind_keeps_its_order() {
        let mut objects: Vec<_> = (0..4)
            .map(|n| json!({ "kind": "Service", "n": n }))
            .collect();
        objects.insert(2, json!({ "kind": "Namespace", "n": 9 }));
        sort(&mut objects);
        assert_eq!(
            objects
                .iter()
                .map(|object| object["n"].as_u64().unwrap())
                .collect::<Vec<_>>(),
            [9, 0, 1, 2, 3]
        );
    }
}
