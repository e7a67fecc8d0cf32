//! Two runs at once on one machine.

use crate::session::{SHORT, Session};

#[test]
fn two_runs_at_once_work_and_the_second_says_that_they_disturb_each_other() {
    let first = Session::start(SHORT);
    first.wait_for_journal("begin", "init_environment", None);
    let second = Session::beside(SHORT).finish();
    let first = first.finish();
    assert!(second.stderr().contains("disturb"), "{}", second.stderr());
    let warnings = second.run_file()["warnings"].to_string();
    let id = first.run_file()["run_id"]
        .as_str()
        .expect("an id")
        .to_owned();
    assert!(warnings.contains(&id), "{warnings}");
    for run in [&first, &second] {
        assert_eq!(run.cases().len(), 2, "{}", run.stderr());
        assert!(
            run.cases().iter().all(|(_, status, _)| status != "failed"),
            "{:?}",
            run.cases()
        );
        run.assert_nothing_left();
    }
}
