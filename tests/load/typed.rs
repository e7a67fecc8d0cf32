//! What is typed is sent, or refused.

use crate::harness::{load, program, run};
use aefm_tests::parts::{Part, has};
use aefm_tests::target::{Target, answer};
use std::process::Command;

/// Standard error of a run that is refused before anything is sent.
fn refused(arguments: &str) -> String {
    let output = program(arguments).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{arguments}: {text}");
    text
}

#[test]
fn credentials_in_the_url_are_sent() {
    let target = Target::healthy();
    let url = target
        .url()
        .replace("http://", "http://us%3Aer:pass%20word@");
    load("", &url).all("ok");
    load("-w hotel-reservation/mixed", &url).all("ok");
    let heads = target.seen.heads();
    assert!(
        heads.iter().all(|head| {
            head.contains("Authorization: Basic dXM6ZXI6cGFzcyB3b3Jk\r\n")
                && head.contains(&format!("Host: {}\r\n", target.address()))
        }),
        "{}",
        heads[0]
    );
    // What is typed in so many words counts, and nothing shows the secret.
    let target = Target::healthy();
    let url = target.url().replace("http://", "http://user:secret@");
    let output = program(&format!(
        "-R 50 -d 300ms -H Authorization:mine --json {url}"
    ))
    .output()
    .unwrap();
    let told = [output.stdout, output.stderr].concat();
    assert!(!String::from_utf8_lossy(&told).contains("secret"));
    let heads = target.seen.heads();
    assert!(
        heads
            .iter()
            .all(|head| head.contains("Authorization: mine\r\n") && !head.contains("Basic"))
    );
}

#[test]
fn a_body_may_be_a_files() {
    let target = Target::start(|wire| {
        while let Some(request) = wire.request() {
            let right = request.body == b"line\n\0\xff";
            wire.send(answer(if right { 200 } else { 500 }, ""));
        }
    });
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), b"line\n\0\xff").unwrap();
    let path = file.path().display();
    load(&format!("-b @{path}"), &target.url()).all("ok");
    let line = format!(
        "{} -R 200 -d 1s -c 4 -q --json -b @- {} < {path}",
        env!("CARGO_BIN_EXE_aefm-load"),
        target.url()
    );
    let piped = run(Command::new("sh").args(["-c", &line]));
    assert!(
        piped.outcome("ok") > 0 && piped.outcome("http_5xx") == 0,
        "{}",
        piped.json
    );
    let told = refused("-R 10 -b @/nowhere http://127.0.0.1:1/");
    assert!(
        told.contains("/nowhere") && told.contains("--body-file"),
        "{told}"
    );
}

#[test]
fn what_is_sent_by_others_is_refused() {
    for (arguments, word) in [
        ("-R 10 -H Host:a -H Host:b http://x/", "once"),
        ("-R 10 --trace w3c -H traceparent:x http://x/", "--trace"),
        ("-R 10 --connect-to u:p@x:80 http://x/", "HOST:PORT"),
        ("-R 10 --http2 -H TE:gzip http://x/", "HTTP/2"),
        ("-R 10 -d 10M http://x/", "1m30s"),
        ("-R 2m http://x/", "2M"),
        (
            "-n 10 http://x/",
            "hint: for a number of requests write --requests N",
        ),
        ("-z 10s -R 10 http://x/", "hint: for how long"),
    ] {
        let told = refused(arguments);
        assert!(told.contains(word), "{arguments}: {told}");
    }
}

#[test]
fn an_ipv6_zone_stays_here() {
    if !has(Part::Ipv6) {
        return;
    }
    let target = Target::bind("[::1]:0", |wire| {
        while wire.request().is_some_and(|_| wire.send(answer(200, ""))) {}
    });
    let port = target.address().port();
    // The loopback address takes a zone, too, as long as it is loopback's.
    for zone in ["%25lo", "%lo"] {
        load("", &format!("http://[::1{zone}]:{port}/")).all("ok");
    }
    let heads = target.seen.heads();
    assert!(
        heads
            .iter()
            .all(|head| head.contains(&format!("Host: [::1]:{port}\r\n"))),
        "{}",
        heads[0]
    );
}
