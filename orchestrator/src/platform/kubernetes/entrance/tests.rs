//! Ports, addresses and ways in, of objects as clusters have them.

use super::*;
use serde_json::json;

fn service() -> Value {
    let ports = json!([{ "port": 80, "targetPort": 8080, "nodePort": 30080 }, { "port": 81 }, { "port": 82, "targetPort": "web" }]);
    json!({ "metadata": { "name": "front", "namespace": "n" }, "spec": { "clusterIP": "10.1.2.3", "ports": ports } })
}

#[test]
fn ports_and_addresses_are_those_of_the_service() {
    let service = service();
    assert_eq!(
        (
            target_port(&service, 80, None),
            target_port(&service, 81, None),
            target_port(&service, 99, None)
        ),
        (Some(8080), Some(81), None)
    );
    let pod = json!({ "spec": { "containers": [{ "ports": [{ "name": "metrics", "containerPort": 1 }] },
        { "ports": [{ "name": "web", "containerPort": 8082 }] }] } });
    assert_eq!(target_port(&service, 82, Some(&pod)), Some(8082));
    assert_eq!(target_port(&service, 82, None), None);
    assert_eq!(from_inside(&service, 80), "http://10.1.2.3:80");
    let headless = json!({ "metadata": { "name": "front", "namespace": "n" }, "spec": { "clusterIP": "None" } });
    assert_eq!(from_inside(&headless, 80), "http://front.n.svc:80");
}

#[test]
fn an_ingress_counts_when_it_leads_there_and_has_an_address() {
    let leading = |to: &str, port: u16, ip: Option<&str>| {
        let path = json!({ "path": "/app/", "backend": { "service": { "name": to, "port": { "number": port } } } });
        json!({ "spec": { "rules": [{ "http": { "paths": [path] } }] },
            "status": { "loadBalancer": { "ingress": ip.map(|ip| json!([{ "ip": ip }])).unwrap_or_default() } } })
    };
    let mut all = vec![
        leading("front", 80, None),
        leading("other", 80, Some("1.1.1.1")),
        leading("front", 81, Some("1.1.1.2")),
        leading("front", 80, Some("2.2.2.2")),
    ];
    assert_eq!(ingress(&all[..3], &service(), 80), None);
    let found = |all: &[Value]| ingress(all, &service(), 80).unwrap();
    assert_eq!(
        found(&all),
        Found {
            url: "http://2.2.2.2/app".into(),
            host: None
        }
    );
    all[3]["spec"]["rules"][0]["host"] = json!("shop.test");
    let host = Some(("shop.test".to_owned(), "2.2.2.2".to_owned()));
    assert_eq!(
        found(&all),
        Found {
            url: "http://shop.test/app".into(),
            host: host.clone()
        }
    );
    all[3]["spec"]["tls"] = json!([{ "hosts": ["shop.test"] }]);
    assert_eq!(
        found(&all),
        Found {
            url: "https://shop.test/app".into(),
            host
        }
    );
    all[3]["spec"]["rules"][0]["host"] = json!("*.test");
    assert_eq!(found(&all).url, "http://2.2.2.2/app");
}

#[test]
fn a_node_port_is_reached_where_the_pod_is_unless_its_node_is_silent() {
    let node = |ip: &str, ready: &str| {
        json!({ "status": { "conditions": [{ "type": "Ready", "status": ready }],
            "addresses": [{ "type": "Hostname", "address": "n" }, { "type": "InternalIP", "address": ip }] } })
    };
    let pod = json!({ "metadata": { "name": "p", "labels": { "app": "front" } }, "spec": { "nodeName": "b" },
        "status": { "phase": "Running" } });
    let service = json!({ "spec": { "selector": { "app": "front" } } });
    let mut objects = Objects::from([
        (("Node", "a".to_owned()), node("10.0.0.1", "True")),
        (("Node", "b".to_owned()), node("10.0.0.2", "True")),
        (("Pod", "p".to_owned()), pod),
    ]);
    assert_eq!(
        node_address(&objects, &service).as_deref(),
        Some("10.0.0.2")
    );
    objects.insert(("Node", "b".to_owned()), node("10.0.0.2", "Unknown"));
    assert_eq!(
        node_address(&objects, &service).as_deref(),
        Some("10.0.0.1")
    );
    assert_eq!(
        (bracketed("10.0.0.1"), bracketed("fd00::1")),
        ("10.0.0.1".to_owned(), "[fd00::1]".to_owned())
    );
}
