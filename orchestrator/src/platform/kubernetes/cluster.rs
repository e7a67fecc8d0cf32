//! The cluster as we use it: objects as plain JSON, applied, fetched, deleted; and patience with a server that is gone
//! for a moment.

use super::ownership::FIELD_MANAGER;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::client::UpgradeConnectionError;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::GroupVersionKind;
use kube::discovery::{ApiResource, Scope};
use kube::{Client, Config};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long a server that does not answer, or asks for patience, is asked again.
const PATIENCE: Duration = Duration::from_secs(45);
/// How long one attempt may take: a server that was cut off never says that it is gone.
const ATTEMPT: Duration = Duration::from_secs(20);
/// Between two attempts: the first and the longest pause.
pub(super) const PAUSES: (Duration, Duration) =
    (Duration::from_millis(200), Duration::from_secs(3));

/// What the cluster would not do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClusterError {
    /// Nothing says where it is, or it cannot be reached.
    #[error("reach the cluster: {0}")]
    Reach(String),
    /// It refused.
    #[error("{action}: {reason}")]
    Refused {
        /// What was asked.
        action: String,
        /// Why not.
        reason: String,
        /// The status code, if it answered.
        code: Option<u16>,
    },
}

impl ClusterError {
    pub(super) fn refused(action: &str, error: &kube::Error) -> Self {
        Self::Refused {
            action: action.to_owned(),
            reason: reason(error),
            code: code(error),
        }
    }

    /// A refused stream says no more than its code: what it takes is told in the server's place.
    pub(super) fn naming(mut self, subresource: &str) -> Self {
        if let Self::Refused {
            reason,
            code: Some(code @ (401 | 403)),
            ..
        } = &mut self
        {
            *reason =
                format!("forbidden ({code}): it takes the verbs get and create on {subresource}");
        }
        self
    }
}

/// A connection to a cluster.
pub struct Cluster {
    client: Client,
    /// Minor version of its server, as in 1.34.
    pub server_minor: u32,
    kinds: Mutex<HashMap<(String, String), (ApiResource, Scope)>>,
}

impl Cluster {
    /// Connects to the cluster of a kubeconfig's context, or of its current one, or that this process runs in.
    ///
    /// # Errors
    /// When there is none, or it does not answer.
    pub async fn connect(context: Option<&str>) -> Result<Self, ClusterError> {
        let reach = |error: &dyn std::fmt::Display| ClusterError::Reach(error.to_string());
        let mut config = if let Some(context) = context {
            let file = Kubeconfig::read().map_err(|error| reach(&error))?;
            let known = file
                .contexts
                .iter()
                .map(|context| context.name.clone())
                .collect::<Vec<_>>()
                .join(", ");
            let options = KubeConfigOptions {
                context: Some(context.to_owned()),
                ..KubeConfigOptions::default()
            };
            let config = Config::from_custom_kubeconfig(file, &options).await;
            config.map_err(|error| {
                reach(&format!("{error}; the kubeconfig's contexts are {known}"))
            })?
        } else {
            Config::infer().await.map_err(|error| reach(&error))?
        };
        let address = config.cluster_url.clone();
        // We ask again by ourselves: with a bound, and for more than the client would.
        config.default_retry = false;
        let client = Client::try_from(config).map_err(|error| reach(&error))?;
        let version = client.apiserver_version().await;
        let version = version.map_err(|error| reach(&format!("{address}: {}", reason(&error))))?;
        let digits: String = version
            .minor
            .chars()
            .take_while(char::is_ascii_digit)
            .collect();
        let server_minor = digits.parse().map_err(|_| {
            reach(&format!(
                "its version is {}.{}",
                version.major, version.minor
            ))
        })?;
        Ok(Self {
            client,
            server_minor,
            kinds: Mutex::default(),
        })
    }

