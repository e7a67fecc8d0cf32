//! Servers that misbehave. Whatever they do: the run ends, nothing spins, and the outcomes add up.

mod answering;
mod connecting;
mod ending;

use crate::harness::load;
use aefm_tests::ports;
use aefm_tests::target::{Target, Wire};
use std::sync::atomic::Ordering;

/// A server that answers each request with these bytes and goes on.
fn bytes(bytes: impl Into<Vec<u8>>) -> Target {
    let bytes = bytes.into();
    Target::start(move |wire| while wire.request().is_some_and(|_| wire.send(&bytes)) {})
}

/// A server that takes one request a connection and ends it like this.
fn once(end: impl Fn(&mut Wire) + Send + Sync + 'static) -> Target {
    Target::start(move |wire| {
        if wire.request().is_some() {
            end(wire);
        }
    })
}

fn head(fields: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n")
}

/// A port on which nobody listens.
fn closed_port() -> String {
    format!("http://127.0.0.1:{}/", ports::free())
}

#[test]
fn a_healthy_server_is_all_ok() {
    let target = Target::healthy();
    let run = load("", &target.url());
    run.all("ok");
    assert_eq!(run.json["status"]["200"].as_u64(), Some(run.outcome("ok")));
    assert!(run.code == 0 || run.code == 3);
    // The four connections, and none but those.
    assert_eq!(target.seen.connections.load(Ordering::Relaxed), 4);
}
