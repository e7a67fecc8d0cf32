//! This machine, before an experiment runs on it.

pub mod facts;

use super::{Demand, Finding};
use crate::platform::local::placement::Placement;
use facts::Facts;
use std::collections::BTreeSet;

/// A request's part of a dataset, its spans included: some 10 spans of 20 to 50 bytes, and a row of `requests`.
const BYTES_A_REQUEST: f64 = 1_000.0;
/// Room that is left beside it.
const BYTES_BESIDE: f64 = 1e9;
/// Files that a process has open beside its connections.
const FILES_BESIDE: u64 = 200;

/// All checks. `placement` is how the experiment shares out the cores, or why it cannot.
#[must_use]
pub fn check(
    facts: &Facts,
    demand: &Demand,
    placement: &Result<Placement, String>,
) -> Vec<Finding> {
    let mut findings = vec![
        cores(facts, placement),
        governor(facts),
        clock(facts),
        cgroups(facts),
        open_files(facts, demand),
        disk(facts, demand),
        neighbours(facts),
    ];
    findings.extend(
        facts
            .ports
            .iter()
            .map(|(what, address, taken)| port(what, address, taken.as_deref())),
    );
    findings
}

fn cores(facts: &Facts, placement: &Result<Placement, String>) -> Finding {
    const WHY: &str = "load and measurement on a core that is measured disturb what they measure";
    let there = facts.cores.len();
    match placement {
        Err(reason) => Finding::fail(
            "cores",
            reason.clone(),
            WHY,
            "change `local` in the experiment file",
        ),
        Ok(placement) if placement.shared() => Finding::warn(
            "cores",
            format!("{there} core: load, services and interference share it"),
            WHY,
            "let aefm use two cores or more; a cluster has some: `platform: kubernetes`",
        ),
        Ok(Placement {
            instrument,
            testbed,
        }) => Finding::ok(
            "cores",
            format!("{there}: load on {instrument:?}, services and interference on {testbed:?}"),
            WHY,
        ),
    }
}

fn governor(facts: &Facts) -> Finding {
    const WHY: &str = "a frequency that follows the load makes the same request take another time under another load";
    let known: BTreeSet<&str> = facts.governors.iter().map(String::as_str).collect();
    let named = known.iter().copied().collect::<Vec<_>>().join(", ");
    match known.len() {
        0 => Finding::ok(
            "frequency",
            "the kernel shows no governor (a virtual machine, or none is needed)",
            WHY,
        ),
        1 if known.contains("performance") => Finding::ok("frequency", "governor performance", WHY),
        _ => Finding::warn(
            "frequency",
            format!("governor {named}"),
            WHY,
            "set `performance` for the time of the run: echo performance | tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor",
        ),
    }
}

fn clock(facts: &Facts) -> Finding {
    const WHY: &str = "every request reads the clock several times: one that needs the kernel costs microseconds each";
    match facts.clock_source.as_deref() {
        Some("tsc" | "arch_sys_counter") => {
            Finding::ok("clock", facts.clock_source.clone().unwrap_or_default(), WHY)
        }
        Some("kvm-clock" | "hyperv_clocksource_tsc_page") => Finding::ok(
            "clock",
            format!(
                "{}, read without the kernel",
                facts.clock_source.clone().unwrap_or_default()
            ),
            WHY,
        ),
        Some(other) => Finding::warn(
            "clock",
            format!("clock source {other}"),
            WHY,
            "if available_clocksource has tsc, choose it: kernel parameter clocksource=tsc",
        ),
        None => Finding::ok(
            "clock",
            "the kernel does not say which source it reads",
            WHY,
        ),
    }
}

fn cgroups(facts: &Facts) -> Finding {
    const WHY: &str =
        "use of each service comes from its control group; pressure (PSI) only version 2 has";
    if facts.cgroups_v2 {
        Finding::ok("control groups", "version 2", WHY)
    } else {
        Finding::warn(
            "control groups",
            "version 1, or none visible",
            WHY,
            "boot with systemd.unified_cgroup_hierarchy=1; without it the columns pressure_* stay empty",
        )
    }
}

fn open_files(facts: &Facts, demand: &Demand) -> Finding {
    const WHY: &str = "every connection is an open file of the load and one of the entrance";
    let wanted = u64::from(demand.connections) + FILES_BESIDE;
    if facts.open_files >= wanted {
        Finding::ok(
            "open files",
            format!("up to {}; {wanted} are wanted", facts.open_files),
            WHY,
        )
    } else {
        Finding::fail(
            "open files",
            format!(
                "up to {}; {wanted} are wanted for {} connections",
                facts.open_files, demand.connections
            ),
            WHY,
            format!("raise the hard limit (ulimit -Hn {wanted}), or lower `load.connections`"),
        )
    }
}

