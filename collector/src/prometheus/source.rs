//! Asking a Prometheus.

use super::Series;
use super::answer::{AnswerError, Read, read};
use super::counters::METRICS;
use crate::http::{Http, HttpError, HttpOptions, encode};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::time::{Instant, timeout_at};

/// Where a Prometheus is.
#[derive(Clone, Debug)]
pub struct PrometheusOptions {
    /// Its address, such as `http://127.0.0.1:9090`, with its base path if it has one.
    pub url: String,
    /// Bounds and credentials.
    pub http: HttpOptions,
    /// Which series of containers and pods: `namespace="hotel"` and the like, as PromQL writes them between braces.
    pub selector: Selector,
}

/// What series must match, between PromQL's braces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    /// Of metrics about containers and pods.
    pub pods: String,
    /// Of metrics about nodes.
    pub nodes: String,
}

/// Why Prometheus did not answer.
#[derive(Debug, thiserror::Error)]
pub enum PrometheusError {
    /// Over HTTP.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// With an error, or with what is none of its answers.
    #[error(transparent)]
    Answer(#[from] AnswerError),
}

/// What was had, and what was not.
#[derive(Debug, Default)]
pub struct Scraped {
    /// Series with raw samples.
    pub series: Vec<Series>,
    /// Metrics that have no series there.
    pub absent: Vec<&'static str>,
    /// Metrics that could not be had, and why.
    pub failures: Vec<(&'static str, String)>,
    /// Metrics that were not answered in time.
    pub unasked: Vec<&'static str>,
    /// Why answers may not be all, each once.
    pub doubts: Vec<String>,
    /// What else the server says.
    pub warnings: Vec<String>,
    /// Questions asked.
    pub questions: usize,
}

/// A Prometheus.
#[derive(Clone, Debug)]
pub struct Prometheus {
    url: String,
    http: Http,
    selector: Selector,
    only_gets: Arc<AtomicBool>,
}

/// Points that a server gives at once in a range query.
const POINTS: i64 = 11_000;
/// Windows are not halved below this.
const SMALLEST_NS: i64 = 1_000_000_000;

impl Prometheus {
    /// A client; nothing is asked yet.
    ///
    /// # Errors
    /// Certificates cannot be read.
    pub fn new(options: PrometheusOptions) -> Result<Self, PrometheusError> {
        let http = Http::new(options.http)?;
        Ok(Self {
            url: options.url.trim_end_matches('/').to_owned(),
            http,
            selector: options.selector,
            only_gets: Arc::default(),
        })
    }

    /// Asks by POST, which takes questions of any length, or by GET where something on the way lets only that through.
    async fn ask(&self, path: &str, form: String) -> Result<Read, PrometheusError> {
        let url = format!("{}{path}", self.url);
        if !self.only_gets.load(Ordering::Relaxed) {
            let posted = self.http.post_form(&url, form.clone()).await;
            match posted {
                Err(error) if is_only_post_refused(&error) => {}
                answer => return told(answer),
            }
        }
        let answer = told(self.http.get(&format!("{url}?{form}")).await);
        // Only now it is known that it was the method.
        self.only_gets.fetch_or(answer.is_ok(), Ordering::Relaxed);
        answer
    }

    /// The raw samples of `selector` after `from_ns` and up to `to_ns` (ns since the epoch), split where the server has
    /// too much at once.
    ///
    /// # Errors
    /// The last question's, when it cannot be split further.
    pub async fn raw(
        &self,
        selector: &str,
        from_ns: i64,
        to_ns: i64,
    ) -> Result<(Read, usize), PrometheusError> {
        let mut all = Read::default();
        let mut questions = 0;
        // The next window last.
        let mut open = vec![(from_ns, to_ns)];
        while let Some((from, to)) = open.pop() {
            // A range selector takes whole milliseconds, and more than none.
            let range_ms = (to - from).div_euclid(1_000_000).max(1);
            let query = encode(&format!("{selector}[{range_ms}ms]"));
            let time = to.div_euclid(1_000_000) as f64 / 1e3;
            questions += 1;
            match self
                .ask("/api/v1/query", format!("query={query}&time={time:.3}"))
                .await
            {
                Ok(part) => append(&mut all, part),
                Err(error) if is_size(&error) && to - from > SMALLEST_NS => {
                    let middle = from + (to - from) / 2;
                    open.extend([(middle, to), (from, middle)]);
                }
                Err(error) => return Err(error),
            }
        }
        Ok((all, questions))
    }

