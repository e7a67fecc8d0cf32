//! What the five CSV files of AEFM 0.2.0 are called and hold.

/// The five files, and their columns before those of the case.
pub(crate) const FILES: [(&str, &[&str]); 5] = [
    ("throughput_data", &["real_throughput"]),
    (
        "raw_data",
        &[
            "trace_id",
            "parent_id",
            "trace_time",
            "start_time",
            "end_time",
            "child_id",
            "child_operation",
            "parent_operation",
            "child_ms",
            "child_pod",
            "parent_ms",
            "parent_pod",
            "parent_duration",
            "child_duration",
            "merged_child_duration",
            "step",
            "exact_parent_duration",
        ],
    ),
    ("statistical_data", &["microservice", "pod", "p50", "p95"]),
    ("end_to_end_data", &["trace_id", "trace_duration"]),
    (
        "hardware_data",
        &["microservice", "pod", "cpu_usage", "mem_usage"],
    ),
];
