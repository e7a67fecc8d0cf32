//! Processes as the kernel lists them: who descends from whom, and who is still there.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A process, told apart from a later one of the same pid by its start time.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Process {
    /// Its id.
    pub pid: i32,
    /// Clock ticks after boot.
    pub started: u64,
    /// Its command line, arguments parted by blanks.
    pub command: String,
}

/// All processes that descend from `ancestor`, itself left out.
#[must_use]
pub fn descendants(ancestor: i32) -> Vec<Process> {
    let all: Vec<_> = pids()
        .into_iter()
        .filter_map(|pid| Some((stat(pid)?, pid)))
        .collect();
    let mut found = vec![ancestor];
    let mut at = 0;
    while at < found.len() {
        let parent = found[at];
        found.extend(
            all.iter()
                .filter(|((of, _), _)| *of == parent)
                .map(|(_, pid)| *pid),
        );
        at += 1;
    }
    found[1..].iter().filter_map(|pid| process(*pid)).collect()
}

/// Whether a process is still there (one that is dead and not yet reaped is not).
#[must_use]
pub fn is_alive(known: &Process) -> bool {
    stat(known.pid).is_some_and(|(_, started)| started == known.started) && !is_zombie(known.pid)
}

/// Waits until none of `known` is there any more; returns those that still are after `patience`.
#[must_use]
pub fn survivors(known: &[Process], patience: Duration) -> Vec<Process> {
    let begun = Instant::now();
    loop {
        let left: Vec<_> = known
            .iter()
            .filter(|process| is_alive(process))
            .cloned()
            .collect();
        if left.is_empty() || begun.elapsed() > patience {
            return left;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until `look` finds something; nothing after `patience`.
pub fn wait_for<T>(patience: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let begun = Instant::now();
    loop {
        let found = look();
        if found.is_some() || begun.elapsed() > patience {
            return found;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn pids() -> Vec<i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

fn process(pid: i32) -> Option<Process> {
    let (_, started) = stat(pid)?;
    let command = fs::read(PathBuf::from(format!("/proc/{pid}/cmdline"))).ok()?;
    let command = String::from_utf8_lossy(&command)
        .replace('\0', " ")
        .trim()
        .to_owned();
    Some(Process {
        pid,
        started,
        command,
    })
}

/// Parent and start time.
fn stat(pid: i32) -> Option<(i32, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold blanks and parentheses; what follows the last one is plain.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    Some((fields.get(1)?.parse().ok()?, fields.get(19)?.parse().ok()?))
}

fn is_zombie(pid: i32) -> bool {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    text.rsplit_once(')')
        .is_some_and(|(_, rest)| rest.trim_start().starts_with(['Z', 'X']))
}
