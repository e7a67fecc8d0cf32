//! Tests of service graphs: those that come with AEFM are right, and what is wrong is told.

use super::*;
use proptest::prelude::*;

fn hotel() -> ServiceGraph {
    ServiceGraph::of_app("hotel-reservation").unwrap()
}

#[test]
fn every_shipped_graph_is_sound_and_named_after_its_application() {
    for app in ServiceGraph::shipped() {
        let graph = ServiceGraph::of_app(app).unwrap();
        assert_eq!(graph.app(), app);
        let order = graph.services_in_start_order();
        assert_eq!(order.len(), graph.services().len(), "{app}");
        for (position, service) in order.iter().enumerate() {
            for child in graph.children(service) {
                assert!(
                    order[..position].contains(&child),
                    "{app}: {child} starts after {service}, which calls it"
                );
            }
        }
    }
}

#[test]
fn every_service_of_a_shipped_graph_is_reached_from_its_entry() {
    for app in ServiceGraph::shipped() {
        let graph = ServiceGraph::of_app(app).unwrap();
        let mut reached: Vec<&str> = Vec::new();
        for operation in &graph.service(graph.entry()).unwrap().operations {
            reached.extend(graph.spans_of(graph.entry(), &operation.name).keys());
        }
        for service in graph.services() {
            assert!(
                reached.contains(&service.name.as_str()),
                "{app}: nothing leads to {}",
                service.name
            );
        }
    }
}

#[test]
fn the_hotel_has_the_eight_services_of_the_original_and_its_calls() {
    let graph = hotel();
    let mut names: Vec<_> = graph
        .services()
        .iter()
        .map(|service| service.name.as_str())
        .collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "frontend",
            "geo",
            "profile",
            "rate",
            "recommendation",
            "reservation",
            "search",
            "user"
        ]
    );
    assert_eq!(graph.entry(), "frontend");
    assert_eq!(graph.children("search"), ["geo", "rate"]);
    assert_eq!(
        graph
            .spans_of("frontend", "search")
            .keys()
            .copied()
            .collect::<Vec<_>>(),
        [
            "frontend",
            "geo",
            "profile",
            "rate",
            "reservation",
            "search"
        ]
    );
    assert_eq!(
        graph.spans_of("frontend", "login"),
        BTreeMap::from([("frontend", 1), ("user", 1)])
    );
}

#[test]
fn a_graph_goes_through_json_unchanged() {
    let graph = hotel();
    let json = serde_json::to_string(&graph).unwrap();
    assert_eq!(serde_json::from_str::<ServiceGraph>(&json).unwrap(), graph);
}

#[test]
fn all_faults_are_told_at_once() {
    let text = "
app: broken
entry: door
services:
  - name: a
    operations:
      - {name: x, cpu_us: -1, calls: [[b/nowhere]]}
      - {name: x, cpu_us: 1, parameters: [{name: to, rule: {after: from}}]}
  - name: B
    operations:
      - {name: y, cpu_us: .nan}
";
    let Err(GraphError::Faults(GraphFaults { faults, .. })) = ServiceGraph::from_yaml(text) else {
        panic!("a broken graph was taken")
    };
    let told: Vec<_> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "`B` is not a name: use lower-case letters, digits and dashes",
            "the entry `door` is not among its services",
            "`a/x` is there twice",
            "`a/x` calls `b/nowhere`, which is not there",
            "cpu_us of `a/x` must be from 0 to 1000000",
            "parameter `to` of `a/x` is compared with `from`, which is not there",
            "cpu_us of `B/y` must be from 0 to 1000000",
        ]
    );
}

#[test]
fn a_circle_is_told_by_its_names() {
    let text = "
app: circle
entry: a
services:
  - {name: a, operations: [{name: x, route: GET /, cpu_us: 1, calls: [[b/x]]}]}
  - {name: b, operations: [{name: x, cpu_us: 1, calls: [[c/x]]}]}
  - {name: c, operations: [{name: x, cpu_us: 1, calls: [[b/x]]}]}
";
    let error = ServiceGraph::from_yaml(text).unwrap_err().to_string();
    assert!(
        error.ends_with("these services call each other in a circle: b -> c -> b"),
        "{error}"
    );
}

#[test]
fn a_text_that_is_no_graph_is_told_with_its_line() {
    let error = ServiceGraph::from_yaml("app: x\nentry: y\nservice: []\n")
        .unwrap_err()
        .to_string();
    assert!(error.contains("service"), "{error}");
    assert!(error.contains("line 3"), "{error}");
    let error = ServiceGraph::of_app("hotels").unwrap_err().to_string();
    assert!(error.contains("hotel-reservation"), "{error}");
    assert_eq!(
        ServiceGraph::of_app("hotel").unwrap().app(),
        "hotel-reservation"
    );
}

proptest! {
    /// Services 0..n in any order of the file, each calling some with a lower number: there is an order, and it is right.
    /// One call back up, and there is none.
    #[test]
    fn any_graph_without_a_circle_can_be_started(
        order in (2..12usize).prop_flat_map(|count| Just((0..count).collect::<Vec<_>>()).prop_shuffle()),
        calls in proptest::collection::vec((0..12usize, 0..12usize), 0..30),
    ) {
        let count = order.len();
        let down: Vec<_> = calls.iter().map(|(a, b)| (a % count, b % count)).filter(|(a, b)| a > b).collect();
        let file = |calls: &[(usize, usize)]| GraphFile {
            app: "any".into(),
            entry: format!("s{}", count - 1),
            call_timeout_ms: 1,
            services: order.iter().map(|&number| service(number, calls)).collect(),
        };
        let graph = ServiceGraph::try_from(file(&down)).unwrap();
        let started = graph.services_in_start_order();
        prop_assert_eq!(started.len(), count);
        let at = |number: usize| started.iter().position(|name| *name == format!("s{number}")).unwrap();
        prop_assert!(down.iter().all(|(caller, child)| at(*child) < at(*caller)));
        if let Some((caller, child)) = down.first().copied() {
            let up = [down.clone(), vec![(child, caller)]].concat();
            let faults = ServiceGraph::try_from(file(&up)).unwrap_err().faults;
            prop_assert!(matches!(faults[..], [GraphFault::Circle(_)]), "{:?}", faults);
        }
    }
}

fn service(number: usize, calls: &[(usize, usize)]) -> Service {
    let own = calls.iter().filter(|(caller, _)| *caller == number);
    let operation = Operation {
        name: "x".into(),
        route: Some("GET /".parse().unwrap()),
        parameters: Vec::new(),
        cpu_us: 0.0,
        cpu_sigma: 0.0,
        memory_kib: 0,
        calls: own
            .map(|(_, child)| vec![format!("s{child}/x").parse().unwrap()])
            .collect(),
        keeps: None,
        answer: Answer::Empty,
    };
    Service {
        name: format!("s{number}"),
        operations: vec![operation],
    }
}
