//! The catalogue holds what the original's repositories of manifests hold, name by name and count by count.

use super::render::{Options, render};
use super::*;
use crate::graph::ServiceGraph;
use serde_json::Value;
use std::collections::BTreeSet;

mod rendered;

fn app(name: &str) -> Application {
    Application::by_name(name).unwrap()
}

/// Deployments, Services (infrastructure, under test), volumes, claims: section 9's table.
#[test]
fn the_counts_are_those_of_the_original() {
    let table = [
        ("hotel", (11, 8), (11, 8), 6),
        ("social", (16, 13), (17, 13), 0),
        ("media", (19, 13), (20, 13), 0),
        ("train", (23, 41), (26, 41), 0),
    ];
    let mut totals = [0, 0, 0, 0];
    for (name, deployments, services, volumes) in table {
        let rendered = render(&app(name), &Options::default()).unwrap();
        assert_eq!(rendered.count("Deployment"), deployments, "{name}");
        assert_eq!(rendered.count("Service"), services, "{name}");
        assert_eq!(rendered.count("PersistentVolume"), (volumes, 0), "{name}");
        assert_eq!(
            rendered.count("PersistentVolumeClaim"),
            (volumes, 0),
            "{name}"
        );
        for (total, kind) in totals.iter_mut().zip([
            "Deployment",
            "Service",
            "PersistentVolume",
            "PersistentVolumeClaim",
        ]) {
            let (infra, under_test) = rendered.count(kind);
            *total += infra + under_test;
        }
    }
    assert_eq!(totals, [144, 149, 6, 6]);
}

#[test]
fn entries_and_trace_stores_are_at_the_originals_node_ports() {
    let table = [
        ("hotel", 5000, 30096, 30095),
        ("social", 8080, 30628, 30094),
        ("media", 8080, 30092, 30093),
        ("train", 8080, 32677, 32688),
    ];
    for (name, port, node_port, traces) in table {
        let app = app(name);
        assert_eq!(
            (
                app.entry.port,
                app.entry.node_port,
                app.traces.store.node_port
            ),
            (port, node_port, traces)
        );
        let rendered = render(&app, &Options::default()).unwrap();
        let open: BTreeSet<u64> = rendered
            .infra
            .iter()
            .chain(&rendered.under_test)
            .flat_map(node_ports)
            .collect();
        assert_eq!(
            open,
            BTreeSet::from([node_port.into(), traces.into()]),
            "{name}: nothing else is open to the world"
        );
        let entry = app.component(&app.entry.component).unwrap();
        assert_eq!(
            (entry.ports[0].port, entry.ports[0].node_port),
            (port, Some(node_port))
        );
    }
}

fn node_ports(object: &Value) -> Vec<u64> {
    let ports = object["spec"]["ports"].as_array().into_iter().flatten();
    ports.filter_map(|port| port["nodePort"].as_u64()).collect()
}

