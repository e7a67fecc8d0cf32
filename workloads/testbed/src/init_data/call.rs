//! One call of data initialisation: attempts, and what the answer means.

use crate::peers::chain;
use aefm_workloads::init_data::{Expect, Probe, Stage};
use aefm_workloads::mix::Request;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{StatusCode, Uri};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

const ATTEMPTS: u32 = 5;
const ATTEMPT: Duration = Duration::from_secs(10);
/// Pause after the first attempt; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The most that is read of an answer.
const MAX_ANSWER: usize = 4 << 20;

/// Who makes calls to one application.
pub(super) struct Caller {
    client: Client<HttpConnector, Full<Bytes>>,
    base: String,
}

/// What became of a call.
pub(super) enum Outcome {
    /// Success, with the answer.
    Done(Bytes),
    /// The application says that it is there already.
    There,
    /// Every attempt was answered with a server error, the last one with this.
    Refused(String),
    /// Every attempt failed; why the last one did.
    Failed(String),
}

enum Attempt {
    Done(Bytes),
    There,
    /// A server error, which may pass.
    Refused(String),
    /// No answer, or none that is one; the way to the application may be free next time.
    Lost(String),
    Never(String),
}

impl Caller {
    pub(super) fn new(url: &str) -> Option<Self> {
        let parsed: Uri = url.parse().ok()?;
        if parsed.scheme_str() != Some("http") || parsed.authority().is_none() {
            return None;
        }
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Some(Self {
            client,
            base: url.trim_end_matches('/').to_owned(),
        })
    }

    pub(super) async fn call(&self, request: &Request) -> Outcome {
        let mut pause = FIRST_PAUSE;
        let mut attempt = 1;
        loop {
            let end = timeout(ATTEMPT, self.attempt(request)).await;
            match end.unwrap_or_else(|_| Attempt::Lost(format!("no answer within {ATTEMPT:?}"))) {
                Attempt::Done(body) => return Outcome::Done(body),
                Attempt::There => return Outcome::There,
                Attempt::Never(reason) => return Outcome::Failed(reason),
                Attempt::Refused(reason) if attempt == ATTEMPTS => return Outcome::Refused(reason),
                Attempt::Lost(reason) if attempt == ATTEMPTS => return Outcome::Failed(reason),
                Attempt::Refused(_) | Attempt::Lost(_) => {}
            }
            sleep(pause).await;
            pause *= 2;
            attempt += 1;
        }
    }

    async fn attempt(&self, request: &Request) -> Attempt {
        let mut built = hyper::Request::builder()
            .method(request.method)
            .uri(format!("{}{}", self.base, request.target));
        for (name, value) in &request.headers {
            built = built.header(*name, value.as_ref());
        }
        let built = match built.body(Full::new(Bytes::copy_from_slice(&request.body))) {
            Ok(built) => built,
            Err(error) => return Attempt::Never(error.to_string()),
        };
        let answer = match self.client.request(built).await {
            Ok(answer) => answer,
            Err(error) => return Attempt::Lost(chain(&error)),
        };
        let status = answer.status();
        match Limited::new(answer.into_body(), MAX_ANSWER).collect().await {
            Ok(body) => judge(status, body.to_bytes()),
            Err(error) => Attempt::Lost(chain(error.as_ref())),
        }
    }

    /// How many probes are answered as they should be; why others are not goes to `reasons`.
    pub(super) async fn confirm(&self, probes: &[Probe], reasons: &mut Vec<String>) -> usize {
        let mut confirmed = 0;
        for probe in probes {
            match (self.call(&probe.request).await, probe.expect) {
                (Outcome::Done(_), Expect::Success) => confirmed += 1,
                (Outcome::Done(body), Expect::Items(wanted)) => match items(&body) {
                    count if count >= wanted => confirmed += 1,
                    count => reasons.push(format!(
                        "{}: {count} of {wanted} are there",
                        probe.request.target
                    )),
                },
                (Outcome::There, _) => {
                    reasons.push(format!("{}: no answer to that", probe.request.target));
                }
                (Outcome::Refused(reason) | Outcome::Failed(reason), _) => {
                    reasons.push(format!("{}: {reason}", probe.request.target));
                }
            }
        }
        confirmed
    }

    /// By user, how much of a stage is there already; what cannot be known counts as none.
    pub(super) async fn present(
        self: &Arc<Self>,
        stage: &Stage,
        users: u32,
        connections: usize,
    ) -> Vec<usize> {
        let next = Arc::new(AtomicU32::new(0));
        let mut workers = JoinSet::new();
        for _ in 0..connections.max(1) {
            let (caller, stage, next) = (Arc::clone(self), stage.clone(), Arc::clone(&next));
            workers.spawn(async move {
                let (mut request, mut found) = (Request::default(), Vec::new());
                loop {
                    let user = next.fetch_add(1, Relaxed);
                    if user >= users {
                        return found;
                    }
                    stage.ask(user, &mut request);
                    if let Outcome::Done(body) = caller.call(&request).await {
                        found.push((user, items(&body)));
                    }
                }
            });
        }
        let mut present = vec![0; users as usize];
        while let Some(found) = workers.join_next().await {
            found
                .unwrap_or_default()
                .into_iter()
                .for_each(|(user, count)| present[user as usize] = count);
        }
        present
    }
}

/// The applications answer a second registration with 500 and say why; some of them with 500 alone.
fn judge(status: StatusCode, body: Bytes) -> Attempt {
    if status.is_success() {
        return Attempt::Done(body);
    }
    let text = String::from_utf8_lossy(&body);
    if text.contains("already existed") {
        return Attempt::There;
    }
    let start: String = text.trim().chars().take(120).collect();
    let reason = format!("answered {status}: {start}");
    let again = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
    if again {
        Attempt::Refused(reason)
    } else {
        Attempt::Never(reason)
    }
}

/// Items of a JSON array. An empty Lua table is encoded as an object: no items.
fn items(body: &[u8]) -> usize {
    serde_json::from_slice::<Vec<serde::de::IgnoredAny>>(body).map_or(0, |items| items.len())
}
