//! Requests of the user's own through a whole run: a Lua script and a scenario in a native workload's place.

use crate::session::{Finished, Session, text};
use std::collections::BTreeMap;
use std::path::Path;

/// Three searches, then a login, over and over.
const SCRIPT: &str = r#"
local sent = -1
function request()
  sent = sent + 1
  if sent % 4 == 3 then return wrk.format("GET", "/user?username=Cornell_7&password=7777777777") end
  return wrk.format("GET", "/hotels?inDate=2015-04-10&outDate=2015-04-12&lat=37.9&lon=-122.1")
end
"#;

fn run(workload: &str) -> Finished {
    let experiment = format!(
        "axes: {{rate: [80]}}\nworkload: '{workload}'\n\
         load: {{warmup: 500ms, duration: 3s, connections: 4, grace: 1s}}\ncollect: {{settle: 10s}}\n"
    );
    let run = Session::start(&experiment).finish();
    assert!(
        [0, 3].contains(&run.code()),
        "{}{}",
        run.stderr(),
        run.stdout()
    );
    let outcomes = run
        .rows("requests")
        .iter()
        .map(|row| text(row, "outcome"))
        .collect::<Vec<_>>();
    assert!(
        outcomes.len() == 280 && outcomes.iter().all(|outcome| outcome == "ok"),
        "{outcomes:?}"
    );
    run
}

/// How many requests each operation of the entry took.
fn mix(run: &Finished) -> BTreeMap<String, usize> {
    let mut mix = BTreeMap::new();
    for row in run
        .rows("spans")
        .iter()
        .filter(|row| text(row, "service") == "frontend")
    {
        *mix.entry(text(row, "operation")).or_default() += 1;
    }
    mix
}

#[test]
fn a_script_of_the_users_own_is_a_workload() {
    let dir = tempfile::tempdir().expect("a folder");
    let script = dir.path().join("own.lua");
    std::fs::write(&script, SCRIPT).expect("the script can be written");
    let mix = mix(&run(&format!("script:{}", script.display())));
    let logins: usize = mix
        .iter()
        .filter(|(name, _)| name.contains("user"))
        .map(|(_, count)| count)
        .sum();
    let total: usize = mix.values().sum();
    // What a worker has drawn and not sent may be missing at its end.
    assert!(total == 280 && (68..=70).contains(&logins), "{mix:?}");
}

#[test]
fn a_scenario_takes_values_from_answers_of_the_application() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../workloads/examples/hotel-session.yaml");
    let mix = mix(&run(&format!(
        "scenario:{}",
        path.canonicalize().expect("it is there").display()
    )));
    let count = |what: &str| {
        mix.iter()
            .filter(|(name, _)| name.contains(what))
            .map(|(_, count)| *count)
            .sum::<usize>()
    };
    let (logins, bookings) = (count("user"), count("reservation"));
    // One session in five has three requests, the others one: 1 in 7 is a login, and each is followed by a booking unless
    // the run ends before. 280 requests: 40 of each, with a standard deviation of about 6.
    assert!(
        (15..=70).contains(&logins) && bookings <= logins && bookings + 4 >= logins,
        "{mix:?}"
    );
}
