//! The metrics that matter, declared as data: what they are called, what they mean, and which column they fill.

/// How a metric's samples become a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A counter: its rate.
    Counter,
    /// A gauge: its value.
    Gauge,
    /// A gauge that bounds another: its value, for `usage` only.
    Limit,
}

/// The column that a metric fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// `cpu_cores`.
    Cpu,
    /// `cpu_throttled`.
    Throttled,
    /// `memory_bytes`.
    Memory,
    /// `network_rx_bytes`.
    Received,
    /// `network_tx_bytes`.
    Sent,
    /// `disk_read_bytes`.
    DiskRead,
    /// `disk_write_bytes`.
    DiskWritten,
    /// `pressure_cpu`.
    PressureCpu,
    /// `pressure_memory`.
    PressureMemory,
    /// `pressure_io`.
    PressureIo,
    /// `cpu_limit_cores` of `usage`.
    CpuLimit,
    /// `memory_limit_bytes` of `usage`.
    MemoryLimit,
}

/// One metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// How its samples become the column.
    pub form: Form,
    /// The column.
    pub target: Target,
    /// It is about a node, not about a container or pod.
    pub is_node: bool,
    /// Only series with this label.
    pub only: Option<(&'static str, &'static str)>,
}

const fn container(name: &'static str, form: Form, target: Target) -> Metric {
    Metric {
        name,
        form,
        target,
        is_node: false,
        only: None,
    }
}

const fn node(name: &'static str, target: Target) -> Metric {
    Metric {
        name,
        form: Form::Counter,
        target,
        is_node: true,
        only: None,
    }
}

/// The metrics that are collected. Recording rules are not among them: they differ between installations.
pub const METRICS: &[Metric] = &[
    container(
        "container_cpu_usage_seconds_total",
        Form::Counter,
        Target::Cpu,
    ),
    container(
        "container_cpu_cfs_throttled_seconds_total",
        Form::Counter,
        Target::Throttled,
    ),
    container(
        "container_memory_working_set_bytes",
        Form::Gauge,
        Target::Memory,
    ),
    container(
        "container_network_receive_bytes_total",
        Form::Counter,
        Target::Received,
    ),
    container(
        "container_network_transmit_bytes_total",
        Form::Counter,
        Target::Sent,
    ),
    container(
        "container_fs_reads_bytes_total",
        Form::Counter,
        Target::DiskRead,
    ),
    container(
        "container_fs_writes_bytes_total",
        Form::Counter,
        Target::DiskWritten,
    ),
    container(
        "container_pressure_cpu_waiting_seconds_total",
        Form::Counter,
        Target::PressureCpu,
    ),
    container(
        "container_pressure_memory_waiting_seconds_total",
        Form::Counter,
        Target::PressureMemory,
    ),
    container(
        "container_pressure_io_waiting_seconds_total",
        Form::Counter,
        Target::PressureIo,
    ),
    Metric {
        only: Some(("resource", "cpu")),
        ..container(
            "kube_pod_container_resource_limits",
            Form::Limit,
            Target::CpuLimit,
        )
    },
    Metric {
        only: Some(("resource", "memory")),
        ..container(
            "kube_pod_container_resource_limits",
            Form::Limit,
            Target::MemoryLimit,
        )
    },
    container(
        "container_spec_memory_limit_bytes",
        Form::Limit,
        Target::MemoryLimit,
    ),
    node("node_cpu_seconds_total", Target::Cpu),
    node("node_network_receive_bytes_total", Target::Received),
    node("node_network_transmit_bytes_total", Target::Sent),
    node("node_disk_read_bytes_total", Target::DiskRead),
    node("node_disk_written_bytes_total", Target::DiskWritten),
    node(
        "node_pressure_cpu_waiting_seconds_total",
        Target::PressureCpu,
    ),
    node(
        "node_pressure_memory_waiting_seconds_total",
        Target::PressureMemory,
    ),
    node("node_pressure_io_waiting_seconds_total", Target::PressureIo),
];

impl Metric {
    /// This series is one of the metric's, and one that is to be counted: not idle or stolen time.
    #[must_use]
    pub fn takes(&self, series: &super::Series) -> bool {
        let idle = matches!(
            series.label("mode"),
            // Guests are within user; what was stolen was another machine's.
            "idle" | "iowait" | "guest" | "guest_nice" | "steal"
        );
        series.name() == self.name
            && self
                .only
                .is_none_or(|(label, value)| series.label(label) == value)
            && !idle
    }
}
