//! How often a Prometheus scrapes, by its own samples: what a configuration says is not what a kubelet has new.

use aefm_collector::clock::now_ns;
use aefm_collector::http::HttpOptions;
use aefm_collector::prometheus::{
    Prometheus, PrometheusError, PrometheusOptions, Selector, Series,
};
use std::time::Duration;

/// Over so long samples are looked at: five of the longest usual interval.
const WINDOW_NS: i64 = 300_000_000_000;
/// Series of containers, and of targets in general where there are none.
const METRICS: [&str; 2] = ["container_cpu_usage_seconds_total{container!=\"\"}", "up"];

/// What its samples say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scraped {
    /// The middle one of all gaps between two samples of a series.
    pub interval: Duration,
    /// Whether it has series of containers.
    pub containers: bool,
}

/// Asks for the last minutes of samples; the error is for people.
///
/// # Errors
/// It does not answer, or has no series with two samples.
pub async fn measure(url: &str, http: HttpOptions) -> Result<Scraped, String> {
    let told = |error: PrometheusError| error.to_string();
    let http = HttpOptions {
        attempts: 2,
        timeout: Duration::from_secs(15),
        ..http
    };
    let options = PrometheusOptions {
        url: url.to_owned(),
        http,
        selector: Selector::default(),
    };
    let prometheus = Prometheus::new(options).map_err(told)?;
    let to_ns = now_ns();
    for (at, metric) in METRICS.into_iter().enumerate() {
        let (read, _) = prometheus
            .raw(metric, to_ns - WINDOW_NS, to_ns)
            .await
            .map_err(told)?;
        if let Some(interval) = interval(&read.series) {
            return Ok(Scraped {
                interval,
                containers: at == 0,
            });
        }
    }
    Err("measure how often Prometheus scrapes: it has no series with two samples in the last 5 minutes".to_owned())
}

/// The middle gap between samples, whole seconds where it is near one: scrapes are not equally far apart.
fn interval(series: &[Series]) -> Option<Duration> {
    let gaps = series
        .iter()
        .flat_map(|series| series.samples.windows(2).map(|pair| pair[1].0 - pair[0].0));
    let mut gaps: Vec<i64> = gaps.filter(|gap| *gap > 0).collect();
    gaps.sort_unstable();
    let middle = *gaps.get(gaps.len() / 2)?;
    let rounded = (middle + 50_000_000) / 100_000_000 * 100_000_000;
    Some(Duration::from_nanos(
        rounded.max(100_000_000).unsigned_abs(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(at_ms: &[i64]) -> Series {
        Series {
            samples: at_ms.iter().map(|ms| (ms * 1_000_000, 1.0)).collect(),
            ..Series::default()
        }
    }

    #[test]
    fn the_middle_gap_is_the_interval() {
        let jittered = [
            series(&[0, 14_980, 30_010, 45_000]),
            series(&[7_000, 22_020, 97_000]),
        ];
        assert_eq!(interval(&jittered), Some(Duration::from_secs(15)));
        assert_eq!(
            interval(&[series(&[0, 503])]),
            Some(Duration::from_millis(500))
        );
        assert_eq!(interval(&[series(&[0]), series(&[])]), None);
    }
}
