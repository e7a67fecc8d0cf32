//! Answers of the query API, read.
//!
//! Format: <https://prometheus.io/docs/prometheus/latest/querying/api/>.

use super::Series;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Deserialize)]
struct Answer<'a> {
    #[serde(borrow, default)]
    status: Cow<'a, str>,
    #[serde(borrow, default)]
    data: Option<Data<'a>>,
    #[serde(rename = "errorType", borrow, default)]
    error_type: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    error: Option<Cow<'a, str>>,
    #[serde(default)]
    warnings: Option<Vec<String>>,
    // Remarks on the question, of Prometheus 3.
    #[serde(default)]
    infos: Option<Vec<String>>,
    // VictoriaMetrics says so where a storage node does not answer.
    #[serde(rename = "isPartial", default)]
    is_partial: Option<bool>,
}

#[derive(Debug, Deserialize)]
struct Data<'a> {
    #[serde(rename = "resultType", borrow, default)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    result: Option<Vec<Item<'a>>>,
}

#[derive(Debug, Deserialize)]
struct Item<'a> {
    #[serde(default)]
    metric: Option<BTreeMap<String, String>>,
    #[serde(borrow, default)]
    values: Option<Vec<(f64, Cow<'a, str>)>>,
    #[serde(borrow, default)]
    value: Option<(f64, Cow<'a, str>)>,
    // Native histograms, which are no numbers.
    #[serde(default)]
    histograms: Option<IgnoredAny>,
    #[serde(default)]
    histogram: Option<IgnoredAny>,
}

/// Why an answer is none.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// Not the API's JSON.
    #[error("read Prometheus's answer: {0}")]
    Json(#[from] serde_json::Error),
    /// A login page, say.
    #[error(
        "this is a page, not Prometheus's API: is the address right, and are credentials wanted?"
    )]
    Page,
    /// The server's own error.
    #[error("query Prometheus: {kind}: {message}")]
    Query {
        /// Its type, such as `bad_data`.
        kind: String,
        /// What it says.
        message: String,
    },
    /// Neither series nor instant values.
    #[error("query Prometheus: the result is a {0}, not series")]
    Kind(String),
}

impl AnswerError {
    /// The question had more points than the server gives at once.
    #[must_use]
    pub fn is_resolution(&self) -> bool {
        matches!(self, Self::Query { message, .. } if message.contains("exceeded maximum resolution"))
    }

    /// The question touched more samples than the server loads at once.
    #[must_use]
    pub fn is_size(&self) -> bool {
        matches!(self, Self::Query { message, .. } if message.contains("too many samples") || message.contains("timed out"))
    }
}

/// What an answer held.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Read {
    /// The series.
    pub series: Vec<Series>,
    /// Why it may not be all: the server's warnings, such as parts of a store that did not answer.
    pub doubts: Vec<String>,
    /// What is worth knowing otherwise.
    pub warnings: Vec<String>,
}

/// Reads an answer of `/api/v1/query` or `/api/v1/query_range`. Values that are no numbers are left out; NaN, which
/// marks a series as stale, too.
///
/// # Errors
/// It is not such an answer, or the server's error.
pub fn read(text: &[u8]) -> Result<Read, AnswerError> {
    if text.trim_ascii_start().starts_with(b"<") {
        return Err(AnswerError::Page);
    }
    let answer: Answer<'_> = crate::json::read(text)?;
    if answer.status != "success" {
        return Err(AnswerError::Query {
            kind: answer.error_type.unwrap_or_default().into_owned(),
            message: answer.error.unwrap_or_default().into_owned(),
        });
    }
    let mut doubts = answer.warnings.unwrap_or_default();
    if answer.is_partial == Some(true) {
        doubts.push("the answer is partial: a part of the store did not answer".to_owned());
    }
    let mut warnings = answer.infos.unwrap_or_default();
    let Some(data) = answer.data else {
        return Ok(Read {
            doubts,
            warnings,
            ..Read::default()
        });
    };
    if data.kind != "matrix" && data.kind != "vector" {
        return Err(AnswerError::Kind(data.kind.into_owned()));
    }
    let mut histograms = BTreeSet::new();
    let mut series = Vec::new();
    for item in data.result.unwrap_or_default() {
        let labels = item.metric.unwrap_or_default();
        if item.histograms.is_some() || item.histogram.is_some() {
            histograms.insert(labels.get("__name__").cloned().unwrap_or_default());
        }
        let values = item.values.unwrap_or_default();
        let samples = values
            .iter()
            .chain(&item.value)
            .filter_map(|(seconds, text)| {
                let value: f64 = text.parse().ok().filter(|value: &f64| !value.is_nan())?;
                Some((instant_ns(*seconds), value))
            });
        series.push(Series {
            samples: samples.collect(),
            labels,
        });
    }
    warnings.extend(histograms.into_iter().map(|name| {
        format!(
            "samples of `{name}` that are native histograms are left out: histogram_quantile, histogram_count or \
             histogram_sum make numbers of them"
        )
    }));
    Ok(Read {
        series,
        doubts,
        warnings,
    })
}

