//! The receiver's HTTP interface: exporters, shards and the orchestrator are its clients.

use super::kubelets::Asked;
use super::lease::Lease;
use super::spool::{Parcel, Spool, SpoolError};
use super::{Arrival, CensusQuestion, Departure};
use crate::platform::census;
use aefm_collector::clock::now_ns;
use aefm_collector::otlp::{REFUSED, may_carry_spans};
use bytes::Bytes;
use futures_util::future::join_all;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName, RETRY_AFTER};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};

/// The longest export request.
const MAX_EXPORT: usize = 64 << 20;
/// The longest file.
const MAX_FILE: usize = 1 << 30;
/// About how much is handed out at a time.
const BATCH: usize = 4 << 20;
/// How long a fetch may wait for something to fetch.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between the last shard's arrival and time zero: the time to tell them all, and for them to open connections.
const RUN_UP_NS: i64 = 1_500_000_000;

/// Where a node's kubelet is asked; the node's name follows.
const KUBELET_PATH: &str = "/kubelet/";

/// What is served.
pub(super) struct Served {
    spool: Mutex<Spool>,
    came: Notify,
    dir: PathBuf,
    lease: Lease,
    asked: Asked,
    barriers: Mutex<BTreeMap<String, Barrier>>,
}

/// Shards that have arrived, and when all of them start.
struct Barrier {
    arrived: BTreeSet<u32>,
    start: watch::Sender<Option<i64>>,
}

type Answer = Response<Full<Bytes>>;

impl Served {
    pub(super) fn new(spool: Spool, dir: PathBuf, lease: Lease, asked: Asked) -> Arc<Self> {
        Arc::new(Self {
            spool: Mutex::new(spool),
            came: Notify::new(),
            dir,
            lease,
            asked,
            barriers: Mutex::default(),
        })
    }

    fn spool(&self) -> MutexGuard<'_, Spool> {
        self.spool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A file's place: its name is all that the client says of it.
    fn file(&self, name: &str) -> Option<PathBuf> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        (!name.is_empty() && name.chars().all(plain)).then(|| self.dir.join(format!("{name}.file")))
    }
}

/// Serves for ever.
pub(super) async fn serve(listener: TcpListener, served: Arc<Served>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors, most likely: others must close first.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let served = Arc::clone(&served);
        let service = service_fn(move |request| {
            let served = Arc::clone(&served);
            async move {
                Ok::<_, Infallible>(
                    answer(&served, request)
                        .await
                        .unwrap_or_else(|refusal| refusal),
                )
            }
        });
        let mut http = hyper::server::conn::http1::Builder::new();
        http.timer(TokioTimer::new());
        let connection = http.serve_connection(TokioIo::new(stream), service);
        tokio::spawn(async move {
            // A connection that breaks is its client's to notice.
            drop(connection.await);
        });
    }
}

async fn answer(served: &Served, request: Request<Incoming>) -> Result<Answer, Answer> {
    let (path, method) = (request.uri().path().to_owned(), request.method().clone());
    match (&method, path.as_str()) {
        (&Method::GET, "/health") => Ok(say(StatusCode::OK, "ready\n")),
        (&Method::POST, "/v1/traces") => keep(served, request).await,
        (&Method::GET, "/spool") => {
            Ok(fetch(served, request.uri().query().unwrap_or_default()).await)
        }
        (&Method::POST, "/census") => Ok(count(served, read_json(request).await?).await),
        (&Method::POST, "/barrier") => Ok(arrive(served, read_json(request).await?).await),
        (&Method::GET, path) if path.starts_with(KUBELET_PATH) => {
            let figures = served.asked.figures(&path[KUBELET_PATH.len()..]).await;
            figures
                .map(|text| say(StatusCode::OK, text))
                .map_err(|reason| say(StatusCode::BAD_GATEWAY, format!("failed to {reason}\n")))
        }
        (method, path) => match path
            .strip_prefix("/files/")
            .and_then(|name| served.file(name))
        {
            Some(file) => file_at(file, method, request).await,
            None => {
                if may_carry_spans(method, path) {
                    refuse(
                        served,
                        &format!("POST {path}: spans are posted to /v1/traces"),
                    );
                }
                let known = "there is /v1/traces, /spool, /census, /barrier, /files/NAME, /kubelet/NODE and /health\n";
                Ok(say(StatusCode::NOT_FOUND, known))
            }
        },
    }
}

async fn keep(served: &Served, request: Request<Incoming>) -> Result<Answer, Answer> {
    let header = |name: HeaderName| {
        request
            .headers()
            .get(name)
            .map_or_else(String::new, |value| {
                String::from_utf8_lossy(value.as_bytes()).into_owned()
            })
    };
    let (content_type, encoding) = (header(CONTENT_TYPE), header(CONTENT_ENCODING));
    let json = content_type.starts_with("application/json");
    if !json && content_type != "application/x-protobuf" {
        refuse(
            served,
            &format!(
                "POST /v1/traces: content type {content_type:?} is neither application/x-protobuf nor application/json"
            ),
        );
        return Err(say(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "spans come as application/x-protobuf or application/json\n",
        ));
    }
    let body = read(request, MAX_EXPORT).await.inspect_err(|_| {
        let reason = "POST /v1/traces: the body did not arrive, or is larger than 64 MiB";
        refuse(served, reason);
    })?;
    match served.spool().keep(&Parcel {
        content_type: content_type.clone(),
        encoding,
        body,
    }) {
        Ok(()) => {}
        Err(error @ SpoolError::Full(_)) => {
            let mut full = say(
                StatusCode::SERVICE_UNAVAILABLE,
                format!("failed to {error}\n"),
            );
            full.headers_mut()
                .insert(RETRY_AFTER, hyper::header::HeaderValue::from_static("1"));
            return Err(full);
        }
        Err(error) => {
            return Err(say(
                StatusCode::SERVICE_UNAVAILABLE,
                format!("failed to {error}\n"),
            ));
        }
    }
    served.came.notify_waiters();
    let mut taken = say(StatusCode::OK, if json { "{}" } else { "" });
    if let Ok(kind) = content_type.parse() {
        taken.headers_mut().insert(CONTENT_TYPE, kind);
    }
    Ok(taken)
}

