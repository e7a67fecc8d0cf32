//! The application's initial data: `aefm init-data` as a child process, which asks first whether they are there.

use super::spawn::{Program, Spawner};
use aefm_workloads::catalogue::Application;
use serde::Deserialize;
use std::time::Duration;

/// So long may it take; 962 users, their follows and posts take seconds.
const DEADLINE: Duration = Duration::from_secs(600);
/// How long a child that has told its report may take to end.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// What `aefm init-data --json` tells, as far as it matters here.
#[derive(Debug, Deserialize)]
struct Report {
    skipped: bool,
    asked: usize,
    confirmed: usize,
    reasons: Vec<String>,
}

/// Puts the data of the application behind `entrance` there, where it has any and they are missing.
///
/// # Errors
/// When they are not all there afterwards.
pub(in crate::platform) async fn initialise(
    spawner: &Spawner,
    app: &str,
    cores: &[usize],
    entrance: &str,
) -> Result<(), String> {
    let application = Application::by_name(app).map_err(|error| error.to_string())?;
    if application.data.is_none() {
        return Ok(());
    }
    let failed = |reason: String| format!("initialise the data of {app}: {reason}");
    let args = ["init-data", app, "--url", entrance, "--json"]
        .map(str::to_owned)
        .to_vec();
    let program = Program {
        name: "init-data".to_owned(),
        args,
        cores: cores.to_vec(),
    };
    let mut child = spawner
        .spawn(program)
        .await
        .map_err(|error| failed(error.to_string()))?;
    let mut lines = child
        .lines()
        .ok_or_else(|| failed("its output is taken".to_owned()))?;
    let line = match tokio::time::timeout(DEADLINE, lines.next_line()).await {
        Ok(line) => line.ok().flatten(),
        Err(_) => return Err(failed(format!("it is not done after {DEADLINE:?}"))),
    };
    let Some(line) = line else {
        drop(tokio::time::timeout(LAST_WORDS, child.exit().wait()).await);
        return Err(failed(child.obituary()));
    };
    let report: Report = serde_json::from_str(&line)
        .map_err(|error| failed(format!("it said `{line}`: {error}")))?;
    let ended = tokio::time::timeout(LAST_WORDS, child.exit().wait()).await;
    if ended.is_ok_and(|status| status.success()) {
        let done = if report.skipped {
            "were there already"
        } else {
            "are there now"
        };
        tracing::info!(
            "the data of {app} {done}: {} of {} questions",
            report.confirmed,
            report.asked
        );
        return Ok(());
    }
    let Report {
        asked,
        confirmed,
        reasons,
        ..
    } = report;
    Err(failed(format!(
        "{confirmed} of {asked} questions are answered as expected: {}",
        reasons.join("; ")
    )))
}
