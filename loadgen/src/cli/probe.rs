//! `--find-max`: run after run until the highest rate that meets the objectives is known.

use super::start::print;
use super::{Failure, exit};
use crate::commands::Commands;
use crate::options::Options;
use crate::plan::{Loop, Plan};
use crate::run::run;
use crate::schedule::Profile;
use crate::search::{Next, Try, next};
use crate::slo::Objectives;
use crate::summary::Summary;
use aefm_workloads::load::Verdict;
use serde::Serialize;
use std::sync::Arc;

/// One point of the curve.
#[derive(Debug, Serialize)]
struct Point {
    rate_hz: f64,
    met: bool,
    missed: Vec<String>,
    rate_sent_hz: f64,
    ok_share: f64,
    p50_us: Option<f64>,
    p99_us: Option<f64>,
    verdict: Verdict,
}

/// What was found.
#[derive(Debug, Serialize)]
struct Found<'a> {
    objectives: String,
    rate_max_hz: Option<f64>,
    curve: &'a [Point],
}

pub(super) fn find_max(options: &Options, goal: &Objectives) -> Result<u8, Failure> {
    let commands =
        Commands::listen().map_err(|error| Failure::run(format!("listen for signals: {error}")))?;
    let first_hz = options.plan.rate_asked_hz().unwrap_or(100.0);
    let (mut tries, mut points) = (Vec::<Try>::new(), Vec::<Point>::new());
    let found = loop {
        let rate_hz = match next(first_hz, &tries) {
            Next::Found(found) => break found,
            Next::Try(rate_hz) => rate_hz,
        };
        let Some(point) = probe(&options.plan, rate_hz, goal, &commands)? else {
            return Ok(exit::INTERRUPTED);
        };
        if !options.quiet {
            eprintln!("aefm-load: {}", line(&point));
        }
        tries.push(Try {
            rate_hz,
            met: point.met,
        });
        points.push(point);
    };
    points.sort_by(|a, b| a.rate_hz.total_cmp(&b.rate_hz));
    let result = Found {
        objectives: goal.to_string(),
        rate_max_hz: found,
        curve: &points,
    };
    if options.json {
        print(
            &serde_json::to_string(&result)
                .map(|json| json + "\n")
                .map_err(Failure::run)?,
        )?;
    } else {
        print(&table(&result))?;
    }
    let suspect = points.iter().any(|point| {
        point.met && found == Some(point.rate_hz) && point.verdict == Verdict::Suspect
    });
    Ok(match found {
        None => exit::SLO,
        Some(_) if suspect => exit::SUSPECT,
        Some(_) => exit::VALID,
    })
}

/// One run at this rate; none if it was interrupted.
fn probe(
    plan: &Plan,
    rate_hz: f64,
    goal: &Objectives,
    commands: &Commands,
) -> Result<Option<Point>, Failure> {
    let mut plan = plan.clone();
    if let Loop::Open(schedule) = &plan.load {
        let profile = Profile::constant(rate_hz).map_err(Failure::usage)?;
        plan.load = Loop::Open(schedule.clone().at(profile));
    }
    let plan = Arc::new(plan);
    let finished = run(&plan, commands, &mut |_| {})?;
    let summary = Summary::new(&plan, finished);
    if summary.interrupted {
        return Ok(None);
    }
    let mut missed = goal.missed(&summary);
    // A rate that was not sent was not carried, whatever the answers looked like.
    let sent_share = summary.sent as f64 / summary.intended.max(1) as f64;
    if sent_share < 0.99 {
        missed.push(format!(
            "only {:.1} % of the requests could be sent",
            sent_share * 100.0
        ));
    }
    Ok(Some(Point {
        rate_hz,
        met: missed.is_empty(),
        missed,
        rate_sent_hz: summary.rate_sent_hz,
        ok_share: summary.ok() as f64 / summary.intended.max(1) as f64,
        p50_us: summary.response_time_us.p50,
        p99_us: summary.response_time_us.p99,
        verdict: summary.verdict,
    }))
}

fn line(point: &Point) -> String {
    let ms =
        |us: Option<f64>| us.map_or_else(|| "-".to_owned(), |us| format!("{:.3}", us / 1000.0));
    let met = if point.met { "met" } else { "missed" };
    format!(
        "{:>12.1}/s  {met:<6}  ok {:>7.3} %  p50 {:>9} ms  p99 {:>9} ms  {}",
        point.rate_hz,
        point.ok_share * 100.0,
        ms(point.p50_us),
        ms(point.p99_us),
        if point.verdict == Verdict::Suspect {
            "(suspect)"
        } else {
            ""
        }
    )
    .trim_end()
    .to_owned()
}

fn table(found: &Found<'_>) -> String {
    let mut text = format!("Rates tried for {}\n", found.objectives);
    for point in found.curve {
        text += &format!("{}\n", line(point));
    }
    text += &match found.rate_max_hz {
        Some(rate_hz) => format!("Highest rate that meets them: {rate_hz:.1}/s\n"),
        None => "No rate meets them.\n".to_owned(),
    };
    text
}
