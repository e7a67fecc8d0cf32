//! How a service starts and ends: exit codes, signals, and the end of its input.

use crate::client::send;
use crate::process::{Service, spawn, wait};
use crate::receiver::Receiver;
use aefm_workloads::testbed::ServiceSpec;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

fn geo() -> ServiceSpec {
    ServiceSpec::new("hotel-reservation", "geo")
}

/// Runs a service that is to fail; gives its exit code and what it says.
fn failing(args: &str, stdin: &str) -> (Option<i32>, String) {
    let mut child = spawn(args);
    child
        .stdin
        .take()
        .unwrap()
        .write_all(stdin.as_bytes())
        .unwrap();
    let status = wait(&mut child);
    let mut complaint = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut complaint)
        .unwrap();
    (status.code(), complaint)
}

#[test]
fn on_sigterm_spans_leave_and_the_service_ends_well() {
    let receiver = Receiver::start();
    let mut service = Service::start(&ServiceSpec {
        otlp: Some(receiver.url.clone()),
        ..geo()
    });
    // An idle connection must not hold the service up.
    let _idle = TcpStream::connect(&service.ready.address).unwrap();
    assert_eq!(
        send(&service.ready.address, "POST", "/nearby", &[], "").status,
        200
    );
    service.terminate();
    assert_eq!(service.wait().code(), Some(0));
    assert_eq!(
        receiver.spans().len(),
        1,
        "the span was flushed before the end"
    );
    assert!(
        TcpStream::connect(&service.ready.address).is_err(),
        "nobody listens any more"
    );
}

#[test]
fn on_sigterm_a_receiver_that_is_gone_does_not_hold_the_service_up() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let mut service = Service::start(&ServiceSpec {
        otlp: Some(url),
        ..geo()
    });
    assert_eq!(
        send(&service.ready.address, "POST", "/nearby", &[], "").status,
        200
    );
    service.terminate();
    assert_eq!(service.wait().code(), Some(0));
}

#[test]
fn the_end_of_input_ends_the_service() {
    let mut service = Service::start(&geo());
    assert_eq!(service.ready.service, "geo");
    assert_eq!(service.ready.pid, service.child.id());
    writeln!(service.stdin.as_ref().unwrap()).unwrap();
    assert_eq!(service.stats().requests, 0, "a line is not the end");
    service.stdin = None;
    assert_eq!(service.wait().code(), Some(0));
}

#[test]
fn a_port_that_is_taken_is_told() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let spec = serde_json::to_string(&ServiceSpec {
        listen: listen.clone(),
        ..geo()
    })
    .unwrap();
    let (code, complaint) = failing("geo --app hotel-reservation --spec -", &format!("{spec}\n"));
    assert_eq!(code, Some(1), "{complaint}");
    assert!(
        complaint.contains(&format!(
            "failed to listen on {listen}: Address already in use"
        )),
        "{complaint}"
    );
}

#[test]
fn a_wrong_spec_is_told() {
    let line = |spec: &ServiceSpec| format!("{}\n", serde_json::to_string(spec).unwrap());
    let cases = [
        (String::new(), "nothing came before its end"),
        ("{}\n".to_owned(), "missing field `app`"),
        ("{\"app\": 1\n".to_owned(), "line 1 column"),
        (
            line(&ServiceSpec {
                app: "hostel".into(),
                ..geo()
            }),
            "let both name the same service",
        ),
        (
            line(&ServiceSpec {
                otlp: Some("localhost:4318".into()),
                ..geo()
            }),
            "write a URL such as",
        ),
        (
            line(&ServiceSpec {
                cores: vec![900],
                ..geo()
            }),
            "run on cores [900]",
        ),
        (
            line(&geo()).replacen(
                '{',
                "{\"graph\":{\"app\":\"x\",\"entry\":\"y\",\"services\":[]},",
                1,
            ),
            "it has no services",
        ),
        (
            line(&geo()).replacen('{', "{\"colour\":1,", 1),
            "unknown field `colour`",
        ),
    ];
    for (stdin, reason) in cases {
        let (code, complaint) = failing("geo --app hotel-reservation --spec -", &stdin);
        assert_eq!(code, Some(2), "{complaint}");
        assert!(complaint.contains(reason), "{reason}: {complaint}");
    }
}

#[test]
fn a_wrong_name_is_told_with_those_there_are() {
    for (args, reason) in [
        (
            "geo --app hostel",
            "find an application called `hostel`: there are hotel-reservation",
        ),
        (
            "spa --app hotel-reservation",
            "find a service called `spa` in hotel-reservation: there are frontend, search",
        ),
        ("search --app hotel-reservation", "`peers` lacks geo, rate"),
        ("geo", "--app <NAME>"),
        (
            "geo --app hotel-reservation --spec /nowhere.json",
            "read the spec from /nowhere.json",
        ),
    ] {
        let (code, complaint) = failing(args, "");
        assert_eq!(code, Some(2), "{complaint}");
        assert!(complaint.contains(reason), "{reason}: {complaint}");
    }
}
