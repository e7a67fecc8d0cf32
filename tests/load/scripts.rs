//! Lua scripts: each hook at work against a real server, and on the wire what wrk2 sends for the same script.

mod draws;
mod pipelines;

use crate::harness::{program, run};
use aefm_tests::target::Target;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

/// Whole requests as they came, lines ended by `\n` alone and the server's address replaced, as recordings have them.
type Texts = Arc<Mutex<Vec<String>>>;

fn listening() -> (Target, Texts) {
    let texts = Texts::default();
    let own = Arc::clone(&texts);
    let target = Target::start(move |wire| {
        while let Some(request) = wire.request() {
            let host = wire.stream().local_addr().unwrap().to_string();
            let text = format!("{}{}", request.head, String::from_utf8_lossy(&request.body));
            own.lock()
                .unwrap()
                .push(text.replace(&host, "TARGET").replace("\r\n", "\n"));
            if !wire.send("HTTP/1.1 200 OK\r\nX-Token: t0k\r\nContent-Length: 5\r\n\r\nhello") {
                break;
            }
        }
    });
    (target, texts)
}

fn file(folder: &str, name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/load")
        .join(folder)
        .join(name)
}

/// A run of a script in a file of its own, which is there as long as the folder.
fn written(text: &str, arguments: &str, url: &str) -> (Command, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("own.lua");
    std::fs::write(&path, text).unwrap();
    let mut command = program(arguments);
    command.args(["-q", "-s"]).arg(path).arg(url);
    (command, dir)
}

fn target_of(text: &str) -> &str {
    text.split(' ').nth(1).unwrap()
}

/// Request line, header lines in any order, body.
fn parts(text: &str) -> (String, BTreeSet<String>, String) {
    let (head, body) = text.split_once("\n\n").unwrap();
    let mut lines = head.lines().map(str::to_owned);
    (lines.next().unwrap(), lines.collect(), body.to_owned())
}

#[test]
fn requests_are_those_that_wrk2_sends() {
    for name in [
        "table", "count", "format", "whole", "pipeline", "answer", "draws", "setup",
    ] {
        let recording =
            std::fs::read_to_string(file("recordings", &format!("{name}.txt"))).unwrap();
        let recorded: Vec<_> = recording
            .split("=====\n")
            .skip(1)
            .map(|text| text.strip_suffix('\n').unwrap())
            .collect();
        let (target, texts) = listening();
        let mut command = program("-t1 -c1 -R50 -d1s --requests 6 -q --script-seed wall -s");
        command
            .arg(file("scripts", &format!("{name}.lua")))
            .args(["-H", "X-Typed: t"]);
        command
            .arg(format!("{}base?q=1", target.url()))
            .args(["--", "one", "two"]);
        let Output { status, stderr, .. } = command.output().unwrap();
        let stderr = String::from_utf8_lossy(&stderr);
        assert!(
            matches!(status.code(), Some(0 | 3)),
            "{name}: {status}: {stderr}"
        );
        let sent = texts.lock().unwrap();
        assert_eq!((sent.len(), recorded.len()), (6, 6), "{name}");
        for (sent, recorded) in sent.iter().zip(recorded) {
            assert_eq!(parts(sent), parts(recorded), "{name}");
            // The order of a table's fields is nobody's promise; a script's own string is.
            assert!(
                name != "whole" || sent == recorded,
                "{name}: {sent} is not {recorded}"
            );
        }
    }
}

#[test]
fn done_is_told_of_the_run_and_reads_the_threads() {
    let (target, _) = listening();
    let mut command = program("-t2 -c4 -R100 -d1s --grace 1s -q -s");
    let output = command
        .arg(file("scripts", "setup.lua"))
        .arg(target.url())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let (summary, told) = text.split_once("Verdict:").unwrap();
    assert!(
        summary.contains("100 requests in"),
        "done() comes after the summary: {text}"
    );
    let expected = "threads\t2\theard\t100\tsent\ttrue\nrequests\t100\tbytes\ttrue\tduration\ttrue\nerrors\t0\t0\t0\n\
                    latency\ttrue\ttrue\ttrue\ttrue\nthrough\n";
    assert!(told.ends_with(expected), "{told}");
}

