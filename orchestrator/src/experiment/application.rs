//! `app` and `application`: what the application is called, and where it is if it runs already.

use super::environment::{Environment, Renewal};
use super::fault::way_out;
use super::node::Node;
use super::section::{self, Section};
use super::{PlatformKind, access};
use aefm_workloads::catalogue::{Application, names};
use aefm_workloads::graph::ServiceGraph;
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

/// What runs where a file names nothing.
const DEFAULT: &str = "hotel-reservation";

impl ExternalApplication {
    /// The request that is sent where the file names none, as a label: `GET` and the URL's path.
    pub(super) fn get(&self) -> String {
        let uri: Option<hyper::Uri> = self.url.parse().ok();
        let path = uri.as_ref().and_then(hyper::Uri::path_and_query);
        format!("GET {}", path.map_or("/", |path| path.as_str()))
    }
}

/// Whether AEFM comes with an application of that name, which it can emulate and has workloads for.
pub(super) fn is_known(app: &str) -> bool {
    ServiceGraph::shipped().any(|known| known == app)
}

/// The name of an application: the catalogue's for any name that it has there (`hotel`), else as it was typed.
pub(super) fn name(node: &Node) -> Result<String, String> {
    let typed = section::text(node)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./$".contains(c);
    if let Some(known) = names::application(&typed) {
        Ok(known.to_owned())
    } else if typed.chars().all(plain) {
        Ok(typed)
    } else {
        Err(format!(
            "`{typed}` labels every row: use letters, digits, `-`, `_`, `.` and `/`"
        ))
    }
}

/// What the application is called in every table. One that the file does not name is called after the place it is at.
pub(super) fn label(
    top: &Section<'_>,
    typed: Option<String>,
    application: Option<&ExternalApplication>,
) -> String {
    let place = || top.get("app").map_or(top.place(), |located| located.place);
    let is_given = top.get("application").is_some();
    match (typed, application) {
        (Some(app), _) if is_given || is_known(&app) => app,
        (Some(app), _) => {
            let known: Vec<_> = ServiceGraph::shipped().collect();
            let way_out = way_out(&app, known);
            top.fault(
                place(),
                format!("unknown application `{app}`{way_out}; one of your own is named by where it runs, such as `application: {{url: \"http://127.0.0.1:8080\"}}`"),
            );
            app
        }
        (None, Some(application)) => {
            let uri: Option<hyper::Uri> = application.url.parse().ok();
            uri.and_then(|uri| uri.authority().map(ToString::to_string))
                .unwrap_or_default()
        }
        (None, None) => DEFAULT.to_owned(),
    }
}

/// Reads `application`: `url` and what belongs to it, at once or below `existing`. Its trace header is the catalogue's,
/// unless another one is named.
pub(super) fn read(
    top: &Section<'_>,
    app: Option<&str>,
    platform: PlatformKind,
) -> Option<ExternalApplication> {
    let outer = top.section("application")?;
    let section = match outer.section("existing") {
        Some(existing) => {
            outer.finish();
            existing
        }
        None => outer,
    };
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
    let known = app.and_then(|app| Application::by_name(app).ok());
    let known = known.map_or(TraceContext::W3c, |known| known.traces.header.context());
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
