//! One emulated service: what it is made of, and how it is served until it is told to stop.

use crate::export::{EndpointError, Exporter, Source, Spans};
use crate::peers::Peers;
use crate::request;
use crate::stats::Stats;
use crate::store::Store;
use crate::trace::TraceParent;
use crate::work::Work;
use aefm_workloads::draw::{derive, derive_text};
use aefm_workloads::graph::{GraphError, Operation, ServiceGraph};
use aefm_workloads::ids::{SpanId, trace_id};
use aefm_workloads::testbed::ServiceSpec;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};

/// How long requests in flight may take to end once the service is told to stop, and then spans to leave.
const DRAIN: Duration = Duration::from_millis(80);
/// Pause after an accept that failed, for example for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// A service that can be served.
pub struct Emulated {
    pub(crate) name: String,
    pub(crate) seed: u64,
    pub(crate) stats: Arc<Stats>,
    pub(crate) spans: Spans,
    pub(crate) peers: Peers,
    pub(crate) work: Mutex<Work>,
    pub(crate) store: Mutex<Store>,
    operations: Vec<Operation>,
}

/// Why a service cannot be.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// There is no such application, or its graph is wrong.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// A graph was given for another application.
    #[error("use a service graph of `{graph}` for the application `{app}`")]
    App {
        /// The application asked for.
        app: String,
        /// That of the graph.
        graph: String,
    },
    /// The application has no such service.
    #[error("find a service called `{name}` in {app}: there are {known}")]
    Service {
        /// What was asked for.
        name: String,
        /// The application.
        app: String,
        /// What there is.
        known: String,
    },
    /// A service that it calls has no address.
    #[error("find the addresses of the services that `{service}` calls: `peers` lacks {missing}")]
    Peers {
        /// The service.
        service: String,
        /// The missing ones.
        missing: String,
    },
    /// Spans cannot go where they should.
    #[error(transparent)]
    Endpoint(#[from] OtlpError),
}

/// The OTLP receiver's URL is not one.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct OtlpError(#[from] EndpointError);

/// What a request asks a service for.
pub(crate) enum Found<'a> {
    Operation(&'a Operation),
    /// The path is there, with these methods.
    OtherMethods(String),
    Nothing,
}

/// The trace context that a request is served under.
pub(crate) struct Context {
    /// The service's own span.
    pub(crate) own: TraceParent,
    /// The caller's.
    pub(crate) parent: Option<SpanId>,
}

impl Emulated {
    /// The service of a spec, and what exports its spans. `node` is the machine's name, for want of one in the spec.
    ///
    /// # Errors
    /// When the spec names what is not there, or lacks the address of a service that this one calls.
    pub(crate) fn new(
        spec: ServiceSpec,
        node: String,
    ) -> Result<(Self, Option<Exporter>), ServiceError> {
        let graph = match spec.graph {
            Some(graph) if graph.app() != spec.app => {
                return Err(ServiceError::App {
                    app: spec.app,
                    graph: graph.app().to_owned(),
                });
            }
            Some(graph) => graph,
            None => ServiceGraph::of_app(&spec.app)?,
        };
        let Some(service) = graph.service(&spec.service) else {
            let known = graph
                .services()
                .iter()
                .map(|service| service.name.as_str())
                .collect::<Vec<_>>()
                .join(", ");
            return Err(ServiceError::Service {
                name: spec.service,
                app: spec.app,
                known,
            });
        };
        let missing: Vec<_> = graph
            .children(&service.name)
            .into_iter()
            .filter(|child| !spec.peers.contains_key(*child))
            .collect();
        if !missing.is_empty() {
            return Err(ServiceError::Peers {
                service: spec.service,
                missing: missing.join(", "),
            });
        }
        let stats = Arc::new(Stats::default());
        let source = Source {
            service: service.name.clone(),
            instance: spec.pod.unwrap_or_else(|| format!("{}-0", service.name)),
            node: spec.node.unwrap_or(node),
        };
        let (spans, exporter) = match &spec.otlp {
            Some(url) => {
                let (spans, exporter) =
                    Spans::to(url, source, Arc::clone(&stats)).map_err(OtlpError)?;
                (spans, Some(exporter))
            }
            None => (Spans::nowhere(Arc::clone(&stats)), None),
        };
        let emulated = Self {
            seed: derive_text(spec.seed, &service.name),
            stats,
            spans,
            peers: Peers::new(spec.peers, Duration::from_millis(graph.call_timeout_ms())),
            work: Mutex::new(Work::for_operations(&service.operations)),
            store: Mutex::default(),
            operations: service.operations.clone(),
            name: spec.service,
        };
        Ok((emulated, exporter))
    }

