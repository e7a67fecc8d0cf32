//! A port of this machine that leads to a Service's, through the API server: requests go out with our own credentials,
//! and the API server passes them on to one of the Service's pods.

use super::cluster::reason;
use super::found::Found;
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONNECTION, HOST, TRANSFER_ENCODING};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use kube::Client;
use kube::client::Body;
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// No question is longer.
const MAX_QUESTION: usize = 1 << 20;
/// A question that takes longer is better asked in parts, which sources do when they are told so.
const PATIENCE: Duration = Duration::from_secs(30);

/// Passes requests on until it is dropped.
#[derive(Debug)]
pub struct ServiceProxy {
    url: String,
    task: JoinHandle<()>,
}

impl ServiceProxy {
    /// Listens on a port of loopback that the system chooses.
    ///
    /// # Errors
    /// When there is no port.
    pub async fn listen(client: Client, to: &Found) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let base: Arc<str> = path(to).into();
        let task = tokio::spawn(async move {
            // Dropped with this task: connections end with their proxy.
            let mut connections = JoinSet::new();
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                };
                connections.spawn(serve(stream, client.clone(), Arc::clone(&base)));
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self { url, task })
    }

    /// Where it listens, `http://127.0.0.1:34567`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for ServiceProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Where the API server has the Service: <https://kubernetes.io/docs/tasks/access-application-cluster/access-cluster-services/>.
fn path(to: &Found) -> String {
    let scheme = if to.secure { "https:" } else { "" };
    format!(
        "/api/v1/namespaces/{}/services/{scheme}{}:{}/proxy",
        to.namespace, to.name, to.port
    )
}

async fn serve(stream: TcpStream, client: Client, base: Arc<str>) {
    let service = service_fn(move |request| {
        let (client, base) = (client.clone(), Arc::clone(&base));
        async move {
            Ok::<_, Infallible>(
                pass(&client, &base, request)
                    .await
                    .unwrap_or_else(|reason| gone(&reason)),
            )
        }
    });
    let connection =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!("a question to a Service ended: {error}");
    }
}

async fn pass(
    client: &Client,
    base: &str,
    request: Request<Incoming>,
) -> Result<Response<Body>, String> {
    let (mut parts, body) = request.into_parts();
    let question = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    parts.uri = format!("{base}{question}")
        .parse()
        .map_err(|_| format!("ask for {question}: it is no path"))?;
    // These are between two neighbours; and the API server is told who we are by the client.
    for header in [HOST, CONNECTION, TRANSFER_ENCODING, AUTHORIZATION] {
        parts.headers.remove(header);
    }
    let body = Limited::new(body, MAX_QUESTION)
        .collect()
        .await
        .map_err(|error| error.to_string())?
        .to_bytes();
    // The client asks again by itself while nobody is there, which takes minutes. Whoever asks here does that himself.
    let answer = tokio::time::timeout(
        PATIENCE,
        client.send(Request::from_parts(parts, Body::from(body))),
    )
    .await;
    let answer =
        answer.map_err(|_| format!("ask through the API server: no answer within {PATIENCE:?}"))?;
    let mut answer =
        answer.map_err(|error| format!("ask through the API server: {}", reason(&error)))?;
    answer.headers_mut().remove(CONNECTION);
    answer.headers_mut().remove(TRANSFER_ENCODING);
    Ok(answer)
}

/// What a caller will try again, or ask in parts.
fn gone(reason: &str) -> Response<Body> {
    let mut answer = Response::new(Body::from(Bytes::copy_from_slice(reason.as_bytes())));
    *answer.status_mut() = StatusCode::GATEWAY_TIMEOUT;
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_names_scheme_service_and_port() {
        let mut found = Found {
            namespace: "m".into(),
            name: "p".into(),
            port: 9090,
            secure: false,
            because: String::new(),
        };
        assert_eq!(path(&found), "/api/v1/namespaces/m/services/p:9090/proxy");
        found.secure = true;
        assert_eq!(
            path(&found),
            "/api/v1/namespaces/m/services/https:p:9090/proxy"
        );
    }
}
