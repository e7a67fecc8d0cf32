//! One request to a service, from its first byte to the end of its span.

use crate::clock::Stamp;
use crate::content;
use crate::parameters::Parameters;
use crate::peers::CallError;
use crate::service::{Emulated, Found};
use crate::stats::Stats;
use crate::store::Store;
use crate::trace::{EndedSpan, TraceParent};
use crate::work::cpu_time;
use aefm_workloads::graph::{Call, Operation};
use aefm_workloads::testbed::{DATA_PATH, STATS_PATH};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{ALLOW, CONTENT_TYPE};
use hyper::{Method, Request, Response, StatusCode, body::Incoming, http::request::Parts};
use serde_json::{Value, json};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;

/// The most that is read of a request's body.
const MAX_BODY: usize = 1 << 20;

/// What a request ends in.
struct Outcome {
    status: StatusCode,
    body: Value,
    /// Why the service itself or one that it calls failed.
    error: Option<String>,
    /// The methods that the path has, where the request's is none of them.
    allow: Option<String>,
}

impl Outcome {
    fn ok(body: Value) -> Self {
        Self {
            status: StatusCode::OK,
            body,
            error: None,
            allow: None,
        }
    }

    /// The client's fault.
    fn refused(status: StatusCode, reason: &str) -> Self {
        Self {
            status,
            body: json!({ "error": reason }),
            error: None,
            allow: None,
        }
    }

    /// The application's fault.
    fn failed(status: StatusCode, reason: String) -> Self {
        Self {
            status,
            body: json!({ "error": reason }),
            error: Some(reason),
            allow: None,
        }
    }
}

/// Answers a request, whatever it is.
pub(crate) async fn answer(
    service: Arc<Emulated>,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    let stamp = Stamp::now();
    if let Some(told) = tell(&service, &request) {
        return respond(StatusCode::OK, &told, None);
    }
    let number = service.stats.requests.fetch_add(1, Relaxed);
    let (head, body) = request.into_parts();
    let context = service.context(
        head.headers
            .get("traceparent")
            .and_then(|value| value.to_str().ok()),
        number,
    );
    let found = service.find(head.method.as_str(), head.uri.path());
    let outcome = match &found {
        Found::Operation(operation) => {
            perform(&service, operation, number, context.own, &head, body).await
        }
        Found::OtherMethods(methods) => {
            let refused = Outcome::refused(
                StatusCode::METHOD_NOT_ALLOWED,
                &format!("this path takes {methods}"),
            );
            Outcome {
                allow: Some(methods.clone()),
                ..refused
            }
        }
        Found::Nothing => Outcome::refused(
            StatusCode::NOT_FOUND,
            &format!("{} has no such path", service.name),
        ),
    };
    if outcome.status.is_server_error() {
        Stats::count(&service.stats.errors);
    }
    if context.own.sampled {
        let (start_ns, end_ns) = stamp.until_now_ns();
        service.spans.push(EndedSpan {
            trace: context.own.trace,
            span: context.own.span,
            parent: context.parent,
            name: found.span_name(head.method.as_str()),
            start_ns,
            end_ns,
            method: head.method.to_string(),
            path: head.uri.path().to_owned(),
            status: outcome.status.as_u16(),
            error: outcome.error,
        });
    }
    respond(outcome.status, &outcome.body, outcome.allow.as_deref())
}

/// What is asked about the service itself; such a request is no part of the load, and not counted.
fn tell(service: &Emulated, request: &Request<Incoming>) -> Option<Value> {
    if request.method() != Method::GET {
        return None;
    }
    match request.uri().path() {
        STATS_PATH => serde_json::to_value(service.stats.tell(&service.name)).ok(),
        DATA_PATH => serde_json::to_value(service.store().counts()).ok(),
        _ => None,
    }
}

async fn perform(
    service: &Arc<Emulated>,
    operation: &Operation,
    number: u64,
    own: TraceParent,
    head: &Parts,
    body: Incoming,
) -> Outcome {
    let Ok(body) = Limited::new(body, MAX_BODY).collect().await else {
        return Outcome::refused(
            StatusCode::PAYLOAD_TOO_LARGE,
            "the body is cut off or longer than 1 MiB",
        );
    };
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    let content_type = header("content-type").unwrap_or_default();
    let parameters = Parameters::of(head.uri.query(), content_type, &body.to_bytes());
    if let Err(bad) = parameters.check(&operation.parameters) {
        return Outcome::refused(StatusCode::BAD_REQUEST, &bad.to_string());
    }
    // Half of the work is done before the calls and half on what they bring; without calls, all at once.
    let cpu = cpu_time(operation, service.seed, number);
    let before = if operation.calls.is_empty() {
        cpu
    } else {
        cpu / 2
    };
    service.burn(before, operation.memory_kib);
    let state = header("tracestate").map(Arc::from);
    for step in &operation.calls {
        if let Err(error) = call_all(service, step, own, state.clone()).await {
            return Outcome::failed(error.status(), error.to_string());
        }
    }
    if cpu > before {
        service.burn(cpu - before, 0);
    }
    let mut store = service.store();
    if let Some(kept) = operation.keeps
        && let Err(error) = store.keep(kept, &parameters)
    {
        return Outcome::failed(StatusCode::INTERNAL_SERVER_ERROR, error.to_string());
    }
    Outcome::ok(content::answer(&operation.answer, &parameters, &store))
}

/// Makes all calls of a step at the same time and waits for all of them, so that no child outlives its parent's span.
async fn call_all(
    service: &Arc<Emulated>,
    step: &[Call],
    own: TraceParent,
    state: Option<Arc<str>>,
) -> Result<(), CallError> {
    if let [call] = step {
        return service
            .peers
            .call(call, Some(own), state.as_deref())
            .await
            .map(drop);
    }
    let mut calls = JoinSet::new();
    for call in step {
        let (service, call, state) = (Arc::clone(service), call.clone(), state.clone());
        calls.spawn(async move {
            service
                .peers
                .call(&call, Some(own), state.as_deref())
                .await
                .map(drop)
        });
    }
    // Not `join_all`: it panics where a call does. A call that is gone without a result counts as done.
    let mut result = Ok(());
    while let Some(end) = calls.join_next().await {
        result = result.and(end.unwrap_or(Ok(())));
    }
    result
}

fn respond(status: StatusCode, body: &Value, allow: Option<&str>) -> Response<Full<Bytes>> {
    let body = Full::new(Bytes::from(body.to_string()));
    let mut response = Response::builder()
        .status(status)
        .header(CONTENT_TYPE, "application/json");
    if let Some(methods) = allow {
        response = response.header(ALLOW, methods);
    }
    // Nothing of the request is in these headers, so the response can always be built.
    response.body(body).unwrap_or_default()
}

impl Emulated {
    fn burn(&self, cpu: Duration, memory_kib: u32) {
        self.work
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .burn(cpu, memory_kib);
    }

    /// Nothing waits while it holds this.
    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