/// Prometheus keeps milliseconds.
fn instant_ns(seconds: f64) -> i64 {
    ((seconds * 1e3).round() as i64).saturating_mul(1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matrices_and_vectors_are_series() {
        let text = br#"{"status":"success","data":{"resultType":"matrix","result":[
            {"metric":{"__name__":"up","job":"x"},"values":[[1700000000.123,"1"],[1700000010.123,"NaN"],[1700000020.123,"1.5e3"]]}]},
            "warnings":["a store is down"]}"#;
        let read = read(text).unwrap();
        assert_eq!(
            (
                read.series[0].name(),
                read.series[0].label("job"),
                read.series[0].label("none")
            ),
            ("up", "x", "")
        );
        assert_eq!(
            read.series[0].samples,
            [
                (1_700_000_000_123_000_000, 1.0),
                (1_700_000_020_123_000_000, 1_500.0)
            ]
        );
        assert_eq!(
            (read.doubts, read.warnings),
            (vec!["a store is down".to_owned()], Vec::new())
        );
        for (partial, count) in [("true", 1), ("false", 0), ("null", 0)] {
            let text = format!(
                r#"{{"status":"success","isPartial":{partial},"infos":["a name"],"data":{{"resultType":"vector","result":[]}}}}"#
            );
            let read = super::read(text.as_bytes()).unwrap();
            assert_eq!(
                (read.doubts.len(), read.warnings.len()),
                (count, 1),
                "{text}"
            );
        }
        let vector =
            br#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[5,"+Inf"]}]}}"#;
        assert_eq!(
            super::read(vector).unwrap().series[0].samples,
            [(5_000_000_000, f64::INFINITY)]
        );
    }

    #[test]
    fn null_is_absent_and_native_histograms_are_named() {
        let nothing = br#"{"status":"success","data":{"resultType":"matrix","result":null},"warnings":null,"error":null,"errorType":null}"#;
        assert_eq!(super::read(nothing).unwrap(), Read::default());
        assert_eq!(
            super::read(br#"{"status":"success","data":null}"#).unwrap(),
            Read::default()
        );
        let text = br#"{"status":"success","data":{"resultType":"matrix","result":[
            {"metric":{"__name__":"took"},"histograms":[[5,{"count":"3","sum":"1"}]]},
            {"metric":null,"values":[[5,"1"]],"histograms":null}]}}"#;
        let read = super::read(text).unwrap();
        assert!(
            read.warnings[0].contains("`took`") && read.warnings.len() == 1,
            "{:?}",
            read.warnings
        );
        assert_eq!(
            (read.series[0].samples.len(), read.series[1].samples.len()),
            (0, 1)
        );
    }

    #[test]
    fn the_servers_errors_are_told_apart() {
        let error = |text: &str| read(text.as_bytes()).unwrap_err();
        let resolution = error(
            r#"{"status":"error","errorType":"bad_data","error":"exceeded maximum resolution of 11,000 points per timeseries."}"#,
        );
        assert!(resolution.is_resolution() && !resolution.is_size());
        assert!(error(r#"{"status":"error","errorType":"execution","error":"query processing would load too many samples into memory"}"#).is_size());
        assert!(matches!(
            error(r#"{"status":"success","data":{"resultType":"scalar","result":[]}}"#),
            AnswerError::Kind(_)
        ));
        assert!(matches!(error("\n<html>login</html>"), AnswerError::Page));
        assert!(matches!(
            error("upstream connect error"),
            AnswerError::Json(_)
        ));
    }
}
