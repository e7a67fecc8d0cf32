//! The parts that a machine may have or lack: what a test needs beside Rust, a C compiler and a shell is looked up here and
//! nowhere else. A test whose part is missing passes as left out, and says so on standard error.
//!
//! `AEFM_TEST_ALL=1` makes a missing part a failure, but for a cluster that `AEFM_NO_CLUSTER` says cannot be had, and for
//! what is looked for by hand only.
//! `AEFM_TEST_HIDE=all`, or names parted by commas (`busybox,mount`), hides parts, so that a machine that has them all can
//! show what one without them does.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

/// Something that a machine may lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// A static busybox, which containers of tests run.
    Busybox,
    /// The server of Prometheus.
    Prometheus,
    /// Prometheus's tool, which makes blocks of samples.
    Promtool,
    /// Jaeger, all in one.
    Jaeger,
    /// A server that speaks S3.
    Moto,
    /// A Kubernetes cluster, and an image of `aefm` on its nodes.
    Cluster,
    /// The package of AEFM 0.2.0, unpacked.
    Original,
    /// The folder of examples that CRISP, a tool for critical paths, comes with.
    Crisp,
    /// A Python that can run CRISP.
    CrispPython,
    /// The right to mount a small file system.
    Mount,
    /// A network namespace of a test's own, with its port range set.
    Network,
    /// The right to give a program another root folder.
    Chroot,
    /// Control groups of a test's own, with CPU quotas and cpusets.
    Cgroups,
    /// A second core that this process may use.
    SecondCore,
    /// A loopback address of IPv6.
    Ipv6,
}

/// How a part is found, and how to come by it.
struct Lookup {
    name: &'static str,
    /// Names a program or a folder in its place.
    variable: Option<&'static str>,
    how: &'static str,
}

impl Part {
    const fn lookup(self) -> Lookup {
        let (name, variable, how) = match self {
            Self::Busybox => (
                "busybox",
                Some("AEFM_BUSYBOX"),
                "Debian's package busybox-static has it",
            ),
            Self::Prometheus => (
                "prometheus",
                Some("AEFM_PROMETHEUS"),
                "Debian's package prometheus has it",
            ),
            Self::Promtool => (
                "promtool",
                Some("AEFM_PROMTOOL"),
                "Debian's package prometheus has it",
            ),
            Self::Jaeger => ("jaeger", Some("AEFM_JAEGER"), ".ci/jaeger builds it"),
            Self::Moto => (
                "moto_server",
                Some("AEFM_MOTO"),
                "pip install 'moto[s3,server]' has it",
            ),
            Self::Cluster => (
                "cluster",
                Some("AEFM_KUBECONFIG"),
                ".ci/cluster makes one; AEFM_IMAGE names an image on its nodes",
            ),
            Self::Original => (
                "original",
                Some("AEFM_ORIGINAL"),
                ".ci/original downloads it",
            ),
            Self::Crisp => (
                "crisp",
                Some("AEFM_CRISP"),
                "the folder test_cases of CRISP's repository",
            ),
            Self::CrispPython => (
                "crisp-python",
                Some("AEFM_CRISP_PYTHON"),
                "a Python with what CRISP's repository asks for",
            ),
            Self::Mount => ("mount", None, "root may mount a file system in memory"),
            Self::Network => (
                "network",
                None,
                "unshare and ip (iproute2), and user namespaces or root",
            ),
            Self::Chroot => ("chroot", None, "root, or user namespaces"),
            Self::Cgroups => ("cgroups", None, "root, where /sys/fs/cgroup may be written"),
            Self::SecondCore => ("second-core", None, "a machine of two cores or more"),
            Self::Ipv6 => ("ipv6", None, "a kernel with IPv6 and its loopback address"),
        };
        Lookup {
            name,
            variable,
            how,
        }
    }

    /// Whether it is looked for by hand only: `.ci/run` has no place to take it from.
    const fn is_by_hand(self) -> bool {
        matches!(self, Self::Crisp | Self::CrispPython)
    }