    /// The operation behind a method and a path: a route, or `POST /<name>` for an internal one.
    pub(crate) fn find(&self, method: &str, path: &str) -> Found<'_> {
        let at = |operation: &&Operation| match &operation.route {
            Some(route) => route.path == path,
            None => path.strip_prefix('/') == Some(&operation.name),
        };
        let here: Vec<_> = self.operations.iter().filter(at).collect();
        let method_of = |operation: &Operation| {
            operation
                .route
                .as_ref()
                .map_or("POST".to_owned(), |r| r.method.clone())
        };
        match here.iter().find(|operation| method_of(operation) == method) {
            Some(operation) => Found::Operation(operation),
            None if here.is_empty() => Found::Nothing,
            None => Found::OtherMethods(
                here.into_iter()
                    .map(method_of)
                    .collect::<Vec<_>>()
                    .join(", "),
            ),
        }
    }

    /// The context of request `number`: the caller's trace, or one of its own, which then is sampled.
    pub(crate) fn context(&self, header: Option<&str>, number: u64) -> Context {
        let span = SpanId((derive(self.seed, number) | 1).to_be_bytes());
        match header.and_then(TraceParent::parse) {
            Some(caller) => Context {
                own: TraceParent { span, ..caller },
                parent: Some(caller.span),
            },
            None => {
                let trace = trace_id(self.seed, number);
                Context {
                    own: TraceParent {
                        trace,
                        span,
                        sampled: true,
                    },
                    parent: None,
                }
            }
        }
    }
}

impl Found<'_> {
    /// The route where there is one, as the semantic conventions have it, else the operation's name; for what is
    /// nowhere, the method alone.
    pub(crate) fn span_name(&self, method: &str) -> String {
        match self {
            Self::Operation(operation) => operation
                .route
                .as_ref()
                .map_or_else(|| operation.name.clone(), ToString::to_string),
            _ => method.to_owned(),
        }
    }
}

/// Serves until `stop` ends; then lets requests in flight end and spans leave, each for a bounded time.
pub(crate) async fn serve(
    emulated: Emulated,
    exporter: Option<Exporter>,
    listener: TcpListener,
    stop: impl Future<Output = ()>,
) {
    let emulated = Arc::new(emulated);
    let exporting = exporter.map(|exporter| (exporter.stop(), tokio::spawn(exporter.run())));
    let connections = GracefulShutdown::new();
    tokio::select! {
        () = stop => {}
        () = accept(&emulated, &listener, &connections) => {}
    }
    drop(listener);
    // Past the time, connections are dropped with the runtime.
    let _ = timeout(DRAIN, connections.shutdown()).await;
    if let Some((stop, exporting)) = exporting {
        stop.notify_one();
        let _ = timeout(DRAIN, exporting).await;
    }
}

async fn accept(emulated: &Arc<Emulated>, listener: &TcpListener, connections: &GracefulShutdown) {
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new());
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        // Without it small answers may wait for an acknowledgement; an error here is not worth the connection.
        let _ = stream.set_nodelay(true);
        let emulated = Arc::clone(emulated);
        let answer = service_fn(move |request| {
            // As a task of its own: a client that goes away does not take with it a request that has begun, and
            // its span ends.
            let task = tokio::spawn(request::answer(Arc::clone(&emulated), request));
            async move { Ok::<_, Infallible>(task.await.unwrap_or_default()) }
        });
        let connection = connections.watch(http.serve_connection(TokioIo::new(stream), answer));
        tokio::spawn(async move {
            // A connection that breaks is its client's to notice.
            let _ = connection.await;
        });
    }
}
