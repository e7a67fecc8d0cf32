//! `application`: one that runs already, wherever it was started.

use super::environment::{Environment, Renewal};
use super::section::{self, Section};
use super::{PlatformKind, access};
use aefm_workloads::catalogue::Application;
use aefm_workloads::load::TraceContext;
use serde::Serialize;

/// An application that runs already: it is loaded and its traces are gathered; nothing is brought up or taken down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExternalApplication {
    /// Where it is entered.
    pub url: String,
    /// The header by which it takes up a caller's trace.
    pub trace: TraceContext,
    /// Names of its processes on this machine, whose use is measured.
    pub processes: Vec<String>,
}

const HEADERS: &[(&str, TraceContext)] = &[
    ("traceparent", TraceContext::W3c),
    ("b3", TraceContext::B3),
    ("uber-trace-id", TraceContext::Jaeger),
    ("none", TraceContext::None),
];

/// Reads `application`. Its trace header is the catalogue's, unless another one is named.
pub(super) fn read(
    top: &Section<'_>,
    app: &str,
    platform: PlatformKind,
) -> Option<ExternalApplication> {
    let section = top.section("application")?;
    if platform != PlatformKind::Local {
        section.fault(
            section.place(),
            "`application` is for platform local: elsewhere the platform finds the application",
        );
    }
    let url = section.read("url", None, |node| access::url(node).map(Some));
    if section.get("url").is_none() {
        section.fault(
            section.place(),
            "`url` is missing: where is the application entered?",
        );
    }
    let known =
        Application::by_name(app).map_or(TraceContext::W3c, |known| known.traces.header.context());
    let trace = section.read("trace_header", known, section::one_of(HEADERS));
    let processes = section.read("processes", Vec::new(), section::texts);
    section.finish();
    Some(ExternalApplication {
        url: url?,
        trace,
        processes,
    })
}

/// What cannot be done to an application that is not ours.
pub(super) fn check(top: &Section<'_>, environment: &Environment) {
    let renewals = environment
        .on_change
        .values()
        .chain([&environment.at_start]);
    if renewals
        .into_iter()
        .any(|renewal| matches!(renewal, Renewal::Reload | Renewal::Restart))
    {
        let place = top
            .get("environment")
            .map_or(top.place(), |located| located.place);
        top.fault(
            place,
            "`environment` cannot reload or restart an `application` that runs already: write `keep`, or leave it out",
        );
    }
}
