//! The files of a cgroup, read again and again.

use super::super::devices::Apart;
use super::super::kept::Kept;
use super::super::parse;
use super::Counters;

/// The file of a cgroup's usage, and the key in `memory.stat` of what of it the kernel may drop at any time.
pub(super) const MEMORY_V2: (&str, &str) = ("memory.current", "inactive_file");
pub(super) const MEMORY_V1: (&str, &str) = ("memory.usage_in_bytes", "total_inactive_file");

/// Time for which the last look into `memory.stat` holds. It is the longest of the files and costs as much as all others
/// together; what it is asked for, file pages that were not used for a while, is slow by its nature.
pub(super) const LOOK_NS: u64 = 2_900_000_000;

#[derive(Debug)]
pub(super) struct Memory {
    usage: Kept,
    stat: Option<Kept>,
    key: &'static str,
    inactive_bytes: u64,
    next_look_ns: u64,
}

/// Version 1's `cpu.stat`. Only where a quota's periods were counted can there be throttling: elsewhere a look now and
/// then is enough to see one come.
#[derive(Debug)]
pub(super) struct Throttled {
    file: Kept,
    has_quota: bool,
    ns: Option<u64>,
    next_look_ns: u64,
}

/// Bytes by device.
#[derive(Debug)]
pub(super) struct Disk {
    file: Kept,
    apart: Apart,
    /// Version 1 counts what its tasks ask for, as they do: while none of them ran nothing changed.
    seen: Option<Seen>,
}

/// CPU time at the last look, and what was seen.
#[derive(Debug, Default)]
struct Seen {
    ran_ns: Option<u64>,
    bytes: Option<(u64, u64)>,
}

/// What a cgroup's counters are read from. Where both versions count CPU time, the second is asked first.
#[derive(Debug)]
pub(in crate::proc) struct Files {
    pub(super) stat_v2: Option<Kept>,
    pub(super) throttled_v1: Option<Throttled>,
    pub(super) usage_v1: Option<Kept>,
    pub(super) memory: Option<Memory>,
    pub(super) disk: Option<Disk>,
    pub(super) pressure: [Option<Kept>; 3],
}

impl Files {
    /// Reads what there is at this time of the monotonic clock. The buffer is scratch.
    pub(in crate::proc) fn read(&mut self, now_ns: u64, buffer: &mut Vec<u8>) -> Counters {
        let stat = self
            .stat_v2
            .as_ref()
            .and_then(|file| file.read(buffer))
            .unwrap_or_default();
        let ns = |key| parse::keyed(stat, key).map(|us| us * 1_000);
        let (used, throttled) = (ns("usage_usec"), ns("throttled_usec"));
        let cpu_ns = used.or_else(|| parse::number(self.usage_v1.as_ref()?.read(buffer)?));
        Counters {
            cpu_ns,
            throttled_ns: throttled.or_else(|| self.throttled_v1.as_mut()?.read(now_ns, buffer)),
            memory_bytes: self
                .memory
                .as_mut()
                .and_then(|memory| memory.working_set(now_ns, buffer)),
            disk: self
                .disk
                .as_mut()
                .and_then(|disk| disk.read(cpu_ns, buffer)),
            pressure_us: self
                .pressure
                .each_ref()
                .map(|file| parse::pressure_some_us(file.as_ref()?.read(buffer)?)),
        }
    }
}

impl Memory {
    pub(super) const fn of(usage: Kept, stat: Option<Kept>, key: &'static str) -> Self {
        Self {
            usage,
            stat,
            key,
            inactive_bytes: 0,
            next_look_ns: 0,
        }
    }

    /// Usage without the file pages that the kernel may drop at any time: what the kubelet calls the working set.
    fn working_set(&mut self, now_ns: u64, buffer: &mut Vec<u8>) -> Option<u64> {
        let usage = parse::number(self.usage.read(buffer)?)?;
        if now_ns >= self.next_look_ns {
            self.next_look_ns = now_ns + LOOK_NS;
            let inactive = self
                .stat
                .as_ref()
                .and_then(|stat| parse::keyed(stat.read(buffer)?, self.key));
            self.inactive_bytes = inactive.unwrap_or(0);
        }
        Some(usage.saturating_sub(self.inactive_bytes))
    }
}

impl Throttled {
    pub(super) const fn of(file: Kept) -> Self {
        Self {
            file,
            has_quota: false,
            ns: None,
            next_look_ns: 0,
        }
    }

    fn read(&mut self, now_ns: u64, buffer: &mut Vec<u8>) -> Option<u64> {
        if self.has_quota || now_ns >= self.next_look_ns {
            self.next_look_ns = now_ns + LOOK_NS;
            let text = self.file.read(buffer)?;
            self.has_quota = parse::keyed(text, "nr_periods").is_none_or(|periods| periods > 0);
            self.ns = parse::keyed(text, "throttled_time");
        }
        self.ns
    }
}

impl Disk {
    pub(super) fn v2(file: Kept, apart: &Apart) -> Self {
        Self {
            file,
            apart: Apart::clone(apart),
            seen: None,
        }
    }

    pub(super) fn v1(file: Kept, apart: &Apart) -> Self {
        Self {
            seen: Some(Seen::default()),
            ..Self::v2(file, apart)
        }
    }

    /// Bytes read and written, of a cgroup that has had so much CPU time.
    fn read(&mut self, cpu_ns: Option<u64>, buffer: &mut Vec<u8>) -> Option<(u64, u64)> {
        let counts = |device: &str| !self.apart.contains(device);
        let Some(Seen { ran_ns, bytes }) = &mut self.seen else {
            return Some(parse::io_stat_bytes(self.file.read(buffer)?, counts));
        };
        if cpu_ns.is_none() || *ran_ns != cpu_ns || bytes.is_none() {
            *ran_ns = cpu_ns;
            *bytes = self
                .file
                .read(buffer)
                .map(|text| parse::blkio_bytes(text, counts));
        }
        *bytes
    }
}
