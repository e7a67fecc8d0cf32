//! Every kind presses on what it says: seen by the kernel's own counters, or by a probe that shares the resource.

use crate::command::{Run, number};
use serde_json::{Value, json};
use std::sync::{Mutex, MutexGuard, PoisonError};

fn press(kind: &str, intensity: f64, unit: &str, options: &Value) -> Run {
    press_on(0, kind, intensity, unit, options)
}

fn press_on(core: usize, kind: &str, intensity: f64, unit: &str, options: &Value) -> Run {
    Run::start(&json!({
        "kind": kind, "intensity": intensity, "unit": unit, "cores": [core], "deadline_ms": 60_000, "report_ms": 200,
        "options": options,
    }))
}

/// A file system in memory is no disk; the folder of the program under test is on one.
fn on_a_disk() -> tempfile::TempDir {
    let near = std::path::Path::new(env!("CARGO_BIN_EXE_aefm-interfere"))
        .parent()
        .expect("a folder");
    tempfile::tempdir_in(near).expect("a folder")
}

/// CPU time of a process in clock ticks.
fn ticks(id: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).expect("it lives");
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .expect("fields")
        .split_whitespace()
        .collect();
    fields[11].parse::<u64>().expect("utime") + fields[12].parse::<u64>().expect("stime")
}

#[test]
fn cpu_time_is_what_the_kernel_says() {
    let run = press("cpu", 40.0, "percent", &json!({"work": "simd"}));
    run.until(|sample| sample["held"] == true);
    let (before, from) = (ticks(run.child.id()), run.until(|_| true));
    (0..10).for_each(|_| drop(run.until(|_| true)));
    let (after, to) = (ticks(run.child.id()), run.until(|_| true));
    let seconds = (number(&to, "mono_ns") - number(&from, "mono_ns")) / 1e9;
    let kernels = (after - before) as f64 / seconds;
    let (summary, _) = run.finish();
    assert!(
        (kernels - number(&summary, "achieved")).abs() < 8.0,
        "{kernels} by the kernel, {summary}"
    );
}

#[test]
fn memory_is_resident_and_given_back() {
    let run = press("mem_capacity", 192.0 * 1_048_576.0, "bytes", &json!({}));
    run.until(|sample| number(sample, "achieved") == 192.0 * 1_048_576.0);
    let resident = |id: u32| -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("it lives");
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS"))
            .expect("a resident size");
        line.split_whitespace()
            .nth(1)
            .and_then(|kib| kib.parse().ok())
            .expect("a number")
    };
    assert!(resident(run.child.id()) >= 192 << 10);
    let score = std::fs::read_to_string(format!("/proc/{}/oom_score_adj", run.child.id()))
        .expect("it lives");
    assert_eq!(score.trim(), "1000", "it dies first when memory ends");
    let mut run = run;
    run.say(r#"{"intensity": 1048576}"#);
    run.until(|sample| number(sample, "achieved") == 1_048_576.0);
    assert!(resident(run.child.id()) < 40 << 10);
}

#[test]
fn memory_is_moved_by_every_access() {
    for access in ["read", "write", "non_temporal", "copy", "random"] {
        let run = press("mem_bandwidth", 0.2, "GB/s", &json!({"access": access}));
        let sample = run.until(|sample| number(sample, "achieved") > 0.1);
        assert!(
            (number(&sample, "bytes_per_s") / 1e9 - number(&sample, "achieved")).abs() < 1e-6,
            "{access}"
        );
    }
}

#[test]
fn percent_is_of_a_peak_that_is_measured_first() {
    for kind in ["mem_bandwidth", "tlb", "ctx", "network"] {
        let run = press(kind, 10.0, "percent", &json!({}));
        run.until(|sample| {
            sample["held"] == true && (3.0..30.0).contains(&number(sample, "achieved"))
        });
    }
}

