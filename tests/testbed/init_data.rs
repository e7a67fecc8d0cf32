//! Data initialisation against the emulated applications, counted on both sides.

use crate::client::get;
use crate::process::{Application, PATIENCE};
use aefm_testbed::init_data::{Options, Report, initialise};
use aefm_workloads::graph::ServiceGraph;
use aefm_workloads::init_data::Plan;
use aefm_workloads::population::{Follows, Movies};
use aefm_workloads::testbed::{DATA_PATH, DataCounts};
use std::io::{Read, Write};
use std::net::TcpListener;

fn app(name: &str) -> Application {
    Application::start(&ServiceGraph::of_app(name).unwrap(), None)
}

fn run(plan: &Plan, url: &str, force: bool) -> Report {
    let options = Options {
        url: url.to_owned(),
        connections: 8,
        force,
        sample: 10,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let work =
        async { tokio::time::timeout(PATIENCE * 3, initialise(plan, &options, |_| {})).await };
    runtime.block_on(work).unwrap().unwrap()
}

fn counts(app: &Application) -> DataCounts {
    serde_json::from_str(&get(app.address(), DATA_PATH).body).unwrap()
}

/// A ring of users, each of whom knows two others.
fn ring(users: u32) -> Follows {
    let edges: String = (0..users)
        .map(|user| format!("{user} {}\n", (user + 1) % users))
        .collect();
    Follows::parse(&edges).unwrap()
}

#[test]
fn the_social_network_is_initialised_once() {
    let app = app("social-network");
    let url = format!("http://{}", app.address());
    let plan = Plan::social_network(7, ring(30), 4);
    let report = run(&plan, &url, false);
    assert!(report.complete() && !report.skipped, "{report:?}");
    assert_eq!(report.confirmed, 20, "ten users, two timelines each");
    assert_eq!(counts(&app), plan.expected());

    let report = run(&plan, &url, false);
    assert!(
        report.complete() && report.skipped && report.stages.is_empty(),
        "{report:?}"
    );

    let report = run(&plan, &url, true);
    assert!(report.complete(), "{report:?}");
    let there: Vec<_> = report
        .stages
        .iter()
        .map(|stage| (stage.kind.as_str(), stage.there))
        .collect();
    // Following is the same however often it is done; users and posts are not made again.
    assert_eq!(
        there,
        [("user", 30), ("follow", 0), ("post", plan.stages[2].len())]
    );
    assert_eq!(counts(&app), plan.expected(), "nothing is there twice");
}

#[test]
fn an_initialisation_that_was_broken_off_is_finished_by_the_next() {
    let app = app("social-network");
    let url = format!("http://{}", app.address());
    let all = Plan::social_network(7, ring(30), 4);
    // The same seed with fewer posts allowed is not a part of it; fewer stages are.
    let part = Plan {
        app: all.app,
        stages: all.stages[..1].to_vec(),
    };
    run(&part, &url, true);
    assert_eq!(counts(&app)["user"], 30);
    let report = run(&all, &url, false);
    assert!(report.complete() && !report.skipped, "{report:?}");
    assert_eq!(report.stages[0].there, 30);
    assert_eq!(counts(&app), all.expected());
}

#[test]
fn media_is_initialised_and_again_without_harm() {
    let app = app("media-microservices");
    let url = format!("http://{}", app.address());
    let mut movies = Movies::generate(3);
    movies.casts.truncate(100);
    movies.movies.truncate(40);
    let plan = Plan::media_microservices(movies, 30);
    let report = run(&plan, &url, false);
    assert!(report.complete(), "{report:?}");
    assert_eq!(counts(&app), plan.expected());
    let report = run(&plan, &url, false);
    assert!(report.complete(), "{report:?}");
    assert_eq!(counts(&app), plan.expected());
}

#[test]
fn an_application_that_refuses_is_told_and_not_asked_forever() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || {
                let mut stream = stream?;
                let _ = stream.read(&mut [0; 4096])?;
                stream.write_all(
                    b"HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\nconnection: close\r\n\r\nlost",
                )
            });
        }
    });
    let report = run(&Plan::social_network(7, ring(200), 1), &url, false);
    assert!(!report.complete(), "{report:?}");
    assert_eq!(report.stages.len(), 1, "later stages are not begun");
    assert_eq!((report.stages[0].done, report.stages[0].failed), (0, 200));
    assert!(
        report.reasons[0].contains("answered 404 Not Found: lost"),
        "{report:?}"
    );
}

#[test]
fn a_url_that_is_none_is_refused() {
    let options = Options {
        url: "127.0.0.1:8080".into(),
        connections: 1,
        force: false,
        sample: 1,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let told = runtime
        .block_on(initialise(
            &Plan::social_network(1, ring(3), 1),
            &options,
            |_| {},
        ))
        .unwrap_err();
    assert!(told.to_string().contains("write a URL such as"), "{told}");
}

#[test]
fn the_command_tells_what_it_did_and_whether_all_is_there() {
    let app = app("social-network");
    let graph = tempfile(&["0 1", "1 2"]);
    let url = format!("http://{}", app.address());
    let command = format!(
        "init-data social --url {url} --graph {} --posts 3 --json",
        graph.display()
    );
    let (code, out, progress) = command_of(&command);
    assert_eq!(code, Some(0), "{out}{progress}");
    let report: serde_json::Value =
        serde_json::from_str(&out[out.find('{').unwrap()..out.rfind('}').unwrap() + 1]).unwrap();
    assert_eq!(
        (&report["skipped"], &report["stages"][0]["done"]),
        (&false.into(), &3.into()),
        "{report}"
    );
    assert!(progress.contains("user: 3 of 3 done"), "{progress}");
    let (code, out, _) = command_of(&command.replace(" --json", ""));
    assert!(
        code == Some(0) && out.contains("are there already"),
        "{out}"
    );
    for (command, reason) in [
        (
            "init-data bank --url http://127.0.0.1:1",
            "there are some for social-network and media-microservices",
        ),
        ("init-data social --url nowhere", "write a URL such as"),
        (
            "init-data social --url http://127.0.0.1:1 --graph /nowhere",
            "read /nowhere",
        ),
        (
            "init-data social --url http://127.0.0.1:1 --posts 51",
            "51 is not in",
        ),
        (
            "init-data media --url http://127.0.0.1:1 --casts x",
            "--movies",
        ),
    ] {
        let (code, _, complaint) = command_of(command);
        assert!(
            code == Some(2) && complaint.contains(reason),
            "{command}: {complaint}"
        );
    }
    std::fs::remove_file(graph).unwrap();
}

fn tempfile(lines: &[&str]) -> std::path::PathBuf {
    let path = std::env::temp_dir().join(format!("aefm-init-data-{}", std::process::id()));
    std::fs::write(&path, lines.join("\n")).unwrap();
    path
}

fn command_of(args: &str) -> (Option<i32>, String, String) {
    let output = crate::process::spawn(args).wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}
