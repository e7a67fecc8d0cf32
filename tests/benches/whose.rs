//! Whose fault is it, 200 times each: the generator is stopped, shares its core, is throttled, or has a slow hook; the
//! server stalls the same way. Needs a quiet machine, and root for the quota.
//!
//! `cargo bench -p aefm-tests --bench whose -- PROGRAM [RUNS]`, with PROGRAM a release build of aefm-load; 25 minutes for 200
//! runs of each side.

#[path = "../load/whose.rs"]
mod whose;

use aefm_tests::target::{Target, answer, gate};
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;
use whose::Told;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let Some(program) = arguments.first() else {
        eprintln!("usage: cargo bench -p aefm-tests --bench whose -- PROGRAM [RUNS]");
        return ExitCode::from(2);
    };
    let runs: u64 = arguments.get(1).and_then(|n| n.parse().ok()).unwrap_or(200);
    let kinds: [(&str, Kind); 5] = [
        ("stopped", stopped),
        ("core shared", shared),
        ("quota", throttled),
        ("slow hook", hooked),
        ("server", server),
    ];
    let mut wrong = 0;
    for (name, kind) in kinds {
        let runs = if name == "server" {
            runs
        } else {
            runs.div_ceil(4)
        };
        let mut tally = Tally::default();
        for at in 0..runs {
            match kind(program, at) {
                Ok(told) => tally.add(name, at, &told),
                Err(reason) => {
                    println!("{name}: left out: {reason}");
                    break;
                }
            }
        }
        tally.print(name);
        wrong += tally.wrong;
    }
    if wrong == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// One run of a kind.
type Kind = fn(&str, u64) -> Result<Told, String>;

#[derive(Default)]
struct Tally {
    runs: u64,
    rows: usize,
    suspect: u64,
    wrong: u64,
    stalls: usize,
    most_booked_ns: u64,
    most_beyond_ns: u64,
}

impl Tally {
    fn add(&mut self, name: &str, at: u64, told: &Told) {
        let mut faults = told.faults();
        let booked_ns = told.most_booked_ns();
        if name == "server" && told.blames_the_generator() {
            faults.push(format!(
                "the server stalls, and it says {}",
                told.json["reasons"]
            ));
        }
        self.runs += 1;
        self.rows += told.rows.len();
        self.suspect += u64::from(told.blames_the_generator());
        self.stalls += told.json["stalls"].as_array().map_or(0, Vec::len);
        self.most_booked_ns = self.most_booked_ns.max(booked_ns);
        self.most_beyond_ns = self
            .most_beyond_ns
            .max(booked_ns.saturating_sub(told.delay_ns));
        self.wrong += u64::from(!faults.is_empty());
        for fault in faults {
            println!("{name} {at}: {fault}");
        }
    }

    fn print(&self, name: &str) {
        println!(
            "{name}: {} runs, {} requests, {} suspect for the generator, {} stalls listed, at most {:.3} ms booked to it, at most \
             {:.3} ms beyond its run delay, {} runs wrong",
            self.runs,
            self.rows,
            self.suspect,
            self.stalls,
            self.most_booked_ns as f64 / 1e6,
            self.most_beyond_ns as f64 / 1e6,
            self.wrong
        );
    }
}

/// Something between 0 and 1 that differs from run to run and not from bench to bench.
fn chance(at: u64, of: u64) -> f64 {
    let mixed = (at * 6 + of + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed >> 11) as f64 / (1u64 << 53) as f64
}

/// Rate and connections of a run.
fn load(at: u64) -> String {
    let connections = [1, 2, 4, 8, 64][at as usize % 5];
    let rate = [50, 200, 1000][at as usize % 3];
    format!("-R {rate} -c {connections} -d 4s --grace 2s --seed {at}")
}

fn stopped(program: &str, at: u64) -> Result<Told, String> {
    let length_s = 0.05 * 40f64.powf(chance(at, 0));
    let begin_s = 0.2 + 1.5 * chance(at, 1);
    Ok(whose::run(
        program,
        &load(at),
        &Target::healthy().url(),
        &[(begin_s, length_s)],
    ))
}

