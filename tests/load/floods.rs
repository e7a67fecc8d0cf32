//! Servers that send faster than anyone reads, without an end. The run ends, time-outs fire, what flooded is named, and
//! other connections are served.

use crate::harness::{Run, program, run};
use aefm_tests::target::{Target, Wire, answer};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};

/// A server whose first connection answers its first request with `head` and then `block` for ever; others are healthy.
fn flooding(head: &'static str, block: &str) -> Target {
    let block = block.repeat((1 << 18) / block.len() + 1);
    let flooded = AtomicBool::new(false);
    Target::start(move |wire| {
        while wire.request().is_some() {
            if !flooded.swap(true, Ordering::Relaxed) {
                wire.send(head);
                while wire.send(&block) {}
                return;
            }
            if !wire.send(answer(200, "fine")) {
                return;
            }
        }
    })
}

/// The harness's checks, but for the CPU: there is something to do here.
pub(crate) fn flooded(arguments: &str, url: &str) -> Run {
    let run = run(&mut program(&format!(
        "-R 100 -d 1s -c 2 -t 1 -T 200ms -q --json {arguments} {url}"
    )));
    assert_eq!(run.sum(), run.number("intended"), "{}", run.json);
    run
}

#[test]
fn floods_of_http1_are_ended_and_named() {
    const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (head, block, outcome, word) in [
        (
            "HTTP/1.1 200 OK\r\n\r\n",
            "x",
            "timeout",
            "its body did not end",
        ),
        (CHUNKED, "1\r\nx\r\n", "timeout", "its body did not end"),
        (CHUNKED, "10000\r\n", "protocol", "more data than the size"),
        ("HTTP/1.1 200 OK\r\n", "A: b\r\n", "protocol", "longer than"),
        (
            "",
            "HTTP/1.1 103 Early\r\n\r\n",
            "protocol",
            "interim answers",
        ),
        ("", "\r\n", "protocol", "longer than"),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1",
            ";x",
            "protocol",
            "16 KiB",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
            "A: b\r\n",
            "protocol",
            "256 KiB",
        ),
    ] {
        // A whole 65,536 bytes of data have to lie in a chunk of 10000.
        let block = if block == "10000\r\n" {
            format!("{block}{}", "x".repeat(65_537))
        } else {
            block.to_owned()
        };
        let run = flooded("", &flooding(head, &block).url());
        assert_eq!(run.outcome(outcome), 1, "{word}: {}", run.json);
        run.fault(word);
        assert!(
            run.outcome("ok") >= 50,
            "the other connection does the work: {}",
            run.json
        );
    }
}

#[test]
fn a_long_answer_in_small_chunks_holds_up_nobody() {
    let target = Target::start(|wire| {
        let chunks = "10\r\n0123456789abcdef\r\n".repeat(20_000);
        while wire.request().is_some() {
            let sent = if wire.seen().requests() == 10 {
                wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                    && (0..50).all(|_| wire.send(&chunks))
                    && wire.send("0\r\n\r\n")
            } else {
                wire.send(answer(200, "short"))
            };
            if !sent {
                return;
            }
        }
    });
    let run = flooded("-c 8 -T 10s --grace 10s", &target.url());
    assert_eq!((run.outcome("ok"), run.sum()), (100, 100), "{}", run.json);
    assert!(
        run.number("bytes_received") > 50 * 20_000 * 22,
        "{}",
        run.json
    );
}

/// Starts a flood that would go on for ever, and interrupts the run when it has begun.
fn interrupted(arguments: &str, flood: impl Fn(&mut Wire) + Send + Sync + 'static) {
    let (begun, begin) = mpsc::channel();
    let begun = Arc::new(std::sync::Mutex::new(begun));
    let target = Target::start(move |wire| {
        let _ = begun.lock().map(|begun| begun.send(()));
        flood(wire);
    });
    let mut command: Command = program(&format!(
        "-R 50 -d 600s -c 1 -t 1 -T 600s -q --json {arguments} {}",
        target.url()
    ));
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    begin.recv().unwrap();
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
}

#[test]
fn an_interrupt_is_heeded_in_a_flood() {
    interrupted("", |wire| {
        wire.request();
        wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        let block = "1\r\nx\r\n".repeat(50_000);
        while wire.send(&block) {}
    });
}
