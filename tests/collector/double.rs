//! A Jaeger query side that misbehaves as it is told: real sockets, made-up traces.

use aefm_workloads::draw::mix;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::TcpListener;

/// A trace: a root of the frontend's and some children.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) id: u64,
    pub(crate) start_us: i64,
    pub(crate) children: u64,
    pub(crate) is_error: bool,
}

/// What the server does wrong.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    /// Answers hold at most so many traces, whatever was asked.
    pub(crate) cap: Option<usize>,
    /// Limits above this are refused.
    pub(crate) limit_max: Option<usize>,
    /// Traces come twice in one answer.
    pub(crate) duplicates: bool,
    /// Every third trace is only found after so many questions.
    pub(crate) late_until: usize,
    /// Every fourth trace comes without its last child when searched, and whole when asked for by id.
    pub(crate) partial: bool,
    /// Every fifth trace is in no search at all.
    pub(crate) unlisted: bool,
    /// Every so-manieth answer is cut in the middle.
    pub(crate) cut_every: usize,
    /// Every so-manieth answer is a 500.
    pub(crate) fail_every: usize,
    /// Searches of windows with this microsecond always fail.
    pub(crate) poisoned_us: Option<i64>,
    /// Answers are not JSON.
    pub(crate) garbage: bool,
}

