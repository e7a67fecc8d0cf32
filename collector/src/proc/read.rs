//! Counters of a process and of the node, as they are now.

use super::cgroup::{Files, locate};
use super::devices::Devices;
use super::kept::{Kept, Room};
use super::parse::{self, Hierarchy};
use super::rows::Counters;
use crate::device::{lowest, network_height};
use nix::time::{ClockId, clock_getcpuclockid, clock_gettime};
use nix::unistd::{Pid, SysconfVar, sysconf};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What the machine is like, read once, and what its own counters are read from.
#[derive(Debug)]
pub(super) struct Machine {
    ticks_per_s: u64,
    hierarchies: Vec<Hierarchy>,
    own_network: Option<PathBuf>,
    devices: Devices,
    stat: Option<Kept>,
    memory: Option<Kept>,
    network: Option<Kept>,
    disk: Option<Kept>,
    pressure: [Option<Kept>; 3],
}

/// One process, told apart from a later one of the same pid.
#[derive(Debug)]
pub(super) struct Process {
    pid: i32,
    start: u64,
    // None: it is in no cgroup but the root.
    cgroup: Option<Files>,
    // It has a network of its own, so that what is counted there is its own.
    own_network: bool,
}

/// ns of the clock that neither jumps nor stops.
pub(super) fn monotonic_ns() -> u64 {
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0, |time| nanoseconds(&time))
}

fn nanoseconds(time: &nix::sys::time::TimeSpec) -> u64 {
    u64::try_from(time.tv_sec()).unwrap_or(0) * 1_000_000_000
        + u64::try_from(time.tv_nsec()).unwrap_or(0)
}

impl Machine {
    pub(super) fn look(room: &mut Room) -> Self {
        let ticks = sysconf(SysconfVar::CLK_TCK)
            .ok()
            .flatten()
            .and_then(|ticks| u64::try_from(ticks).ok());
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let interfaces = fs::read_to_string("/proc/net/dev").unwrap_or_default();
        let mut keep = |path: &str| Kept::open(path.into(), room);
        Self {
            ticks_per_s: ticks.filter(|ticks| *ticks > 0).unwrap_or(100),
            hierarchies: parse::hierarchies(&mounts),
            own_network: fs::read_link("/proc/self/ns/net").ok(),
            devices: Devices::look(Path::new("/sys"), &interfaces),
            stat: keep("/proc/stat"),
            memory: keep("/proc/meminfo"),
            network: keep("/proc/net/dev"),
            disk: keep("/proc/diskstats"),
            pressure: ["cpu", "memory", "io"].map(|kind| keep(&format!("/proc/pressure/{kind}"))),
        }
    }

    /// Busy CPU, used memory, network, disks and pressure of the node.
    pub(super) fn counters(&self, buffer: &mut Vec<u8>) -> Counters {
        let used = |text: &str| {
            let (total, available) = (
                parse::keyed_kib(text, "MemTotal")?,
                parse::keyed_kib(text, "MemAvailable")?,
            );
            total.checked_sub(available)
        };
        let is_disk = |name: &str| self.devices.disks.iter().any(|disk| disk == name);
        let is_network = |name: &str| self.devices.networks.iter().any(|own| own == name);
        let busy = self
            .stat
            .as_ref()
            .and_then(|file| parse::node_busy_ticks(file.read(buffer)?));
        Counters {
            at_ns: monotonic_ns(),
            cpu_ns: busy.map(|ticks| ticks * (1_000_000_000 / self.ticks_per_s)),
            throttled_ns: None,
            memory_bytes: self
                .memory
                .as_ref()
                .and_then(|file| used(file.read(buffer)?)),
            network: self
                .network
                .as_ref()
                .and_then(|file| parse::net_bytes(file.read_lines(buffer)?, is_network)),
            disk: self
                .disk
                .as_ref()
                .and_then(|file| Some(parse::disk_bytes(file.read_lines(buffer)?, is_disk))),
            pressure_us: self
                .pressure
                .each_ref()
                .map(|file| parse::pressure_some_us(file.as_ref()?.read(buffer)?)),
        }
    }

