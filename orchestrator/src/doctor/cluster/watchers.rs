//! Prometheus and Jaeger: there, quick enough, and large enough for the plan.

use super::super::scrape::Scraped;
use super::super::{Demand, Finding};
use super::facts::{Facts, Jaeger, Watched};
use aefm_workloads::unit::show_duration;

/// Fewer samples of a container in a case than this say little.
const FEW_SAMPLES: f64 = 3.0;

pub(super) fn check(facts: &Facts, demand: Option<&Demand>) -> Vec<Finding> {
    let prometheus = facts
        .prometheus
        .iter()
        .flat_map(|watched| prometheus(watched, facts.scrape.as_secs_f64(), demand));
    let jaeger = facts
        .jaeger
        .iter()
        .map(|found| jaeger(found, facts, demand));
    prometheus.chain(jaeger).collect()
}

fn prometheus(watched: &Watched<Scraped>, wanted_s: f64, demand: Option<&Demand>) -> Vec<Finding> {
    const WHY: &str = "a container's use in a case comes from samples before, in and after it";
    let (place, scraped) = match watched {
        Ok((place, scraped)) => (place, scraped),
        Err(reason) => {
            return vec![Finding::fail(
                "Prometheus",
                reason.clone(),
                "the experiment asks for its samples",
                "name it in `collect.prometheus`, or leave that out: kubelets are asked anyway",
            )];
        }
    };
    let interval_s = scraped.interval.as_secs_f64();
    let found = format!("{place}; samples {} apart", show_duration(scraped.interval));
    let mut findings = Vec::new();
    if !scraped.containers {
        findings.push(Finding::warn(
            "Prometheus",
            format!("{found}; it has none of containers"),
            "it does not scrape the kubelets' cAdvisor, so that there is nothing to gather",
            "add the kubelets to its targets (kube-prometheus-stack has them), or name another one",
        ));
    }
    if interval_s > wanted_s * 1.2 {
        findings.push(Finding::warn(
            "Prometheus",
            format!("{found}; `collect.prometheus.scrape` says {wanted_s} s"),
            "so long after a case its last samples are awaited: they come later than that",
            format!("write `scrape: {}`", show_duration(scraped.interval)),
        ));
    }
    if let Some(demand) =
        demand.filter(|demand| demand.duration.as_secs_f64() < FEW_SAMPLES * interval_s)
    {
        findings.push(Finding::warn(
            "Prometheus",
            format!(
                "{found}: about {:.0} in a case of {}",
                demand.duration.as_secs_f64() / interval_s,
                show_duration(demand.duration)
            ),
            WHY,
            format!(
                "lengthen `load.duration` to {:.0} s or more, or let it scrape more often",
                FEW_SAMPLES * interval_s
            ),
        ));
    }
    if findings.is_empty() {
        findings.push(Finding::ok("Prometheus", found, WHY));
    }
    findings
}

fn jaeger(watched: &Watched<Jaeger>, facts: &Facts, demand: Option<&Demand>) -> Finding {
    const WHY: &str = "what its memory drops before a case is gathered is lost";
    let (place, jaeger) = match watched {
        Ok((place, jaeger)) => (place, jaeger),
        Err(reason) => {
            return Finding::fail(
                "Jaeger",
                reason.clone(),
                "the experiment asks for its traces",
                "name it in `collect.jaeger`; its query side answers on port 16686",
            );
        }
    };
    let storage = jaeger
        .storage
        .as_deref()
        .unwrap_or("a store that is not known");
    let api = jaeger
        .api
        .as_ref()
        .map(|api| format!(", asked by {api}"))
        .unwrap_or_default();
    let keeps = jaeger
        .max_traces
        .map(|most| format!(", at most {most} traces"))
        .unwrap_or_default();
    let bound = jaeger
        .memory
        .as_ref()
        .map(|memory| format!(", in {memory}"))
        .unwrap_or_default();
    let found = format!("{place}: {storage}{keeps}{bound}{api}");
    // The case under way, and those whose collection is still to come.
    #[expect(clippy::cast_precision_loss, reason = "a few cases")]
    let wanted = demand.map_or(0.0, |demand| {
        demand.requests_of_a_case * (facts.pending as f64 + 1.0)
    });
    #[expect(clippy::cast_precision_loss, reason = "a few million traces")]
    match jaeger.max_traces {
        Some(most) if (most as f64) < wanted => Finding::warn(
            "Jaeger",
            format!(
                "{found}; {wanted:.0} traces of {} cases are there at a time",
                facts.pending + 1
            ),
            WHY,
            "raise MEMORY_MAX_TRACES, lower `collect.pending` (`between`), or use a store on disk",
        ),
        None if jaeger.storage.as_deref() == Some("memory") && jaeger.memory.is_some() => {
            Finding::warn(
                "Jaeger",
                format!("{found}, and no bound on traces"),
                "it keeps all of them until it is killed for its memory, and then has none",
                "set MEMORY_MAX_TRACES to what its memory holds",
            )
        }
        _ => Finding::ok("Jaeger", found, WHY),
    }
}
