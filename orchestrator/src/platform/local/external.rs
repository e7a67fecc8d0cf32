//! An application that runs already: which of this machine's processes are its own.

use crate::experiment::fault::suggestion;
use std::collections::BTreeSet;
use std::fs;

/// The processes of this machine that have one of these names, the whole of it, as the kernel knows them (15 bytes).
/// Several of one name are told apart by their ids.
pub(super) fn processes(names: &[String]) -> Vec<(String, u32)> {
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let name = |pid: u32| fs::read_to_string(format!("/proc/{pid}/comm")).ok();
    let known = |comm: &str| {
        names
            .iter()
            .find(|name| name.as_bytes().get(..15).unwrap_or(name.as_bytes()) == comm.as_bytes())
    };
    let found: Vec<(String, u32)> = pids
        .filter_map(|pid| Some((known(name(pid)?.trim_end())?.clone(), pid)))
        .collect();
    let is_one = |name: &String| found.iter().filter(|(other, _)| other == name).count() == 1;
    let subject = |(name, pid): &(String, u32)| {
        (
            if is_one(name) {
                name.clone()
            } else {
                format!("{name}-{pid}")
            },
            *pid,
        )
    };
    found.iter().map(subject).collect()
}

/// Names that no process of this machine has, in words.
pub(super) fn absent(names: &[String]) -> Vec<String> {
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let running: BTreeSet<String> = pids
        .filter_map(|pid| fs::read_to_string(format!("/proc/{pid}/comm")).ok())
        .map(|name| name.trim_end().to_owned())
        .collect();
    absent_of(names, &running)
}

fn absent_of(names: &[String], running: &BTreeSet<String>) -> Vec<String> {
    let known = |name: &String| name.get(..15).unwrap_or(name).to_owned();
    names
        .iter()
        .filter(|name| !running.contains(&known(name)))
        .map(|name| {
            let near = suggestion(name, running.iter().map(String::as_str));
            let near = near.map_or(
                "`ps -e` lists names as the kernel knows them".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            format!(
                "no process of this machine is called `{name}` (`application.processes`), so that its use is not \
                 measured: {near}"
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn processes_go_by_their_whole_name() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .expect("it is everywhere");
        // The kernel gives a process its new name a moment after it told that it runs.
        let look = || {
            let found = processes(&["sleep".to_owned(), "slee".to_owned()]);
            found
                .iter()
                .any(|(_, pid)| *pid == child.id())
                .then_some(found)
        };
        let found = aefm_tests::processes::wait_for(Duration::from_secs(10), look);
        child
            .kill()
            .and_then(|()| child.wait())
            .expect("it can be ended");
        let found = found.expect("it is found by its name");
        assert!(
            found.iter().all(|(name, _)| name.starts_with("sleep")),
            "{found:?}"
        );
        assert_eq!(processes(&["no such process".to_owned()]), []);
    }

    #[test]
    fn a_name_that_nobody_has_is_said_with_the_near_one() {
        let running = ["nginx", "frontend", "a_very_long_nam"]
            .map(str::to_owned)
            .into();
        let said = |name: &str| absent_of(&[name.to_owned()], &running).join("; ");
        assert!(
            said("nginxx").contains("`nginxx`") && said("nginxx").contains("did you mean `nginx`?")
        );
        assert!(said("geo").contains("`ps -e`"));
        // The kernel knows 15 bytes of it.
        assert_eq!(
            said("a_very_long_name_of_a_process") + &said("frontend"),
            ""
        );
    }
}
