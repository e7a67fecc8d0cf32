//! Writing objects: apply and its owners, dry runs, and the refusals that a client must understand.

use crate::ground::{Ground, config_map, on_both};
use kube::api::{DeleteParams, ListParams, PatchParams};
use serde_json::json;

on_both! {
    an_apply_that_changes_nothing_writes_nothing => super::idempotent;
    a_field_that_is_no_longer_applied_goes => super::fields_go;
    two_owners_of_one_field_conflict_until_one_is_forced => super::conflict;
    owners_of_different_entries_do_not_disturb_each_other => super::shared_lists;
    a_dry_run_answers_and_leaves_nothing => super::dry_run;
    a_stale_write_is_refused => super::stale;
    refusals_have_their_codes => super::refusals;
    a_change_that_is_meant_for_another_uid_is_refused => super::another_uid;
    a_list_comes_in_pages => super::pages;
    metadata_alone_can_be_listed => super::metadata;
    access_can_be_asked_for => super::access;
    generation_counts_changes_of_the_specification => super::generation;
}

async fn idempotent(ground: Ground) {
    for object in [
        config_map("a", "k", "v"),
        ground.deployment("web", 0, "sleep 1000"),
    ] {
        let mut last = ground.apply(&object).await;
        let generation = last["metadata"]["generation"].clone();
        // Controllers write the status of a new object now and then; what counts is that an apply alone does not.
        let mut writes = 0;
        let again = loop {
            let again = ground.apply(&object).await;
            assert_eq!(again["metadata"]["generation"], generation, "{object}");
            if again["metadata"]["resourceVersion"] == last["metadata"]["resourceVersion"] {
                break again;
            }
            writes += 1;
            assert!(writes < 20, "every apply of {object} writes it anew");
            last = again;
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        };
        let managers = again["metadata"]["managedFields"]
            .as_array()
            .expect("owners");
        assert!(
            managers
                .iter()
                .any(|one| one["manager"] == "aefm" && one["operation"] == "Apply"),
            "{managers:?}"
        );
    }
}

async fn fields_go(ground: Ground) {
    let mut object = config_map("a", "k", "v");
    object["data"]["more"] = json!("x");
    object["metadata"]["labels"] = json!({"kept": "1", "dropped": "1"});
    ground.apply(&object).await;
    let mut less = config_map("a", "k", "w");
    less["metadata"]["labels"] = json!({"kept": "1"});
    let after = ground.apply(&less).await;
    assert_eq!(after["data"], json!({"k": "w"}));
    assert_eq!(after["metadata"]["labels"], json!({"kept": "1"}));
}

async fn conflict(ground: Ground) {
    ground.apply(&config_map("a", "k", "v")).await;
    let other = PatchParams::apply("somebody");
    let (code, message) = ground
        .apply_as(&other, &config_map("a", "k", "w"))
        .await
        .expect_err("a conflict");
    assert_eq!(code, 409, "{message}");
    assert!(
        message.contains("aefm") && message.contains(".data.k"),
        "{message}"
    );
    // The same value is no conflict, and both own it.
    ground
        .apply_as(&other, &config_map("a", "k", "v"))
        .await
        .expect("both want the same");
    let taken = ground
        .apply_as(&other.force(), &config_map("a", "k", "w"))
        .await
        .expect("it is forced");
    assert_eq!(taken["data"]["k"], "w");
    let (code, message) = ground
        .apply_as(&PatchParams::apply("aefm"), &config_map("a", "k", "v"))
        .await
        .expect_err("lost");
    assert_eq!(
        (code, message.contains("somebody")),
        (409, true),
        "{message}"
    );
}

async fn shared_lists(ground: Ground) {
    ground
        .apply(&ground.deployment("web", 0, "sleep 1000"))
        .await;
    let side = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {"template": {"spec": {"containers": [{"name": "side", "image": "side:1"}]}}},
    });
    let both = ground
        .apply_as(&PatchParams::apply("somebody"), &side)
        .await
        .expect("a container of somebody's");
    let names = |object: &serde_json::Value| -> Vec<String> {
        let containers = object["spec"]["template"]["spec"]["containers"]
            .as_array()
            .expect("containers");
        containers
            .iter()
            .map(|one| one["name"].as_str().expect("a name").to_owned())
            .collect()
    };
    assert_eq!(names(&both), ["main", "side"]);
    let again = ground
        .apply(&ground.deployment("web", 0, "sleep 1000"))
        .await;
    assert_eq!(
        names(&again),
        ["main", "side"],
        "an apply takes nothing from others"
    );
    let none = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}});
    let left = ground
        .apply_as(&PatchParams::apply("somebody"), &none)
        .await
        .expect("it lets go");
    assert_eq!(names(&left), ["main"], "what nobody owns any more goes");
}

async fn dry_run(ground: Ground) {
    let dry = PatchParams::apply("aefm").dry_run();
    let made = ground
        .apply_as(&dry, &ground.deployment("web", 2, "sleep 1000"))
        .await
        .expect("an answer");
    assert_eq!(
        made["spec"]["strategy"]["type"], "RollingUpdate",
        "defaults are filled in"
    );
    assert_eq!(
        ground
            .get("Deployment", "web")
            .await
            .expect_err("nothing is there")
            .0,
        404
    );
    ground.apply(&config_map("a", "k", "v")).await;
    let changed = ground
        .apply_as(&dry, &config_map("a", "k", "w"))
        .await
        .expect("an answer");
    assert_eq!(changed["data"]["k"], "w");
    assert_eq!(
        ground.get("ConfigMap", "a").await.expect("it is there")["data"]["k"],
        "v"
    );
}

