//! What a source is asked about: one case and the time of its load.

use aefm_workloads::labels::CaseLabels;

/// One case and the time of its load.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    /// The columns that name the case.
    pub(crate) labels: CaseLabels,
    /// Its name, such as `round=1|rate=20`.
    pub(crate) name: String,
    /// Seed of its trace ids.
    pub(crate) trace_seed: u64,
    /// From the load's time zero...
    pub(crate) from_ns: i64,
    /// ...to its end, ns since the epoch.
    pub(crate) to_ns: i64,
}

impl Window {
    /// The case's facts by name: what a command of the user's finds in its environment and a URL takes in.
    pub(crate) fn facts(&self) -> Vec<(String, String)> {
        let times = [("from", self.from_ns), ("to", self.to_ns)]
            .into_iter()
            .flat_map(|(name, ns)| {
                [("ns", 1), ("ms", 1_000_000), ("s", 1_000_000_000)]
                    .map(|(unit, size)| (format!("{name}_{unit}"), ns.div_euclid(size).to_string()))
            });
        let ids = [
            ("run_id", &self.labels.run_id),
            ("case_id", &self.labels.case_id),
            ("case_name", &self.name),
        ];
        let ids = ids.map(|(name, value)| (name.to_owned(), value.clone()));
        let factors = self
            .labels
            .factors
            .iter()
            .map(|(name, value)| (name.clone(), value.to_string()));
        ids.into_iter().chain(times).chain(factors).collect()
    }
}
