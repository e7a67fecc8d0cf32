//! The Prometheus and the Jaeger of an experiment.

use super::super::super::scrape::{self, Scraped};
use super::{Jaeger, Watched};
use crate::experiment::Experiment;
use crate::experiment::kubernetes::Source;
use crate::platform::kubernetes::cluster::Cluster;
use crate::platform::kubernetes::found::{self, Found, Target};
use crate::platform::kubernetes::service_proxy::ServiceProxy;
use aefm_collector::http::HttpOptions;
use aefm_collector::jaeger::{Jaeger as Client, JaegerOptions};
use kube::api::ListParams;
use serde_json::Value;
use std::time::Duration;

/// An answer that takes longer is none here.
const PATIENCE: Duration = Duration::from_secs(15);

/// All Services, or why they are not known.
type Services = Result<Vec<Value>, String>;

/// The experiment's Prometheus, if it has one.
pub(super) async fn prometheus(
    cluster: &Cluster,
    experiment: &Experiment,
    services: &Services,
) -> Option<Watched<Scraped>> {
    let source = experiment.collect.prometheus.as_ref()?;
    let measured = async {
        if let Some(url) = &source.url {
            let http = source.access.http().map_err(|error| error.to_string())?;
            return Ok((url.clone(), scrape::measure(url, http).await?));
        }
        let found = choose(Target::Prometheus, services, source.cluster.as_ref())?;
        let way = ServiceProxy::listen(cluster.client(), &found)
            .await
            .map_err(|error| error.to_string())?;
        let scraped = scrape::measure(way.url(), HttpOptions::default()).await;
        Ok((
            found.to_string(),
            scraped.map_err(|reason| format!("{found}: {reason}"))?,
        ))
    };
    Some(measured.await)
}

/// The experiment's Jaeger: one that it names, or the one that the application brings along.
pub(super) async fn jaeger(
    cluster: &Cluster,
    experiment: &Experiment,
    services: &Services,
    objects: &[Value],
) -> Option<Watched<Jaeger>> {
    let source = experiment.collect.jaeger.as_ref()?;
    if source.url.is_none()
        && source.cluster.is_none()
        && experiment.kubernetes.deploy != Source::Emulated
    {
        let own = objects
            .iter()
            .find_map(|object| store(&object["spec"]["template"]["spec"]));
        return own.map(|jaeger| Ok(("the application's own".to_owned(), jaeger)));
    }
    let found = async {
        if let Some(url) = &source.url {
            let http = source.access.http().map_err(|error| error.to_string())?;
            let api = Some(api(url, source.grpc.clone(), http).await?);
            return Ok((
                url.clone(),
                Jaeger {
                    api,
                    ..Jaeger::default()
                },
            ));
        }
        let found = choose(Target::Jaeger, services, source.cluster.as_ref())?;
        let way = ServiceProxy::listen(cluster.client(), &found)
            .await
            .map_err(|error| error.to_string())?;
        let api = api(way.url(), None, HttpOptions::default()).await?;
        let known = pods_behind(cluster, services, &found)
            .await
            .iter()
            .find_map(|pod| store(&pod["spec"]));
        Ok((
            found.to_string(),
            Jaeger {
                api: Some(api),
                ..known.unwrap_or_default()
            },
        ))
    };
    Some(found.await)
}

fn choose(
    target: Target,
    services: &Services,
    named: Option<&crate::experiment::collect::ServiceName>,
) -> Result<Found, String> {
    let services = services.as_ref().map_err(String::clone)?;
    found::choose(target, services, named, None).map_err(|error| error.to_string())
}

/// How the Jaeger there is asked; the error is for people.
async fn api(url: &str, grpc: Option<String>, http: HttpOptions) -> Result<String, String> {
    let http = HttpOptions {
        timeout: PATIENCE,
        attempts: 2,
        ..http
    };
    let client = Client::connect(JaegerOptions {
        url: url.to_owned(),
        grpc,
        http,
    })
    .await;
    use aefm_collector::jaeger::Api;
    client.map_err(|error| error.to_string()).map(|client| {
        match client.api() {
            Api::Grpc => "gRPC (v3)",
            Api::V3 => "/api/v3",
            Api::V1 => "/api/traces",
        }
        .to_owned()
    })
}