/// A child that ends with what is measured.
struct Spinner(Child);

impl Drop for Spinner {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn spinner(core: usize) -> Result<Spinner, String> {
    let child = Command::new("taskset")
        .args(["-c", &core.to_string(), "sh", "-c", "while :; do :; done"])
        .stdin(Stdio::null())
        .spawn();
    child
        .map(Spinner)
        .map_err(|error| format!("taskset: {error}"))
}

fn shared(program: &str, at: u64) -> Result<Told, String> {
    let spinners: Result<Vec<_>, _> = (0..1 + at % 8).map(|_| spinner(0)).collect();
    let told = whose::run(
        program,
        &(load(at) + " --cores 0"),
        &Target::healthy().url(),
        &[],
    );
    spinners.map(|_| told)
}

/// A cgroup with a quota, of either version; removed with what is measured.
struct Quota(PathBuf);

impl Quota {
    fn new(at: u64) -> Result<Self, String> {
        let one = PathBuf::from("/sys/fs/cgroup/cpu");
        let parent = if one.is_dir() {
            one
        } else {
            PathBuf::from("/sys/fs/cgroup")
        };
        let group = Self(parent.join(format!("aefm-whose-{}-{at}", std::process::id())));
        let write = |name: &str, text: String| {
            std::fs::write(group.0.join(name), text).map_err(|error| format!("{name}: {error}"))
        };
        std::fs::create_dir(&group.0).map_err(|error| format!("a cgroup: {error}"))?;
        // 2 to 10 ms of every 100 ms.
        let quota_us = 2_000 + (8_000.0 * chance(at, 2)) as u64;
        if group.0.join("cpu.max").exists() {
            write("cpu.max", format!("{quota_us} 100000"))?;
        } else {
            write("cpu.cfs_period_us", "100000".to_owned())?;
            write("cpu.cfs_quota_us", quota_us.to_string())?;
        }
        Ok(group)
    }
}

impl Drop for Quota {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}

fn throttled(program: &str, at: u64) -> Result<Told, String> {
    let quota = Quota::new(at)?;
    // The shell puts itself into the group and becomes the program.
    let script = tempfile::NamedTempFile::new().map_err(|error| error.to_string())?;
    let text = format!(
        "#!/bin/sh\necho $$ > {}/cgroup.procs\nexec {program} \"$@\"\n",
        quota.0.display()
    );
    std::fs::write(script.path(), text).map_err(|error| error.to_string())?;
    let path = script.into_temp_path();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&path, mode).map_err(|error| error.to_string())?;
    let program = path.to_str().ok_or("a path that is no text")?;
    Ok(whose::run(
        program,
        &load(at),
        &Target::healthy().url(),
        &[],
    ))
}

fn hooked(program: &str, at: u64) -> Result<Told, String> {
    let script = tempfile::NamedTempFile::with_suffix(".lua").map_err(|error| error.to_string())?;
    let text = format!(
        "local n = 0\nfunction request()\n  n = n + 1\n  if n == 60 then\n    local t = os.clock()\n    \
         while os.clock() - t < {:.3} do end\n  end\n  return wrk.format('GET', '/')\nend\n",
        0.02 + chance(at, 3)
    );
    std::fs::write(script.path(), text).map_err(|error| error.to_string())?;
    let arguments = load(at) + &format!(" -s {}", script.path().display());
    Ok(whose::run(
        program,
        &arguments,
        &Target::healthy().url(),
        &[],
    ))
}

fn server(program: &str, at: u64) -> Result<Told, String> {
    let stall_s = 0.05 * 40f64.powf(chance(at, 4));
    let gate = gate(Duration::from_secs(3), Duration::from_secs_f64(stall_s));
    let target = Target::start(move |wire| {
        while wire.request().is_some() {
            gate();
            if !wire.send(answer(200, "x")) {
                break;
            }
        }
    });
    Ok(whose::run(program, &load(at), &target.url(), &[]))
}