fn disk(facts: &Facts, demand: &Demand) -> Finding {
    const WHY: &str =
        "a run whose disk is full ends its tables early; what was measured until then is there";
    let (folder, free) = (&facts.disk.0, &facts.disk.1);
    let wanted = demand.requests * BYTES_A_REQUEST + BYTES_BESIDE;
    let gb = |bytes: f64| format!("{:.1} GB", bytes / 1e9);
    let plan = format!(
        "about {} for {} cases with {:.0} requests",
        gb(wanted),
        demand.cases,
        demand.requests
    );
    match free {
        Ok(free) if *free >= wanted => Finding::ok(
            "disk",
            format!("{} free at {folder}; {plan}", gb(*free)),
            WHY,
        ),
        Ok(free) => Finding::warn(
            "disk",
            format!("{} free at {folder}; {plan}", gb(*free)),
            WHY,
            "name another folder in `data`, or with --data",
        ),
        Err(reason) => Finding::fail(
            "disk",
            format!("{folder}: {reason}"),
            WHY,
            "name a folder that can be written in `data`, or with --data",
        ),
    }
}

fn neighbours(facts: &Facts) -> Finding {
    const WHY: &str = "whatever else runs here takes part in every figure";
    let [runs, load] = [
        facts.runs.join(", "),
        format!(
            "{:.1} threads ran or waited in the last minute",
            facts.load_average
        ),
    ];
    #[expect(clippy::cast_precision_loss, reason = "a number of cores")]
    let busy = facts.load_average > 0.5 * facts.cores.len() as f64;
    if !facts.runs.is_empty() {
        Finding::warn(
            "neighbours",
            format!("runs under way: {runs}"),
            WHY,
            "wait for their end",
        )
    } else if busy {
        Finding::warn(
            "neighbours",
            load,
            WHY,
            "see what it is (top), and end it or wait",
        )
    } else {
        Finding::ok("neighbours", load, WHY)
    }
}

fn port(what: &str, address: &str, taken: Option<&str>) -> Finding {
    const WHY: &str = "the run listens there";
    match taken {
        None => Finding::ok("port", format!("{address} is free ({what})"), WHY),
        Some(reason) => Finding::fail(
            "port",
            format!("{address}: {reason} ({what})"),
            WHY,
            format!("end what listens there, or name another port in `{what}`"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Level, worst};
    use super::*;
    use std::time::Duration;

    fn facts() -> Facts {
        Facts {
            cores: vec![0, 1],
            governors: vec!["performance".into(), "performance".into()],
            clock_source: Some("tsc".into()),
            cgroups_v2: true,
            open_files: 1 << 20,
            disk: ("data".into(), Ok(50e9)),
            runs: Vec::new(),
            load_average: 0.1,
            ports: vec![("local.entrance", "127.0.0.1:5000".into(), None)],
        }
    }

    fn demand() -> Demand {
        Demand {
            cases: 12,
            requests: 6e6,
            rate_hz: 100.0,
            requests_of_a_case: 4_000.0,
            duration: Duration::from_secs(40),
            connections: 32,
        }
    }

    fn levels(facts: &Facts) -> Vec<(&'static str, Level)> {
        let apart = Ok(Placement {
            instrument: vec![0],
            testbed: vec![1],
        });
        let found = check(facts, &demand(), &apart);
        assert!(
            found
                .iter()
                .all(|one| (one.level == Level::Ok) == one.way_out.is_none()),
            "{found:?}"
        );
        found
            .into_iter()
            .filter(|one| one.level > Level::Ok)
            .map(|one| (one.check, one.level))
            .collect()
    }

    #[test]
    fn a_machine_as_it_should_be_has_no_finding() {
        assert_eq!(levels(&facts()), []);
    }

    #[test]
    fn each_thing_that_is_wrong_is_one_row() {
        let with = |change: fn(&mut Facts)| {
            let mut facts = facts();
            change(&mut facts);
            levels(&facts)
        };
        assert_eq!(
            with(|facts| facts.governors[1] = "powersave".into()),
            [("frequency", Level::Warn)]
        );
        assert_eq!(
            with(|facts| facts.clock_source = Some("hpet".into())),
            [("clock", Level::Warn)]
        );
        assert_eq!(
            with(|facts| facts.cgroups_v2 = false),
            [("control groups", Level::Warn)]
        );
        assert_eq!(
            with(|facts| facts.open_files = 200),
            [("open files", Level::Fail)]
        );
        assert_eq!(
            with(|facts| facts.disk.1 = Ok(6e9)),
            [("disk", Level::Warn)]
        );
        assert_eq!(
            with(|facts| facts.disk.1 = Err("read-only".into())),
            [("disk", Level::Fail)]
        );
        assert_eq!(
            with(|facts| facts.load_average = 1.5),
            [("neighbours", Level::Warn)]
        );
        assert_eq!(
            with(|facts| facts.runs.push("r1".into())),
            [("neighbours", Level::Warn)]
        );
        assert_eq!(
            with(|facts| facts.ports[0].2 = Some("in use".into())),
            [("port", Level::Fail)]
        );
        let one = check(
            &facts(),
            &demand(),
            &Ok(Placement {
                instrument: vec![0],
                testbed: vec![0],
            }),
        );
        assert_eq!(worst(&one), Level::Warn);
        assert_eq!(
            worst(&check(
                &facts(),
                &demand(),
                &Err("core 9 is not there".into())
            )),
            Level::Fail
        );
    }
}