#[test]
fn loopback_carries_what_the_network_kind_says() {
    let lo = || -> u64 {
        let text = std::fs::read_to_string("/proc/net/dev").expect("it is there");
        let line = text
            .lines()
            .find_map(|line| line.trim().strip_prefix("lo:"))
            .expect("a loopback interface");
        line.split_whitespace()
            .next()
            .and_then(|bytes| bytes.parse().ok())
            .expect("a number")
    };
    let run = press("network", 4e8, "bit/s", &json!({}));
    run.until(|sample| sample["held"] == true);
    let (before, from) = (lo(), run.until(|_| true));
    (0..5).for_each(|_| drop(run.until(|_| true)));
    let (after, to) = (lo(), run.until(|_| true));
    let seconds = (number(&to, "mono_ns") - number(&from, "mono_ns")) / 1e9;
    assert!(
        (after - before) as f64 / seconds > 0.5 * 4e8 / 8.0,
        "others only add to it"
    );
}

#[test]
fn switches_are_switches() {
    let switches = |id: u32| -> u64 {
        let tasks = std::fs::read_dir(format!("/proc/{id}/task"))
            .expect("it lives")
            .flatten();
        let statuses =
            tasks.filter_map(|task| std::fs::read_to_string(task.path().join("status")).ok());
        let lines = statuses.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>());
        lines
            .filter_map(|line| {
                line.strip_prefix("voluntary_ctxt_switches:")?
                    .trim()
                    .parse::<u64>()
                    .ok()
            })
            .sum()
    };
    let run = press("ctx", 4_000.0, "1/s", &json!({}));
    run.until(|sample| sample["held"] == true);
    let (before, from) = (switches(run.child.id()), run.until(|_| true));
    (0..5).for_each(|_| drop(run.until(|_| true)));
    let (after, to) = (switches(run.child.id()), run.until(|_| true));
    let rate =
        (after - before) as f64 / ((number(&to, "mono_ns") - number(&from, "mono_ns")) / 1e9);
    assert!(rate > 2_000.0, "{rate} switches a second by the kernel");
}

#[test]
fn a_disk_is_pressed_on_and_no_file_has_a_name() {
    let folder = on_a_disk();
    for (intensity, unit, access) in [
        (5.0, "MB/s", "write"),
        (5.0, "MB/s", "read"),
        (100.0, "iops", "random"),
    ] {
        let options = json!({"dir": folder.path(), "file_bytes": 8 << 20, "access": access});
        let run = press("disk", intensity, unit, &options);
        run.until(|sample| number(sample, "achieved") > 0.6 * intensity);
        let io = std::fs::read_to_string(format!("/proc/{}/io", run.child.id())).expect("it lives");
        let bytes: u64 = io
            .lines()
            .filter(|line| line.starts_with("read_bytes") || line.starts_with("write_bytes"))
            .filter_map(|line| line.split(": ").nth(1)?.parse::<u64>().ok())
            .sum();
        assert!(bytes > 0, "{access}: the kernel saw input or output: {io}");
        assert_eq!(
            std::fs::read_dir(folder.path())
                .expect("it is there")
                .count(),
            0,
            "{access}"
        );
    }
}

#[test]
fn caches_are_swept() {
    for kind in ["llc", "l2", "l1d", "l1i"] {
        let run = press(kind, 50.0, "percent", &json!({}));
        run.until(|sample| number(sample, "achieved") > 30.0);
    }
}

/// What else runs on a machine can hide what a sweep does for a while.
const TRIES: usize = 12;

/// Tests whose probes feel what the others press on take turns.
static PROBED: Mutex<()> = Mutex::new(());

fn probed() -> MutexGuard<'static, ()> {
    // A test that failed leaves nothing in there that matters.
    PROBED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A kind's own probe costs more beside it than beside the same stressor at next to no intensity: it is the pressure that
