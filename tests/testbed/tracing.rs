//! The spans that the application leaves are those that its graph says, and every one arrives.

use crate::client::{get, send};
use crate::process::{Application, until};
use crate::receiver::{Received, Receiver};
use aefm_workloads::graph::ServiceGraph;
use aefm_workloads::ids::{span_id, trace_id, trace_prefix};
use aefm_workloads::mix::{Request, Workload};
use std::collections::BTreeMap;

const SEED: u64 = 77;

fn header(request: u64, flags: &str) -> String {
    format!(
        "00-{}-{}-{flags}",
        trace_id(SEED, request),
        span_id(SEED, request)
    )
}

/// Spans of one trace by span id.
fn tree(spans: &[Received], trace: [u8; 16]) -> BTreeMap<Vec<u8>, &Received> {
    let of = spans
        .iter()
        .filter(|received| received.span.trace_id == trace);
    of.map(|received| (received.span.span_id.clone(), received))
        .collect()
}

#[test]
fn every_request_leaves_one_complete_trace() {
    const REQUESTS: u64 = 60;
    let receiver = Receiver::start();
    let graph = ServiceGraph::of_app("hotel-reservation").unwrap();
    let app = Application::start(&graph, Some(&receiver.url));
    let workload = Workload::by_name("hotel-reservation/mixed").unwrap();
    let mut request = Request::default();
    let mut expected = BTreeMap::new();
    for number in 0..REQUESTS {
        workload.fill(1, number, &mut request);
        let traceparent = header(number, "01");
        send(
            app.address(),
            request.method,
            &request.target,
            &[("traceparent", traceparent.as_str())],
            "",
        );
        let path = request.target.split('?').next().unwrap();
        let entry = graph.service("frontend").unwrap();
        let of_path = |operation: &&_| operation_path(operation) == path;
        let operation = entry.operations.iter().find(of_path).unwrap();
        for (service, spans) in graph.spans_of("frontend", &operation.name) {
            *expected.entry(service.to_owned()).or_insert(0) += spans;
        }
    }
    assert_eq!(
        app.spans_of_prefix(trace_prefix(SEED)),
        expected,
        "each service counts the spans of the case"
    );

    let spans = receiver.wait_for(usize::try_from(expected.values().sum::<u64>()).unwrap());
    for number in 0..REQUESTS {
        let tree = tree(&spans, trace_id(SEED, number).0);
        assert!(tree.len() >= 2, "request {number} has {} spans", tree.len());
        let client = span_id(SEED, number).0.to_vec();
        let roots: Vec<_> = tree
            .values()
            .filter(|received| received.span.parent_span_id == client)
            .collect();
        assert_eq!(roots.len(), 1, "request {number}");
        assert_eq!(roots[0].service(), "frontend");
        for received in tree
            .values()
            .filter(|received| received.span.parent_span_id != client)
        {
            let parent = &tree[&received.span.parent_span_id].span;
            let child = &received.span;
            assert!(
                child.start_time_unix_nano >= parent.start_time_unix_nano,
                "{child:?} before {parent:?}"
            );
            assert!(
                child.end_time_unix_nano <= parent.end_time_unix_nano,
                "{child:?} after {parent:?}"
            );
        }
    }
    until("all spans are counted as exported", || {
        app.services
            .values()
            .map(crate::process::Service::stats)
            .all(|stats| stats.spans_exported == stats.spans_ended)
    });
}

fn operation_path(operation: &aefm_workloads::graph::Operation) -> &str {
    &operation.route.as_ref().unwrap().path
}

