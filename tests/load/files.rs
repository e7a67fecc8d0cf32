//! What else a run leaves: text, JSON by its schema, logs, tables, exit codes.

use crate::harness::{load, program, run};
use aefm_tests::target::Target;
use serde_json::Value;
use std::process::Command;

fn text(arguments: &str, url: &str) -> (i32, String, String) {
    let output = program(&format!("{arguments} {url}")).output().unwrap();
    let read = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        read(output.stdout),
        read(output.stderr),
    )
}

#[test]
fn text_is_in_wrk2s_layout() {
    let target = Target::healthy();
    let (_, out, err) = text("-t1 -c4 -d1s -R200 -L -U", &target.url());
    for part in [
        "Running 1s test @ http://",
        "  1 threads and 4 connections",
        "  Thread Stats   Avg      Stdev     Max   +/- Stdev",
        "    Latency ",
        "    Req/Sec ",
        "Latency Distribution (HdrHistogram - Recorded Latency)",
        "Latency Distribution (HdrHistogram - Uncorrected Latency",
        " 50.000% ",
        "  Detailed Percentile spectrum:",
        "       Value   Percentile   TotalCount 1/(1-Percentile)",
        "#[Mean    =",
        "#[Buckets =",
        " requests in 1.00s, ",
        "\nRequests/sec: ",
        "\nTransfer/sec: ",
        "Intended:            200 = ",
        "Verdict: ",
    ] {
        assert!(out.contains(part), "no `{part}` in\n{out}");
    }
    // Progress goes to standard error, in plain lines where that is no terminal.
    assert!(err.contains("1/1s  sent ") && !err.contains('\r'), "{err}");
}

/// As much of JSON Schema as the schema uses.
fn check(schema: &Value, root: &Value, value: &Value, at: &str) {
    if let Some(reference) = schema["$ref"].as_str() {
        return check(
            root.pointer(reference.trim_start_matches('#')).unwrap(),
            root,
            value,
            at,
        );
    }
    let is = |name: &str| match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("the schema has a type {other}"),
    };
    let fits = match &schema["type"] {
        Value::String(name) => is(name),
        Value::Array(names) => names.iter().any(|name| is(name.as_str().unwrap())),
        _ => true,
    };
    assert!(fits, "{at} is {value}, not {}", schema["type"]);
    if let Some(words) = schema["enum"].as_array() {
        assert!(words.contains(value), "{at} is {value}");
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        assert!(
            value.get(name.as_str().unwrap()).is_some(),
            "{at} has no {name}"
        );
    }
    for (name, member) in value.as_object().into_iter().flatten() {
        match schema["properties"].get(name) {
            Some(own) => check(own, root, member, &format!("{at}.{name}")),
            None => match &schema["additionalProperties"] {
                Value::Bool(false) => panic!("{at} has {name}, which the schema does not know"),
                other => check(other, root, member, &format!("{at}.{name}")),
            },
        }
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        check(&schema["items"], root, item, &format!("{at}[{index}]"));
    }
}

#[test]
fn json_follows_its_schema() {
    let schema = include_str!("../../docs/load-summary.schema.json");
    let schema: Value = serde_json::from_str(schema).unwrap();
    let target = Target::healthy();
    let good = load("--slo p50<1us", &target.url());
    let bad = load("", "http://127.0.0.1:1/");
    let closed = run(&mut program(&format!(
        "--closed -d 300ms -q --json {}",
        target.url()
    )));
    for run in [&good, &bad, &closed] {
        check(&schema, &schema, &run.json, "summary");
    }
    assert_eq!(good.json["outcomes"].as_object().unwrap().len(), 9);
}

#[test]
fn exit_codes_are_as_documented() {
    let target = Target::healthy();
    assert_eq!(load("--slo p50<1us", &target.url()).code, 4);
    let (code, _, err) = text("", &target.url());
    assert!(code == 2 && err.contains("-R max"), "{err}");
    let (code, _, err) = text("-R 10 -s x.lua", &target.url());
    assert!(code == 2 && !err.is_empty(), "{err}");
    let (code, _, err) = text("-R 10 --cores 4000 -d 1s", &target.url());
    assert!(code == 1 && err.contains("4000"), "{err}");
    let (code, _, err) = text("-R 10 --start-at 1000 -d 1s", &target.url());
    assert!(code == 1 && err.contains("passed"), "{err}");
    assert_eq!(text("--help", "").0, 0);
}

