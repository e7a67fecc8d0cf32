//! From a request to its answer: faults first, then discovery, reviews, and the verbs on the objects.

use super::cluster::Cluster;
use super::discovery;
use super::faults::Failure;
use super::refusal::Refusal;
use super::resource::{self, Resource};
use super::route::Request;
use super::selector::Selector;
use super::server::Body;
use super::{objects, pods, proxy, watch};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Response, StatusCode, header};
use serde_json::{Value, json};
use std::io;
use std::sync::Arc;

/// An answer, or nothing at all: an error ends the connection.
pub(crate) async fn answer(
    cluster: Arc<Cluster>,
    http: hyper::Request<Incoming>,
) -> io::Result<Response<Body>> {
    let (path, query) = (
        http.uri().path().to_owned(),
        http.uri().query().unwrap_or_default().to_owned(),
    );
    let request = match Request::read(http.method(), &path, &query, cluster.minor) {
        Ok(request) => request,
        Err(refusal) => return Ok(refused(&refusal)),
    };
    if request.resource.is_some() {
        cluster.requests().push(request.line());
    }
    let met = cluster.faults().meet(&request);
    match met {
        Some(Failure::CutAfter) => {
            // Carried out, and nobody hears of it.
            let _ = carry_out(cluster, &request, http).await;
            Err(io::Error::from(io::ErrorKind::ConnectionAborted))
        }
        Some(failure) => {
            let refusal = failure.refusal(&request);
            refusal
                .map(|refusal| refused(&refusal))
                .ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionAborted))
        }
        None => Ok(carry_out(cluster, &request, http)
            .await
            .unwrap_or_else(|refusal| refused(&refusal))),
    }
}

async fn carry_out(
    cluster: Arc<Cluster>,
    request: &Request,
    http: hyper::Request<Incoming>,
) -> Result<Response<Body>, Refusal> {
    let words: Vec<&str> = request.words.iter().map(String::as_str).collect();
    let Some(resource) = request.resource else {
        return match words.as_slice() {
            ["readyz" | "healthz" | "livez", ..] => Ok(plain("ok")),
            [
                "apis",
                "authorization.k8s.io",
                "v1",
                "selfsubjectaccessreviews",
            ] => review(&cluster, &read_body(http).await?).map(|review| made(&review)),
            _ => discovery::answer(&words, cluster.minor)
                .map(|found| ok(&found))
                .ok_or_else(Refusal::no_such_path),
        };
    };
    if !cluster.faults().allows(request.verb, &request.named()) {
        return Err(denied(resource, request));
    }
    match (resource.plural, request.subresource.as_str()) {
        ("pods", "log") => pods::log(&cluster, request),
        ("pods", "attach" | "exec") => pods::attach(&cluster, request, http),
        ("pods", "portforward") => pods::port_forward(&cluster, request, http),
        ("pods", "eviction") => pods::evict(&cluster, request).map(|status| made(&status)),
        ("services", "proxy") => proxy::forward(&cluster, request, http).await,
        ("nodes", "proxy") if request.rest == "metrics/cadvisor" => Ok(plain("")),
        (_, "") if request.verb == "watch" => {
            let selector = Selector::parse(
                request.option("labelSelector"),
                request.option("fieldSelector"),
            )?;
            let body = watch::body(cluster, resource, request, selector);
            Ok(json_response(StatusCode::OK)
                .body(body)
                .expect("its parts are valid"))
        }
        (_, "" | "status" | "scale") => {
            let partial = accepts_metadata_only(&http);
            let kind = content_type(&http);
            let body = read_body(http).await?;
            let answer = objects::answer(&cluster, resource, request, &kind, &body)?;
            let answer = if partial {
                objects::metadata_only(answer)
            } else {
                answer
            };
            Ok(if request.verb == "create" {
                made(&answer)
            } else {
                ok(&answer)
            })
        }
        (_, other) => Err(Refusal::not_implemented(format!(
            "the double has no {}/{other}",
            resource.plural
        ))),
    }
}

fn denied(resource: &Resource, request: &Request) -> Refusal {
    let what = if request.subresource.is_empty() {
        resource.plural.to_owned()
    } else {
        request.named()
    };
    let place = if request.namespace.is_empty() {
        "at the cluster scope".to_owned()
    } else {
        format!("in the namespace \"{}\"", request.namespace)
    };
    let why = format!(
        "User \"system:serviceaccount:aefm:test\" cannot {} resource \"{what}\" in API group \"{}\" {place}",
        request.verb, resource.group
    );
    Refusal::forbidden(resource, &request.name, &why)
}

/// `SelfSubjectAccessReview`: may I?
fn review(cluster: &Cluster, body: &Bytes) -> Result<Value, Refusal> {
    let mut review = parse(body)?;
    let asked = &review["spec"]["resourceAttributes"];
    let text = |field: &str| asked[field].as_str().unwrap_or_default().to_owned();
    let (verb, mut what) = (text("verb"), text("resource"));
    if !text("subresource").is_empty() {
        what = format!("{what}/{}", text("subresource"));
    }
    let known = resource::find(&text("group"), &text("resource")).is_some();
    let allowed = cluster.faults().allows(&verb, &what);
    review["status"] =
        json!({"allowed": allowed, "reason": if known { "" } else { "no such resource" }});
    Ok(review)
}

/// The body of a request, as JSON; null if there is none.
pub(crate) fn parse(body: &Bytes) -> Result<Value, Refusal> {
    if body.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(body)
        .map_err(|error| Refusal::bad_request(format!("the body is not JSON: {error}")))
}

async fn read_body(http: hyper::Request<Incoming>) -> Result<Bytes, Refusal> {
    let body = http.into_body().collect().await;
    body.map(http_body_util::Collected::to_bytes)
        .map_err(|error| Refusal::bad_request(format!("no body: {error}")))
}

fn content_type(http: &hyper::Request<Incoming>) -> String {
    let value = http
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    value.split(';').next().unwrap_or_default().to_owned()
}

fn accepts_metadata_only(http: &hyper::Request<Incoming>) -> bool {
    let accept = http
        .headers()
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.contains("as=PartialObjectMetadata"))
}

fn json_response(code: StatusCode) -> hyper::http::response::Builder {
    Response::builder()
        .status(code)
        .header(header::CONTENT_TYPE, "application/json")
}

fn respond(code: StatusCode, value: &Value) -> Response<Body> {
    let body = Full::new(Bytes::from(value.to_string()))
        .map_err(|never| match never {})
        .boxed();
    json_response(code).body(body).expect("its parts are valid")
}

pub(crate) fn ok(value: &Value) -> Response<Body> {
    respond(StatusCode::OK, value)
}

fn made(value: &Value) -> Response<Body> {
    respond(StatusCode::CREATED, value)
}

fn plain(text: &'static str) -> Response<Body> {
    Response::new(
        Full::new(Bytes::from(text))
            .map_err(|never| match never {})
            .boxed(),
    )
}

pub(crate) fn refused(refusal: &Refusal) -> Response<Body> {
    let mut response = respond(
        StatusCode::from_u16(refusal.code).expect("codes are valid"),
        &refusal.status(),
    );
    if let Some(seconds) = refusal.details["retryAfterSeconds"].as_u64() {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, seconds.into());
    }
    response
}
