//! Service graphs: what each service of an emulated application does when it is called. Data, not code: one YAML file
//! an application, under `workloads/graphs/`.

mod check;
mod parameter;
mod text;

pub use check::GraphFault;
pub use parameter::{BadParameter, Parameter, Rule};
pub use text::{Call, Route, TextError};

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The graphs that come with AEFM, by application.
const SHIPPED: &[(&str, &str)] = &[
    (
        "hotel-reservation",
        include_str!("../graphs/hotel-reservation.yaml"),
    ),
    (
        "social-network",
        include_str!("../graphs/social-network.yaml"),
    ),
    (
        "media-microservices",
        include_str!("../graphs/media-microservices.yaml"),
    ),
    ("train-ticket", include_str!("../graphs/train-ticket.yaml")),
];

/// A checked service graph: every call leads to an operation that is there, and no service waits for itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "GraphFile", into = "GraphFile")]
pub struct ServiceGraph {
    file: GraphFile,
    /// Indices of services, children before their callers.
    start_order: Vec<usize>,
}

/// A service graph as it is written down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GraphFile {
    /// The application's name in the catalogue.
    pub app: String,
    /// The service that takes the application's requests.
    pub entry: String,
    /// How long a service waits for the answer of another one.
    #[serde(default = "five_seconds")]
    pub call_timeout_ms: u64,
    /// All services.
    pub services: Vec<Service>,
}

/// One service: one process with one HTTP port.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Its name in traces and in tables.
    pub name: String,
    /// What it can be asked.
    pub operations: Vec<Operation>,
}

/// One thing a service does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operation {
    /// Its name within the service.
    pub name: String,
    /// Where it is reached from outside; without one it is internal, reached as `POST /<name>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<Route>,
    /// Parameters that must be right, or the answer is 400.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<Parameter>,
    /// CPU time burnt on a call, us: the median.
    pub cpu_us: f64,
    /// Spread of that time: the standard deviation of its logarithm; 0 means always the median.
    #[serde(default)]
    pub cpu_sigma: f64,
    /// Memory read and written on a call, KiB.
    #[serde(default)]
    pub memory_kib: u32,
    /// Calls to other services: the steps run one after another, the calls of one step at the same time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<Vec<Call>>,
    /// What the process keeps of a call once its children have answered, where later answers tell of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keeps: Option<Kept>,
    /// What it answers.
    #[serde(default)]
    pub answer: Answer,
}

/// What a call leaves behind: the parameters that say it are those of the original's calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    /// A user: `username`, maybe `user_id`. One who is there already is refused.
    User,
    /// Who follows whom: `user_name`, `followee_name`. Both must be users.
    Follow,
    /// A post: `user_id`, `username`, `text`, whose mentions count as receivers.
    Post,
    /// A person who plays: `cast_info_id`.
    Cast,
    /// What is to be known of a movie: `movie_id`.
    MovieInfo,
    /// A plot: `plot_id`.
    Plot,
    /// A movie's title: `title`, `movie_id`.
    Movie,
}

impl Kept {
    /// The name in [`crate::testbed::DataCounts`] and in graph files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Follow => "follow",
            Self::Post => "post",
            Self::Cast => "cast",
            Self::MovieInfo => "movie_info",
            Self::Plot => "plot",
            Self::Movie => "movie",
        }
    }
}

/// What an operation answers, always JSON.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// An empty object.
    #[default]
    Empty,
    /// An object with this `message`.
    Message(String),
    /// An object with so many bytes of text, which stands for an internal answer.
    Bytes(u32),
    /// The five hotels nearest to the parameters `lat` and `lon`, as GeoJSON.
    HotelsNear,
    /// The hotels that are best by the parameter `require`, as GeoJSON.
    HotelsBest,
    /// The posts `start` to `stop` of those whom `user_id` follows, the newest first, as an array.
    HomeTimeline,
    /// The posts `start` to `stop` of `user_id`, the newest first, as an array.
    UserTimeline,
    /// Trips between `startingPlace` and `endPlace`.
    Trips,
}

fn five_seconds() -> u64 {
    5_000
}

/// Why there is no graph.
#[derive(Debug, thiserror::Error)]
pub enum GraphError {
    /// No graph of that name comes with AEFM.
    #[error("find an application called `{name}`: there are {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// The text is not a graph at all.
    #[error("read the service graph: {0}")]
    Syntax(String),
    /// The graph is readable, and wrong.
    #[error(transparent)]
    Faults(#[from] GraphFaults),
}

/// All that is wrong with a graph.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("use the service graph of `{app}`: {}", .faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct GraphFaults {
    /// The graph's application.
    pub app: String,
    /// What is wrong, in the order of the file.
    pub faults: Vec<GraphFault>,
}

