//! The control groups that this process is in, of both versions, from its own up to the root.

use super::Machine;
use std::path::PathBuf;

/// One control group.
pub(super) struct Group {
    pub(super) version: u8,
    pub(super) folder: PathBuf,
}

impl Group {
    /// The text of one of its files; none where it has no such file.
    pub(super) fn read(&self, file: &str) -> Option<String> {
        std::fs::read_to_string(self.folder.join(file)).ok()
    }
}

impl Machine {
    /// The groups of this process that have this controller, from its own up to the root.
    pub(super) fn groups(&self, controller: &str) -> Vec<Group> {
        let Ok(text) = self.read("proc/self/cgroup") else {
            return Vec::new();
        };
        let mut groups = Vec::new();
        for (controllers, path) in text.lines().filter_map(group_of) {
            let (version, mounts) = if controllers.is_empty() {
                let places = ["sys/fs/cgroup", "sys/fs/cgroup/unified"];
                (2, places.map(str::to_owned).to_vec())
            } else if controllers.split(',').any(|name| name == controller) {
                let places = [controller, controllers].map(|name| format!("sys/fs/cgroup/{name}"));
                // Both names lead to the same mount where the controller has it alone.
                let known = places.iter().find(|place| self.path(place).is_dir());
                (1, known.cloned().into_iter().collect())
            } else {
                continue;
            };
            for mount in mounts {
                groups.extend(self.chain(version, &mount, path));
            }
        }
        groups
    }

    /// A group and its ancestors. In a container the path may not exist below the mount: then the mount is the group.
    fn chain(&self, version: u8, mount: &str, path: &str) -> Vec<Group> {
        let base = self.path(mount);
        let mut folder = base.join(path.trim_start_matches('/'));
        if !folder.is_dir() {
            folder.clone_from(&base);
        }
        let ancestors = folder
            .ancestors()
            .take_while(|ancestor| ancestor.starts_with(&base));
        ancestors
            .map(|ancestor| Group {
                version,
                folder: ancestor.to_owned(),
            })
            .collect()
    }

    /// Nanoseconds for which CPU quotas held back threads of this process's control groups, since these were made.
    #[must_use]
    pub fn throttled_ns(&self) -> u64 {
        let withheld = |group: Group| {
            let stat = group.read("cpu.stat")?;
            match group.version {
                2 => Some(field(&stat, "throttled_usec")?.saturating_mul(1_000)),
                _ => field(&stat, "throttled_time"),
            }
        };
        self.groups("cpu").into_iter().filter_map(withheld).sum()
    }
}

/// `4:memory:/path` or `0::/path`: controllers and path.
fn group_of(line: &str) -> Option<(&str, &str)> {
    let mut parts = line.splitn(3, ':').skip(1);
    Some((parts.next()?, parts.next()?))
}

/// The number behind a name in lines of name and number.
pub(super) fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        line.strip_prefix(name)?
            .strip_prefix(' ')?
            .trim()
            .parse()
            .ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn what_quotas_withheld_is_the_sum_over_all_groups_of_both_versions() {
        let root = tempfile::tempdir().unwrap();
        let put = |file: &str, text: &str| {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        put("proc/self/cgroup", "3:cpu,cpuacct:/box\n0::/pod/one\n");
        put(
            "sys/fs/cgroup/cpu,cpuacct/box/cpu.stat",
            "nr_periods 2\nthrottled_time 5\n",
        );
        put("sys/fs/cgroup/pod/one/cpu.stat", "throttled_usec 2\n");
        put("sys/fs/cgroup/pod/cpu.stat", "throttled_usec 1\n");
        assert_eq!(Machine::at(root.path(), vec![0]).throttled_ns(), 3_005);
    }
}
