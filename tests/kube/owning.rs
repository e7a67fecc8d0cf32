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

async fn precondition(ground: Ground) {
    ground.apply(&config_map("a", "k", "v")).await;
    let other = kube::api::Preconditions {
        uid: Some("00000000-0000-4000-8000-0000000000ff".to_owned()),
        ..Default::default()
    };
    let (code, message) = ground
        .delete(
            "ConfigMap",
            "a",
            &DeleteParams::default().preconditions(other),
        )
        .await
        .expect_err("another one");
    assert_eq!(code, 409, "{message}");
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