    /// An expression evaluated every `step_ns`, split into as many questions as the server's limit on points needs.
    ///
    /// # Errors
    /// The server's, or it does not answer.
    pub async fn range(
        &self,
        query: &str,
        from_ns: i64,
        to_ns: i64,
        step_ns: i64,
    ) -> Result<Read, PrometheusError> {
        let step_ns = step_ns.max(1_000_000);
        let mut all = Read::default();
        let mut from = from_ns;
        while from <= to_ns {
            let to = to_ns.min(from.saturating_add(step_ns.saturating_mul(POINTS - 1)));
            let seconds = |ns: i64| ns.div_euclid(1_000_000) as f64 / 1e3;
            let form = format!(
                "query={}&start={:.3}&end={:.3}&step={:.3}",
                encode(query),
                seconds(from),
                seconds(to),
                seconds(step_ns)
            );
            append(&mut all, self.ask("/api/v1/query_range", form).await?);
            from = to.saturating_add(step_ns);
        }
        Ok(all)
    }

    /// Everything in [`METRICS`] over a window, widened by `margin_ns` so that rates have a sample before and after; what
    /// is not answered by `end` is not awaited. Never fails as a whole: what could not be had is in the result.
    pub async fn scrape(&self, from_ns: i64, to_ns: i64, margin_ns: i64, end: Instant) -> Scraped {
        let mut scraped = Scraped::default();
        let names: BTreeSet<(&'static str, bool)> = METRICS
            .iter()
            .map(|metric| (metric.name, metric.is_node))
            .collect();
        let window = (
            from_ns.saturating_sub(margin_ns),
            to_ns.saturating_add(margin_ns),
        );
        for (place, (name, is_node)) in names.iter().enumerate() {
            let matchers = if *is_node {
                &self.selector.nodes
            } else {
                &self.selector.pods
            };
            let selector = format!("{name}{{{matchers}}}");
            let Ok(answer) = timeout_at(end, self.raw(&selector, window.0, window.1)).await else {
                // One reason for all that is left.
                scraped.unasked = names.iter().skip(place).map(|(name, _)| *name).collect();
                return scraped;
            };
            match answer {
                Ok((read, questions)) => {
                    scraped.questions += questions;
                    if read.series.is_empty() {
                        scraped.absent.push(name);
                    }
                    scraped.series.extend(read.series);
                    add_new(&mut scraped.doubts, read.doubts);
                    add_new(&mut scraped.warnings, read.warnings);
                }
                Err(error) => {
                    scraped.failures.push((*name, error.to_string()));
                    // Down is down: each further metric would wait through all its attempts again.
                    let is_down =
                        matches!(&error, PrometheusError::Http(error) if error.is_passing());
                    if is_down && scraped.series.is_empty() {
                        return scraped;
                    }
                }
            }
        }
        scraped
    }

    /// Whether it answers at all.
    ///
    /// # Errors
    /// It does not, or not as a Prometheus does.
    pub async fn greet(&self) -> Result<(), PrometheusError> {
        self.ask("/api/v1/query", "query=vector(1)".to_owned())
            .await
            .map(drop)
    }
}

/// What is refused may be only how it was asked; a way that a posted question cannot be sent on may be open to others.
fn is_only_post_refused(error: &HttpError) -> bool {
    matches!(error, HttpError::Redirect { .. })
        || error
            .status()
            .is_some_and(|status| [403, 405, 501].contains(&status.as_u16()))
}

/// Adds what was not said yet.
fn add_new(all: &mut Vec<String>, more: Vec<String>) {
    for text in more {
        if !all.contains(&text) {
            all.push(text);
        }
    }
}

/// What an answer says.
fn told(answer: Result<Bytes, HttpError>) -> Result<Read, PrometheusError> {
    match answer {
        Ok(body) => Ok(read(&body)?),
        // 400 and 422 say in JSON what was wrong.
        Err(error) => match &error {
            HttpError::Status { message, .. } => match read(message.as_bytes()) {
                Err(said @ AnswerError::Query { .. }) => Err(said.into()),
                _ => Err(error.into()),
            },
            _ => Err(error.into()),
        },
    }
}

fn is_size(error: &PrometheusError) -> bool {
    match error {
        PrometheusError::Http(error) => error.is_size(),
        PrometheusError::Answer(error) => error.is_size() || error.is_resolution(),
    }
}

/// Adds a later window's samples. Windows touch: a sample at the border comes once.
fn append(all: &mut Read, part: Read) {
    add_new(&mut all.doubts, part.doubts);
    add_new(&mut all.warnings, part.warnings);
    let mut places: BTreeMap<BTreeMap<String, String>, usize> = all
        .series
        .iter()
        .enumerate()
        .map(|(place, series)| (series.labels.clone(), place))
        .collect();
    for series in part.series {
        let place = *places.entry(series.labels.clone()).or_insert_with(|| {
            all.series.push(Series {
                labels: series.labels,
                samples: Vec::new(),
            });
            all.series.len() - 1
        });
        let samples = &mut all.series[place].samples;
        let last = samples.last().map_or(i64::MIN, |(t_ns, _)| *t_ns);
        samples.extend(series.samples.into_iter().filter(|(t_ns, _)| *t_ns > last));
    }
}
