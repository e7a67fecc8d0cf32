//! Questions for traces, as each API spells them.

use super::super::messages::{FindTraces, Parameters, Time};
use super::super::search::Query;
use super::Jaeger;
use crate::http::encode;

impl Jaeger {
    pub(super) fn v1_query(&self, service: &str, query: &Query) -> String {
        let mut url = format!(
            "{}/api/traces?service={}&start={}&end={}&limit={}&raw=true",
            self.url,
            encode(service),
            query.from_us,
            query.to_us,
            query.limit
        );
        if let Some(operation) = &query.operation {
            url.push_str(&format!("&operation={}", encode(operation)));
        }
        if let Some(min) = query.min_us {
            url.push_str(&format!("&minDuration={min}us"));
        }
        if let Some(max) = query.max_us {
            url.push_str(&format!("&maxDuration={}us", above(max)));
        }
        url
    }

    pub(super) fn v3_query(&self, service: &str, query: &Query) -> String {
        let mut pairs = vec![
            ("service_name", "serviceName", service.to_owned()),
            ("start_time_min", "startTimeMin", rfc3339(query.from_us)),
            ("start_time_max", "startTimeMax", rfc3339(query.to_us)),
            ("search_depth", "searchDepth", query.limit.to_string()),
            ("num_traces", "numTraces", query.limit.to_string()),
            ("raw_traces", "rawTraces", "true".to_owned()),
        ];
        if let Some(operation) = &query.operation {
            pairs.push(("operation_name", "operationName", operation.clone()));
        }
        if let Some(min) = query.min_us {
            pairs.push(("duration_min", "durationMin", format!("{min}us")));
        }
        if let Some(max) = query.max_us {
            pairs.push(("duration_max", "durationMax", format!("{}us", above(max))));
        }
        // Versions spell them in either way, and ignore the other.
        let pair = |(snake, camel, value): &(&str, &str, String)| {
            let value = encode(value);
            format!("query.{snake}={value}&query.{camel}={value}")
        };
        format!(
            "{}/api/v3/traces?{}",
            self.url,
            pairs.iter().map(pair).collect::<Vec<_>>().join("&")
        )
    }
}

pub(super) fn grpc_query(service: &str, query: &Query) -> FindTraces {
    let time = |us: i64| {
        let nanos = i32::try_from(us.rem_euclid(1_000_000) * 1_000).unwrap_or(0);
        Time {
            seconds: us.div_euclid(1_000_000),
            nanos,
        }
    };
    FindTraces {
        query: Some(Parameters {
            service_name: service.to_owned(),
            operation_name: query.operation.clone().unwrap_or_default(),
            start_time_min: Some(time(query.from_us)),
            start_time_max: Some(time(query.to_us)),
            duration_min: query.min_us.map(time),
            duration_max: query.max_us.map(|max| time(above(max))),
            search_depth: i32::try_from(query.limit).unwrap_or(i32::MAX),
            raw_traces: true,
        }),
    }
}

/// Durations are compared in nanoseconds: 5.7 us is above 5 and below 6. An overlap loses nothing.
const fn above(max_us: i64) -> i64 {
    max_us.saturating_add(1)
}

fn rfc3339(us: i64) -> String {
    jiff::Timestamp::from_microsecond(us)
        .map_or_else(|_| us.to_string(), |instant| instant.to_string())
}
