//! Whatever a cluster looks like, the file is an experiment, and names only what is there.

use super::*;
use crate::experiment::kubernetes::{Nodes, Source};
use crate::experiment::{Experiment, PlatformKind};
use crate::platform::kubernetes::application;
use crate::platform::kubernetes::found::Found;
use crate::platform::kubernetes::snapshot::{Node, Room};
use app::APPS;
use proptest::prelude::*;
use roles::{Asked, choose};

fn read(text: &str) -> Experiment {
    Experiment::read(text, &|_| false)
        .unwrap_or_else(|faults| panic!("{}\n{text}", faults.show("file", text)))
}

fn wishes(app: App, snapshot: &Snapshot) -> Wishes {
    Wishes {
        app,
        name: "auto".into(),
        roles: choose(snapshot, &Asked::default()).expect("there are nodes"),
        image: "registry:5000/aefm:1".into(),
        namespace: None,
        context: None,
        prometheus: None,
    }
}

fn node(name: &str, cpu: f64, memory: f64, closed: bool) -> Node {
    let capacity = Room { cpu, memory };
    let closed = closed.then(|| "tainted: x".to_owned());
    Node {
        name: name.into(),
        address: Some("10.0.0.1".into()),
        closed,
        capacity,
        allocatable: capacity,
        ..Node::default()
    }
}

fn names(nodes: &Nodes) -> Vec<String> {
    match nodes {
        Nodes::Named(names) => names.clone(),
        other => panic!("named nodes, not {other:?}"),
    }
}

proptest! {
    #[test]
    fn the_file_is_an_experiment_whose_nodes_are_there(
        shapes in proptest::collection::vec((0.1..128.0f64, 1e6..1e13f64, any::<bool>(), any::<bool>(), 0.0..1.5f64), 1..9),
        app in 0..APPS.len(), numbered in any::<bool>(), context in "\\PC{0,20}|(?s).{0,20}", role in "testbed|infra|load|other|",
    ) {
        let nodes: Vec<_> = shapes.iter().enumerate().map(|(at, (cpu, memory, closed, control, busy))| {
            // A name of digits alone must stay a name.
            let name = if numbered { format!("{at}") } else { format!("node-{at}.example.org") };
            let mut node = node(&name, *cpu, *memory, *closed && at > 0);
            node.control_plane = *control;
            node.asked = (at % 3 > 0).then(|| Room { cpu: cpu * busy, memory: memory * busy });
            node.role = (at == 1).then(|| role.clone());
            node
        }).collect();
        let snapshot = Snapshot { minor: 34, nodes, unknown: vec![context.clone()], ..Snapshot::default() };
        let wishes = Wishes { context: Some(format!("c{context}")), ..wishes(APPS[app], &snapshot) };
        let experiment = read(&write(&snapshot, &wishes));
        prop_assert_eq!((experiment.platform, experiment.app.as_str()), (PlatformKind::Kubernetes, APPS[app].name));
        let roles = experiment.kubernetes.nodes;
        for named in [&roles.testbed, &roles.infra, &roles.load] {
            let named = names(named);
            prop_assert!(!named.is_empty());
            for name in named {
                prop_assert!(snapshot.node(&name).is_some_and(|node| node.closed.is_none()), "{}", name);
            }
        }
        prop_assert!(crate::plan::Plan::new(&experiment_of(&snapshot, &wishes), "plan", 0, 4).is_ok());
    }
}

fn experiment_of(snapshot: &Snapshot, wishes: &Wishes) -> Experiment {
    read(&write(snapshot, wishes))
}

#[test]
fn every_application_can_be_deployed_as_the_file_says() {
    let nodes = ["n1", "n2", "n3"].map(|name| node(name, 8.0, 34_359_738_368.0, false));
    let snapshot = Snapshot {
        minor: 34,
        nodes: nodes.into(),
        ..Snapshot::default()
    };
    for app in APPS {
        let experiment = experiment_of(&snapshot, &wishes(app, &snapshot));
        assert_eq!(experiment.is_emulated(), app.emulated);
        assert_eq!(
            experiment.kubernetes.deploy == Source::Emulated,
            app.emulated
        );
        assert_eq!(aefm_workloads::matrix::product(&experiment.axes).len(), 480);
        let planned = application::planned(&experiment, &["n1".into()], &["n2".into()]);
        let planned = planned.unwrap_or_else(|error| panic!("{}: {error}", app.name));
        for (name, count) in app.replicas {
            let is_it = |object: &&serde_json::Value| {
                object["kind"] == "Deployment" && object["metadata"]["name"] == *name
            };
            let deployment = planned
                .iter()
                .find(is_it)
                .unwrap_or_else(|| panic!("no {name}"));
            assert_eq!(deployment["spec"]["replicas"], *count, "{name}");
        }
    }
}

#[test]
fn what_was_found_is_said_and_used() {
    let mut snapshot = Snapshot {
        minor: 34,
        nodes: vec![node("n1", 3.92, 17e9, false)],
        ..Snapshot::default()
    };
    let found = |name: &str, port| Found {
        namespace: "mon".into(),
        name: name.into(),
        port,
        secure: false,
        because: "labelled app=x".into(),
    };
    snapshot.prometheus = vec![found("p", 9090)];
    snapshot.jaeger = vec![found("j", 16_686)];
    let service = ServiceName {
        namespace: "mon".into(),
        name: "p".into(),
        port: Some(9090),
    };
    let scrape = Some(Duration::from_secs(15));
    let prometheus = Some(Prometheus {
        place: PrometheusPlace::Cluster(service.clone()),
        scrape,
    });
    let text = write(
        &snapshot,
        &Wishes {
            prometheus,
            ..wishes(App::named("testbed").expect("known"), &snapshot)
        },
    );
    let experiment = read(&text);
    let source = experiment.collect.prometheus.expect("it is named");
    assert_eq!(
        (source.cluster, source.scrape),
        (Some(service), Duration::from_secs(15))
    );
    for part in [
        "n1 (10.0.0.1): 3.92 cores",
        "labelled app=x",
        "there is a Jaeger: mon/j:16686",
        "Beware: load and testbed share n1",
        "40, 55, 70, 85 % of what is free",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    assert!(text.contains("cpu: [40, 55, 70, 85]"), "{text}");
}

#[test]
fn the_first_line_says_what_the_file_costs() {
    let snapshot = Snapshot {
        minor: 34,
        nodes: vec![node("a", 8.0, 32e9, false)],
        ..Snapshot::default()
    };
    let text = write(&snapshot, &wishes(APPS[0], &snapshot));
    let experiment = read(&text);
    let plan = crate::plan::Plan::new(&experiment, "plan", 0, 8).unwrap();
    let first = text.lines().next().unwrap();
    assert_eq!(
        first,
        format!(
            "# {} test cases, about {} in all: fewer values on an axis below make it shorter.",
            plan.cases.len(),
            say_duration(plan.estimate)
        )
    );
    let shown = |minutes: u64| say_duration(Duration::from_secs(minutes * 60));
    assert_eq!(
        [shown(1), shown(59), shown(60), shown(375)],
        ["1 min", "59 min", "1 h", "6 h 15 min"]
    );
}