    /// The process that has this pid now.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn process(&self, pid: i32, room: &mut Room) -> io::Result<Process> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let start = parse::stat_start(&stat)
            .ok_or_else(|| io::Error::other("its stat file has no start time"))?;
        if parse::stat_state(&stat) == Some('Z') {
            return Err(io::Error::other("it has ended"));
        }
        let cgroups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        let network = fs::read_link(format!("/proc/{pid}/ns/net")).ok();
        let folders = locate(&cgroups, &self.hierarchies);
        Ok(Process {
            pid,
            start,
            cgroup: (!folders.is_empty()).then(|| folders.open_delays(room)),
            own_network: network.is_some() && network != self.own_network,
        })
    }

    /// The process's counters; none once it has ended, even if its pid went to another.
    pub(super) fn counters_of(
        &self,
        process: &mut Process,
        buffer: &mut Vec<u8>,
    ) -> Option<Counters> {
        let read = |file: &str| fs::read_to_string(format!("/proc/{}/{file}", process.pid)).ok();
        let stat = read("stat")?;
        if parse::stat_start(&stat) != Some(process.start) || parse::stat_state(&stat) == Some('Z')
        {
            return None;
        }
        // Process-wide CPU time in ns; the ticks of stat are 10 ms, 1 % of a second.
        let precise = clock_getcpuclockid(Pid::from_raw(process.pid))
            .and_then(clock_gettime)
            .ok();
        let ticks =
            || parse::stat_ticks(&stat).map(|ticks| ticks * (1_000_000_000 / self.ticks_per_s));
        let io = read("io");
        let disk = io.as_deref().and_then(|text| {
            Some((
                parse::keyed(text, "read_bytes")?,
                parse::keyed(text, "write_bytes")?,
            ))
        });
        let at_ns = monotonic_ns();
        let cgroup = process
            .cgroup
            .as_mut()
            .map(|files| files.read(at_ns, buffer));
        Some(Counters {
            at_ns,
            cpu_ns: precise.map(|time| nanoseconds(&time)).or_else(ticks),
            throttled_ns: cgroup.and_then(|cgroup| cgroup.throttled_ns),
            memory_bytes: read("status").and_then(|text| parse::keyed_kib(&text, "VmRSS")),
            network: if process.own_network {
                read("net/dev").and_then(|text| {
                    let own = lowest(parse::interface_names(&text), network_height);
                    parse::net_bytes(&text, |name| own.contains(&name))
                })
            } else {
                None
            },
            disk,
            pressure_us: cgroup.map_or([None; 3], |cgroup| cgroup.pressure_us),
        })
    }

    /// What the counters of a cgroup are read from, by its path, which is the same in all hierarchies.
    pub(super) fn cgroup(&self, path: &str, room: &mut Room) -> Files {
        let all = self.hierarchies.iter().zip(1..).map(|(hierarchy, number)| {
            format!(
                "{number}:{}:{path}\n",
                hierarchy
                    .controllers
                    .as_ref()
                    .map_or(String::new(), |names| names.join(","))
            )
        });
        let folders = locate(&all.collect::<String>(), &self.hierarchies);
        folders.open(room, &self.devices.apart)
    }
}

/// A cgroup's counters; none once it is gone.
pub(super) fn counters_of_cgroup(files: &mut Files, buffer: &mut Vec<u8>) -> Option<Counters> {
    let at_ns = monotonic_ns();
    let counters = files.read(at_ns, buffer);
    counters.cpu_ns.or(counters.memory_bytes)?;
    Some(Counters {
        at_ns,
        cpu_ns: counters.cpu_ns,
        throttled_ns: counters.throttled_ns,
        memory_bytes: counters.memory_bytes,
        network: None,
        disk: counters.disk,
        pressure_us: counters.pressure_us,
    })
}
