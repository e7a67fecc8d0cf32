//! Services as charts and operators make them, and those beside them that are something else.

use super::*;
use serde_json::json;

#[expect(clippy::needless_pass_by_value, reason = "what `json!` makes")]
fn service(namespace: &str, name: &str, labels: Value, ports: Value, selector: Value) -> Value {
    json!({ "metadata": { "namespace": namespace, "name": name, "labels": labels },
        "spec": { "clusterIP": "10.0.0.1", "ports": ports, "selector": selector } })
}

/// What a release `mon` of the chart has, its version before or after the reloader's port came.
fn stack(namespace: &str, version: &str, current: bool) -> Vec<Value> {
    let helm = |app: &str| {
        json!({ "app": app, "app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/instance": "mon",
            "app.kubernetes.io/part-of": "kube-prometheus-stack", "chart": format!("kube-prometheus-stack-{version}"), "release": "mon", "heritage": "Helm" })
    };
    let web = json!({ "name": "http-web", "port": 9090, "targetPort": 9090 });
    let reloader = json!({ "name": "reloader-web", "appProtocol": "http", "port": 8080, "targetPort": "reloader-web" });
    let chosen_by = if current {
        "operator.prometheus.io/name"
    } else {
        "prometheus"
    };
    let mut selector = json!({ "app.kubernetes.io/name": "prometheus" });
    selector[chosen_by] = "mon-kube-prometheus-stack-prometheus".into();
    let mut labels = helm("kube-prometheus-stack-prometheus");
    labels["self-monitor"] = "true".into();
    let mut operated = service(
        namespace,
        "prometheus-operated",
        json!({ "operated-prometheus": "true" }),
        json!([{ "name": "http-web", "port": 9090, "targetPort": "http-web" }]),
        json!({ "app.kubernetes.io/name": "prometheus" }),
    );
    operated["spec"]["clusterIP"] = "None".into();
    vec![
        operated,
        service(
            namespace,
            "mon-kube-prometheus-stack-prometheus",
            labels,
            if current {
                json!([reloader, web])
            } else {
                json!([web])
            },
            selector,
        ),
        service(
            namespace,
            "alertmanager-operated",
            json!({ "operated-alertmanager": "true" }),
            json!([{ "name": "http-web", "port": 9093 }]),
            json!({}),
        ),
        service(
            namespace,
            "mon-kube-prometheus-stack-operator",
            helm("kube-prometheus-stack-operator"),
            json!([{ "name": "https", "port": 443 }]),
            json!({}),
        ),
        service(
            namespace,
            "mon-kube-state-metrics",
            json!({ "app.kubernetes.io/name": "kube-state-metrics", "app.kubernetes.io/component": "metrics" }),
            json!([{ "name": "http", "port": 8080 }]),
            json!({}),
        ),
        service(
            namespace,
            "mon-prometheus-node-exporter",
            json!({ "app": "prometheus-node-exporter", "app.kubernetes.io/name": "prometheus-node-exporter", "app.kubernetes.io/component": "metrics" }),
            json!([{ "name": "http-metrics", "port": 9100 }]),
            json!({}),
        ),
    ]
}

/// What the chart `prometheus` has.
fn plain(namespace: &str) -> Vec<Value> {
    let labels = |component: &str, name: &str| json!({ "app.kubernetes.io/name": name, "app.kubernetes.io/component": component, "app.kubernetes.io/instance": "p" });
    vec![
        service(
            namespace,
            "p-prometheus-server",
            labels("server", "prometheus"),
            json!([{ "name": "http", "port": 80, "targetPort": 9090 }]),
            json!({ "a": "b" }),
        ),
        service(
            namespace,
            "p-prometheus-pushgateway",
            labels("pushgateway", "prometheus"),
            json!([{ "name": "http", "port": 9091 }]),
            json!({}),
        ),
    ]
}

fn catalogue(app: &str) -> Vec<Value> {
    use aefm_workloads::catalogue::{Application, render};
    let app = Application::by_name(app).expect("it is in the catalogue");
    let rendered = render::render(&app, &render::Options::default()).expect("it can be rendered");
    rendered
        .infra
        .into_iter()
        .chain(rendered.under_test)
        .filter(|object| object["kind"] == "Service")
        .collect()
}

fn chosen(target: Target, services: &[Value]) -> String {
    choose(target, services, None, None)
        .map_or_else(|error| error.to_string(), |found| found.to_string())
}

