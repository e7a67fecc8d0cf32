//! Cores of a stressor's own: the kernel reserves shares only for threads that may run on every core of their domain,
//! so that cores that are named have to become a domain first. That takes an exclusive cpuset of cgroup v2.
//!
//! The cpuset has to go even if this process is killed, and one that is killed cannot see to it: a keeper, this program
//! again outside of the cpuset, removes it when it no longer hears from here. When it is the keeper who is killed, the
//! stressor ends and removes it itself.

use crate::machine::Machine;
use crate::machine::cores::format_list;
use crate::supervise::child::own_command;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Where the hierarchy of cgroup v2 is, from the root: alone, or beside version 1.
const PLACES: [&str; 2] = ["sys/fs/cgroup", "sys/fs/cgroup/unified"];
/// The last tasks of a cpuset take a moment to leave it.
const PATIENCE: Duration = Duration::from_millis(900);

/// An exclusive cpuset with this process in it. Dropped, it is gone.
#[derive(Debug)]
pub(super) struct Partition {
    folder: PathBuf,
    home: PathBuf,
    // Dropped, it sends the keeper home.
    line: Option<ChildStdin>,
    watch: Option<JoinHandle<()>>,
    unkept: Arc<AtomicBool>,
}

impl Partition {
    /// Makes these cores a domain of their own and moves this process there.
    ///
    /// # Errors
    /// Why that cannot be had here, reading on from "because".
    pub(super) fn make(machine: &Machine, cores: &[usize]) -> Result<Self, String> {
        let root = PLACES
            .iter()
            .map(|place| machine.path(place))
            .find(|place| has_cpusets(place));
        let root = root.ok_or("there is no cpuset of cgroup v2 here")?;
        let own = machine
            .read("proc/self/cgroup")
            .map_err(|error| error.to_string())?;
        let home = own
            .lines()
            .find_map(|line| line.strip_prefix("0::/"))
            .ok_or("/proc/self/cgroup names no v2 group")?;
        let (home, folder) = (
            root.join(home),
            root.join(format!("aefm-reserved-{}", std::process::id())),
        );
        let said = |what: &str, error: io::Error| format!("{what}: {error}");
        if !has_word(&root.join("cgroup.subtree_control"), "cpuset") {
            let enabled = fs::write(root.join("cgroup.subtree_control"), "+cpuset");
            enabled.map_err(|error| said("hand the cpuset controller down", error))?;
        }
        fs::create_dir(&folder)
            .map_err(|error| said(&format!("make {}", folder.display()), error))?;
        let mut partition = Self {
            folder,
            home,
            line: None,
            watch: None,
            unkept: Arc::default(),
        };
        partition
            .hire()
            .map_err(|error| said("start the process that keeps the cpuset", error))?;
        partition.fence(cores)?;
        fs::write(
            partition.folder.join("cgroup.procs"),
            std::process::id().to_string(),
        )
        .map_err(|error| said("move into the cpuset", error))?;
        eprintln!(
            "cpu: cores {} are its own until it ends: what else may run there moves on",
            format_list(cores)
        );
        Ok(partition)
    }

    /// Starts the keeper, and watches over it.
    fn hire(&mut self) -> io::Result<()> {
        let mut keeper = own_command()?;
        let mut keeper: Child = keeper
            .arg("keep")
            .arg(&self.folder)
            .stdin(Stdio::piped())
            .spawn()?;
        self.line = keeper.stdin.take();
        let unkept = Arc::clone(&self.unkept);
        self.watch = Some(std::thread::spawn(move || {
            let _ = keeper.wait();
            unkept.store(true, Ordering::Relaxed);
        }));
        Ok(())
    }

    /// Takes the cores for the cpuset alone. The kernel says only afterwards whether it could.
    fn fence(&self, cores: &[usize]) -> Result<(), String> {
        let put = |file: &str, text: &str| {
            fs::write(self.folder.join(file), text)
                .map_err(|error| format!("write {text:?} to {file}: {error}"))
        };
        put("cpuset.cpus", &format_list(cores))?;
        put("cpuset.cpus.partition", "root")?;
        let state = fs::read_to_string(self.folder.join("cpuset.cpus.partition"));
        match state.as_deref().map(str::trim) {
            Ok("root") => Ok(()),
            Ok(state) => Err(format!(
                "the kernel does not part the cores {} from the others: {state}",
                format_list(cores)
            )),
            Err(error) => Err(format!("read cpuset.cpus.partition: {error}")),
        }
    }

    /// Why it cannot go on, if so.
    pub(super) fn failure(&self) -> Option<&str> {
        let unkept = self.unkept.load(Ordering::Relaxed);
        unkept
            .then_some("keep the cores to itself: the process that would give them back was killed")
    }
}

impl Drop for Partition {
    fn drop(&mut self) {
        // What cannot be done here is done by the keeper, once this process is gone.
        let _ = fs::write(
            self.home.join("cgroup.procs"),
            std::process::id().to_string(),
        );
        let _ = remove(&self.folder);
        self.line = None;
        if let Some(watch) = self.watch.take() {
            let _ = watch.join();
        }
    }
}

/// The keeper's life: waits until its standard input ends, then removes the cpuset.
///
/// # Errors
/// It is still there.
pub(crate) fn keep(folder: &Path) -> io::Result<()> {
    // An end, or an error: there is nobody any more either way.
    let _ = io::stdin().read_to_end(&mut Vec::new());
    remove(folder)
}

/// Removes a group once the last of it has left. One that is gone already is as good.
fn remove(folder: &Path) -> io::Result<()> {
    let until = Instant::now() + PATIENCE;
    loop {
        match fs::remove_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy && Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(5));
            }
            done => return done,
        }
    }
}

fn has_cpusets(group: &Path) -> bool {
    has_word(&group.join("cgroup.controllers"), "cpuset")
}

fn has_word(file: &Path, word: &str) -> bool {
    fs::read_to_string(file)
        .is_ok_and(|text| text.split_ascii_whitespace().any(|found| found == word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_without_such_cpusets_says_so() {
        let root = tempfile::tempdir().unwrap();
        let machine = Machine::at(root.path(), vec![0, 1]);
        assert!(
            Partition::make(&machine, &[1])
                .unwrap_err()
                .contains("no cpuset of cgroup v2")
        );
        let group = root.path().join("sys/fs/cgroup");
        fs::create_dir_all(&group).unwrap();
        fs::write(group.join("cgroup.controllers"), "cpu io memory\n").unwrap();
        assert!(
            Partition::make(&machine, &[1])
                .unwrap_err()
                .contains("no cpuset of cgroup v2")
        );
        // One that may not be written: here, because the group's folder is there already.
        fs::write(group.join("cgroup.controllers"), "cpuset cpu\n").unwrap();
        fs::write(group.join("cgroup.subtree_control"), "cpuset\n").unwrap();
        fs::create_dir_all(root.path().join("proc/self")).unwrap();
        fs::write(root.path().join("proc/self/cgroup"), "0::/\n").unwrap();
        let taken = group.join(format!("aefm-reserved-{}", std::process::id()));
        fs::write(&taken, "").unwrap();
        assert!(
            Partition::make(&machine, &[1])
                .unwrap_err()
                .contains("make "),
            "{}",
            taken.display()
        );
    }

    #[test]
    fn what_is_gone_already_is_removed() {
        let root = tempfile::tempdir().unwrap();
        let group = root.path().join("group");
        fs::create_dir(&group).unwrap();
        remove(&group).unwrap();
        assert!(!group.exists());
        remove(&group).unwrap();
    }
}
