//! The cluster as we use it: objects as plain JSON, made, changed, fetched; and patience with a server that is gone for a
//! moment. What deletes is elsewhere: [`super::provenance::removal`].

mod refusal;

pub use refusal::ClusterError;
pub(super) use refusal::{code, reason};

use super::kubeconfig;
use super::ownership::FIELD_MANAGER;
use super::secret;
use kube::Client;
use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::discovery::{ApiResource, Scope};
use refusal::{passes, retry_after, silent};
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
        let config = kubeconfig::config(context).await?;
        let (client, address) = kubeconfig::client(config)?;
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
    pub(super) async fn api(&self, object: &Value) -> Result<Api<DynamicObject>, ClusterError> {
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

    /// Makes an object that is not there yet; what came of it. A dry run makes nothing and is checked all the same.
    ///
    /// # Errors
    /// When the cluster refuses; with status code 409 where something of that name is there, whoever made it.
    pub async fn create(&self, object: &Value, dry_run: bool) -> Result<Value, ClusterError> {
        let api = self.api(object).await?;
        // Strict: a field that the server does not know is a fault, and not left out.
        let url = format!(
            "{}?fieldManager={FIELD_MANAGER}&fieldValidation=Strict{}",
            api.resource_url(),
            if dry_run { "&dryRun=All" } else { "" }
        );
        let request = || {
            hyper::Request::post(&url)
                .header("content-type", "application/json")
                .body(object.to_string().into_bytes())
                .map_err(kube::Error::HttpError)
        };
        self.ask(&format!("make {}", title(object)), || async {
            self.client.request(request()?).await
        })
        .await
        .map_err(|error| secret::hidden(error, object))
    }

    /// Changes some fields of the object that has this uid, and of no other; what came of it.
    ///
    /// # Errors
    /// When the cluster refuses, or another object of that name is there.
    pub(super) async fn change(
        &self,
        object: &Value,
        uid: &str,
        mut fields: Value,
    ) -> Result<Value, ClusterError> {
        let (api, name) = (self.api(object).await?, name_of(object));
        // A server refuses to change a uid, so that this holds for the one object that has it.
        fields["metadata"]["uid"] = uid.into();
        let parameters = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let patch = Patch::Merge(&fields);
        let changed = self
            .ask(&format!("change {}", title(object)), || {
                api.patch(&name, &parameters, &patch)
            })
            .await?;
        Ok(plain(&changed))
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
