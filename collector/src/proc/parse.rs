//! The kernel's text files, parsed. Formats: proc(5), Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/.

use std::path::PathBuf;

/// `utime + stime` of `/proc/PID/stat` in clock ticks. The name in parentheses may hold spaces and parentheses.
pub(super) fn stat_ticks(text: &str) -> Option<u64> {
    let (_, after_name) = text.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let (user, system) = (fields.next()?, fields.next()?);
    user.parse::<u64>().ok()?.checked_add(system.parse().ok()?)
}

/// Start time of `/proc/PID/stat` in ticks since boot: with the pid it names one process for ever.
pub(super) fn stat_start(text: &str) -> Option<u64> {
    let (_, after_name) = text.rsplit_once(')')?;
    after_name.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// State letter of `/proc/PID/stat`; `Z` is a process that has ended and was not waited for.
pub(super) fn stat_state(text: &str) -> Option<char> {
    text.rsplit_once(')')?.1.trim_start().chars().next()
}

/// The number behind `key` in lines of `key number` or `key: number kB`.
pub(super) fn keyed(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let rest = line.strip_prefix(key)?;
        let rest = rest.strip_prefix(':').unwrap_or(rest);
        rest.starts_with([' ', '\t'])
            .then(|| rest.split_ascii_whitespace().next()?.parse().ok())?
    })
}

/// As [`keyed`], kB in bytes.
pub(super) fn keyed_kib(text: &str, key: &str) -> Option<u64> {
    keyed(text, key)?.checked_mul(1024)
}

/// A whole file that is one number; `max` is none.
pub(super) fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// Busy time of all CPUs in `/proc/stat`, in ticks: everything but idle, waiting for I/O, and what the host gave to other
/// machines (steal). Guests are within user.
pub(super) fn node_busy_ticks(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let fields: Vec<u64> = line
        .split_ascii_whitespace()
        .map_while(|field| field.parse().ok())
        .collect();
    (fields.len() >= 4).then(|| {
        let busy = [0, 1, 2, 5, 6];
        busy.iter().filter_map(|place| fields.get(*place)).sum()
    })
}

/// Interfaces in `/proc/net/dev`, with the bytes that each received and sent.
fn interfaces(text: &str) -> impl Iterator<Item = (&str, Option<(u64, u64)>)> {
    text.lines().skip(2).filter_map(|line| {
        let (name, fields) = line.split_once(':')?;
        let mut fields = fields.split_ascii_whitespace().map(str::parse);
        let bytes = match (fields.next(), fields.nth(7)) {
            (Some(Ok(received)), Some(Ok(sent))) => Some((received, sent)),
            _ => None,
        };
        Some((name.trim(), bytes))
    })
}

/// Names of the interfaces in `/proc/net/dev`.
pub(super) fn interface_names(text: &str) -> impl Iterator<Item = &str> {
    interfaces(text).map(|(name, _)| name)
}

/// Bytes received and sent in `/proc/net/dev` by the interfaces that count.
pub(super) fn net_bytes(text: &str, counts: impl Fn(&str) -> bool) -> Option<(u64, u64)> {
    let own = interfaces(text).filter(|(name, _)| counts(name));
    let mut sums = (0_u64, 0_u64);
    for (_, bytes) in own {
        let (received, sent) = bytes?;
        sums = (sums.0.checked_add(received)?, sums.1.checked_add(sent)?);
    }
    Some(sums)
}

/// Bytes read and written in `/proc/diskstats`, whole disks only (a partition's would count twice). `is_disk` knows.
pub(super) fn disk_bytes(text: &str, is_disk: impl Fn(&str) -> bool) -> (u64, u64) {
    let mut sums = (0, 0);
    for line in text.lines() {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let sectors = |place: usize| {
            fields
                .get(place)
                .and_then(|field| field.parse::<u64>().ok())
        };
        if let (Some(name), Some(read), Some(written)) = (fields.get(2), sectors(5), sectors(9))
            && is_disk(name)
        {
            // The kernel's sectors are 512 bytes whatever the disk's are.
            sums.0 += read * 512;
            sums.1 += written * 512;
        }
    }
    sums
}

