//! What goes wrong becomes an error that is told, and no span is lost in silence.

use crate::client::{get, send};
use crate::process::{Application, Service, until};
use crate::receiver::Receiver;
use aefm_workloads::graph::ServiceGraph;
use aefm_workloads::testbed::ServiceSpec;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use std::net::TcpListener;

const LOGIN: &str = "/user?username=Cornell_1&password=1111111111";

fn hotel(otlp: &Receiver) -> Application {
    Application::start(
        &ServiceGraph::of_app("hotel-reservation").unwrap(),
        Some(&otlp.url),
    )
}

#[test]
fn a_child_that_died_is_a_bad_gateway_and_an_error_in_the_span() {
    let receiver = Receiver::start();
    let mut app = hotel(&receiver);
    assert_eq!(get(app.address(), LOGIN).status, 200);
    receiver.wait_for(2);
    let user = app.services.get_mut("user").unwrap();
    user.child.kill().unwrap();
    user.wait();
    let answer = get(app.address(), LOGIN);
    assert_eq!(answer.status, 502, "{}", answer.body);
    assert!(
        answer.body.contains("call user/check-user"),
        "{}",
        answer.body
    );
    let spans = receiver.wait_for(3);
    let status = spans[2].span.status.as_ref().unwrap();
    assert_eq!(status.code, StatusCode::Error as i32);
    assert!(
        status.message.contains("user/check-user"),
        "{}",
        status.message
    );
    assert_eq!(app.services["frontend"].stats().errors, 1);
    let search = "/hotels?inDate=2015-04-09&outDate=2015-04-10&lat=38&lon=-122";
    assert_eq!(
        get(app.address(), search).status,
        200,
        "who does not need the dead service goes on"
    );
}

#[test]
fn a_child_that_does_not_answer_is_given_up() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let text = "
app: silent
entry: door
call_timeout_ms: 150
services:
  - {name: door, operations: [{name: open, route: GET /, cpu_us: 10, calls: [[room/enter]]}]}
  - {name: room, operations: [{name: enter, cpu_us: 10}]}
";
    let spec = ServiceSpec {
        graph: Some(ServiceGraph::from_yaml(text).unwrap()),
        peers: [("room".to_owned(), silent.local_addr().unwrap().to_string())].into(),
        ..ServiceSpec::new("silent", "door")
    };
    let door = Service::start(&spec);
    let answer = get(&door.ready.address, "/");
    assert_eq!(answer.status, 504, "{}", answer.body);
    assert!(
        answer.body.contains("room/enter: no answer within 150ms"),
        "{}",
        answer.body
    );
}

#[test]
fn a_receiver_that_is_busy_gets_the_spans_later() {
    let receiver = Receiver::refusing(&[
        "503 Service Unavailable",
        "429 Too Many Requests",
        "502 Bad Gateway",
    ]);
    let user = Service::start(&ServiceSpec {
        otlp: Some(receiver.url.clone()),
        ..ServiceSpec::new("hotel-reservation", "user")
    });
    (0..5).for_each(|_| {
        assert_eq!(
            send(&user.ready.address, "POST", "/check-user", &[], "").status,
            200
        );
    });
    receiver.wait_for(5);
    until("the spans are counted", || user.stats().spans_exported == 5);
    let stats = user.stats();
    assert_eq!(
        (
            receiver.refused(),
            stats.exports_failed,
            stats.spans_dropped
        ),
        (3, 3, 0)
    );
}

#[test]
fn spans_that_a_receiver_refuses_are_counted_as_dropped() {
    let receiver = Receiver::refusing(&["400 Bad Request"]);
    let user = Service::start(&ServiceSpec {
        otlp: Some(receiver.url.clone()),
        ..ServiceSpec::new("hotel-reservation", "user")
    });
    assert_eq!(
        send(&user.ready.address, "POST", "/check-user", &[], "").status,
        200
    );
    until("the span is dropped", || user.stats().spans_dropped == 1);
    assert_eq!(
        (
            user.stats().spans_ended,
            user.stats().spans_exported,
            receiver.spans().len()
        ),
        (1, 0, 0)
    );
}

#[test]
fn a_body_without_end_is_refused() {
    let user = Service::start(&ServiceSpec::new("hotel-reservation", "user"));
    let answer = send(
        &user.ready.address,
        "POST",
        "/check-user",
        &[],
        &"x".repeat(1 << 20 | 1),
    );
    assert_eq!(answer.status, 413, "{}", answer.body);
}
