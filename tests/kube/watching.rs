//! Watches: what a client hears, and how it goes on when the past is gone.

use crate::ground::{Ground, PATIENCE, config_map, on_both};
use futures_util::{Stream, StreamExt, TryStreamExt};
use kube::api::{DeleteParams, DynamicObject, ListParams, WatchEvent, WatchParams};
use kube::runtime::watcher;
use serde_json::json;
use std::pin::pin;

on_both! {
    changes_after_a_list_are_heard_in_order => super::in_order;
    what_comes_to_match_is_added_and_what_no_longer_does_is_deleted => super::selected;
    a_forgotten_revision_is_answered_with_410 => super::forgotten;
    a_watcher_goes_on_after_the_past_is_gone => super::goes_on;
}

/// `A name`, `M name`, `D name`; bookmarks left out.
async fn next(
    events: &mut (impl Stream<Item = Result<WatchEvent<DynamicObject>, kube::Error>> + Unpin),
) -> String {
    let name = |object: DynamicObject| object.metadata.name.unwrap_or_default();
    loop {
        let event = tokio::time::timeout(PATIENCE, events.try_next())
            .await
            .expect("an event in time");
        return match event.expect("the watch holds").expect("the watch goes on") {
            WatchEvent::Added(object) => format!("A {}", name(object)),
            WatchEvent::Modified(object) => format!("M {}", name(object)),
            WatchEvent::Deleted(object) => format!("D {}", name(object)),
            WatchEvent::Bookmark(_) => continue,
            WatchEvent::Error(status) => format!("E {}", status.code),
        };
    }
}

/// Waits for an event; others may come before it (the server's own writes).
async fn hear(
    events: &mut (impl Stream<Item = Result<WatchEvent<DynamicObject>, kube::Error>> + Unpin),
    wanted: &str,
) {
    while next(events).await != wanted {}
}

async fn revision(ground: &Ground) -> String {
    let list = ground
        .api("ConfigMap")
        .list(&ListParams::default())
        .await
        .expect("a list");
    list.metadata
        .resource_version
        .expect("lists have a revision")
}

async fn in_order(ground: Ground) {
    ground.apply(&config_map("before", "k", "v")).await;
    let from = revision(&ground).await;
    let api = ground.api("ConfigMap");
    let only_a = WatchParams::default().fields("metadata.name=a");
    let mut events = pin!(api.watch(&only_a, &from).await.expect("a watch"));
    ground.apply(&config_map("a", "k", "v")).await;
    ground.apply(&config_map("a", "k", "v")).await;
    ground.apply(&config_map("a", "k", "w")).await;
    ground
        .delete("ConfigMap", "a", &DeleteParams::default())
        .await
        .expect("it goes");
    for wanted in ["A a", "M a", "D a"] {
        assert_eq!(next(&mut events).await, wanted);
    }
    // From the same revision the same is heard again.
    let mut again = pin!(api.watch(&only_a, &from).await.expect("a watch"));
    for wanted in ["A a", "M a", "D a"] {
        assert_eq!(next(&mut again).await, wanted);
    }
}

async fn selected(ground: Ground) {
    ground.apply(&config_map("a", "k", "v")).await;
    let from = revision(&ground).await;
    let api = ground.api("ConfigMap");
    let mut events = pin!(
        api.watch(&WatchParams::default().labels("mine=yes"), &from)
            .await
            .expect("a watch")
    );
    for labels in [
        json!({"mine": "yes"}),
        json!({"mine": "yes", "x": "y"}),
        json!({"mine": "no"}),
    ] {
        ground
            .merge("ConfigMap", "a", &json!({"metadata": {"labels": labels}}))
            .await
            .expect("it is labelled");
    }
    for wanted in ["A a", "M a", "D a"] {
        assert_eq!(next(&mut events).await, wanted);
    }
}

async fn forgotten(ground: Ground) {
    if let Some(double) = &ground.double {
        double.compact();
    }
    let api = ground.api("ConfigMap");
    match api.watch(&WatchParams::default(), "1").await {
        Ok(events) => {
            let first = next(&mut pin!(events)).await;
            // A real cluster that is minutes old still knows all that has happened.
            let knows_all = ground.double.is_none() && first.starts_with("A ");
            assert!(first == "E 410" || knows_all, "{first}");
        }
        Err(kube::Error::Api(status)) => assert_eq!(status.code, 410),
        Err(error) => panic!("{error}"),
    }
}

async fn goes_on(ground: Ground) {
    let api = ground.api("ConfigMap");
    let events =
        watcher(api, watcher::Config::default().labels("mine=yes")).filter_map(async |event| {
            match event {
                Ok(watcher::Event::Apply(object) | watcher::Event::InitApply(object)) => {
                    object.metadata.name
                }
                _ => None,
            }
        });
    let mut events = pin!(events);
    let mine = |name: &str| {
        let mut object = config_map(name, "k", "v");
        object["metadata"]["labels"] = json!({"mine": "yes"});
        object
    };
    for (name, compacted) in [("a", false), ("b", true), ("c", true)] {
        if let Some(double) = ground.double.as_ref().filter(|_| compacted) {
            double.compact();
        }
        ground.apply(&mine(name)).await;
        let heard = async { while events.next().await.expect("it never ends") != name {} };
        tokio::time::timeout(PATIENCE, heard)
            .await
            .unwrap_or_else(|_| panic!("{name} is never heard of"));
    }
    let from = revision(&ground).await;
    let api = ground.api("ConfigMap");
    let mut events = pin!(
        api.watch(&WatchParams::default(), &from)
            .await
            .expect("a watch")
    );
    ground
        .delete("ConfigMap", "a", &DeleteParams::default())
        .await
        .expect("it goes");
    hear(&mut events, "D a").await;
}
