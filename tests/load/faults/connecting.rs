//! Connections that do not come about, or come late.

use super::closed_port;
use crate::harness::{load, program, run};
use aefm_tests::ports;
use aefm_tests::target::{Target, answer, reset};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

#[test]
fn refused() {
    let run = load("", &closed_port());
    run.all("connect");
    run.fault("Connection refused");
    assert_eq!(run.code, 1);
    assert!(
        run.stderr.contains("0 of 4 connections are open"),
        "{}",
        run.stderr
    );
}

#[test]
fn unreachable() {
    let run = load("", "http://255.255.255.255:9/");
    run.all("connect");
    assert_eq!(run.code, 1);
}

#[test]
fn a_connect_that_is_never_answered() {
    // Two connections fill a backlog of one; SYNs beyond are dropped.
    let listener =
        socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    listener
        .bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into())
        .unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let fill: Vec<_> = (0..4)
        .map(|_| {
            let filler =
                socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
            filler.set_nonblocking(true).unwrap();
            let _ = filler.connect(&address.into());
            filler
        })
        .collect();
    let run = load("--connect-timeout 200ms", &format!("http://{address}/"));
    assert!(
        run.outcome("connect") > 0 && run.outcome("connect") + run.outcome("unsent") == 200,
        "{}",
        run.json
    );
    run.fault("timed out");
    drop(fill);
}

#[test]
fn a_name_that_does_not_resolve() {
    let run = load("", "http://no-such-name.invalid/");
    run.all("connect");
    run.fault("its name has no address");
}

#[test]
fn a_server_that_comes_late_is_found() {
    let address = format!("127.0.0.1:{}", ports::free());
    let url = format!("http://{address}/");
    let late = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(400));
        let target = Target::bind(&address, |wire| {
            while wire.request().is_some_and(|_| wire.send(answer(200, ""))) {}
        });
        std::thread::sleep(Duration::from_secs(4));
        drop(target);
    });
    let run = run(&mut program(&format!("-R 100 -d 3s -c 4 -q --json {url}")));
    assert!(
        run.outcome("ok") > 20 && run.outcome("connect") > 5,
        "{}",
        run.json
    );
    assert_eq!(run.sum(), 300);
    late.join().unwrap();
}

#[test]
fn without_keep_alive_each_request_has_its_connection() {
    let target = Target::healthy();
    let run = load("--no-keepalive", &target.url());
    run.all("ok");
    assert_eq!(
        target.seen.connections.load(Ordering::Relaxed),
        target.seen.requests() as u64
    );
    assert!(
        target
            .seen
            .heads()
            .iter()
            .all(|head| head.contains("Connection: close"))
    );
}

#[test]
fn without_keep_alive_and_refused() {
    load("--no-keepalive", &closed_port()).all("connect");
}

#[test]
fn the_closed_loop_and_refused() {
    let run = run(&mut program(&format!(
        "--closed --no-keepalive -d 1s -c 4 -t 1 -q --json {}",
        closed_port()
    )));
    assert!(
        run.outcome("ok") == 0 && run.json["cpu_share"].as_f64().unwrap() < 0.5,
        "{}",
        run.json
    );
    assert_eq!((run.code, run.sum()), (1, run.number("intended")));
}

#[test]
fn a_server_that_goes_away_and_comes_back() {
    let count = AtomicU64::new(0);
    let target =
        Target::start(move |wire| {
            // Connections 5 to 12 are reset at once.
            match count.fetch_add(1, Ordering::Relaxed) {
                4..12 => reset(wire),
                _ => {
                    while wire.request().is_some_and(|_| {
                        wire.seen().requests() != 50 && wire.send(answer(200, "x"))
                    }) {}
                }
            }
        });
    let run = load("-c 1 --grace 2s", &target.url());
    assert!(run.outcome("ok") > 100, "{}", run.json);
}
