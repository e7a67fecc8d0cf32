//! What this machine says of itself.

use crate::experiment::Experiment;
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::statvfs::statvfs;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

/// This machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// Cores that this process may use.
    pub cores: Vec<usize>,
    /// The frequency governor of each of them, where the kernel shows one.
    pub governors: Vec<String>,
    /// What the kernel's clock reads.
    pub clock_source: Option<String>,
    /// Whether control groups are of version 2.
    pub cgroups_v2: bool,
    /// Files that a process may have open when it asks for as many as it may.
    pub open_files: u64,
    /// The folder of the datasets, and bytes that may be written there, or why none.
    pub disk: (String, Result<f64, String>),
    /// Runs under way.
    pub runs: Vec<String>,
    /// Threads that ran or waited, mean of the last minute.
    pub load_average: f64,
    /// Ports that the experiment wants: the key that says so, the address, and why it cannot be had.
    pub ports: Vec<(&'static str, String, Option<String>)>,
}

/// Looks at this machine.
#[must_use]
pub fn gather(experiment: &Experiment, cores: Vec<usize>) -> Facts {
    let governor = |core: &usize| {
        line(&format!(
            "/sys/devices/system/cpu/cpu{core}/cpufreq/scaling_governor"
        ))
    };
    let first = |text: String| text.split_whitespace().next()?.parse().ok();
    Facts {
        governors: cores.iter().filter_map(governor).collect(),
        cores,
        clock_source: line("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        cgroups_v2: Path::new("/sys/fs/cgroup/cgroup.controllers").exists(),
        // The load raises its own limit as far as it may.
        open_files: getrlimit(Resource::RLIMIT_NOFILE).map_or(u64::MAX, |(_, hard)| hard),
        disk: (
            experiment.data.folder().display().to_string(),
            free(experiment.data.folder()),
        ),
        runs: crate::neighbours::running(),
        load_average: line("/proc/loadavg").and_then(first).unwrap_or(0.0),
        ports: ports(experiment),
    }
}

fn line(path: &str) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}

/// Bytes that may be written below a folder, or below the nearest one above that is there.
fn free(folder: &Path) -> Result<f64, String> {
    let absolute = std::path::absolute(folder).map_err(|error| error.to_string())?;
    let there = absolute
        .ancestors()
        .find(|folder| folder.exists())
        .unwrap_or(Path::new("/"));
    if !there.is_dir() {
        return Err(format!("{} is no folder", there.display()));
    }
    nix::unistd::access(there, nix::unistd::AccessFlags::W_OK)
        .map_err(|error| format!("{} cannot be written: {error}", there.display()))?;
    let told = statvfs(there).map_err(|error| error.to_string())?;
    #[expect(clippy::cast_precision_loss, reason = "a disk's size, for people")]
    Ok(told.blocks_available() as f64 * told.fragment_size() as f64)
}

fn ports(experiment: &Experiment) -> Vec<(&'static str, String, Option<String>)> {
    let wanted = [
        ("local.entrance", experiment.local.entrance),
        ("collect.listen", experiment.collect.listen),
    ];
    let taken = |address: SocketAddr| {
        TcpListener::bind(address)
            .err()
            .map(|error| error.to_string())
    };
    let wanted = wanted
        .into_iter()
        .filter_map(|(key, address)| Some((key, address?)));
    wanted
        .map(|(key, address)| (key, address.to_string(), taken(address)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_says_something_and_a_taken_port_is_noticed() {
        let dir = tempfile::tempdir().expect("a folder");
        let held = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = held.local_addr().expect("an address");
        let text = format!(
            "axes: {{rate: [1]}}\nlocal: {{entrance: '{address}'}}\ndata: {}/new/data\n",
            dir.path().display()
        );
        let mut experiment = Experiment::read(&text, &|_| false).expect("valid");
        let facts = gather(&experiment, vec![0]);
        assert!(
            facts.ports[0]
                .2
                .as_ref()
                .is_some_and(|why| why.contains("in use")),
            "{:?}",
            facts.ports
        );
        assert!(
            facts.disk.1.as_ref().is_ok_and(|free| *free > 0.0) && facts.open_files > 10,
            "{facts:?}"
        );
        drop(held);
        std::fs::write(dir.path().join("new"), "a file").expect("it can be written");
        assert!(
            gather(&experiment, vec![0])
                .disk
                .1
                .is_err_and(|why| why.contains("no folder"))
        );
        experiment.local.entrance = None;
        assert!(gather(&experiment, vec![0]).ports.is_empty());
    }
}