#[test]
fn spans_say_who_made_them_and_how_it_ended() {
    let receiver = Receiver::start();
    let app = Application::start(
        &ServiceGraph::of_app("hotel-reservation").unwrap(),
        Some(&receiver.url),
    );
    let traceparent = header(0, "01");
    let headers = [("traceparent", traceparent.as_str())];
    send(
        app.address(),
        "GET",
        "/user?username=Cornell_1&password=1111111111",
        &headers,
        "",
    );
    send(
        app.address(),
        "GET",
        "/user?username=Cornell_1&password=bad",
        &headers,
        "",
    );
    let mut spans = receiver.wait_for(3);
    spans.sort_by_key(|received| received.span.start_time_unix_nano);
    let [login, user, refused] = &spans[..] else {
        unreachable!()
    };
    assert_eq!(
        (login.span.name.as_str(), user.span.name.as_str()),
        ("GET /user", "check-user")
    );
    assert_eq!(user.resource["service.name"], "user");
    for key in ["service.instance.id", "k8s.pod.name"] {
        assert_eq!(user.resource[key], "user-0");
    }
    for key in ["host.name", "k8s.node.name"] {
        assert_eq!(user.resource[key], "node-1");
    }
    let said = |received: &Received, key: &str| received.attributes()[key].clone();
    assert_eq!(said(login, "http.request.method"), "GET");
    assert_eq!(said(login, "url.path"), "/user");
    assert_eq!(said(login, "http.response.status_code"), "200");
    assert_eq!(said(user, "http.request.method"), "POST");
    assert_eq!(said(refused, "http.response.status_code"), "400");
    assert!(
        refused.span.status.is_none(),
        "a client's fault leaves a server's span without an error"
    );
}

#[test]
fn what_is_not_sampled_leaves_no_span_and_what_has_no_trace_gets_one() {
    let receiver = Receiver::start();
    let app = Application::start(
        &ServiceGraph::of_app("hotel-reservation").unwrap(),
        Some(&receiver.url),
    );
    let target = "/user?username=Cornell_1&password=1111111111";
    let unsampled = header(0, "00");
    assert_eq!(
        send(
            app.address(),
            "GET",
            target,
            &[("traceparent", unsampled.as_str())],
            ""
        )
        .status,
        200
    );
    assert_eq!(get(app.address(), target).status, 200);
    assert_eq!(
        send(
            app.address(),
            "GET",
            target,
            &[("traceparent", "00-nonsense")],
            ""
        )
        .status,
        200
    );
    let spans = receiver.wait_for(4);
    let traces: std::collections::BTreeSet<_> = spans
        .iter()
        .map(|received| &received.span.trace_id)
        .collect();
    assert_eq!(traces.len(), 2, "each request has a trace of its own");
    assert!(
        !traces.contains(&trace_id(SEED, 0).0.to_vec()),
        "a request that is not sampled leaves no span"
    );
    let roots = spans
        .iter()
        .filter(|received| received.span.parent_span_id.is_empty());
    assert_eq!(
        roots.map(Received::service).collect::<Vec<_>>(),
        ["frontend", "frontend"]
    );
}

const STEPS: &str = "
app: steps
entry: door
services:
  - name: door
    operations:
      - {name: together, route: GET /together, cpu_us: 0, calls: [[left/work, right/work]]}
      - {name: in-turn, route: GET /in-turn, cpu_us: 0, calls: [[left/work], [right/work]]}
  - {name: left, operations: [{name: work, cpu_us: 200000}]}
  - {name: right, operations: [{name: work, cpu_us: 200000}]}
";

#[test]
fn steps_run_in_turn_and_the_calls_of_a_step_together() {
    let receiver = Receiver::start();
    let app = Application::start(
        &ServiceGraph::from_yaml(STEPS).unwrap(),
        Some(&receiver.url),
    );
    for (number, path) in [(0, "/together"), (1, "/in-turn")] {
        let traceparent = header(number, "01");
        assert_eq!(
            send(
                app.address(),
                "GET",
                path,
                &[("traceparent", traceparent.as_str())],
                ""
            )
            .status,
            200
        );
    }
    let spans = receiver.wait_for(6);
    let overlap = |number| {
        let tree = tree(&spans, trace_id(SEED, number).0);
        let one = |service: &str| {
            &tree
                .values()
                .find(|received| received.service() == service)
                .unwrap()
                .span
        };
        let (left, right) = (one("left"), one("right"));
        left.start_time_unix_nano < right.end_time_unix_nano
            && right.start_time_unix_nano < left.end_time_unix_nano
    };
    assert!(overlap(0), "the calls of one step overlap");
    assert!(!overlap(1), "a step begins after the one before has ended");
}