    /// The part; nothing where it is missing or hidden. A part that is a right is found as an empty path.
    fn look(self) -> Option<PathBuf> {
        let lookup = self.lookup();
        if is_hidden(lookup.name, std::env::var("AEFM_TEST_HIDE").ok().as_deref()) {
            return None;
        }
        let named = lookup.variable.and_then(std::env::var_os);
        match self {
            Self::Busybox => found_program(named, Some("/bin/busybox"), lookup.name),
            Self::Prometheus | Self::Promtool | Self::Jaeger | Self::Moto => {
                found_program(named, None, lookup.name)
            }
            Self::Cluster => {
                let has_image = std::env::var_os("AEFM_IMAGE").is_some();
                named.map(PathBuf::from).filter(|_| has_image)
            }
            Self::Crisp | Self::CrispPython => named.map(PathBuf::from),
            Self::Original => named.map(PathBuf::from).filter(|path| path.is_dir()),
            Self::Mount => can_mount().then(PathBuf::new),
            Self::Network => runs(in_own_network("40000 40019").arg("true")).then(PathBuf::new),
            Self::Chroot => may_change_root().then(PathBuf::new),
            Self::Cgroups => {
                let made = ["cpu", "cpuset"].map(|controller| Cgroup::make(controller, "look"));
                made.iter().all(Option::is_some).then(PathBuf::new)
            }
            Self::SecondCore => {
                let cores = std::thread::available_parallelism();
                cores.is_ok_and(|cores| cores.get() > 1).then(PathBuf::new)
            }
            Self::Ipv6 => std::net::TcpListener::bind("[::1]:0")
                .is_ok()
                .then(PathBuf::new),
        }
    }
}

/// The program or folder of a part. Where the machine lacks it, says that the calling test is left out.
///
/// # Panics
/// The part is missing, and `AEFM_TEST_ALL` is set.
#[must_use]
pub fn find(part: Part) -> Option<PathBuf> {
    let found = part.look();
    if found.is_none() {
        leave_out(part);
    }
    found
}

/// Whether a part is there that has no path, such as a right; says the same as [`find`] where it is not.
///
/// # Panics
/// As [`find`].
#[must_use]
pub fn has(part: Part) -> bool {
    find(part).is_some()
}

/// The kubeconfig of the cluster that tests may use, and the image of `aefm` on its nodes.
///
/// # Panics
/// As [`find`].
#[must_use]
pub fn cluster() -> Option<(String, String)> {
    let kubeconfig = find(Part::Cluster)?;
    let kubeconfig = kubeconfig.to_str().expect("AEFM_KUBECONFIG is text");
    Some((kubeconfig.to_owned(), std::env::var("AEFM_IMAGE").ok()?))
}

/// The image with `/bin/busybox` that nodes of a cluster have.
#[must_use]
pub fn busybox_image() -> String {
    std::env::var("AEFM_KUBE_IMAGE").unwrap_or_else(|_| "aefm.local/busybox:1".to_owned())
}

/// The start of a command whose program, which the caller adds, runs in a network of its own: loopback is up, and
/// connections get these ports (`40000 40019`).
#[must_use]
pub fn in_own_network(ports: &str) -> Command {
    let inner =
        "ip link set lo up && echo $0 > /proc/sys/net/ipv4/ip_local_port_range && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--net", "sh", "-c", inner, ports]);
    command
}

/// A command that runs a program below another root folder.
#[must_use]
pub fn chroot() -> Command {
    if nix::unistd::geteuid().is_root() {
        return Command::new("chroot");
    }
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "chroot"]);
    command
}

