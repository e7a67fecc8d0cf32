//! Tests of service graphs: those that come with AEFM are right, and what is wrong is told.

use super::*;

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
                assert!(order[..position].contains(&child), "{app}: {child} starts after {service}, which calls it");
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
            assert!(reached.contains(&service.name.as_str()), "{app}: nothing leads to {}", service.name);
        }
    }
}

#[test]
fn the_hotel_has_the_eight_services_of_the_original_and_its_calls() {
    let graph = hotel();
    let mut names: Vec<_> = graph.services().iter().map(|service| service.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["frontend", "geo", "profile", "rate", "recommendation", "reservation", "search", "user"]);
    assert_eq!(graph.entry(), "frontend");
    assert_eq!(graph.children("search"), ["geo", "rate"]);
    assert_eq!(
        graph.spans_of("frontend", "search").keys().copied().collect::<Vec<_>>(),
        ["frontend", "geo", "profile", "rate", "reservation", "search"]
    );
    assert_eq!(graph.spans_of("frontend", "login"), BTreeMap::from([("frontend", 1), ("user", 1)]));
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
    assert!(error.ends_with("these services call each other in a circle: b -> c -> b"), "{error}");
}

#[test]
fn a_text_that_is_no_graph_is_told_with_its_line() {
    let error = ServiceGraph::from_yaml("app: x\nentry: y\nservice: []\n").unwrap_err().to_string();
    assert!(error.contains("service"), "{error}");
    assert!(error.contains("line 3"), "{error}");
    let error = ServiceGraph::of_app("hotel").unwrap_err().to_string();
    assert!(error.contains("hotel-reservation"), "{error}");
}