/// Whoever gathers spans is told of a refusal as of an export: it is counted there, and degrades its case.
fn refuse(served: &Served, why: &str) {
    let plain = why.replace(|c: char| !(' '..='~').contains(&c), "?");
    let told = Parcel {
        content_type: format!("{REFUSED} {plain}"),
        encoding: String::new(),
        body: Bytes::new(),
    };
    match served.spool().keep(&told) {
        Ok(()) => served.came.notify_waiters(),
        Err(error) => eprintln!("aefm receive: {why}; failed to {error}"),
    }
}

/// `after=N`: what is up to N has been fetched and is forgotten; answers with what is beyond, or waits a little for it.
async fn fetch(served: &Served, query: &str) -> Answer {
    served.lease.renew();
    let Some(after) = query
        .strip_prefix("after=")
        .and_then(|number| number.parse().ok())
    else {
        return say(StatusCode::BAD_REQUEST, "say after=NUMBER\n");
    };
    let forgotten = served.spool().forget(after);
    if let Err(error) = forgotten {
        eprintln!("aefm receive: failed to remove what was fetched: {error}");
    }
    // Registered before the look, so that what comes in between wakes it.
    let came = served.came.notified();
    let waits = !served.spool().has_beyond(after);
    if waits {
        drop(tokio::time::timeout(PATIENCE, came).await);
    }
    let batch = served.spool().batch(after, BATCH);
    match batch {
        Ok(batch) => say(StatusCode::OK, batch),
        Err(error) => say(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("failed to read the spool: {error}\n"),
        ),
    }
}

/// Asks all services; what waits here is still on its way, too.
async fn count(served: &Served, question: CensusQuestion) -> Answer {
    let asked = question
        .services
        .iter()
        .map(|(service, address)| census::ask(service, address, question.prefix));
    let mut answers = join_all(asked).await;
    if let Some(first) = answers.first_mut() {
        first.pending += served.spool().waiting();
    }
    say_json(&answers)
}

async fn arrive(served: &Served, arrival: Arrival) -> Answer {
    let mut start = {
        let mut barriers = served
            .barriers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let barrier = barriers
            .entry(arrival.load_name)
            .or_insert_with(|| Barrier {
                arrived: BTreeSet::new(),
                start: watch::channel(None).0,
            });
        barrier.arrived.insert(arrival.index);
        if barrier.arrived.len() >= arrival.shards as usize {
            barrier.start.send_if_modified(|start| {
                let first = start.is_none();
                start.get_or_insert_with(|| now_ns() + RUN_UP_NS);
                first
            });
        }
        barrier.start.subscribe()
    };
    let start_at_ns = start.wait_for(Option::is_some).await.map(|start| *start);
    match start_at_ns {
        Ok(Some(start_at_ns)) => say_json(&Departure { start_at_ns }),
        Ok(None) | Err(_) => say(StatusCode::INTERNAL_SERVER_ERROR, "the barrier is gone\n"),
    }
}

async fn file_at(
    file: PathBuf,
    method: &Method,
    request: Request<Incoming>,
) -> Result<Answer, Answer> {
    let failed = |error: std::io::Error| {
        let missing = error.kind() == std::io::ErrorKind::NotFound;
        let status = if missing {
            StatusCode::NOT_FOUND
        } else {
            StatusCode::INSUFFICIENT_STORAGE
        };
        say(status, format!("failed to reach the file: {error}\n"))
    };
    match *method {
        Method::PUT => {
            let body = read(request, MAX_FILE).await?;
            tokio::fs::write(&file, &body).await.map_err(failed)?;
            Ok(say(StatusCode::OK, ""))
        }
        Method::GET => Ok(say(
            StatusCode::OK,
            tokio::fs::read(&file).await.map_err(failed)?,
        )),
        Method::DELETE => {
            tokio::fs::remove_file(&file).await.map_err(failed)?;
            Ok(say(StatusCode::OK, ""))
        }
        _ => Err(say(
            StatusCode::METHOD_NOT_ALLOWED,
            "a file is PUT, GET or DELETEd\n",
        )),
    }
}

async fn read(request: Request<Incoming>, most: usize) -> Result<Bytes, Answer> {
    let body = Limited::new(request.into_body(), most).collect().await;
    body.map(|body| body.to_bytes()).map_err(|error| {
        say(
            StatusCode::BAD_REQUEST,
            format!("failed to read the body: {error}\n"),
        )
    })
}

async fn read_json<T: serde::de::DeserializeOwned>(
    request: Request<Incoming>,
) -> Result<T, Answer> {
    let body = read(request, MAX_EXPORT).await?;
    serde_json::from_slice(&body).map_err(|error| {
        say(
            StatusCode::BAD_REQUEST,
            format!("failed to read the body: {error}\n"),
        )
    })
}

fn say(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer
}

fn say_json(value: &impl serde::Serialize) -> Answer {
    match serde_json::to_vec(value) {
        Ok(body) => say(StatusCode::OK, body),
        Err(error) => say(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}
