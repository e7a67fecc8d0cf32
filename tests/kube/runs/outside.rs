//! A load from outside of the cluster: each way in leads to the application.

use super::{NAMESPACE, Stage, furnished, said};
use serde_json::json;
use std::fs;

#[test]
fn a_load_from_outside_enters_by_every_way() {
    let stage = Stage::new();
    for (entrance, starts) in [
        ("port-forward", "http://127.0.0.1:"),
        ("nodeport", "http://127."),
        ("loadbalancer", "http://127."),
    ] {
        let run = stage
            .start(
                "rate: [10]",
                2,
                &format!(", load: outside, entrance: {entrance}"),
            )
            .finish();
        assert_eq!(run.code(), 0, "{entrance}: {}", said(&run));
        let log = fs::read_to_string(run.run_dir().join("run.log")).expect("it has a log");
        let url = log
            .split("the application is up at ")
            .nth(1)
            .and_then(|rest| rest.split_whitespace().next());
        let url = url.expect("the log tells where");
        assert!(url.starts_with(starts), "{entrance}: {url}");
        let node_port = url
            .rsplit(':')
            .next()
            .and_then(|port| port.parse().ok())
            .is_some_and(|port| (30_000..32_768).contains(&port));
        assert_eq!(node_port, entrance == "nodeport", "{url}");
        assert_eq!(url.ends_with(":8080"), entrance == "loadbalancer", "{url}");
        assert_eq!(run.rows("requests").len(), 25, "{entrance}");
        stage.assert_nothing_left();
    }
}

#[test]
fn a_way_that_is_not_there_is_told_with_one_that_always_is() {
    // It leads to the application, and to a name that nobody knows.
    let path = json!({"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "frontend", "port": {"number": 8080}}}});
    let ingress = json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": {"name": "way", "namespace": NAMESPACE},
        "spec": {"rules": [{"host": "shop.aefm.invalid", "http": {"paths": [path]}}]},
        "status": {"loadBalancer": {"ingress": [{"ip": "127.0.0.9"}]}}});
    for (objects, missing) in [
        (vec![], "none with an address leads there"),
        (vec![ingress], "127.0.0.9 is where it leads"),
    ] {
        let stage = furnished(&objects);
        let run = stage
            .start(
                "rate: [10]",
                2,
                ", load: outside, entrance: ingress, ready: 10s",
            )
            .finish();
        assert_ne!(run.code(), 0, "{}", said(&run));
        let (_, status, reason) = &run.cases()[0];
        assert_eq!(status, "failed");
        assert!(
            reason.contains(missing) && reason.contains("entrance: port-forward"),
            "{reason}"
        );
        stage.assert_nothing_left();
    }
}
