//! What is typed, and what comes of it.

use super::*;
use crate::content::Content;
use crate::plan::Loop;
use clap::Parser;

fn parse(arguments: &str) -> Result<Options, String> {
    let arguments = std::iter::once("aefm-load").chain(arguments.split_whitespace());
    let args = Args::try_parse_from(arguments).map_err(|error| error.to_string())?;
    from_args(&args, 99).map_err(|error| error.to_string())
}

#[test]
fn the_originals_scripts_are_native_workloads() {
    let content = |script: &str| {
        let options = parse(&format!("-R 10 -s $MODULE_DEFAULT/{script} http://x/p"));
        options.map(|options| options.plan.content)
    };
    let Ok(Content::Workload(drawn)) = content("hotel/search.lua") else {
        panic!("a workload")
    };
    assert_eq!(
        (drawn.workload.name, &*drawn.prefix),
        ("hotel-reservation/search", "/p")
    );
    let none = content("hotel/none.lua").expect_err("there is none");
    assert!(none.contains("hotel-reservation/search"), "{none}");
}

#[test]
fn a_wrk2_command_line_means_what_it_meant() {
    let options =
        parse("-t2 -c100 -d30s -R2000 -L -U -B -T 5s -H X:y http://127.0.0.1:80/index.html")
            .unwrap();
    let plan = &options.plan;
    assert_eq!(
        (plan.threads, plan.connections, plan.duration_ns),
        (2, 100, 30_000_000_000)
    );
    assert_eq!(
        (plan.timeout_ns, plan.rate_asked_hz()),
        (5_000_000_000, Some(2000.0))
    );
    assert!(options.spectrum && options.uncorrected);
    assert_eq!(plan.fields.fields[0], ("X".to_owned(), "y".to_owned()));
    assert_eq!(
        parse("-R 1k -d 2m http://x").unwrap().plan.rate_asked_hz(),
        Some(1000.0)
    );
    assert!(matches!(
        parse("-R max http://x").unwrap().plan.load,
        Loop::Closed { limit: None }
    ));
    assert!(matches!(
        parse("--closed --requests 5 http://x").unwrap().plan.load,
        Loop::Closed { limit: Some(5) }
    ));
    assert_eq!(parse("-R1 -D zipf http://x").unwrap().warnings.len(), 1);
}

#[test]
fn what_cannot_be_is_said_with_a_way_out() {
    for (arguments, word) in [
        ("http://x", "-R max"),
        ("-R 0 http://x", "above 0"),
        ("-R 10 x:80", "http://"),
        ("-R 10 -s /nowhere.lua http://x", "/nowhere.lua"),
        (
            "-R 10 -s a.lua -w hotel-reservation/mixed http://x",
            "cannot be used with",
        ),
        ("-R 10 -s a.lua --http2 http://x", "HTTP/1.1"),
        ("-R 10 --scenario /nowhere.yaml http://x", "/nowhere.yaml"),
        ("-R 10 --script-seed wall http://x", "--script"),
        ("-R 10 http://x -- y", "-s"),
        ("-R 10 -w nope http://x", "hotel-reservation/mixed"),
        ("-R 10 -H nope http://x", "Name: value"),
        ("-R 10 -m BREW http://x", "GET"),
        ("-R 10 --shard 4/4 http://x", "from 0"),
        ("-R 10 --cores 3-1 http://x", "0,2-3"),
        ("-R 10 -c 0 http://x", "at least 1"),
        ("-R 10 -d 0s http://x", "longer than 0"),
        ("-R 10 --start-at noon http://x", "RFC 3339"),
        ("-R 10 --slo p99 http://x", "p99<"),
        ("-R 10 --arrival /nowhere.csv http://x", "/nowhere.csv"),
        ("-R 10 --http2 --no-keepalive http://x", "many requests"),
        ("-R 10 --frob http://x", "--frob"),
        ("", "URL"),
    ] {
        let error = parse(arguments).unwrap_err();
        assert!(
            error.contains(word),
            "`{arguments}` gave `{error}` without `{word}`"
        );
    }
}

#[test]
fn seeds_and_shards_are_kept() {
    assert_eq!(parse("-R 10 http://x").unwrap().plan.seed, 99);
    let plan = parse("-R 10 --seed 7 --shard 1/4 --trace b3 http://x")
        .unwrap()
        .plan;
    assert_eq!((plan.seed, plan.share), (7, Share { index: 1, of: 4 }));
    assert_eq!(plan.rate_asked_hz(), Some(2.5));
    assert!(plan.context.is_some() && plan.trace_seed.is_some());
    assert_eq!(start_at("1.5").unwrap(), 1_500_000_000);
    assert_eq!(start_at("1970-01-01T00:00:02Z").unwrap(), 2_000_000_000);
}
