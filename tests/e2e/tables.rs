//! Tables of the user's own, from commands and URLs, and applications that get their data first.

use crate::session::{Session, aefm, float, int, text};
use aefm_tests::target::Target;
use parquet::data_type::Int64Type;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use std::sync::Arc;

/// A Parquet file of one row.
fn parquet(depth: i64) -> Vec<u8> {
    let schema = parse_message_type("message queue { required int64 depth; }").expect("a schema");
    let mut writer = SerializedFileWriter::new(
        Vec::new(),
        Arc::new(schema),
        Arc::new(WriterProperties::new()),
    )
    .expect("a writer");
    let mut group = writer.next_row_group().expect("a group");
    let mut column = group
        .next_column()
        .expect("it can be had")
        .expect("one column");
    column
        .typed::<Int64Type>()
        .write_batch(&[depth], None, None)
        .expect("one value");
    column.close().expect("it is whole");
    group.close().expect("it is whole");
    writer.into_inner().expect("it is whole")
}

/// Answers JSON lines that tell what was asked, or Parquet, or 500.
fn server() -> Target {
    Target::start(|wire| {
        while let Some(request) = wire.request() {
            let target = request
                .head
                .split(' ')
                .nth(1)
                .unwrap_or_default()
                .to_owned();
            let (status, body) = match target.split('?').next() {
                Some("/lines") => (200, format!("{{\"asked\": \"{target}\"}}\n").into_bytes()),
                Some("/parquet") => (200, parquet(7)),
                _ => (500, b"out of order".to_vec()),
            };
            let head = format!(
                "HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            if !wire.send([head.into_bytes(), body].concat()) {
                return;
            }
        }
    })
}

#[test]
fn tables_of_the_users_own_come_from_commands_and_urls_in_every_format() {
    let server = server();
    let url = server.url();
    let experiment = format!(
        "axes: {{rate: [20], round: [1, 2]}}\nshuffle: false\nload: {{warmup: 0s, duration: 1s, grace: 1s}}\ncollect:\n  pending: between\n  tables:\n    \
         facts: {{command: [sh, -c, 'echo case_name_too,round; echo $AEFM_CASE_ID,$AEFM_ROUND'], format: csv}}\n    \
         lines: {{url: \"{url}lines?case={{case_id}}&from={{from_ms}}\", format: json-lines, again: true}}\n    \
         depth: {{url: \"{url}parquet\", format: parquet, columns: {{depth: float}}}}\n    \
         broken: {{url: \"{url}broken\", format: csv}}\n"
    );
    // `round` is a factor: a column of that name cannot be the user's.
    let run = Session::start(&experiment).finish();
    assert_eq!(run.code(), 3, "{}", run.stderr());
    let quality = run.rows("quality");
    let why = |source: &str| {
        let of = quality
            .iter()
            .filter(|row| text(row, "source") == source && text(row, "status") != "ok");
        of.map(|row| text(row, "reason"))
            .collect::<Vec<_>>()
            .join("; ")
    };
    assert!(
        why("user_facts").contains("`round`") && why("user_broken").contains("out of order"),
        "{quality:?}"
    );
    let lines = run.rows("user_lines");
    let cases: Vec<_> = lines
        .iter()
        .map(|row| (text(row, "case_id"), int(row, "round"), text(row, "asked")))
        .collect();
    assert!(
        cases
            .iter()
            .all(|(case, _, asked)| asked.contains(&format!("case={case}&from=1")))
            && cases.len() == 2,
        "{cases:?}"
    );
    let depths: Vec<_> = run
        .rows("user_depth")
        .iter()
        .map(|row| float(row, "depth"))
        .collect();
    assert_eq!(depths, [7.0, 7.0], "as a number, which was declared");
    assert_eq!(why("user_lines") + &why("user_depth"), "");

    // Asked again is what says the same again: the server, not the one that broke.
    let before = server.seen.requests();
    let again = aefm()
        .arg("collect")
        .arg(run.run_dir())
        .output()
        .expect("aefm starts");
    assert_eq!(
        again.status.code(),
        Some(3),
        "the cases are as degraded as before: {again:?}"
    );
    assert_eq!(server.seen.requests(), before + 2);
    assert_eq!(run.rows("user_lines").len(), 2);
    assert_eq!(run.rows("quality").len(), quality.len());
}

/// Users, follows and posts are there before the load, and once is enough.
#[test]
fn an_application_with_initial_data_gets_them_when_it_is_brought_up() {
    let run = Session::start(
        "app: social-network\nworkload: read-home-timeline\naxes: {rate: [5], round: [1, 2]}\norder: [rate, round]\nshuffle: false\n\
         environment: {on_change: {round: keep, rate: reload}}\nload: {warmup: 0s, duration: 1s, grace: 2s}\n",
    )
    .finish();
    assert_eq!(run.code(), 0, "{}{}", run.stderr(), run.stdout());
    let log = std::fs::read_to_string(run.run_dir().join("run.log")).expect("the log is there");
    assert_eq!(
        log.matches("the data of social-network are there now")
            .count(),
        1,
        "{log}"
    );
    run.assert_nothing_left();
}

/// A change of the axis starts the application anew, and the case before keeps all its spans.
#[test]
fn an_axis_may_restart_the_application_between_cases() {
    let run = Session::start(
        "axes: {rate: [20, 30]}\nshuffle: false\nenvironment: {on_change: {rate: restart}}\n\
         load: {warmup: 0s, duration: 1s, grace: 1s}\n",
    )
    .finish();
    assert_eq!(run.code(), 0, "{}{}", run.stderr(), run.stdout());
    let log = std::fs::read_to_string(run.run_dir().join("run.log")).expect("the log is there");
    assert_eq!(log.matches("the application is up at").count(), 2, "{log}");
}
