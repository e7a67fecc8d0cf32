//! What users of other load generators type, and what it is called here.

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Options of ab, hey, oha, bombardier, vegeta, k6, curl and DeathStarBench's fork of wrk2.
const HINTS: [(&[&str], &str); 19] = [
    (
        &["-n", "--number", "--iterations", "--max-requests"],
        "for a number of requests write --requests N",
    ),
    (
        &["-z"],
        "for how long to send write -d TIME, such as -d 30s",
    ),
    (&["-X", "--request"], "for the method write -m METHOD"),
    (&["-I", "--head"], "for the method HEAD write -m HEAD"),
    (
        &["-o", "--output", "--out", "--summary-export"],
        "for results in a file write --json and send standard output there, or --parquet DIR or --hdr FILE",
    ),
    (
        &["-a", "-u", "--user", "--basic-auth"],
        "for a user's name and password write them into the URL: http://USER:PASSWORD@HOST/",
    ),
    (
        &[
            "--data",
            "--data-raw",
            "--data-binary",
            "--data-ascii",
            "--json-body",
        ],
        "for a body write -b TEXT, or -b @FILE for a file's content",
    ),
    (
        &["--targets", "--urls-from-file", "-f"],
        "for several requests write --scenario FILE, or -s FILE for a Lua script",
    ),
    (
        &["--qps", "--rps", "--query-per-second"],
        "for the rate write -R RATE",
    ),
    (
        &["--concurrency", "--vus", "--workers", "--max-workers"],
        "for the number of connections write -c N",
    ),
    (
        &["-A", "--accept"],
        "for a header field write -H 'Accept: TYPE'",
    ),
    (
        &["-C", "--cookie"],
        "for a cookie write -H 'Cookie: NAME=VALUE'",
    ),
    (
        &["--http2-prior-knowledge", "--h2", "--http-version"],
        "for HTTP/2 write --http2; HTTP/1.1 is spoken without it",
    ),
    (
        &["--cpus"],
        "for worker threads write -t N, for cores to pin them to --cores LIST",
    ),
    (
        &["--disable-keepalive", "--keepalive"],
        "connections are kept; for one a request write --no-keepalive",
    ),
    (
        &["--host"],
        "for the field Host write -H 'Host: NAME', for another address --connect-to HOST:PORT",
    ),
    (
        &["--unix-socket"],
        "for a unix socket write unix:/SOCKET:/PATH instead of the URL",
    ),
    (
        &["-P", "-p"],
        "for each request's times write --parquet DIR --log-requests",
    ),
    (
        &["-r", "--redirect", "--location"],
        "redirects are not followed: an answer is an answer",
    ),
];

/// What to type instead of the argument that was not understood.
pub(super) fn hint(error: &clap::Error) -> Option<&'static str> {
    if error.kind() != ErrorKind::UnknownArgument {
        return None;
    }
    let ContextValue::String(typed) = error.get(ContextKind::InvalidArg)? else {
        return None;
    };
    let name = typed.split('=').next().unwrap_or(typed);
    if !name.starts_with('-') {
        return Some(
            "one URL is load enough: if an option's value stands in front of it, that option takes none (-q is --quiet, for a rate write -R)",
        );
    }
    HINTS
        .iter()
        .find(|(names, _)| names.contains(&name))
        .map(|(_, hint)| *hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::Args;
    use clap::{CommandFactory, Parser};
    use std::collections::BTreeSet;

    fn hinted(arguments: &str) -> Option<&'static str> {
        let arguments = std::iter::once("aefm-load").chain(arguments.split_whitespace());
        hint(&Args::try_parse_from(arguments).unwrap_err())
    }

    #[test]
    fn what_others_call_it_is_told() {
        for (arguments, word) in [
            ("-n 1000 -R 10 http://x", "--requests"),
            ("-n1000 -R 10 http://x", "--requests"),
            ("-z 30s -R 10 http://x", "-d TIME"),
            ("-X POST http://x", "-m METHOD"),
            ("-o csv http://x", "--json"),
            ("-a user:pass http://x", "http://USER:PASSWORD@HOST/"),
            ("--data @x http://x", "-b @FILE"),
            ("--data=x http://x", "-b @FILE"),
            ("--targets f http://x", "--scenario"),
            ("-q 100 http://x", "-R"),
        ] {
            let hint = hinted(arguments);
            assert!(
                hint.is_some_and(|hint| hint.contains(word)),
                "{arguments}: {hint:?}"
            );
        }
        assert_eq!(hinted("--frob http://x"), None);
    }

    #[test]
    fn no_hint_is_for_what_there_is() {
        let command = Args::command();
        let own: BTreeSet<String> = command
            .get_arguments()
            .flat_map(|argument| {
                let short = argument.get_short().map(|short| format!("-{short}"));
                short
                    .into_iter()
                    .chain(argument.get_long().map(|long| format!("--{long}")))
            })
            .collect();
        for name in HINTS.iter().flat_map(|(names, _)| *names) {
            assert!(!own.contains(*name), "{name} is an option of our own");
        }
    }
}
