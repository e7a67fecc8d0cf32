//! `--spec`: the load spec of the contract, made a plan.

use crate::content::{Content, Fields};
use crate::context::Context;
use crate::plan::{Loop, Plan, Protocol};
use crate::schedule::{Profile, ProfileError, Schedule, Share};
use crate::target::{Target, UrlError};
use crate::tls::TlsOptions;
use aefm_workloads::load::{LoadSpec, TraceContext};
use aefm_workloads::mix::{Request, Workload};
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

/// `Host`, and who is asking.
pub(crate) fn default_fields(target: &Target) -> Fields {
    Fields { fields: vec![("Host".to_owned(), target.authority.clone())] }
}

/// The plan of a JSON spec.
///
/// # Errors
/// Anything in it that cannot be used.
pub fn plan(json: &str) -> Result<Plan, SpecError> {
    let spec: LoadSpec = serde_json::from_str(json)?;
    let target = Target::parse(&spec.url)?;
    let content = match &spec.workload {
        None => Content::Fixed(Request { method: "GET", target: target.path.clone(), ..Request::default() }),
        Some(name) => Content::Workload {
            workload: workload(name)?,
            seed: spec.seed,
            prefix: target.path.trim_end_matches('/').to_owned(),
        },
    };
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
    let schedule = Schedule::new(spec.arrival, Profile::constant(spec.rate_hz)?, spec.seed, end_ns);
    Ok(Plan {
        fields: default_fields(&target),
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
        requests: spec.requests,
    })
}
