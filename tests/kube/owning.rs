//! Deletion: finalizers, owners, cascades, and namespaces that are emptied.

use crate::ground::{Ground, config_map, holds, on_both};
use kube::api::{DeleteParams, ListParams};
use serde_json::{Value, json};

on_both! {
    a_finalizer_holds_an_object => super::finalizer;
    what_an_owner_leaves_goes_with_it => super::background;
    foreground_deletion_ends_with_the_owner => super::foreground;
    an_orphan_stays => super::orphan;
    a_uid_keeps_a_deletion_from_hitting_another => super::precondition;
    what_has_no_namespace_goes_with_an_owner_that_has_none => super::without_namespace;
    and_stays_where_the_owner_leaves_it => super::orphan_without_namespace;
    a_claim_has_the_marks_of_its_template => super::claims;
    a_namespace_takes_everything_with_it => super::namespace;
    a_collection_is_deleted_by_its_labels => super::collection;
    a_volume_binds_and_is_held_by_its_claim => super::volumes;
}

fn owned_by(owner: &Value, mut object: Value) -> Value {
    object["metadata"]["ownerReferences"] = json!([{
        "apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"], "blockOwnerDeletion": true,
    }]);
    object
}

async fn finalizer(ground: Ground) {
    let mut object = config_map("a", "k", "v");
    object["metadata"]["finalizers"] = json!(["aefm.test/hold"]);
    ground.apply(&object).await;
    ground
        .delete("ConfigMap", "a", &DeleteParams::default())
        .await
        .expect("it is to go");
    let held = ground.get("ConfigMap", "a").await.expect("it is held");
    assert!(held["metadata"]["deletionTimestamp"].is_string(), "{held}");
    ground
        .merge("ConfigMap", "a", &json!({"metadata": {"finalizers": null}}))
        .await
        .expect("it is let go");
    ground.until_gone("ConfigMap", "a").await;
}

async fn background(ground: Ground) {
    let root = ground.apply(&config_map("root", "k", "v")).await;
    ground
        .apply(&owned_by(&root, config_map("leaf", "k", "v")))
        .await;
    ground
        .apply(&owned_by(&root, ground.deployment("web", 1, "sleep 1000")))
        .await;
    ground
        .until("Deployment", "web", "is available", |web| {
            holds(web, "Available")
        })
        .await;
    ground
        .delete("ConfigMap", "root", &DeleteParams::background())
        .await
        .expect("it goes");
    for (kind, name) in [
        ("ConfigMap", "root"),
        ("ConfigMap", "leaf"),
        ("Deployment", "web"),
    ] {
        ground.until_gone(kind, name).await;
    }
    let pods = ground.list("Pod", "app=web").await;
    for pod in pods {
        ground
            .until_gone("Pod", pod["metadata"]["name"].as_str().expect("a name"))
            .await;
    }
}

async fn foreground(ground: Ground) {
    ground
        .apply(&ground.deployment("web", 1, "sleep 1000"))
        .await;
    ground
        .until("Deployment", "web", "is available", |web| {
            holds(web, "Available")
        })
        .await;
    // A pod that is held holds all above it.
    let pod = ground.list("Pod", "app=web").await.remove(0);
    let name = pod["metadata"]["name"].as_str().expect("a name");
    let hold = json!({"metadata": {"finalizers": ["aefm.test/hold"]}});
    ground.merge("Pod", name, &hold).await.expect("it is held");
    ground
        .delete("Deployment", "web", &DeleteParams::foreground())
        .await
        .expect("it is to go");
    ground
        .until("Pod", name, "is to go", |pod| {
            pod["metadata"]["deletionTimestamp"].is_string()
        })
        .await;
    let held = ground
        .get("Deployment", "web")
        .await
        .expect("its pod is there");
    assert_eq!(
        held["metadata"]["finalizers"],
        json!(["foregroundDeletion"])
    );
    ground
        .merge("Pod", name, &json!({"metadata": {"finalizers": null}}))
        .await
        .expect("it is let go");
    ground.until_gone("Deployment", "web").await;
    assert_eq!(
        ground.get("Pod", name).await.expect_err("it went first").0,
        404
    );
}

