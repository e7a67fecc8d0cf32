//! Servers that misbehave. Whatever they do: the run ends, nothing spins, and the outcomes add up.

use crate::harness::{load, program, run, say};
use aefm_tests::ports;
use aefm_tests::target::{Target, Wire, answer, reset};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

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
        run.outcome("ok") == 0 && run.outcome("connect") > 100,
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
fn reset_before_the_answer() {
    let run = load("", &once(reset).url());
    assert!(
        run.outcome("reset") > 0 && run.outcome("ok") == 0,
        "{}",
        run.json
    );
}

#[test]
fn reset_in_the_head() {
    let target = once(|wire| {
        wire.send("HTTP/1.1 200 OK\r\nContent-Le");
        reset(wire);
    });
    let run = load("", &target.url());
    assert!(
        run.outcome("reset") > 0 && run.outcome("ok") == 0,
        "{}",
        run.json
    );
}

#[test]
fn reset_in_the_body() {
    let target = once(|wire| {
        wire.send(head("Content-Length: 100") + "half");
        reset(wire);
    });
    let run = load("", &target.url());
    assert!(
        run.outcome("reset") > 0 && run.outcome("ok") == 0,
        "{}",
        run.json
    );
}

#[test]
fn half_closed_before_the_answer() {
    let target = once(|wire| {
        wire.half_close();
        wire.hang();
    });
    let run = load("", &target.url());
    assert!(
        run.outcome("reset") > 0 && run.outcome("ok") == 0,
        "{}",
        run.json
    );
}

#[test]
fn half_closed_after_the_answer() {
    let target = once(|wire| {
        wire.send(answer(200, "x"));
        wire.half_close();
        wire.hang();
    });
    let run = load("", &target.url());
    assert!(run.outcome("ok") > 150, "{}", run.json);
}

#[test]
fn closed_after_each_answer_without_a_word() {
    let run = load("", &once(|wire| say(wire, answer(200, "x"))).url());
    assert!(run.outcome("ok") > 150, "{}", run.json);
    assert!(run.number("reconnects") > 100);
}