impl ServiceGraph {
    /// Names of the applications whose graphs come with AEFM.
    pub fn shipped() -> impl Iterator<Item = &'static str> {
        SHIPPED.iter().map(|(name, _)| *name)
    }

    /// The graph of an application that comes with AEFM.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn of_app(name: &str) -> Result<Self, GraphError> {
        let own = crate::catalogue::names::application(name).unwrap_or(name);
        let Some((_, text)) = SHIPPED.iter().find(|(app, _)| *app == own) else {
            let known = Self::shipped().collect::<Vec<_>>().join(", ");
            return Err(GraphError::Unknown {
                name: name.to_owned(),
                known,
            });
        };
        Self::from_yaml(text)
    }

    /// The graph that a YAML text describes.
    ///
    /// # Errors
    /// When the text is no graph (with line and column), or the graph has faults (all of them).
    pub fn from_yaml(text: &str) -> Result<Self, GraphError> {
        let file: GraphFile =
            serde_saphyr::from_str(text).map_err(|error| GraphError::Syntax(error.to_string()))?;
        Ok(Self::try_from(file)?)
    }

    /// The application's name.
    #[must_use]
    pub fn app(&self) -> &str {
        &self.file.app
    }

    /// The service that takes the application's requests.
    #[must_use]
    pub fn entry(&self) -> &str {
        &self.file.entry
    }

    /// How long a service waits for the answer of another one, ms.
    #[must_use]
    pub fn call_timeout_ms(&self) -> u64 {
        self.file.call_timeout_ms
    }

    /// All services in the order of the file.
    #[must_use]
    pub fn services(&self) -> &[Service] {
        &self.file.services
    }

    /// The service of that name.
    #[must_use]
    pub fn service(&self, name: &str) -> Option<&Service> {
        self.file
            .services
            .iter()
            .find(|service| service.name == name)
    }

    /// Names of services in an order in which they can be started: each after all that it calls.
    #[must_use]
    pub fn services_in_start_order(&self) -> Vec<&str> {
        self.start_order
            .iter()
            .map(|&index| self.file.services[index].name.as_str())
            .collect()
    }

    /// Names of the services that `service` calls, without repetition.
    #[must_use]
    pub fn children(&self, service: &str) -> Vec<&str> {
        let mut children = Vec::new();
        let calls = self
            .service(service)
            .into_iter()
            .flat_map(|service| &service.operations)
            .flat_map(Operation::targets);
        for call in calls {
            if !children.contains(&call.service.as_str()) {
                children.push(call.service.as_str());
            }
        }
        children
    }

    /// How often each service is called, itself included, when `operation` of `service` is called once: the spans that
    /// one request leaves.
    #[must_use]
    pub fn spans_of(&self, service: &str, operation: &str) -> BTreeMap<&str, u64> {
        let mut spans = BTreeMap::new();
        let mut open = vec![(service, operation)];
        while let Some((service, operation)) = open.pop() {
            let Some(service) = self.service(service) else {
                continue;
            };
            let Some(operation) = service.operation(operation) else {
                continue;
            };
            *spans.entry(service.name.as_str()).or_insert(0) += 1;
            open.extend(
                operation
                    .targets()
                    .map(|call| (call.service.as_str(), call.operation.as_str())),
            );
        }
        spans
    }
}

impl Service {
    /// The operation of that name.
    #[must_use]
    pub fn operation(&self, name: &str) -> Option<&Operation> {
        self.operations
            .iter()
            .find(|operation| operation.name == name)
    }
}

impl Operation {
    /// Every call it makes, step by step.
    pub fn targets(&self) -> impl Iterator<Item = &Call> {
        self.calls.iter().flatten()
    }
}

impl TryFrom<GraphFile> for ServiceGraph {
    type Error = GraphFaults;

    fn try_from(file: GraphFile) -> Result<Self, Self::Error> {
        let start_order = check::check(&file)?;
        Ok(Self { file, start_order })
    }
}

impl From<ServiceGraph> for GraphFile {
    fn from(graph: ServiceGraph) -> Self {
        graph.file
    }
}

#[cfg(test)]
mod tests;