async fn orphan(ground: Ground) {
    let root = ground.apply(&config_map("root", "k", "v")).await;
    ground
        .apply(&owned_by(&root, config_map("leaf", "k", "v")))
        .await;
    // The collector has to have seen the leaf before it can let it stay.
    ground
        .delete("ConfigMap", "root", &DeleteParams::orphan())
        .await
        .expect("it goes");
    ground.until_gone("ConfigMap", "root").await;
    let left = ground.get("ConfigMap", "leaf").await.expect("it stays");
    assert!(
        left["metadata"]["ownerReferences"].is_null()
            || left["metadata"]["ownerReferences"] == json!([]),
        "{left}"
    );
}

fn only(uid: &Value, revision: Option<&str>) -> DeleteParams {
    DeleteParams::default().preconditions(kube::api::Preconditions {
        uid: uid.as_str().map(str::to_owned),
        resource_version: revision.map(str::to_owned),
    })
}

async fn precondition(ground: Ground) {
    let object = config_map("a", "k", "v");
    let first = ground.create(&object).await.expect("it is made");
    let uid = &first["metadata"]["uid"];
    let refused = async |how: DeleteParams| {
        let refused = ground.delete("ConfigMap", "a", &how).await;
        let (code, message) = refused.expect_err("another one is meant");
        assert_eq!(code, 409, "{message}");
        assert!(message.contains("in the precondition"), "{message}");
    };
    refused(only(&json!("00000000-0000-4000-8000-0000000000ff"), None)).await;
    refused(only(uid, Some("1"))).await;
    ground
        .delete("ConfigMap", "a", &only(uid, None))
        .await
        .expect("it is the one that is meant");
    // One of the same name is another one.
    let second = ground.create(&object).await.expect("the name is free");
    assert_ne!(second["metadata"]["uid"], *uid);
    refused(only(uid, None)).await;
    let left = ground.get("ConfigMap", "a").await.expect("it stays");
    assert_eq!(left["metadata"]["uid"], second["metadata"]["uid"]);
}

/// An owner and what it owns, both without a namespace.
async fn owner_of_a_role(ground: &Ground) -> (String, Value) {
    let name = format!("{}-r", ground.namespace);
    let metadata = json!({ "name": name });
    let class = json!({ "apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": metadata, "handler": "none" });
    let owner = ground.create(&class).await.expect("it is made");
    let role = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": metadata, "rules": [] });
    let role = ground.create(&owned_by(&owner, role)).await;
    role.expect("it is made");
    (name, owner)
}

async fn without_namespace(ground: Ground) {
    let (name, owner) = owner_of_a_role(&ground).await;
    let mut how = only(&owner["metadata"]["uid"], None);
    how.propagation_policy = Some(kube::api::PropagationPolicy::Background);
    let gone = ground.delete("RuntimeClass", &name, &how).await;
    gone.expect("it goes");
    ground.until_gone("ClusterRole", &name).await;
}

async fn orphan_without_namespace(ground: Ground) {
    let (name, owner) = owner_of_a_role(&ground).await;
    let mut how = only(&owner["metadata"]["uid"], None);
    how.propagation_policy = Some(kube::api::PropagationPolicy::Orphan);
    let gone = ground.delete("RuntimeClass", &name, &how).await;
    gone.expect("it goes");
    ground.until_gone("RuntimeClass", &name).await;
    let left = ground.get("ClusterRole", &name).await.expect("it stays");
    let owners = &left["metadata"]["ownerReferences"];
    assert!(owners.is_null() || *owners == json!([]), "{left}");
    ground
        .delete("ClusterRole", &name, &DeleteParams::default())
        .await
        .expect("it goes");
}

