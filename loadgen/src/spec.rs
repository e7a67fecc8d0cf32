//! `--spec`: the load spec of the contract, made a plan.

use crate::content::{Content, Drawn, Fields};
use crate::context::Context;
use crate::lua::Script;
use crate::plan::{Loop, Plan, Protocol};
use crate::schedule::{Profile, ProfileError, Schedule, Share};
use crate::target::{Target, UrlError};
use crate::tls::TlsOptions;
use aefm_workloads::load::{LoadSpec, TraceContext, Written};
use aefm_workloads::mix::{Request, Workload};
use aefm_workloads::scenario::{Scenario, ScenarioError};
use std::path::Path;
use std::sync::Arc;
use thiserror::Error;

/// Why a spec makes no plan.
#[derive(Debug, Error)]
pub enum SpecError {
    /// It is not the JSON that was expected.
    #[error("read the spec: {0}")]
    Json(#[from] serde_json::Error),
    /// Its URL.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// Its rate.
    #[error(transparent)]
    Rate(#[from] ProfileError),
    /// A workload that is not there.
    #[error("find the workload `{0}`: there are {1}")]
    Workload(String, String),
    /// A scenario with faults.
    #[error("use {0}: failed to {1}")]
    Scenario(String, Box<ScenarioError>),
    /// A number that has to be above 0.
    #[error("use {0} = 0: it has to be above 0")]
    Zero(&'static str),
}

/// The native workload of that name.
///
/// # Errors
/// There is none; the error names those there are.
pub fn workload(name: &str) -> Result<Workload, SpecError> {
    Workload::by_name(name).ok_or_else(|| {
        let names: Vec<_> = Workload::ALL.iter().map(|workload| workload.name).collect();
        SpecError::Workload(name.to_owned(), names.join(", "))
    })
}

fn content(spec: &LoadSpec, target: &Target) -> Result<Content, SpecError> {
    let prefix = || target.path.trim_end_matches('/').to_owned();
    let seed = spec.seed;
    Ok(match (&spec.written, &spec.workload) {
        (Some(Written::Script { name, text }), _) => Content::Script(Arc::new(Script {
            headers: Fields::of_url(target).for_script(),
            url: target.shown(&spec.url),
            args: vec![spec.url.clone()],
            seed: Some(seed),
            prints_to_stderr: true,
            ..Script::new(Path::new(name), text.clone().into_bytes(), target)
        })),
        (Some(Written::Scenario { name, text, files }), _) => {
            let read = |file: &str| {
                files
                    .get(file)
                    .cloned()
                    .ok_or_else(|| "it did not come with the spec".to_owned())
            };
            let scenario = Scenario::from_yaml(text, read);
            let scenario =
                scenario.map_err(|error| SpecError::Scenario(name.clone(), Box::new(error)))?;
            Content::Scenario {
                scenario: Arc::new(scenario),
                seed,
                prefix: prefix(),
            }
        }
        (None, Some(name)) => Content::Workload(Drawn {
            workload: workload(name)?,
            seed,
            prefix: prefix(),
        }),
        (None, None) => Content::Fixed(Request {
            method: "GET",
            target: target.path.clone(),
            ..Request::default()
        }),
    })
}

/// The plan of a JSON spec.
///
/// # Errors
/// Anything in it that cannot be used.
pub fn plan(json: &str) -> Result<Plan, SpecError> {
    let spec: LoadSpec = serde_json::from_str(json)?;
    let target = Target::parse(&spec.url)?;
    let content = content(&spec, &target)?;
    for (name, value) in [
        ("duration_ms", spec.duration_ms),
        ("timeout_ms", spec.timeout_ms),
        ("connections", u64::from(spec.connections)),
    ] {
        if value == 0 {
            return Err(SpecError::Zero(name));
        }
    }
    let ms = |ms: u64| ms.saturating_mul(1_000_000);
    let end_ns = ms(spec.warmup_ms) + ms(spec.duration_ms);
    let schedule = Schedule::new(
        spec.arrival,
        Profile::constant(spec.rate_hz)?,
        spec.seed,
        end_ns,
    );
    Ok(Plan {
        fields: Fields::of_url(&target),
        target,
        connect_to: None,
        protocol: Protocol::Http1,
        tls: TlsOptions::default(),
        content,
        context: Context::new(spec.trace, spec.trace_seed),
        trace_seed: (spec.trace != TraceContext::None).then_some(spec.trace_seed),
        load: Loop::Open(schedule),
        share: Share::WHOLE,
        seed: spec.seed,
        warmup_ns: ms(spec.warmup_ms),
        duration_ns: ms(spec.duration_ms),
        grace_ns: ms(spec.grace_ms),
        threads: spec.cores.len().max(1),
        cores: spec.cores,
        connections: spec.connections as usize,
        connections_max: spec.connections as usize,
        keepalive: true,
        timeout_ns: ms(spec.timeout_ms),
        connect_timeout_ns: ms(spec.timeout_ms),
        spin: false,
        start_at_ns: spec.start_at_ns,
        whole_pipelines: false,
        requests: spec.requests,
    })
}