pub(crate) struct Double {
    pub(crate) address: SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

struct State {
    traces: Vec<Known>,
    faults: Faults,
    asked: AtomicUsize,
}

impl Drop for Double {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Double {
    pub(crate) async fn start(traces: Vec<Known>, faults: Faults) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            traces,
            faults,
            asked: AtomicUsize::new(0),
        });
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&state);
                tokio::spawn(async move {
                    let service = service_fn(|request| std::future::ready(state.answer(&request)));
                    let http = hyper::server::conn::http1::Builder::new();
                    let _ = http.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { address, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

type Answer = Result<Response<Full<Bytes>>, Cut>;

/// Ends the connection without an answer.
#[derive(Debug)]
pub(crate) struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("cut")
    }
}

impl std::error::Error for Cut {}

impl From<Infallible> for Cut {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

fn respond(status: StatusCode, body: String) -> Answer {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    Ok(response)
}

impl State {
    fn answer(&self, request: &Request<Incoming>) -> Answer {
        let path = request.uri().path();
        if path == "/api/services" {
            return respond(
                StatusCode::OK,
                r#"{"data":["frontend"],"errors":null}"#.to_owned(),
            );
        }
        if path == "/api/services/frontend/operations" {
            return respond(
                StatusCode::OK,
                r#"{"data":["GET /a","GET /b"],"errors":null}"#.to_owned(),
            );
        }
        let asked = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
        let every = |count: usize| count > 0 && asked.is_multiple_of(count);
        if every(self.faults.cut_every) {
            return Err(Cut);
        }
        if every(self.faults.fail_every) {
            return respond(
                StatusCode::INTERNAL_SERVER_ERROR,
                "storage is busy".to_owned(),
            );
        }
        if self.faults.garbage {
            return respond(StatusCode::OK, "<html>a proxy's page</html>".to_owned());
        }
        if let Some(id) = path.strip_prefix("/api/traces/") {
            return self.by_id(id);
        }
        if path != "/api/traces" {
            return respond(StatusCode::NOT_FOUND, "404 page not found".to_owned());
        }
        self.search(request.uri().query().unwrap_or_default(), asked)
    }

    fn by_id(&self, id: &str) -> Answer {
        let id = u128::from_str_radix(id, 16).unwrap();
        match self.traces.iter().find(|known| u128::from(known.id) == id) {
            Some(known) => respond(StatusCode::OK, envelope(&[known.json(false)])),
            None => {
                let text = r#"{"data":null,"errors":[{"code":404,"msg":"trace not found"}]}"#;
                respond(StatusCode::NOT_FOUND, text.to_owned())
            }
        }
    }

    fn search(&self, query: &str, asked: usize) -> Answer {
        let pairs: HashMap<&str, &str> = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .collect();
        let number = |key: &str| pairs[key].parse::<i64>().unwrap();
        let (from, to, limit) = (number("start"), number("end"), number("limit") as usize);
        if self.faults.limit_max.is_some_and(|max| limit > max) {
            return respond(
                StatusCode::BAD_REQUEST,
                "limit is greater than max traces".to_owned(),
            );
        }
        if self
            .faults
            .poisoned_us
            .is_some_and(|us| (from..to).contains(&us))
        {
            return respond(
                StatusCode::INTERNAL_SERVER_ERROR,
                "cannot read a block".to_owned(),
            );
        }
        let duration = |key: &str| {
            pairs
                .get(key)
                .and_then(|text| text.strip_suffix("us")?.parse::<i64>().ok())
        };
        let (min, max) = (
            duration("minDuration").unwrap_or(0),
            duration("maxDuration").unwrap_or(i64::MAX),
        );
        let matches = |known: &&Known| {
            let hidden = (known.id.is_multiple_of(3) && asked <= self.faults.late_until)
                || (known.id.is_multiple_of(5) && self.faults.unlisted);
            let operation = pairs.get("operation").is_none_or(|name| {
                *name == known.operation().replace(' ', "%20").replace('/', "%2F")
            });
            (from..=to).contains(&known.start_us)
                && !hidden
                && operation
                && (min..=max).contains(&known.duration_us())
        };
        let mut found: Vec<&Known> = self.traces.iter().filter(matches).collect();
        found.sort_by_key(|known| mix(known.id ^ asked as u64));
        found.truncate(limit.min(self.faults.cap.unwrap_or(usize::MAX)));
        let mut traces: Vec<String> = found
            .iter()
            .map(|known| known.json(self.faults.partial && known.id.is_multiple_of(4)))
            .collect();
        if self.faults.duplicates {
            traces.extend(traces.clone().into_iter().rev());
        }
        respond(StatusCode::OK, envelope(&traces))
    }
}

fn envelope(traces: &[String]) -> String {
    format!(
        r#"{{"data":[{}],"total":0,"limit":0,"offset":0,"errors":null}}"#,
        traces.join(",")
    )
}

impl Known {
    fn operation(&self) -> &'static str {
        if self.id.is_multiple_of(2) {
            "GET /a"
        } else {
            "GET /b"
        }
    }

    fn duration_us(&self) -> i64 {
        100 + (self.id % 50) as i64
    }

    /// How many spans it has.
    pub(crate) const fn spans(&self) -> u64 {
        1 + self.children
    }

    fn json(&self, partial: bool) -> String {
        let (id, start) = (self.id, self.start_us);
        // The root of a partial trace has not arrived yet.
        let root = format!(
            r#"{{"traceID":"{id:x}","spanID":"{:x}","operationName":"{}","references":[],"startTime":{start},"duration":{},
            "processID":"p1","tags":[{{"key":"error","type":"bool","value":{}}}]}}"#,
            id * 100 + 1,
            self.operation(),
            self.duration_us(),
            self.is_error,
        );
        let child = |number: u64| {
            format!(
                r#"{{"traceID":"{id:x}","spanID":"{:x}","operationName":"find","references":[{{"refType":"CHILD_OF","traceID":"{id:x}","spanID":"{:x}"}}],
                "startTime":{},"duration":10,"processID":"p2","tags":[]}}"#,
                id * 100 + 1 + number,
                id * 100 + 1,
                start + number as i64
            )
        };
        let children = (1..=self.children).map(child);
        let spans: Vec<_> = if partial {
            children.collect()
        } else {
            std::iter::once(root).chain(children).collect()
        };
        format!(
            r#"{{"traceID":"{id:x}","spans":[{}],"processes":{{"p1":{{"serviceName":"frontend","tags":[]}},"p2":{{"serviceName":"geo","tags":[]}}}}}}"#,
            spans.join(",")
        )
    }
}