async fn pods_behind(cluster: &Cluster, services: &Services, found: &Found) -> Vec<Value> {
    let is_it = |one: &&Value| {
        one["metadata"]["name"] == found.name.as_str()
            && one["metadata"]["namespace"] == found.namespace.as_str()
    };
    let service = services.iter().flatten().find(is_it);
    let Some(selector) = service.and_then(|service| service["spec"]["selector"].as_object()) else {
        return Vec::new();
    };
    let pairs = selector
        .iter()
        .filter_map(|(label, value)| Some(format!("{label}={}", value.as_str()?)));
    let labels = pairs.collect::<Vec<_>>().join(",");
    let pods = cluster
        .list(
            "v1",
            "Pod",
            Some(&found.namespace),
            &ListParams::default().labels(&labels),
        )
        .await;
    pods.unwrap_or_default()
}

/// What a pod's Jaeger keeps, by its container's environment and arguments; none where the pod has no Jaeger. All-in-one
/// keeps traces in memory unless it is told otherwise.
fn store(pod: &Value) -> Option<Jaeger> {
    let containers = pod["containers"].as_array()?;
    let is_jaeger = |container: &&Value| {
        container["image"]
            .as_str()
            .is_some_and(|image| image.contains("jaeger"))
    };
    let container = containers.iter().find(is_jaeger)?;
    let env = |name: &str| {
        let list = container["env"].as_array();
        let found = list
            .into_iter()
            .flatten()
            .find(|variable| variable["name"] == name);
        found
            .and_then(|variable| variable["value"].as_str())
            .map(str::to_owned)
    };
    let argument = |name: &str| {
        let all = container["args"].as_array();
        all.into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .find_map(|argument| Some(argument.strip_prefix(name)?.to_owned()))
    };
    let all_in_one = container["image"]
        .as_str()
        .is_some_and(|image| image.contains("all-in-one"));
    let most = env("MEMORY_MAX_TRACES").or_else(|| argument("--memory.max-traces="));
    Some(Jaeger {
        api: None,
        storage: env("SPAN_STORAGE_TYPE").or_else(|| all_in_one.then(|| "memory".to_owned())),
        max_traces: most
            .and_then(|most| most.parse().ok())
            .filter(|most| *most > 0),
        memory: container["resources"]["limits"]["memory"]
            .as_str()
            .map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_jaeger_keeps_is_read_off_its_container() {
        let pod = |container: Value| json!({ "containers": [{ "image": "proxy" }, container] });
        let by_env = json!({ "image": "jaegertracing/all-in-one:1.57", "env": [{ "name": "MEMORY_MAX_TRACES", "value": "200000" }],
            "resources": { "limits": { "memory": "6Gi" } } });
        let memory = Some("memory".to_owned());
        let expected = Jaeger {
            api: None,
            storage: memory.clone(),
            max_traces: Some(200_000),
            memory: Some("6Gi".into()),
        };
        assert_eq!(store(&pod(by_env)), Some(expected));
        let by_argument =
            json!({ "image": "jaegertracing/all-in-one", "args": ["--memory.max-traces=5000"] });
        assert_eq!(
            store(&pod(by_argument)).map(|one| (one.storage, one.max_traces)),
            Some((memory, Some(5_000)))
        );
        let elastic = json!({ "image": "jaegertracing/jaeger-query", "env": [{ "name": "SPAN_STORAGE_TYPE", "value": "elasticsearch" }] });
        assert_eq!(
            store(&pod(elastic)).and_then(|one| one.storage).as_deref(),
            Some("elasticsearch")
        );
        assert_eq!(
            store(&json!({ "containers": [{ "image": "mongo" }] })),
            None
        );
    }
}
