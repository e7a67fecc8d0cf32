//! The network kind between two programs: who is served, and what happens when one of them goes away.

use crate::command::{Run, number, program};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

const TOKEN: &str = "a shared secret";

/// A server and its address.
fn serve(address: &str) -> (Child, String) {
    let mut command = program();
    command
        .args(["network", "--server", address, "--json", "-d", "1m"])
        .env("AEFM_TOKEN", TOKEN);
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    let mut line = String::new();
    BufReader::new(child.stderr.take().expect("a pipe"))
        .read_line(&mut line)
        .expect("it says where");
    let address = line
        .trim()
        .rsplit(' ')
        .next()
        .expect("an address")
        .to_owned();
    (child, address)
}

fn client(target: &str, token: &str, network: &Value) -> Value {
    let mut options = json!({"target": target, "token": token});
    options
        .as_object_mut()
        .expect("an object")
        .extend(network.as_object().expect("an object").clone());
    json!({
        "kind": "network", "intensity": 2e7, "unit": "bit/s", "deadline_ms": 60_000, "report_ms": 200,
        "options": {"network": options},
    })
}

fn end(mut child: Child) {
    child.kill().expect("it was alive");
    child.wait().expect("it ends");
}

#[test]
fn one_server_serves_any_number_of_clients_every_way() {
    let (server, address) = serve("127.0.0.1:0");
    let ways = [
        json!({}),
        json!({"direction": "down"}),
        json!({"direction": "both", "streams": 2}),
        json!({"protocol": "udp"}),
        json!({"protocol": "udp", "direction": "down"}),
    ];
    let clients: Vec<_> = ways
        .iter()
        .map(|way| Run::start(&client(&address, TOKEN, way)))
        .collect();
    for (client, way) in clients.iter().zip(&ways) {
        let sample = client.until(|sample| number(sample, "achieved") > 1.5e7);
        assert!(number(&sample, "bytes_per_s") > 0.0, "{way}");
    }
    end(server);
}

#[test]
fn a_stranger_is_not_served() {
    let (server, address) = serve("127.0.0.1:0");
    let mut run = Run::start(&client(&address, "another secret", &json!({})));
    let summary = run.until(|sample| sample["summary"] == true);
    assert_eq!(number(&summary, "achieved"), 0.0);
    assert_eq!(run.child.wait().expect("it ends").code(), Some(1));
    // And who says nothing at all gets nothing but the challenge.
    let mut silent = std::net::TcpStream::connect(&address).expect("it listens");
    let mut bytes = Vec::new();
    let got = std::io::Read::read_to_end(&mut silent, &mut bytes).expect("it hangs up");
    assert_eq!(got, 32);
    end(server);
}

#[test]
fn a_server_that_goes_away_is_reported_and_found_again() {
    let (server, address) = serve("127.0.0.1:0");
    let run = Run::start(&client(&address, TOKEN, &json!({})));
    run.until(|sample| number(sample, "achieved") > 1.5e7);
    end(server);
    let lost =
        run.until(|sample| number(sample, "achieved") == 0.0 && sample["why"] == "unreachable");
    assert_eq!(
        (&lost["saturated"], &lost["held"]),
        (&json!(false), &json!(false))
    );
    assert_eq!(number(&lost, "requested"), 2e7);
    let (server, _) = serve(&address);
    run.until(|sample| number(sample, "achieved") > 1.5e7);
    end(server);
}
