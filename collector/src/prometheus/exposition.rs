//! The text format that exporters and the kubelet (`/metrics/cadvisor`, `/metrics/resource`) serve.
//!
//! Format: <https://prometheus.io/docs/instrumenting/exposition_formats/>, and OpenMetrics as far as samples go.

use super::Series;
use std::collections::BTreeMap;
use std::collections::HashMap;

/// One line that is no sample.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("read line {line} of the metrics: {reason}")]
pub struct LineError {
    /// Its number, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// One sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Labels with `__name__`.
    pub labels: BTreeMap<String, String>,
    /// Its value.
    pub value: f64,
    /// Its own time, ns since the epoch, where it has one.
    pub t_ns: Option<i64>,
}

/// The samples in `text`, and the lines that are none; what can be read is never given up for what cannot.
#[must_use]
pub fn parse(text: &str) -> (Vec<Sample>, Vec<LineError>) {
    let (mut samples, mut errors) = (Vec::new(), Vec::new());
    for (line, content) in (1..).zip(text.lines()) {
        let content = content.trim();
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        match sample(content) {
            Ok(sample) => samples.push(sample),
            Err(reason) => errors.push(LineError { line, reason }),
        }
    }
    (samples, errors)
}

fn sample(line: &str) -> Result<Sample, &'static str> {
    let name_end = line.find(['{', ' ', '\t']).ok_or("there is no value")?;
    let (name, mut rest) = line.split_at(name_end);
    let mut labels = BTreeMap::new();
    if !name.is_empty() {
        labels.insert("__name__".to_owned(), name.to_owned());
    }
    if let Some(inside) = rest.strip_prefix('{') {
        rest = read_labels(inside, &mut labels)?;
    }
    // An exemplar follows a number sign.
    let mut fields = rest
        .split('#')
        .next()
        .unwrap_or_default()
        .split_ascii_whitespace();
    let value = fields.next().ok_or("there is no value")?;
    let value = value.parse::<f64>().map_err(|_| "the value is no number")?;
    let t_ns = match fields.next() {
        None => None,
        Some(field) => Some(instant_ns(field).ok_or("the time is no number")?),
    };
    if labels.contains_key("__name__") {
        Ok(Sample {
            labels,
            value,
            t_ns,
        })
    } else {
        Err("there is no name")
    }
}

/// Milliseconds, or (OpenMetrics) seconds with a fraction.
fn instant_ns(field: &str) -> Option<i64> {
    match field.parse::<i64>() {
        Ok(ms) => ms.checked_mul(1_000_000),
        Err(_) => field
            .parse::<f64>()
            .ok()
            .map(|seconds| ((seconds * 1e3).round() as i64).saturating_mul(1_000_000)),
    }
}

/// Reads `name="value",...}` and returns what follows.
fn read_labels<'a>(
    mut text: &'a str,
    labels: &mut BTreeMap<String, String>,
) -> Result<&'a str, &'static str> {
    loop {
        text = text.trim_start_matches([' ', '\t', ',']);
        if let Some(rest) = text.strip_prefix('}') {
            return Ok(rest);
        }
        let (name, rest) = text.split_once('=').ok_or("the labels do not end")?;
        let quoted = rest
            .trim_start()
            .strip_prefix('"')
            .ok_or("a label has no quoted value")?;
        let (value, rest) = read_quoted(quoted)?;
        labels.insert(name.trim().to_owned(), value);
        text = rest;
    }
}

fn read_quoted(text: &str) -> Result<(String, &str), &'static str> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' => match characters.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, other)) => value.push(other),
                None => break,
            },
            other => value.push(other),
        }
    }
    Err("a label's value does not end")
}

/// Scrapes, each with the time at which it was made, as series by time. Samples that repeat (an exporter's cache) with
/// their own time count once.
#[must_use]
pub fn series<'a>(scrapes: impl IntoIterator<Item = (i64, &'a [Sample])>) -> Vec<Series> {
    let mut places: HashMap<BTreeMap<String, String>, usize> = HashMap::new();
    let mut all: Vec<Series> = Vec::new();
    for (scraped_ns, samples) in scrapes {
        for sample in samples {
            let place = *places.entry(sample.labels.clone()).or_insert_with(|| {
                all.push(Series {
                    labels: sample.labels.clone(),
                    samples: Vec::new(),
                });
                all.len() - 1
            });
            let t_ns = sample.t_ns.unwrap_or(scraped_ns);
            let samples = &mut all[place].samples;
            if samples.last().is_none_or(|(last, _)| t_ns > *last) {
                samples.push((t_ns, sample.value));
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CADVISOR: &str = r#"# HELP container_cpu_usage_seconds_total Cumulative cpu time consumed in seconds.
# TYPE container_cpu_usage_seconds_total counter
container_cpu_usage_seconds_total{container="geo",cpu="total",id="/kubepods/pod1/c1",image="img",name="c1",namespace="hotel",pod="geo-1"} 12.5 1700000000123
container_spec_memory_limit_bytes{container="geo",namespace="hotel",pod="geo-1"} 1.048576e+08
odd{path="C:\\dir\n\"x\"",} +Inf
node_load1 0.5
broken{a="1" 5
alone
m 1 2 # {trace_id="x"} 1
"#;

    #[test]
    fn cadvisors_text_is_read_and_bad_lines_are_told() {
        let (samples, errors) = parse(CADVISOR);
        assert_eq!(samples.len(), 5);
        assert_eq!(
            (samples[0].value, samples[0].t_ns),
            (12.5, Some(1_700_000_000_123_000_000))
        );
        assert_eq!(samples[0].labels["pod"], "geo-1");
        assert_eq!(samples[2].labels["path"], "C:\\dir\n\"x\"");
        assert_eq!((samples[3].value, samples[3].t_ns), (0.5, None));
        assert_eq!(
            errors.iter().map(|error| error.line).collect::<Vec<_>>(),
            [7, 8]
        );
    }

    #[test]
    fn a_repeated_sample_counts_once() {
        let (samples, _) = parse("c{pod=\"a\"} 5 1000\nd 7\n");
        let found = series([(2_000_000_000, &samples[..]), (3_000_000_000, &samples[..])]);
        assert_eq!(found[0].samples, [(1_000_000_000, 5.0)]);
        assert_eq!(
            found[1].samples,
            [(2_000_000_000, 7.0), (3_000_000_000, 7.0)]
        );
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_told(text: String) {
            let (samples, errors) = parse(&text);
            prop_assert!(samples.len() + errors.len() <= text.lines().count());
        }

        #[test]
        fn any_label_comes_back(value: String) {
            let escaped = value.replace('\\', "\\\\").replace('\n', "\\n").replace('"', "\\\"");
            prop_assume!(!value.contains('\r'));
            let (samples, errors) = parse(&format!("m{{l=\"{escaped}\"}} 1"));
            prop_assert_eq!(errors, []);
            prop_assert_eq!(&samples[0].labels["l"], &value);
        }
    }
}