/// A file system in memory, unmounted when dropped.
#[derive(Debug)]
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts one of that size (`4m`); nothing where this user may not, which [`has`] with [`Part::Mount`] says before.
    #[must_use]
    pub fn mount(at: &Path, size: &str) -> Option<Self> {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]);
        runs(mount.arg(at)).then(|| Self(at.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Fails while something has a file open there; a test that cares looks whether it is gone.
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

/// A control group of a test's own, removed when dropped.
#[derive(Debug)]
pub struct Cgroup {
    folder: PathBuf,
    is_v2: bool,
}

impl Cgroup {
    /// Makes one with that controller, in version 1's hierarchy of it or in version 2's; nothing where that is not allowed.
    #[must_use]
    pub fn make(controller: &str, name: &str) -> Option<Self> {
        let root = Path::new("/sys/fs/cgroup");
        let enabled = std::fs::read_to_string(root.join("cgroup.subtree_control"));
        let is_v2 = enabled.is_ok();
        if enabled.is_ok_and(|enabled| !enabled.split_whitespace().any(|one| one == controller)) {
            let add = format!("+{controller}");
            std::fs::write(root.join("cgroup.subtree_control"), add).ok()?;
        }
        let hierarchy = if is_v2 {
            root.to_owned()
        } else {
            root.join(controller)
        };
        if !hierarchy.is_dir() {
            return None;
        }
        let folder = hierarchy.join(format!("aefm-test-{name}-{}", std::process::id()));
        std::fs::create_dir(&folder).ok()?;
        Some(Self { folder, is_v2 })
    }

    /// Lets all processes in it have so much of a core, in percent.
    ///
    /// # Panics
    /// The kernel refuses it.
    pub fn set_quota(&self, percent: u64) {
        let (period, quota) = (100_000, percent * 1_000);
        if self.is_v2 {
            self.put("cpu.max", &format!("{quota} {period}"));
        } else {
            self.put("cpu.cfs_period_us", &period.to_string());
            self.put("cpu.cfs_quota_us", &quota.to_string());
        }
    }

    /// Lets processes in it run on these cores (`0-1`).
    ///
    /// # Panics
    /// The kernel refuses it.
    pub fn set_cores(&self, cores: &str) {
        if !self.is_v2 {
            self.put("cpuset.mems", "0");
        }
        self.put("cpuset.cpus", cores);
    }

    /// Moves a process into it.
    ///
    /// # Panics
    /// The kernel refuses it.
    pub fn take(&self, pid: u32) {
        self.put("cgroup.procs", &pid.to_string());
    }

    fn put(&self, file: &str, text: &str) {
        let path = self.folder.join(file);
        std::fs::write(&path, text)
            .unwrap_or_else(|error| panic!("write {}: {error}", path.display()));
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // The last process in it may be on its way out.
        for _ in 0..500 {
            if std::fs::remove_dir(&self.folder).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }
}

fn can_mount() -> bool {
    tempfile::tempdir().is_ok_and(|dir| SmallDisk::mount(dir.path(), "1m").is_some())
}

fn may_change_root() -> bool {
    runs(chroot().args(["/", "true"]))
}

/// Whether a command can be started and ends well; what it says is nobody's.
fn runs(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

/// A program by the variable that names it, at its usual place, or by its name on PATH.
fn found_program(named: Option<OsString>, usual: Option<&str>, name: &str) -> Option<PathBuf> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let on_path = || {
        std::env::split_paths(&paths)
            .map(|folder| folder.join(name))
            .find(|path| path.is_file())
    };
    match named {
        // A variable that names nothing is a mistake of whoever set it.
        Some(named) => Some(PathBuf::from(named)).filter(|path| path.is_file()),
        None => usual
            .map(PathBuf::from)
            .filter(|path| path.is_file())
            .or_else(on_path),
    }
}

fn is_hidden(name: &str, hide: Option<&str>) -> bool {
    hide.is_some_and(|hide| {
        hide.split(',')
            .map(str::trim)
            .any(|hidden| hidden == "all" || hidden == name)
    })
}

/// Parts whose want has been told, each with how to come by it, once a test program.
static TOLD: Mutex<BTreeSet<Part>> = Mutex::new(BTreeSet::new());

fn leave_out(part: Part) {
    let Lookup {
        name,
        variable,
        how,
    } = part.lookup();
    let no_cluster = std::env::var("AEFM_NO_CLUSTER")
        .ok()
        .filter(|_| part == Part::Cluster);
    assert!(
        std::env::var_os("AEFM_TEST_ALL").is_none() || no_cluster.is_some() || part.is_by_hand(),
        "AEFM_TEST_ALL is set, and {name} is missing ({how})"
    );
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    let variable = variable.map_or(String::new(), |variable| format!("; {variable} names it"));
    let program = std::env::current_exe().unwrap_or_default();
    let program = program
        .file_stem()
        .and_then(|stem| stem.to_str())
        .map_or("", |stem| {
            stem.rsplit_once('-').map_or(stem, |(name, _)| name)
        });
    let mut line = format!("left out: {program} {test}: {name} is missing");
    // A test that panicked while it held this left a set that is as good as any.
    let mut told = TOLD
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    if told.insert(part) {
        line += &format!(" ({}{variable})", no_cluster.as_deref().unwrap_or(how));
    }
    // Not by `eprintln!`, which the test harness keeps back where a test passes.
    let _ = writeln!(std::io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_hidden_by_name_or_all_at_once() {
        assert!(is_hidden("mount", Some("all")));
        assert!(is_hidden("mount", Some("busybox, mount")));
        assert!(!is_hidden("mount", Some("busybox")));
        assert!(!is_hidden("mount", Some("")));
        assert!(!is_hidden("mount", None));
    }

    #[test]
    fn a_variable_that_names_nothing_is_not_made_up_for_by_the_path() {
        assert!(found_program(None, None, "sh").is_some());
        assert!(found_program(Some("/nowhere/sh".into()), Some("/bin/sh"), "sh").is_none());
        assert!(found_program(None, None, "no-program-has-this-name").is_none());
    }
}