#[test]
fn the_prometheus_of_every_chart_is_found_once() {
    let name = "m/mon-kube-prometheus-stack-prometheus:9090 (labelled app=kube-prometheus-stack-prometheus)";
    assert_eq!(
        chosen(Target::Prometheus, &stack("m", "39.11.0", false)),
        name
    );
    assert_eq!(
        chosen(Target::Prometheus, &stack("m", "77.0.0", true)),
        name
    );
    assert_eq!(
        chosen(Target::Prometheus, &plain("m")),
        "m/p-prometheus-server:80 (labelled app.kubernetes.io/name=prometheus)"
    );
    // Without the chart's own Service, the operator's is there.
    let operated = &stack("m", "39.11.0", false)[..1];
    assert_eq!(
        chosen(Target::Prometheus, operated),
        "m/prometheus-operated:9090 (labelled operated-prometheus=true)"
    );
    let bare = [service(
        "x",
        "my-prometheus",
        json!({}),
        json!([{ "port": 8080, "targetPort": 9090 }]),
        json!({}),
    )];
    assert_eq!(
        chosen(Target::Prometheus, &bare),
        "x/my-prometheus:8080 (its port is 9090)"
    );
}

#[test]
fn the_jaeger_of_every_chart_and_of_the_catalogue_is_found_once() {
    let query = |name: &str, labels: Value, ports: Value| {
        vec![service("t", name, labels, ports, json!({ "x": name }))]
    };
    let ports = json!([{ "name": "grpc-query", "port": 16685 }, { "name": "http-query", "port": 16686, "targetPort": 16686 }]);
    let operator = json!({ "app": "jaeger", "app.kubernetes.io/component": "service-query", "app.kubernetes.io/name": "simplest-query", "app.kubernetes.io/part-of": "jaeger" });
    let mut all = query("simplest-query", operator.clone(), ports);
    all.extend(query(
        "simplest-collector",
        operator,
        json!([{ "name": "http-c-binary-trft", "port": 14268 }]),
    ));
    assert_eq!(
        chosen(Target::Jaeger, &all),
        "t/simplest-query:16686 (labelled app.kubernetes.io/part-of=jaeger)"
    );
    let chart =
        json!({ "app.kubernetes.io/name": "jaeger", "app.kubernetes.io/component": "query" });
    let admin = json!([{ "name": "admin", "port": 16687 }, { "name": "query", "port": 80, "targetPort": "query" }]);
    assert_eq!(
        chosen(Target::Jaeger, &query("jaeger-query", chart, admin)),
        "t/jaeger-query:80 (labelled app.kubernetes.io/name=jaeger)"
    );
    for app in [
        "hotel-reservation",
        "social-network",
        "media-microservices",
        "train-ticket",
    ] {
        let services = catalogue(app);
        let found = choose(Target::Jaeger, &services, None, None)
            .unwrap_or_else(|error| panic!("{app}: {error}"));
        assert_eq!(
            (found.name.as_str(), found.port),
            ("jaeger", 16_686),
            "{app}"
        );
        assert!(
            choose(Target::Prometheus, &services, None, None).is_err(),
            "{app}"
        );
    }
    let unlabelled = query(
        "tracing",
        json!({}),
        json!([{ "port": 80, "targetPort": 16686 }]),
    );
    assert_eq!(
        chosen(Target::Jaeger, &unlabelled),
        "t/tracing:80 (its port is 16686)"
    );
}

#[test]
fn of_several_the_user_chooses_and_the_error_names_all_and_the_key() {
    let both = [stack("a", "39.11.0", false), plain("b")].concat();
    let said = chosen(Target::Prometheus, &both);
    for part in [
        "a/mon-kube-prometheus-stack-prometheus:9090",
        "b/p-prometheus-server:80",
        "`collect.prometheus.cluster`",
    ] {
        assert!(said.contains(part), "{said}");
    }
    let named = |name: &str, port| ServiceName {
        namespace: "b".into(),
        name: name.into(),
        port,
    };
    let choice = |name: &ServiceName| choose(Target::Prometheus, &both, Some(name), None);
    assert_eq!(
        choice(&named("p-prometheus-server", None)).map(|found| found.port),
        Ok(80)
    );
    let wrong_port = choice(&named("p-prometheus-server", Some(9090)))
        .expect_err("it has no such port")
        .to_string();
    assert!(wrong_port.contains("it has 80"), "{wrong_port}");
    let missing = choice(&named("none", None))
        .expect_err("it is not there")
        .to_string();
    assert!(
        missing.contains("but a/mon-kube") && missing.contains("b/none"),
        "{missing}"
    );
    assert!(chosen(Target::Jaeger, &both).contains("`collect.jaeger.url`"));
}

#[test]
fn an_applications_own_jaeger_is_preferred_and_an_agent_is_no_prometheus() {
    let both = [catalogue("hotel-reservation"), catalogue("train-ticket")].concat();
    let own =
        choose(Target::Jaeger, &both, None, Some("train-ticket")).expect("one of them is its own");
    assert_eq!(own.namespace, "train-ticket");
    assert!(choose(Target::Jaeger, &both, None, Some("elsewhere")).is_err());
    let mut agent = stack("m", "77.0.0", true);
    agent.truncate(2);
    agent[1]["spec"]["selector"]["app.kubernetes.io/name"] = "prometheus-agent".into();
    agent.remove(0);
    assert!(choose(Target::Prometheus, &agent, None, None).is_err());
}