#[test]
fn an_interrupt_ends_with_the_summary_of_what_was_done() {
    let target = Target::healthy();
    let line = format!("-R 100 -d 60s -c 4 -q --json {}", target.url());
    let child = program(&line)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    while target.seen.requests() < 50 {
        std::thread::yield_now();
    }
    let pid = nix::unistd::Pid::from_raw(child.id().cast_signed());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    let output = child.wait_with_output().unwrap();
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert_eq!(json["interrupted"], true);
    let sum: u64 = json["outcomes"]
        .as_object()
        .unwrap()
        .values()
        .map(|count| count.as_u64().unwrap())
        .sum();
    assert!(
        sum == json["intended"].as_u64().unwrap() && (50..3000).contains(&sum),
        "{json}"
    );
    assert!(
        !json["reasons"].to_string().contains("fault of aefm-load"),
        "{json}"
    );
}

#[test]
fn logs_and_tables_hold_every_request() {
    let target = Target::healthy();
    let dir = tempfile::tempdir().unwrap();
    let (log, tables) = (dir.path().join("x.hlog"), dir.path().join("set"));
    let run = load(
        &format!(
            "--warmup 500ms --hdr {} --parquet {} --log-requests",
            log.display(),
            tables.display()
        ),
        &target.url(),
    );
    let log = std::fs::read(&log).unwrap();
    use base64::Engine;
    use hdrhistogram::serialization::{
        Deserializer,
        interval_log::{IntervalLogIterator, LogEntry},
    };
    let mut count = 0;
    for entry in IntervalLogIterator::new(&log) {
        if let LogEntry::Interval(interval) = entry.unwrap() {
            let bytes = base64::prelude::BASE64_STANDARD
                .decode(interval.encoded_histogram())
                .unwrap();
            let hist: hdrhistogram::Histogram<u64> = Deserializer::new()
                .deserialize(&mut bytes.as_slice())
                .unwrap();
            count += if interval.tag().is_some() {
                0
            } else {
                hist.len()
            };
        }
    }
    assert_eq!(count, run.number("intended"));
    let requests = aefm_collector::sink::part_path(&tables, "requests", "c000");
    let requests = aefm_collector::requests::RequestLog::read(&requests).unwrap();
    assert_eq!(requests.len(), 300, "warm-up included");
    assert!(aefm_collector::sink::part_path(&tables, "load", "c000").exists());
    assert!(run.json["requests_error"].is_null());
}

#[test]
fn a_full_disk_does_not_disturb_the_load() {
    let target = Target::healthy();
    let run = load("--hdr /dev/full", &target.url());
    run.all("ok");
    assert!(
        run.code == 1 && run.stderr.contains("/dev/full"),
        "{}",
        run.stderr
    );
    let (code, _, err) = text("-R 10 -d 1s --hdr /no/such/folder/x", &target.url());
    assert!(code == 1 && err.contains("/no/such/folder"), "{err}");
}

#[test]
fn the_highest_rate_is_found() {
    // A server that answers one request at a time in 4 ms carries 250/s.
    let turn = std::sync::Mutex::new(());
    let target = Target::start(move |wire| {
        while wire.request().is_some() {
            let turn = turn.lock().unwrap();
            std::thread::sleep(std::time::Duration::from_millis(4));
            drop(turn);
            if !wire.send(aefm_tests::target::answer(200, "x")) {
                break;
            }
        }
    });
    let line = format!(
        "-R 60 -d 1s -c 8 -t 1 -q --json --find-max p75<100ms,errors<5% {}",
        target.url()
    );
    let output: std::process::Output = Command::output(&mut program(&line)).unwrap();
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let found = json["rate_max_hz"].as_f64().unwrap();
    assert!((60.0..300.0).contains(&found), "{json}");
    assert!(json["curve"].as_array().unwrap().len() >= 3);
}

#[test]
fn every_workload_that_is_listed_can_be_sent() {
    let target = Target::healthy();
    let (code, out, _) = text("workloads", "--json");
    let listed: Vec<Value> = serde_json::from_str(&out).unwrap();
    assert!(code == 0 && listed.len() == 11);
    let (_, plain, _) = text("", "workloads");
    for one in listed {
        let (name, about) = (
            one["name"].as_str().unwrap(),
            one["about"].as_str().unwrap(),
        );
        assert!(
            plain
                .lines()
                .any(|line| line.starts_with(name) && line.ends_with(about)),
            "{plain}"
        );
        let (_, out, _) = text(
            &format!("-t1 -c1 -d1s -R20 --requests 1 --json -w {name}"),
            &target.url(),
        );
        assert_eq!(
            serde_json::from_str::<Value>(&out).unwrap()["outcomes"]["ok"],
            1,
            "{name}"
        );
    }
}
