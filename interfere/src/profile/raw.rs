//! A profile as it is typed. Unknown keys are refused.

use aefm_workloads::interference::StressOptions;
use serde::Deserialize;
use std::path::PathBuf;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawProfile {
    /// An instant such as 2026-01-31T12:00:00Z, which several nodes may have in common.
    pub(super) start_at: Option<String>,
    pub(super) duration: String,
    #[serde(default = "second")]
    pub(super) report: String,
    pub(super) stressors: Vec<RawStressor>,
}

/// One stressor: exactly one of the shapes says how hard it presses when.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawStressor {
    pub(super) kind: String,
    pub(super) cores: Option<String>,
    pub(super) intensity: Option<String>,
    pub(super) ramp: Option<String>,
    pub(super) steps: Option<Vec<(String, String)>>,
    pub(super) lines: Option<Vec<(String, String)>>,
    pub(super) sine: Option<RawSine>,
    pub(super) walk: Option<RawWalk>,
    pub(super) trace: Option<PathBuf>,
    #[serde(default)]
    pub(super) seed: u64,
    #[serde(default)]
    pub(super) options: StressOptions,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSine {
    pub(super) mean: String,
    pub(super) amplitude: String,
    pub(super) period: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawWalk {
    pub(super) low: String,
    pub(super) high: String,
    pub(super) step: String,
    pub(super) every: String,
}

fn second() -> String {
    "1s".to_owned()
}
