//! What a pod's subresources give: logs, attached streams, forwarded ports, eviction.

mod attach;
mod forward;
mod socket;

use super::cluster::Cluster;
use super::deletion::Deletion;
use super::kubelet::{Container, Log};
use super::refusal::Refusal;
use super::resource;
use super::route::Request;
use super::server::Body;
use super::store::{Key, list, number, text};
use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::{Response, header};
use serde_json::{Value, json};
use std::io;
use std::sync::Arc;

fn pod(cluster: &Cluster, request: &Request) -> Result<Arc<Value>, Refusal> {
    let key = Key::new(resource::of("Pod"), &request.namespace, &request.name);
    cluster
        .read(|store| store.get(&key).cloned())
        .ok_or_else(|| Refusal::not_found(key.resource, &key.name))
}

/// The container that a request means: the named one, or the first.
fn container(cluster: &Cluster, request: &Request) -> Result<Arc<Container>, Refusal> {
    let pod = pod(cluster, request)?;
    let first = list(&pod, "/spec/containers")
        .first()
        .map_or("", |container| text(container, "/name"));
    let name = Some(request.option("container"))
        .filter(|name| !name.is_empty())
        .unwrap_or(first);
    let known = ["/spec/containers", "/spec/initContainers"]
        .into_iter()
        .flat_map(|field| list(&pod, field));
    if !known.into_iter().any(|container| container["name"] == name) {
        return Err(Refusal::bad_request(format!(
            "container {name} is not valid for pod {}",
            request.name
        )));
    }
    cluster
        .kubelet
        .container(text(&pod, "/metadata/uid"), name)
        .ok_or_else(|| {
            let statuses = list(&pod, "/status/containerStatuses");
            let waiting = statuses
                .iter()
                .find(|status| status["name"] == name)
                .map_or("", |status| text(status, "/state/waiting/reason"));
            let waiting = if waiting.is_empty() {
                "ContainerCreating"
            } else {
                waiting
            };
            Refusal::bad_request(format!(
                "container \"{name}\" in pod \"{}\" is waiting to start: {waiting}",
                request.name
            ))
        })
}

/// `pods/log`: what there is, and with `follow` what is to come.
pub(crate) fn log(cluster: &Cluster, request: &Request) -> Result<Response<Body>, Refusal> {
    let container = container(cluster, request)?;
    let lines = container.log.len();
    let tail = request
        .option("tailLines")
        .parse()
        .map_or(0, |tail: usize| lines.saturating_sub(tail));
    let since = number_option(request, "sinceSeconds").and_then(|seconds| {
        jiff::Timestamp::now()
            .checked_sub(jiff::Span::new().seconds(seconds))
            .ok()
    });
    let from = since.map_or(tail, |since| {
        tail.max(
            container
                .log
                .since(0)
                .iter()
                .filter(|line| line.at < since)
                .count(),
        )
    });
    let follow = Follow {
        at: from,
        until: if request.flag("follow") {
            usize::MAX
        } else {
            lines
        },
        timestamps: request.flag("timestamps"),
        cuts: cluster.cuts(),
        container,
    };
    let body = StreamBody::new(stream::unfold(follow, async |mut follow| {
        Some((follow.next().await?, follow))
    }))
    .boxed();
    Ok(Response::builder()
        .header(header::CONTENT_TYPE, "text/plain")
        .body(body)
        .expect("its parts are valid"))
}

fn number_option(request: &Request, name: &str) -> Option<i64> {
    request.option(name).parse().ok()
}

struct Follow {
    container: Arc<Container>,
    at: usize,
    until: usize,
    timestamps: bool,
    cuts: tokio::sync::watch::Receiver<u64>,
}

impl Follow {
    async fn next(&mut self) -> Option<io::Result<Frame<Bytes>>> {
        let log: &Log = &self.container.log;
        if self.at >= self.until {
            return None;
        }
        tokio::select! {
            more = log.more(self.at) => if !more { return None },
            _ = self.cuts.changed() => return Some(Err(io::Error::from(io::ErrorKind::ConnectionAborted))),
        }
        let mut text = Vec::new();
        for line in log.since(self.at).into_iter().take(self.until - self.at) {
            if self.timestamps {
                text.extend(format!("{} ", line.at).bytes());
            }
            text.extend(line.text);
            self.at += 1;
        }
        Some(Ok(Frame::data(Bytes::from(text))))
    }
}

/// `pods/attach`; the double has no `exec`.
pub(crate) fn attach(
    cluster: &Cluster,
    request: &Request,
    http: hyper::Request<Incoming>,
) -> Result<Response<Body>, Refusal> {
    if request.subresource == "exec" {
        return Err(Refusal::not_implemented(
            "the double runs no second process in a container",
        ));
    }
    let container = container(cluster, request)?;
    if let Some(code) = container.code() {
        return Err(Refusal::bad_request(format!(
            "container {} is not running: exited with {code}",
            request.name
        )));
    }
    let wanted = attach::Wanted {
        stdin: request.flag("stdin"),
        stdout: request.flag("stdout"),
        stderr: request.flag("stderr"),
    };
    let cuts = cluster.cuts();
    socket::upgrade(
        http,
        &["v5.channel.k8s.io", "v4.channel.k8s.io"],
        move |socket| async move {
            attach::serve(socket, &container, wanted, cuts).await;
        },
    )
}

/// `pods/portforward`.
pub(crate) fn port_forward(
    cluster: &Cluster,
    request: &Request,
    http: hyper::Request<Incoming>,
) -> Result<Response<Body>, Refusal> {
    let pod = pod(cluster, request)?;
    if text(&pod, "/status/phase") != "Running" {
        return Err(Refusal::bad_request(format!(
            "pod {} is not running",
            request.name
        )));
    }
    let asked = request
        .repeated
        .iter()
        .filter(|(name, _)| name == "ports")
        .flat_map(|(_, ports)| ports.split(','));
    let ports: Vec<u16> = asked
        .map(str::parse)
        .collect::<Result<_, _>>()
        .map_err(|error| Refusal::bad_request(format!("ports: {error}")))?;
    if ports.is_empty() {
        return Err(Refusal::bad_request(
            "query parameter \"ports\" is required",
        ));
    }
    let (address, cuts) = (text(&pod, "/status/podIP").to_owned(), cluster.cuts());
    socket::upgrade(http, &["v4.channel.k8s.io"], move |socket| async move {
        forward::serve(socket, &address, &ports, cuts).await;
    })
}

/// `pods/eviction`: a deletion that somebody may refuse.
pub(crate) fn evict(cluster: &Cluster, request: &Request) -> Result<Value, Refusal> {
    let pod = pod(cluster, request)?;
    let key = Key::new(resource::of("Pod"), &request.namespace, &request.name);
    let grace_s = number(&pod, "/spec/terminationGracePeriodSeconds");
    cluster.write(|store, now| {
        store.delete(
            &key,
            &Deletion {
                grace_s,
                ..Deletion::default()
            },
            now,
        )
    })?;
    Ok(
        json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}),
    )
}
