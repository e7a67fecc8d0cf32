//! `services/NAME:PORT/proxy/PATH`: a request to a ready pod behind a service, through the API server.

use super::cluster::Cluster;
use super::refusal::Refusal;
use super::resource;
use super::route::Request;
use super::server::Body;
use super::store::{Key, list, text};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Response, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::io;
use tokio::net::TcpStream;

/// Sends the request on and the answer back.
pub(crate) async fn forward(
    cluster: &Cluster,
    request: &Request,
    http: hyper::Request<Incoming>,
) -> Result<Response<Body>, Refusal> {
    let (address, port) = target(cluster, request)?;
    let failed =
        |error: String| Refusal::unavailable(format!("error trying to reach service: {error}"));
    let stream = TcpStream::connect((address.as_str(), port))
        .await
        .map_err(|error| failed(error.to_string()))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| failed(error.to_string()))?;
    tokio::spawn(connection);
    let query = http
        .uri()
        .query()
        .map_or(String::new(), |query| format!("?{query}"));
    let (mut parts, body) = http.into_parts();
    parts.uri = format!("/{}{query}", request.rest)
        .parse()
        .map_err(|_| Refusal::bad_request("the path is not one"))?;
    let host = format!("{address}:{port}");
    parts.headers.insert(
        header::HOST,
        host.parse()
            .map_err(|_| Refusal::bad_request("the host is not one"))?,
    );
    let answer = sender
        .send_request(hyper::Request::from_parts(parts, body))
        .await
        .map_err(|error| failed(error.to_string()))?;
    Ok(answer.map(|body| body.map_err(io::Error::other).boxed()))
}

/// Address and port of the first ready pod.
fn target(cluster: &Cluster, request: &Request) -> Result<(String, u16), Refusal> {
    // `[scheme:]name[:port]`: the double speaks plain HTTP alone.
    let mut parts: Vec<&str> = request.name.split(':').collect();
    if parts.len() == 3 {
        parts.remove(0);
    }
    let (name, port) = (parts[0], parts.get(1).copied().unwrap_or_default());
    let key = Key::new(resource::of("Service"), &request.namespace, name);
    cluster.read(|store| {
        let service = store
            .get(&key)
            .ok_or_else(|| Refusal::not_found(key.resource, name))?;
        let at = list(service, "/spec/ports").iter().position(|one| {
            port.is_empty()
                || one["name"] == port
                || port.parse::<u64>().is_ok_and(|port| one["port"] == port)
        });
        let endpoints = store.get(&Key::new(
            resource::of("Endpoints"),
            &request.namespace,
            name,
        ));
        let nobody = || {
            Refusal::unavailable(format!(
                "no endpoints available for service \"{}\"",
                request.name
            ))
        };
        let subset = endpoints
            .and_then(|endpoints| list(endpoints, "/subsets").first())
            .ok_or_else(nobody)?;
        let address = list(subset, "/addresses")
            .first()
            .map(|one| text(one, "/ip").to_owned())
            .ok_or_else(nobody)?;
        let port = at
            .and_then(|at| list(subset, "/ports").get(at))
            .and_then(|port: &Value| port["port"].as_u64());
        Ok((
            address,
            port.and_then(|port| u16::try_from(port).ok())
                .ok_or_else(nobody)?,
        ))
    })
}
