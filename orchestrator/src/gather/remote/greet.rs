//! Whether sources are where they should be, tried before anything is measured.

use super::Remotes;
use crate::platform::Endpoints;
use aefm_collector::http::HttpOptions;
use aefm_collector::jaeger::{Jaeger, JaegerOptions};
use aefm_collector::prometheus::{Prometheus, PrometheusOptions, Selector};
use std::time::Duration;

/// Nobody needs longer to say that they are there.
const SOON: Duration = Duration::from_secs(5);

impl Remotes {
    /// What does not answer, in words.
    pub(in crate::gather) async fn greet(&self, endpoints: &Endpoints) -> Vec<String> {
        let (jaeger, prometheus) = tokio::join!(
            self.greet_jaeger(endpoints),
            self.greet_prometheus(endpoints)
        );
        let silent = [("jaeger", jaeger), ("prometheus", prometheus)];
        silent
            .into_iter()
            .filter_map(|(key, answer)| Some((key, answer.err()?)))
            .map(|(key, reason)| {
                format!(
                    "`collect.{key}` does not answer, and without it cases will be degraded: failed to {reason}"
                )
            })
            .collect()
    }

    async fn greet_jaeger(&self, endpoints: &Endpoints) -> Result<(), String> {
        let Some((source, http)) = &self.jaeger else {
            return Ok(());
        };
        let Some(url) = source.url.clone().or_else(|| endpoints.jaeger.clone()) else {
            return Ok(());
        };
        let options = JaegerOptions {
            url: url.clone(),
            grpc: source.grpc.clone(),
            http: once(http),
        };
        in_time(&url, Jaeger::connect(options)).await.map(drop)
    }

    async fn greet_prometheus(&self, endpoints: &Endpoints) -> Result<(), String> {
        let Some((source, http)) = &self.prometheus else {
            return Ok(());
        };
        let Some(url) = source.url.clone().or_else(|| endpoints.prometheus.clone()) else {
            return Ok(());
        };
        let options = PrometheusOptions {
            url: url.clone(),
            http: once(http),
            selector: Selector::default(),
        };
        let greeting = async { Prometheus::new(options)?.greet().await };
        in_time(&url, greeting).await
    }
}

pub(super) fn once(http: &HttpOptions) -> HttpOptions {
    HttpOptions {
        attempts: 1,
        ..http.clone()
    }
}

pub(super) async fn in_time<T, E: std::fmt::Display>(
    url: &str,
    greeting: impl Future<Output = Result<T, E>>,
) -> Result<T, String> {
    tokio::time::timeout(SOON, greeting)
        .await
        .map_err(|_| format!("ask {url}: no answer within {SOON:?}"))?
        .map_err(|error| error.to_string())
}