#[test]
fn tables_and_their_tables_pass_between_threads() {
    let (target, texts) = listening();
    let script = "local seen\n\
        function setup(thread) seen = thread; thread:set('t', { list = { 'a', 'b' }, yes = true, n = 1.5 }) end\n\
        function request() back = { t }; return wrk.format('GET', '/' .. t.list[2] .. tostring(t.yes) .. t.n) end\n\
        function done() print('back ' .. seen:get('back')[1].list[1]) end";
    let output = written(script, "-t1 -c1 -R20 --requests 2", &target.url())
        .0
        .output()
        .unwrap();
    assert!(
        String::from_utf8_lossy(&output.stdout).ends_with("back a\n"),
        "{output:?}"
    );
    assert_eq!(target_of(&texts.lock().unwrap()[0]), "/btrue1.5");
}

#[test]
fn a_fault_before_the_load_names_its_place_and_sends_nothing() {
    for (script, words) in [
        ("x = = 1", "own.lua:1:"),
        ("\nnothing()", "own.lua:2: attempt to call global 'nothing'"),
        (
            "function setup(thread)\n  thread:set('f', print)\nend",
            "in setup(): own.lua:2: cannot copy a function",
        ),
        (
            "function setup(thread)\n  thread.other = 1\nend",
            "in setup(): own.lua:2: cannot set `other`",
        ),
        (
            "function init(args)\n\n  error('no ' .. args[1])\nend",
            "in init():",
        ),
        (
            "function init()\n  wrk.lookup('nowhere.invalid', 80)\nend",
            "own.lua:2: cannot look up nowhere.invalid",
        ),
        (
            "function request()\n  return wrk.format(nil, nil, 5)\nend",
            "in request(): own.lua:1: wrk:",
        ),
        (
            "function request() return nil end",
            "it is a nil, not a string",
        ),
        (
            "function request() return 'GET / HTTP/1.1\\r\\n' end",
            "incomplete request",
        ),
        (
            "function request() return 'hello\\r\\n\\r\\n' end",
            "at 1:6 of the request",
        ),
    ] {
        let target = Target::healthy();
        let output = written(script, "-R 100 -d 1s", &target.url())
            .0
            .args(["--", "luck"])
            .output()
            .unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.code() == Some(2) && err.contains(words),
            "{script}: {err}"
        );
        assert!(
            err.contains("own.lua") && err.starts_with("aefm-load: failed to "),
            "{err}"
        );
        assert_eq!(target.seen.requests(), 0, "{script}");
    }
}

#[test]
fn a_fault_in_mid_run_ends_the_request_it_concerns() {
    let target = Target::healthy();
    let json = |script: &str, arguments: &str| {
        run(&mut written(script, &format!("--json {arguments}"), &target.url()).0)
    };
    let arguments = "-t1 -c2 -R 300 --requests 300 --grace 1s";
    let third = "local n = 0\nfunction request()\n n = n + 1\n if n % 3 == 0 then error('third') end\n return wrk.format() end";
    let asked = json(third, arguments);
    assert_eq!(
        (asked.outcome("ok"), asked.outcome("protocol")),
        (200, 100),
        "{}",
        asked.json
    );
    asked.fault("own.lua:4: third");
    let heard = json(
        "function response(status, headers)\n print(headers.Nope.x)\nend",
        arguments,
    );
    assert_eq!(
        (heard.outcome("ok"), heard.outcome("protocol")),
        (0, 300),
        "{}",
        heard.json
    );
    heard.fault("in response(): own.lua:2:");
    // Without a schedule nothing but a rest slows a script down that only fails.
    let closed = json(
        "local n = 0\nfunction request() n = n + 1; if n > 5 then error('no') end; return wrk.format() end",
        "-t1 -c2 -R max -d 1s",
    );
    assert!(
        closed.outcome("protocol") < 1000 && closed.json["cpu_share"].as_f64().unwrap() < 0.5,
        "{}",
        closed.json
    );
    let done = written(
        "function done() error('late') end",
        "-R 50 -d 1s",
        &target.url(),
    )
    .0
    .output()
    .unwrap();
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    assert!(
        String::from_utf8_lossy(&done.stderr).contains("in done(): own.lua:1: late"),
        "{done:?}"
    );
}