    /// The client, for streams.
    #[must_use]
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Asks until the server answers, if it is only gone or busy for a moment.
    pub(super) async fn ask<T, F>(
        &self,
        action: &str,
        attempt: impl Fn() -> F,
    ) -> Result<T, ClusterError>
    where
        F: Future<Output = kube::Result<T>>,
    {
        let deadline = Instant::now() + PATIENCE;
        let mut pause = PAUSES.0;
        loop {
            let (why, asked) = match tokio::time::timeout(ATTEMPT, attempt()).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) if passes(&error) => {
                    (ClusterError::refused(action, &error), retry_after(&error))
                }
                Ok(Err(error)) => return Err(ClusterError::refused(action, &error)),
                Err(_) => (silent(action), Duration::ZERO),
            };
            if Instant::now() >= deadline {
                return Err(why);
            }
            tracing::debug!("failed to {why}; trying again");
            tokio::time::sleep(pause.max(asked)).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    /// What handles objects of that kind in that namespace.
    async fn api(&self, object: &Value) -> Result<Api<DynamicObject>, ClusterError> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (version, kind) = (text(&object["apiVersion"]), text(&object["kind"]));
        let (resource, scope) = self.kind(&version, &kind).await?;
        Ok(match object["metadata"]["namespace"].as_str() {
            Some(namespace) if scope == Scope::Namespaced => {
                Api::namespaced_with(self.client(), namespace, &resource)
            }
            _ => Api::all_with(self.client(), &resource),
        })
    }

    /// Group and plural name of a kind, and whether its objects have a namespace.
    ///
    /// # Errors
    /// When the cluster does not have it.
    pub async fn resource(
        &self,
        version: &str,
        kind: &str,
    ) -> Result<(String, String, bool), ClusterError> {
        let (resource, scope) = self.kind(version, kind).await?;
        Ok((resource.group, resource.plural, scope == Scope::Namespaced))
    }

    async fn kind(&self, version: &str, kind: &str) -> Result<(ApiResource, Scope), ClusterError> {
        let key = (version.to_owned(), kind.to_owned());
        let known = || self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known().get(&key) {
            return Ok(found.clone());
        }
        let (group, bare) = version.split_once('/').unwrap_or(("", version));
        let wanted = GroupVersionKind::gvk(group, bare, kind);
        let action = format!("find out about kind {kind} of {version}");
        let (resource, capabilities) = self
            .ask(&action, || {
                kube::discovery::pinned_kind(&self.client, &wanted)
            })
            .await?;
        let found = (resource, capabilities.scope);
        known().insert(key, found.clone());
        Ok(found)
    }

    /// Applies an object as its field manager; what came of it. A dry run changes nothing and is checked all the same.
    ///
    /// # Errors
    /// When the cluster refuses; a conflict names the other manager.
    pub async fn apply(&self, object: &Value, dry_run: bool) -> Result<Value, ClusterError> {
        let (api, name) = (self.api(object).await?, name_of(object));
        let mut parameters = PatchParams::apply(FIELD_MANAGER);
        parameters.dry_run = dry_run;
        let patch = Patch::Apply(object);
        let applied = self
            .ask(&format!("apply {}", title(object)), || {
                api.patch(&name, &parameters, &patch)
            })
            .await?;
        Ok(plain(&applied))
    }

    /// The object as it is there, if it is.
    ///
    /// # Errors
    /// When the cluster does not say.
    pub async fn get(&self, object: &Value) -> Result<Option<Value>, ClusterError> {
        let (api, name) = (self.api(object).await?, name_of(object));
        let found = self
            .ask(&format!("look for {}", title(object)), || {
                api.get_opt(&name)
            })
            .await?;
        Ok(found.map(|found| plain(&found)))
    }

    /// Deletes an object with all that it owns, if it is there.
    ///
    /// # Errors
    /// When the cluster refuses.
    pub async fn delete(&self, object: &Value) -> Result<(), ClusterError> {
        let (api, name) = (self.api(object).await?, name_of(object));
        let parameters = DeleteParams::background();
        match self
            .ask(&format!("delete {}", title(object)), || {
                api.delete(&name, &parameters)
            })
            .await
        {
            Ok(_)
            | Err(ClusterError::Refused {
                code: Some(404), ..
            }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// What the server answers at a path, as text.
    ///
    /// # Errors
    /// When it refuses.
    pub async fn text(&self, path: &str) -> Result<String, ClusterError> {
        let request = || {
            hyper::Request::get(path)
                .body(Vec::new())
                .map_err(kube::Error::HttpError)
        };
        self.ask(&format!("get {path}"), || async {
            self.client.request_text(request()?).await
        })
        .await
    }

    /// All kinds that can be listed and deleted, with the version that the cluster prefers.
    ///
    /// # Errors
    /// When the cluster does not say.
    pub async fn deletable_kinds(&self) -> Result<Vec<(String, String)>, ClusterError> {
        use kube::discovery::{Discovery, verbs};
        let found = self
            .ask("find out which kinds there are", || {
                Discovery::new(self.client()).run()
            })
            .await?;
        let kinds = found
            .groups()
            .flat_map(kube::discovery::ApiGroup::recommended_resources);
        let deletable = kinds.filter(|(_, can)| {
            can.supports_operation(verbs::LIST) && can.supports_operation(verbs::DELETE)
        });
        Ok(deletable
            .map(|(resource, _)| (resource.api_version, resource.kind))
            .filter(|(_, kind)| kind != "Event")
            .collect())
    }

    /// Objects of a kind that a selector of labels selects, in a namespace or in all.
    ///
    /// # Errors
    /// When the cluster does not say.
    pub async fn list(
        &self,
        version: &str,
        kind: &str,
        namespace: Option<&str>,
        parameters: &ListParams,
    ) -> Result<Vec<Value>, ClusterError> {
        let (resource, scope) = self.kind(version, kind).await?;
        let api: Api<DynamicObject> = match namespace {
            Some(namespace) if scope == Scope::Namespaced => {
                Api::namespaced_with(self.client(), namespace, &resource)
            }
            _ => Api::all_with(self.client(), &resource),
        };
        let found = self
            .ask(&format!("list {}", resource.plural), || {
                api.list(parameters)
            })
            .await?;
        let named = |object: &DynamicObject| {
            let mut object = plain(object);
            object["apiVersion"] = version.into();
            object["kind"] = kind.into();
            object
        };
        Ok(found.items.iter().map(named).collect())
    }
}

/// An object as JSON. It came from JSON, so nothing can go wrong.
pub(super) fn plain(object: &DynamicObject) -> Value {
    serde_json::to_value(object).unwrap_or_default()
}

/// An object's name.
#[must_use]
pub fn name_of(object: &Value) -> String {
    object["metadata"]["name"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// Kind and name, for people.
#[must_use]
pub fn title(object: &Value) -> String {
    let namespace = object["metadata"]["namespace"]
        .as_str()
        .map(|name| format!(" in {name}"))
        .unwrap_or_default();
    format!(
        "{} `{}`{namespace}",
        object["kind"].as_str().unwrap_or("object"),
        name_of(object)
    )
}

fn silent(action: &str) -> ClusterError {
    ClusterError::Refused {
        action: action.to_owned(),
        reason: format!("no answer within {ATTEMPT:?}"),
        code: None,
    }
}

/// The status code of an answer that is a refusal.
pub(super) fn code(error: &kube::Error) -> Option<u16> {
    match error {
        kube::Error::Api(status) => Some(status.code),
        kube::Error::UpgradeConnection(UpgradeConnectionError::ProtocolSwitch(status)) => {
            Some(status.as_u16())
        }
        _ => None,
    }
}

/// Whether the same request may succeed in a moment.
fn passes(error: &kube::Error) -> bool {
    match (error, code(error)) {
        // Two writers met; who owns a field does not change by asking again.
        (kube::Error::Api(status), Some(409)) => {
            let causes = status.details.iter().flat_map(|details| &details.causes);
            causes
                .into_iter()
                .all(|cause| cause.reason != "FieldManagerConflict")
        }
        (_, Some(code)) => matches!(code, 410 | 429 | 500 | 502 | 503 | 504),
        (
            kube::Error::HyperError(_) | kube::Error::Service(_) | kube::Error::ReadEvents(_),
            None,
        ) => true,
        _ => false,
    }
}

/// How long the server wants to be left alone; never longer than it is worth to wait.
fn retry_after(error: &kube::Error) -> Duration {
    let kube::Error::Api(status) = error else {
        return Duration::ZERO;
    };
    let seconds = status
        .details
        .as_ref()
        .map_or(0, |details| details.retry_after_seconds);
    Duration::from_secs(seconds.into()).min(PATIENCE)
}

/// Why, for people: the server's own words where there are any, else the last cause.
pub(super) fn reason(error: &kube::Error) -> String {
    if let kube::Error::Api(status) = error {
        return format!("{} ({})", status.message, status.code);
    }
    let mut told = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(deeper) = cause {
        let words = deeper.to_string();
        if !told.contains(&words) {
            told += &format!(": {words}");
        }
        cause = deeper.source();
    }
    told
}