async fn stale(ground: Ground) {
    let first = ground
        .create(&config_map("a", "k", "v"))
        .await
        .expect("it is made");
    ground
        .merge("ConfigMap", "a", &json!({"data": {"k": "w"}}))
        .await
        .expect("somebody writes it");
    let (code, message) = ground
        .replace(&first)
        .await
        .expect_err("it has been written");
    assert_eq!(code, 409, "{message}");
    assert!(message.contains("modified"), "{message}");
    let merged = ground
        .merge("ConfigMap", "a", &json!({"data": {"k": null, "l": "x"}}))
        .await
        .expect("a merge patch");
    assert_eq!(merged["data"], json!({"l": "x"}), "null takes away");
}

async fn another_uid(ground: Ground) {
    let made = ground
        .create(&config_map("a", "k", "v"))
        .await
        .expect("it is made");
    let change = |uid: &serde_json::Value| json!({"metadata": {"uid": uid}, "data": {"k": "w"}});
    let own = change(&made["metadata"]["uid"]);
    let changed = ground.merge("ConfigMap", "a", &own).await;
    assert_eq!(changed.expect("it is meant")["data"]["k"], "w");
    let other = json!("00000000-0000-4000-8000-0000000000ff");
    let mut wrong = change(&other);
    wrong["data"]["k"] = json!("x");
    let (code, message) = ground
        .merge("ConfigMap", "a", &wrong)
        .await
        .expect_err("another one is meant");
    assert!([409, 422].contains(&code), "{code} {message}");
    let after = ground.get("ConfigMap", "a").await.expect("it is there");
    assert_eq!(after["data"]["k"], "w");
}

async fn refusals(ground: Ground) {
    ground
        .create(&config_map("a", "k", "v"))
        .await
        .expect("it is made");
    assert_eq!(
        ground
            .create(&config_map("a", "k", "v"))
            .await
            .expect_err("it is there")
            .0,
        409
    );
    assert_eq!(
        ground
            .get("ConfigMap", "b")
            .await
            .expect_err("it is not there")
            .0,
        404
    );
    assert_eq!(
        ground
            .delete("ConfigMap", "b", &DeleteParams::default())
            .await
            .expect_err("it is not there")
            .0,
        404
    );
    let nameless = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}});
    assert_eq!(
        ground
            .create(&nameless)
            .await
            .expect_err("it has no name")
            .0,
        422
    );
    let drawn =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "a-"}});
    let made = ground.create(&drawn).await.expect("a name is drawn");
    assert!(
        made["metadata"]["name"]
            .as_str()
            .is_some_and(|name| name.len() > 2 && name.starts_with("a-")),
        "{made}"
    );
    ground
        .apply(&ground.deployment("web", 0, "sleep 1000"))
        .await;
    let selector = json!({"spec": {"selector": {"matchLabels": {"app": "other"}}}});
    let (code, message) = ground
        .merge("Deployment", "web", &selector)
        .await
        .expect_err("it cannot change");
    assert_eq!(code, 422, "{message}");
    assert!(message.contains("spec.selector"), "{message}");
}

async fn pages(ground: Ground) {
    for name in ["a", "b", "c", "d", "e"] {
        let mut object = config_map(name, "k", name);
        object["metadata"]["labels"] = json!({"paged": "yes"});
        ground.create(&object).await.expect("it is made");
    }
    let (mut names, mut pages, mut params) = (
        Vec::new(),
        0,
        ListParams::default().labels("paged=yes").limit(2),
    );
    loop {
        let page = ground.api("ConfigMap").list(&params).await.expect("a page");
        names.extend(
            page.items
                .iter()
                .filter_map(|one| one.metadata.name.clone()),
        );
        pages += 1;
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => break,
        }
    }
    assert_eq!((names.join(""), pages), ("abcde".to_owned(), 3));
}

async fn metadata(ground: Ground) {
    let mut object = config_map("a", "k", "v");
    object["metadata"]["labels"] = json!({"run": "r1"});
    ground.apply(&object).await;
    let found = ground
        .api("ConfigMap")
        .list_metadata(&ListParams::default().labels("run"))
        .await
        .expect("a list");
    let names: Vec<_> = found
        .items
        .iter()
        .filter_map(|one| one.metadata.name.clone())
        .collect();
    assert_eq!(names, ["a"]);
}

async fn access(ground: Ground) {
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "metadata": {},
        "spec": {"resourceAttributes": {"namespace": ground.namespace, "verb": "create", "resource": "pods", "subresource": "attach"}},
    });
    let answer = ground.create(&review).await.expect("an answer");
    assert_eq!(
        answer["status"]["allowed"], true,
        "the tests need an administrator"
    );
}

async fn generation(ground: Ground) {
    let made = ground
        .apply(&ground.deployment("web", 0, "sleep 1000"))
        .await;
    assert_eq!(made["metadata"]["generation"], 1);
    let labelled = json!({"metadata": {"labels": {"a": "b"}}});
    assert_eq!(
        ground
            .merge("Deployment", "web", &labelled)
            .await
            .expect("a label")["metadata"]["generation"],
        1
    );
    let scaled = ground
        .merge("Deployment", "web", &json!({"spec": {"paused": true}}))
        .await
        .expect("a change");
    assert_eq!(scaled["metadata"]["generation"], 2);
    ground
        .until("Deployment", "web", "observes it", |web| {
            web["status"]["observedGeneration"] == 2
        })
        .await;
}