#[test]
fn closed_after_each_answer_as_announced() {
    let run = load(
        "",
        &once(|wire| say(wire, head("Connection: close\r\nContent-Length: 1") + "x")).url(),
    );
    run.all("ok");
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
fn closed_when_idle() {
    let target = Target::start(|wire| {
        let _ = wire
            .stream()
            .set_read_timeout(Some(Duration::from_millis(5)));
        while wire.request().is_some_and(|_| wire.send(answer(200, "x"))) {}
    });
    let run = load("", &target.url());
    assert!(run.outcome("ok") > 100, "{}", run.json);
}

#[test]
fn closed_as_soon_as_accepted() {
    let run = load("", &Target::start(|_| {}).url());
    assert!(
        run.outcome("ok") == 0 && run.outcome("reset") + run.outcome("connect") > 150,
        "{}",
        run.json
    );
}

#[test]
fn answers_that_never_come() {
    let target = once(Wire::hang);
    let run = load("-T 200ms", &target.url());
    assert!(
        run.outcome("timeout") >= 8 && run.outcome("ok") == 0,
        "{}",
        run.json
    );
    // A request that timed out took its connection with it.
    assert!(target.seen.connections.load(Ordering::Relaxed) > 4);
    assert!(
        run.json["lower_bound"]
            .as_array()
            .unwrap()
            .contains(&"p50".into()),
        "{}",
        run.json
    );
}

#[test]
fn byte_by_byte() {
    let target = Target::start(|wire| {
        while wire.request().is_some() {
            if !answer(200, "slow").bytes().all(|byte| wire.send([byte])) {
                break;
            }
        }
    });
    load("", &target.url()).all("ok");
}

#[test]
fn a_chunk_size_that_is_none() {
    let run = load(
        "",
        &bytes(head("Transfer-Encoding: chunked") + "xyz\r\nhello\r\n0\r\n\r\n").url(),
    );
    assert!(
        run.outcome("protocol") > 0 && run.outcome("ok") == 0,
        "{}",
        run.json
    );
    run.fault("chunks");
}

#[test]
fn chunks_that_break_off() {
    let run = load(
        "",
        &once(|wire| say(wire, head("Transfer-Encoding: chunked") + "5\r\nhel")).url(),
    );
    assert!(
        run.outcome("reset") > 0 && run.outcome("ok") == 0,
        "{}",
        run.json
    );
}

#[test]
fn chunks_with_trailers() {
    load(
        "",
        &bytes(head("Transfer-Encoding: chunked") + "5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n").url(),
    )
    .all("ok");
}

#[test]
fn a_length_beyond_the_body() {
    let run = load(
        "",
        &once(|wire| say(wire, head("Content-Length: 50") + "short")).url(),
    );
    assert!(
        run.outcome("reset") > 0 && run.outcome("ok") == 0,
        "{}",
        run.json
    );
    run.fault("closed the connection in the answer");
}

#[test]
fn a_length_short_of_the_body() {
    let run = load("", &bytes(head("Content-Length: 2") + "too much").url());
    assert!(run.outcome("ok") > 100, "{}", run.json);
}

#[test]
fn two_lengths() {
    let run = load(
        "",
        &bytes(head("Content-Length: 2\r\nContent-Length: 3") + "xyz").url(),
    );
    assert!(
        run.outcome("protocol") > 0 && run.outcome("ok") == 0,
        "{}",
        run.json
    );
}

#[test]
fn no_length_at_all() {
    load(
        "",
        &once(|wire| say(wire, head("X: y") + "until the end")).url(),
    )
    .all("ok");
}

#[test]
fn interim_answers() {
    load(
        "",
        &bytes(format!(
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nA: b\r\n\r\n{}",
            answer(200, "x")
        ))
        .url(),
    )
    .all("ok");
}

#[test]
fn answers_without_a_body() {
    load("", &bytes("HTTP/1.1 204 No Content\r\n\r\n").url()).all("ok");
    load(
        "",
        &bytes("HTTP/1.1 304 Not Modified\r\nContent-Length: 77\r\n\r\n").url(),
    )
    .all("ok");
    load("-m HEAD", &bytes(head("Content-Length: 77")).url()).all("ok");
}

#[test]
fn errors_by_status() {
    load("", &bytes(answer(404, "no")).url()).all("http_4xx");
    let run = load("", &bytes(answer(503, "no")).url());
    run.all("http_5xx");
    // Fast errors have their own times and never flatter the headline.
    assert!(run.json["error_time_us"]["http_5xx"]["p50"].is_number());
    assert!(
        run.json["response_time_us"]["p50"].is_null(),
        "{}",
        run.json
    );
    assert_eq!(run.code, 1);
}

#[test]
fn a_redirect_is_not_followed() {
    let target = bytes("HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n");
    load("", &target.url()).all("ok");
    assert!(
        target
            .seen
            .heads()
            .iter()
            .all(|head| head.starts_with("GET / "))
    );
}

#[test]
fn a_huge_head() {
    load(
        "",
        &bytes(
            head(&format!(
                "X: {}\r\nContent-Length: 1",
                "y".repeat(64 * 1024)
            )) + "z",
        )
        .url(),
    )
    .all("ok");
}

#[test]
fn a_head_without_end() {
    let target = once(|wire| {
        wire.send("HTTP/1.1 200 OK\r\n");
        while wire.send(format!("X: {}\r\n", "y".repeat(1000))) {}
    });
    let run = load("", &target.url());
    assert!(
        run.outcome("protocol") > 0 && run.outcome("ok") == 0,
        "{}",
        run.json
    );
}

#[test]
fn junk_after_the_answer() {
    let run = load(
        "",
        &bytes(answer(200, "x") + "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\njunk").url(),
    );
    assert!(
        run.outcome("ok") > 100 && run.outcome("protocol") == 0,
        "{}",
        run.json
    );
}

#[test]
fn junk_before_any_request() {
    let run = load(
        "",
        &Target::start(|wire| say(wire, "220 mail ready\r\n")).url(),
    );
    assert_eq!(run.outcome("ok"), 0);
}

#[test]
fn no_http_at_all() {
    let run = load("", &bytes("SSH-2.0-OpenSSH_9.2\r\n").url());
    assert!(
        run.outcome("protocol") > 0 && run.outcome("ok") == 0,
        "{}",
        run.json
    );
}

#[test]
fn an_upgrade_nobody_asked_for() {
    let run = load("", &bytes("HTTP/1.1 101 Switching Protocols\r\n\r\n").url());
    assert!(
        run.outcome("protocol") > 0 && run.outcome("ok") == 0,
        "{}",
        run.json
    );
}

#[test]
fn an_answer_before_the_request_is_out() {
    // 8 MB do not fit into the sockets' buffers, and nobody reads them.
    let body = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(body.path(), vec![b'x'; 8 << 20]).unwrap();
    let target = Target::start(|wire| {
        wire.send(answer(413, "too large"));
        wire.half_close();
    });
    let run = load(
        &format!("-R 20 --body-file {}", body.path().display()),
        &target.url(),
    );
    assert_eq!((run.outcome("ok"), run.sum()), (0, 20));
}

#[test]
fn a_server_that_stops_for_the_end_of_the_run() {
    let target = Target::start(|wire| {
        while wire.request().is_some() {
            if wire.seen().requests() > 100 {
                return wire.hang();
            }
            wire.send(answer(200, "x"));
        }
    });
    let run = load("", &target.url());
    // Half of the run is cut off, and the quantiles say so.
    assert!(
        run.outcome("ok") <= 100 && run.outcome("unsent") + run.outcome("unfinished") >= 90,
        "{}",
        run.json
    );
    let bounds = run.json["lower_bound"].as_array().unwrap();
    assert!(
        bounds.contains(&"p90".into()) && bounds.contains(&"max".into()),
        "{}",
        run.json
    );
    assert!(
        run.json["response_time_us"]["p90"].as_f64().unwrap() > 300_000.0,
        "{}",
        run.json
    );
    assert_eq!(run.json["verdict"], "suspect");
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