/// is felt and not its wake-ups. What a core has for itself is in the next tests. Other loads move single rounds either
/// way; the median of several counts.
#[test]
fn each_kind_moves_its_own_probe() {
    use aefm_interfere::machine::Machine;
    use aefm_interfere::probe::measure;
    use aefm_workloads::interference::Kind;
    let _turn = probed();
    let machine = Machine::here().expect("a machine");
    let (core, other) = (machine.allowed()[0], machine.allowed().get(1).copied());
    let folder = on_a_disk();
    let moved =
        |kind: Kind, (low, high): (f64, f64), beside: usize, factor: f64, options: &Value| {
            let mut run = press_on(beside, kind.name(), low, "percent", options);
            let mut cost = |intensity: f64| {
                run.say(&json!({"intensity": intensity}).to_string());
                // As far as it goes beside what else runs here.
                run.until(|sample| {
                    number(sample, "requested") == intensity
                        && number(sample, "achieved") > 0.5 * intensity
                });
                measure(kind, core, Some(folder.path()), &machine)
                    .expect("a probe")
                    .cost
            };
            let mut felt = || {
                let mut ratios = [(); 3].map(|()| cost(high) / cost(low));
                ratios.sort_by(f64::total_cmp);
                eprintln!("{}: {ratios:.2?}", kind.name());
                ratios[1] > factor
            };
            assert!((0..TRIES).any(|_| felt()), "{}", kind.name());
        };
    let none = json!({});
    moved(Kind::Cpu, (0.2, 60.0), core, 1.2, &none);
    moved(Kind::MemCapacity, (0.2, 30.0), core, 1.1, &none);
    moved(Kind::Network, (0.2, 50.0), core, 1.1, &none);
    moved(Kind::Ctx, (0.2, 50.0), core, 2.0, &none);
    let on_the_disk = json!({"dir": folder.path(), "file_bytes": 8 << 20, "block_bytes": 1 << 20});
    moved(Kind::Disk, (0.2, 100.0), core, 1.1, &on_the_disk);
    match other {
        Some(beside) => moved(
            Kind::MemBandwidth,
            (0.2, 100.0),
            beside,
            1.2,
            &json!({"access": "non_temporal"}),
        ),
        None => eprintln!("mem_bandwidth: a machine of one core has nobody beside it"),
    }
}

/// The second-level cache is felt to be taken: against the same stressor with next to no footprint, so that it is the
/// sweep that is felt and not its wake-ups. Other loads move single rounds either way; the median of several counts.
#[test]
fn what_shares_a_core_feels_its_cache_taken() {
    use aefm_interfere::machine::Machine;
    use aefm_interfere::probe::measure;
    use aefm_workloads::interference::Kind;
    let _turn = probed();
    let machine = Machine::here().expect("a machine");
    let cost = |intensity: f64| {
        let run = press("l2", intensity, "percent", &json!({}));
        run.until(|sample| number(sample, "achieved") > 0.0);
        measure(Kind::L2, 0, None, &machine).map(|reading| reading.cost)
    };
    if Machine::data_cache(&machine, 0, 2).is_none() {
        eprintln!("this machine does not say what second-level cache it has");
        return;
    }
    let felt = || {
        let rounds = (0..7).map(|_| cost(100.0).expect("a cost") / cost(2.0).expect("a cost"));
        let mut ratios: Vec<f64> = rounds.collect();
        ratios.sort_by(f64::total_cmp);
        eprintln!("l2 at 100 % over 2 %: {ratios:.2?}");
        ratios[3] > 1.1
    };
    assert!((0..TRIES).any(|_| felt()));
}

/// What a core has for itself is taken by each kind's own sweep: a probe's first pass after it costs more than after as
/// long a pause. The kinds whose caches this machine does not name are left out, and said.
#[test]
fn a_sweep_takes_what_a_core_has_for_itself() {
    use aefm_interfere::machine::Machine;
    use aefm_interfere::probe::{Turns, turns};
    use aefm_workloads::interference::Kind;
    let _turn = probed();
    let machine = Machine::here().expect("a machine");
    let core = machine.allowed()[0];
    // What a line of code, or a page's address, costs anew hides among what a pass costs anyhow.
    for (kind, factor) in [
        (Kind::L1d, 1.1),
        (Kind::L1i, 1.04),
        (Kind::L2, 1.1),
        (Kind::Llc, 1.1),
        (Kind::Tlb, 1.04),
    ] {
        let Some(first) = turns(kind, core, &machine) else {
            eprintln!("{}: this machine does not say what it has", kind.name());
            continue;
        };
        let felt = |turns: Turns| {
            eprintln!(
                "{}: {:.2} times the cost, dearer {:.2}",
                kind.name(),
                turns.ratio(),
                turns.dearer()
            );
            turns.apart() && turns.ratio() > factor
        };
        let others = (1..TRIES).filter_map(|_| turns(kind, core, &machine));
        assert!(
            std::iter::once(first).chain(others).any(felt),
            "{}",
            kind.name()
        );
    }
}