#[test]
fn components_have_the_originals_ports_commands_and_replicas() {
    let of = |name: &str, component: &str| app(name).component(component).unwrap();
    assert_eq!(of("hotel", "rate").command, ["rate"]);
    assert_eq!(
        of("social", "write-home-timeline-service").command,
        ["WriteHomeTimelineService"]
    );
    assert_eq!(
        of("media", "cast-info-service").command,
        ["CastInfoService"]
    );
    assert_eq!(
        of("train", "ts-travel2-service").args,
        ["-Xmx1536M", "-jar", "/app/ts-travel2-service-1.0.jar"]
    );
    let first = |name: &str, component: &str| of(name, component).ports[0].port;
    for (component, port) in [
        ("frontend", 5000),
        ("geo", 8083),
        ("profile", 8081),
        ("rate", 8084),
        ("recommendation", 8085),
        ("reservation", 8087),
        ("search", 8082),
        ("user", 8086),
    ] {
        assert_eq!(first("hotel", component), port);
    }
    for (component, port) in [
        ("ts-travel-service", 12346),
        ("ts-auth-service", 12340),
        ("ts-voucher-service", 16101),
        ("ts-user-service", 12342),
    ] {
        assert_eq!(first("train", component), port);
    }
    let replicas = app("train")
        .components()
        .into_iter()
        .filter(|c| c.replicas > 1)
        .map(|c| (c.name, c.replicas));
    let expected = [
        ("ts-basic-service", 2),
        ("ts-config-service", 2),
        ("ts-station-service", 2),
        ("ts-travel-service", 3),
    ];
    assert_eq!(
        replicas.collect::<Vec<_>>(),
        expected.map(|(name, count)| (name.to_owned(), count))
    );
    assert_eq!(
        of("train", "ts-auth-service").image,
        "nicklin9907/aefm:tsauthservice-1.0"
    );
    assert_eq!(
        of("train", "ts-order-service").image,
        "codewisdom/ts-order-service:0.2.0"
    );
    assert_eq!(
        of("train", "ts-news-service").image,
        "codewisdom/ts-news-service-with-jaeger:v1"
    );
    let not_probed = app("train")
        .components()
        .into_iter()
        .filter(|c| c.role == Role::UnderTest && c.ready.is_none());
    assert_eq!(
        not_probed.map(|c| c.name).collect::<Vec<_>>(),
        ["ts-ui-dashboard"]
    );
}

#[test]
fn the_testbed_knows_services_by_their_names_in_traces() {
    for app in Application::shipped().unwrap() {
        let traced: Vec<_> = app
            .components()
            .into_iter()
            .filter_map(|component| component.trace_service)
            .collect();
        let graph = ServiceGraph::of_app(&app.name).unwrap();
        for service in graph.services() {
            assert!(
                traced.contains(&service.name),
                "{}: {}",
                app.name,
                service.name
            );
        }
        assert!(traced.contains(&app.traces.entry_service), "{}", app.name);
        let entry = app.component(&app.traces.entry_workload).unwrap();
        assert_eq!(
            entry.trace_service.as_ref(),
            Some(&app.traces.entry_service),
            "{}",
            app.name
        );
    }
}

#[test]
fn every_image_is_pinned_and_can_be_replaced() {
    let mut social = app("social");
    let images = |app: &Application, options: &Options| -> BTreeSet<String> {
        let rendered = render(app, options).unwrap();
        let deployments = rendered
            .infra
            .into_iter()
            .chain(rendered.under_test)
            .filter(|o| o["kind"] == "Deployment");
        let containers = deployments.flat_map(|object| {
            let pod = object["spec"]["template"]["spec"].clone();
            let of = |key: &str| pod[key].as_array().cloned().unwrap_or_default();
            [of("containers"), of("initContainers")].concat()
        });
        containers
            .map(|container| container["image"].as_str().unwrap().to_owned())
            .collect()
    };
    for app in Application::shipped().unwrap() {
        for image in images(&app, &Options::default()) {
            assert!(
                image.contains(':') && !image.ends_with(":latest"),
                "{image}"
            );
        }
    }
    let own = [
        ("app", "mine/social:3"),
        ("git", "mine/git:1"),
        ("user-mongodb", "mine/mongo:5"),
    ];
    let options = Options {
        images: own
            .iter()
            .map(|(key, image)| ((*key).to_owned(), (*image).to_owned()))
            .collect(),
        ..Options::default()
    };
    let replaced = images(&social, &options);
    assert!(
        own.iter().all(|(_, image)| replaced.contains(*image)),
        "{replaced:?}"
    );
    assert!(replaced.contains("mongo:4.4.6"), "the others keep theirs");
    assert!(!replaced.contains("nicklin9907/aefm:social-1.1"));
    social
        .images
        .insert("app".into(), "mine/social:latest".into());
    assert_eq!(
        super::check::check(&social),
        [CatalogueFault::Image("mine/social:latest".into())]
    );
}