#[test]
fn a_thread_that_stops_ends_the_run() {
    let target = Target::healthy();
    let script =
        "local n = 0\nfunction response() n = n + 1; if n == 20 then wrk.thread:stop() end end";
    let run = run(&mut written(script, "--json -t2 -c2 -R 200 -d 60s", &target.url()).0);
    assert!(
        matches!(run.code, 0 | 3),
        "it is no interruption: {}",
        run.json
    );
    assert!(
        run.outcome("ok") >= 40 && run.outcome("ok") < 100,
        "{}",
        run.json
    );
    assert_eq!(
        (run.sum(), run.json["interrupted"].as_bool()),
        (run.number("intended"), Some(false))
    );
    assert!(
        run.json["duration_s"].as_f64().unwrap() < 30.0,
        "{}",
        run.json
    );
}

#[test]
fn delay_keeps_a_connection_from_sending() {
    for arguments in ["-R max", "-R 100", "-R max --no-keepalive"] {
        let target = Target::healthy();
        let run = run(&mut written(
            "function delay() return 50 end",
            &format!("--json -t1 -c1 -d 1s {arguments}"),
            &target.url(),
        )
        .0);
        // Twenty rests are a second; a busy machine only makes it fewer.
        assert!(
            (2..=21).contains(&run.outcome("ok")),
            "{arguments}: {}",
            run.json
        );
    }
}

#[test]
fn a_script_may_send_its_threads_elsewhere() {
    let (first, second) = (Target::healthy(), Target::healthy());
    let script = format!(
        "function setup(thread)\n usual = tostring(thread.addr)\n thread.addr = wrk.lookup('127.0.0.1', {})[1]\n \
         assert(wrk.connect(thread.addr))\nend\nfunction done() print(usual, #wrk.addrs, wrk.addrs[1]) end",
        second.address().port()
    );
    let output = written(&script, "-R 50 -d 1s", &first.url())
        .0
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.ends_with(&format!("{0}\t1\t{0}\n", first.address())),
        "{text}"
    );
    assert_eq!(first.seen.requests(), 0);
    assert!(second.seen.requests() >= 49);
}

#[test]
fn what_a_script_prints_keeps_out_of_json() {
    let target = Target::healthy();
    let script =
        "print('a', 1)\nio.write('b\\n')\nio.stdout:write('c\\n')\nfunction done() print('d') end";
    let run = run(&mut written(script, "--json -t1 -c1 -R 50 -d 1s", &target.url()).0);
    for line in ["a\t1\n", "b\n", "c\n", "d\n"] {
        assert!(run.stderr.contains(line), "{}", run.stderr);
    }
}

#[test]
fn the_url_is_there_as_deathstarbench_has_it() {
    let (target, texts) = listening();
    let url = target.url().trim_end_matches('/').to_owned();
    let script = "local own = url\nfunction request() return wrk.format(\"POST\", own .. \"/wrk2-api/x\", nil, \"a=b\") end";
    let run = run(&mut written(script, "--json -t1 -c1 -R 50 --requests 5", &url).0);
    assert_eq!(run.outcome("ok"), 5, "{}", run.json);
    let texts = texts.lock().unwrap();
    // The recordings' name for the server's address.
    assert!(
        texts
            .iter()
            .all(|text| text.starts_with("POST http://TARGET/wrk2-api/x HTTP/1.1\n")),
        "{texts:?}"
    );
}

#[test]
fn credentials_in_the_url_are_sent() {
    let (target, texts) = listening();
    let url = target.url().replace("http://", "http://user:secret@");
    let script = "function request() return wrk.format(\"GET\", url) end";
    let run = run(&mut written(script, "--json -t1 -c1 -R 50 --requests 2", &url).0);
    assert_eq!(run.outcome("ok"), 2, "{}", run.json);
    for text in texts.lock().unwrap().iter() {
        let (line, fields, _) = parts(text);
        assert_eq!(line, "GET http://TARGET/ HTTP/1.1");
        assert!(
            fields.contains("Authorization: Basic dXNlcjpzZWNyZXQ="),
            "{text}"
        );
    }
}
