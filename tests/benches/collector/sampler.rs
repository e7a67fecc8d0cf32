//! What the sampler of cgroups costs.

use crate::cpu_time;
use aefm_collector::proc::{Sampler, SamplerOptions, Scope, Subject};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A hundred cgroups of this program's own, in every hierarchy that has counters, and who runs in them.
struct Cgroups {
    folders: Vec<PathBuf>,
    children: Vec<Child>,
}

impl Cgroups {
    const ROOT: &str = "/sys/fs/cgroup";

    /// None: it takes root, and hierarchies that can be written.
    fn make(name: &str) -> Option<Self> {
        let hierarchies = ["cpu", "cpuacct", "cpu,cpuacct", "memory", "blkio"]
            .map(|own| Path::new(Self::ROOT).join(own));
        let mut parents: Vec<_> = hierarchies
            .into_iter()
            .filter(|path| path.is_dir())
            .collect();
        if parents.is_empty() {
            parents.push(PathBuf::from(Self::ROOT));
        }
        let mut made = Self {
            folders: Vec::new(),
            children: Vec::new(),
        };
        for parent in parents.iter().map(|parent| parent.join(name)) {
            for folder in std::iter::once(parent.clone())
                .chain((0..100).map(|number| parent.join(format!("pod{number}"))))
            {
                std::fs::create_dir(&folder).ok()?;
                made.folders.push(folder);
            }
        }
        Some(made)
    }

    /// The folders of one of the hundred.
    fn of(&self, number: usize) -> impl Iterator<Item = &PathBuf> {
        let name = format!("pod{number}");
        self.folders
            .iter()
            .filter(move |folder| folder.ends_with(&name))
    }

    /// A process in each that runs some fifty times a second.
    fn run(&mut self) -> std::io::Result<()> {
        for number in 0..100 {
            let child = Command::new(std::env::current_exe()?)
                .arg(TICK)
                .stdin(Stdio::piped())
                .spawn()?;
            for folder in self.of(number) {
                std::fs::write(folder.join("cgroup.procs"), child.id().to_string())?;
            }
            self.children.push(child);
        }
        Ok(())
    }

    /// Half a core to each.
    fn limit(&self) -> std::io::Result<()> {
        for folder in (0..100).flat_map(|number| self.of(number)) {
            for (file, quota) in [("cpu.cfs_quota_us", "50000"), ("cpu.max", "50000 100000")] {
                if folder.join(file).exists() {
                    std::fs::write(folder.join(file), quota)?;
                }
            }
        }
        Ok(())
    }
}

impl Drop for Cgroups {
    fn drop(&mut self) {
        for child in &mut self.children {
            // It may have ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
        for folder in self.folders.iter().rev() {
            // Empty ones can be removed; others were not made by this program.
            let _ = std::fs::remove_dir(folder);
        }
    }
}

/// The argument of a process that only wakes up now and then, until its standard input ends.
pub(crate) const TICK: &str = "--tick";

pub(crate) fn tick() {
    std::thread::spawn(|| {
        loop {
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    // Whoever started it is gone, or has had enough.
    let _ = std::io::stdin().read(&mut [0]);
}

/// The sampler on 100 cgroups at 10 Hz: idle ones, busy ones, and busy ones with quotas.
pub(crate) fn bench_sampler() {
    let name = format!("aefm-bench-{}", std::process::id());
    let Some(mut cgroups) = Cgroups::make(&name) else {
        println!("sampler: left out, since it takes root to make 100 cgroups");
        return;
    };
    sample("idle", &name);
    if let Err(error) = cgroups.run() {
        println!("sampler on busy cgroups: left out, since nothing can be run in them: {error}");
        return;
    }
    sample("busy", &name);
    match cgroups.limit() {
        Ok(()) => sample("busy and limited", &name),
        Err(error) => {
            println!("sampler on limited cgroups: left out, since they cannot be limited: {error}");
        }
    }
}

fn sample(what: &str, name: &str) {
    let cgroup = |number| Subject::Cgroup {
        scope: Scope::Pod,
        name: format!("pod{number}"),
        path: format!("/{name}/pod{number}"),
    };
    let options = SamplerOptions {
        subjects: (0..100).map(cgroup).collect(),
        interval: Duration::from_millis(100),
        ..SamplerOptions::new("here", &[], None)
    };
    let sampler = Sampler::start(options).expect("it starts");
    // Opening some hundreds of files is another thing, and done once.
    while sampler.samples() == 0 {
        std::thread::sleep(Duration::from_millis(10));
    }
    let (before, started) = (cpu_time(), Instant::now());
    std::thread::sleep(Duration::from_secs(10));
    let share = (cpu_time() - before).as_secs_f64() / started.elapsed().as_secs_f64() * 100.0;
    let observed = sampler.stop();
    println!(
        "sampler, 100 {what} cgroups at 10 Hz: {share:.2} % of a core, {} rows, {} of the cgroups not there, {} late samples",
        observed.rows.len(),
        observed.gone.len(),
        observed.skipped
    );
}