/// What the cluster makes of a template of claims has the template's marks, and the set's name and a number.
async fn claims(ground: Ground) {
    let owner = ground.create(&config_map("owner", "k", "v")).await;
    let owner = owner.expect("it is made");
    let mut template = owned_by(
        &owner,
        json!({ "metadata": { "name": "data", "annotations": { "aefm.test/mark": "x" } } }),
    );
    template["spec"] = json!({ "accessModes": ["ReadWriteOnce"], "storageClassName": "aefm-none", "resources": { "requests": { "storage": "1Mi" } } });
    let set = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": { "name": "db" },
        "spec": {
            "serviceName": "db", "selector": { "matchLabels": { "app": "db" } }, "volumeClaimTemplates": [template],
            "template": { "metadata": { "labels": { "app": "db" } }, "spec": ground.pod_spec("sleep 1000") },
        },
    });
    ground.create(&set).await.expect("it is made");
    let claim = ground
        .until("PersistentVolumeClaim", "data-db-0", "is made", |_| true)
        .await;
    let metadata = &claim["metadata"];
    assert_eq!(metadata["annotations"]["aefm.test/mark"], "x", "{claim}");
    let owner = &owner["metadata"]["uid"];
    assert_eq!(metadata["ownerReferences"][0]["uid"], *owner, "{claim}");
}

async fn namespace(ground: Ground) {
    ground.apply(&config_map("a", "k", "v")).await;
    let mut held = config_map("held", "k", "v");
    held["metadata"]["finalizers"] = json!(["aefm.test/hold"]);
    ground.apply(&held).await;
    let name = ground.namespace.clone();
    ground
        .delete("Namespace", &name, &DeleteParams::default())
        .await
        .expect("it is to go");
    ground
        .until("Namespace", &name, "is terminating", |one| {
            one["status"]["phase"] == "Terminating"
        })
        .await;
    ground.until_gone("ConfigMap", "a").await;
    let (code, message) = ground
        .create(&config_map("new", "k", "v"))
        .await
        .expect_err("it takes nothing new");
    assert_eq!(
        (code, message.contains("terminated")),
        (403, true),
        "{message}"
    );
    ground
        .until("Namespace", &name, "says what holds it", |one| {
            holds(one, "NamespaceFinalizersRemaining")
        })
        .await;
    ground
        .merge(
            "ConfigMap",
            "held",
            &json!({"metadata": {"finalizers": null}}),
        )
        .await
        .expect("it is let go");
    ground.until_gone("Namespace", &name).await;
}

async fn collection(ground: Ground) {
    for (name, run) in [("a", "r1"), ("b", "r1"), ("c", "r2")] {
        let mut object = config_map(name, "k", "v");
        object["metadata"]["labels"] = json!({"run": run});
        ground.apply(&object).await;
    }
    let of_run = ListParams::default().labels("run=r1");
    ground
        .api("ConfigMap")
        .delete_collection(&DeleteParams::default(), &of_run)
        .await
        .expect("they go");
    ground.until_gone("ConfigMap", "a").await;
    ground.until_gone("ConfigMap", "b").await;
    ground
        .get("ConfigMap", "c")
        .await
        .expect("it is of another run");
}

async fn volumes(ground: Ground) {
    let volume = format!("{}-v", ground.namespace);
    let class = &volume;
    ground
        .apply(&json!({
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": volume},
            "spec": {
                "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": class,
                "hostPath": {"path": format!("/tmp/{volume}")},
            },
        }))
        .await;
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "c"},
        "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": class, "resources": {"requests": {"storage": "1Gi"}}},
    });
    ground.apply(&claim).await;
    ground
        .until("PersistentVolumeClaim", "c", "is bound", |one| {
            one["status"]["phase"] == "Bound"
        })
        .await;
    let bound = ground
        .until("PersistentVolume", &volume, "is bound", |one| {
            one["status"]["phase"] == "Bound"
        })
        .await;
    assert_eq!(bound["spec"]["claimRef"]["name"], "c");
    // Deleted in the wrong order, both go all the same.
    ground
        .delete("PersistentVolume", &volume, &DeleteParams::default())
        .await
        .expect("it is to go");
    let held = ground
        .get("PersistentVolume", &volume)
        .await
        .expect("its claim holds it");
    assert!(held["metadata"]["deletionTimestamp"].is_string());
    ground
        .delete("PersistentVolumeClaim", "c", &DeleteParams::default())
        .await
        .expect("it goes");
    ground.until_gone("PersistentVolumeClaim", "c").await;
    ground.until_gone("PersistentVolume", &volume).await;
}
