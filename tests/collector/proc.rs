//! The sampler against real processes.

use aefm_collector::proc::{Sampler, SamplerOptions, Scope};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

struct Burner(Child);

impl Burner {
    /// A process that burns CPU until it is dropped or told to end.
    fn start() -> Self {
        let child = Command::new("sh")
            .args(["-c", "while :; do :; done"])
            .stdout(Stdio::null())
            .spawn();
        Self(child.expect("sh runs"))
    }

    fn end(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Burner {
    fn drop(&mut self) {
        self.end();
    }
}

fn cpu_ns(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/schedstat")).unwrap();
    stat.split(' ').next().unwrap().parse().unwrap()
}

/// Looks again and again until it holds; how long that takes is the machine's affair.
fn until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn options(processes: &[(String, u32)]) -> SamplerOptions {
    SamplerOptions {
        interval: Duration::from_millis(100),
        ..SamplerOptions::new("here", processes, Some(0))
    }
}

#[test]
fn cpu_use_is_what_the_kernel_counts() {
    let burner = Burner::start();
    let pid = burner.0.id();
    let before = cpu_ns(pid);
    let sampler = Sampler::start(options(&[("burner".to_owned(), pid)])).unwrap();
    until("the burner to use some CPU", || {
        cpu_ns(pid) - before >= 400_000_000
    });
    let observed = sampler.stop();
    let used = (cpu_ns(pid) - before) as f64;
    let rows: Vec<_> = observed
        .rows
        .iter()
        .filter(|row| &*row.subject == "burner")
        .collect();
    let sum: f64 = rows
        .iter()
        .map(|row| row.cpu_cores.unwrap() * row.interval_ns.unwrap() as f64)
        .sum();
    // What came before the first and after the last sample is in no row.
    assert!(
        sum <= used * 1.01 && sum >= used - 250_000_000.0,
        "{sum} of {used} ns"
    );
    assert!(
        rows.iter()
            .all(|row| row.scope == Scope::Process && row.memory_bytes.unwrap() > 0)
    );
    let node: Vec<_> = observed
        .rows
        .iter()
        .filter(|row| row.scope == Scope::Node)
        .collect();
    assert!(
        !node.is_empty()
            && node
                .iter()
                .all(|row| row.cpu_cores.is_some() && row.memory_bytes.is_some())
    );
    assert!(observed.gone.is_empty());
}

#[test]
fn a_process_that_ends_is_reported_and_the_others_go_on() {
    let mut burner = Burner::start();
    let own = std::process::id();
    let sampler = Sampler::start(options(&[
        ("mortal".to_owned(), burner.0.id()),
        ("lasting".to_owned(), own),
        ("never".to_owned(), 4_000_000),
    ]))
    .unwrap();
    until("two samples of all", || sampler.samples() >= 2);
    burner.end();
    // Of the four that follow at most the first can have seen it still.
    let then = sampler.samples();
    until("samples without the one that ended", || {
        sampler.samples() >= then + 4
    });
    let observed = sampler.stop();
    let gone: Vec<_> = observed
        .gone
        .iter()
        .map(|gone| gone.subject.as_str())
        .collect();
    assert_eq!(gone, ["never", "mortal"]);
    let last = |name: &str| {
        observed
            .rows
            .iter()
            .filter(|row| &*row.subject == name)
            .map(|row| row.t_ns)
            .max()
    };
    assert!(last("mortal") < last("lasting"));
}

#[test]
fn an_interval_that_makes_no_sense_is_refused() {
    let options = SamplerOptions {
        interval: Duration::ZERO,
        ..options(&[])
    };
    assert!(
        Sampler::start(options)
            .unwrap_err()
            .to_string()
            .contains("10 ms")
    );
}