/// `total=` of the line `some` of a pressure file, in microseconds.
pub(super) fn pressure_some_us(text: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.starts_with("some "))?;
    line.split_ascii_whitespace()
        .find_map(|field| field.strip_prefix("total="))?
        .parse()
        .ok()
}

/// Sum over the devices that count (by their numbers, such as `8:0`) of `rbytes=` and `wbytes=` in cgroup v2's `io.stat`.
pub(super) fn io_stat_bytes(text: &str, counts: impl Fn(&str) -> bool) -> (u64, u64) {
    let mut sums = (0_u64, 0_u64);
    for line in text.lines() {
        let mut fields = line.split_ascii_whitespace();
        if !fields.next().is_some_and(&counts) {
            continue;
        }
        for field in fields {
            let value = |key: &str| field.strip_prefix(key).and_then(|value| value.parse().ok());
            sums.0 = sums.0.saturating_add(value("rbytes=").unwrap_or(0));
            sums.1 = sums.1.saturating_add(value("wbytes=").unwrap_or(0));
        }
    }
    sums
}

/// Sum over the devices that count of `Read` and `Write` in cgroup v1's `blkio.throttle.io_service_bytes`.
pub(super) fn blkio_bytes(text: &str, counts: impl Fn(&str) -> bool) -> (u64, u64) {
    let mut sums = (0_u64, 0_u64);
    for line in text.lines() {
        let mut fields = line.split_ascii_whitespace();
        if !fields.next().is_some_and(&counts) {
            continue;
        }
        if let (Some(operation), Some(Ok(bytes))) =
            (fields.next(), fields.next().map(str::parse::<u64>))
        {
            match operation {
                "Read" => sums.0 = sums.0.saturating_add(bytes),
                "Write" => sums.1 = sums.1.saturating_add(bytes),
                _ => {}
            }
        }
    }
    sums
}

/// One line of `/proc/PID/cgroup`: the controllers (none for v2) and the path within their hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Membership {
    pub(super) controllers: Vec<String>,
    pub(super) path: String,
}

/// `/proc/PID/cgroup`.
pub(super) fn memberships(text: &str) -> Vec<Membership> {
    let line = |line: &str| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        let controllers = controllers
            .split(',')
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect();
        Some(Membership {
            controllers,
            path: path.to_owned(),
        })
    };
    text.lines().filter_map(line).collect()
}

/// A mounted cgroup hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hierarchy {
    /// The path within the hierarchy that is mounted here, `/` unless a container sees only its own.
    pub(super) root: String,
    pub(super) mounted_at: PathBuf,
    /// The v1 controllers; none for v2.
    pub(super) controllers: Option<Vec<String>>,
}

/// The cgroup hierarchies in `/proc/PID/mountinfo`.
pub(super) fn hierarchies(text: &str) -> Vec<Hierarchy> {
    let line = |line: &str| {
        let (before, after) = line.split_once(" - ")?;
        let mut after = after.split_ascii_whitespace();
        let (kind, options) = (after.next()?, after.nth(1)?);
        let controllers = match kind {
            "cgroup2" => None,
            "cgroup" => Some(options.split(',').map(str::to_owned).collect()),
            _ => return None,
        };
        let mut before = before.split_ascii_whitespace().skip(3);
        let (root, at) = (before.next()?, before.next()?);
        Some(Hierarchy {
            root: unescape(root),
            mounted_at: unescape(at).into(),
            controllers,
        })
    };
    text.lines().filter_map(line).collect()
}

/// mountinfo writes space, tab, newline and backslash as three octal digits.
fn unescape(text: &str) -> String {
    let mut plain = text.to_owned();
    for (escape, character) in [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ] {
        plain = plain.replace(escape, character);
    }
    plain
}

#[cfg(test)]
mod tests;
