//! The driver: asks the lifecycle what comes next, lets the handlers do it, and tells the lifecycle how it went.

use crate::handler::{HandlerError, Table};
use crate::lifecycle::{Ending, Event, EventName, Lifecycle, Operation};
use crate::run::Run;
use crate::signals::Signals;
use tracing::Instrument;

/// Drives a run to its end.
pub(crate) async fn drive(run: &mut Run, handlers: &mut Table, signals: &mut Signals) -> Ending {
    let plan = run.plan();
    let mut lifecycle = Lifecycle::new(&plan);
    let mut event = Event::Begin;
    loop {
        let operation = lifecycle.next(&event);
        let case = match &operation {
            Operation::Fire(_, case) => case.map(|case| plan.cases[case].id.clone()),
            Operation::Stop(_) => None,
        };
        run.journal_before(&operation, case.as_deref());
        let (fired, at) = match operation {
            Operation::Stop(ending) => return ending,
            Operation::Fire(fired, at) => (fired, at),
        };
        if let Some(at) = at {
            run.enter_case(at);
        }
        run.renew_by(lifecycle.renewal());
        let span = tracing::info_span!("", case = case.as_deref().unwrap_or("-"), event = %fired);
        let outcome = obey(run, handlers, signals, &fired).instrument(span).await;
        event = settle(run, &fired, outcome, case.as_deref());
    }
}

enum Outcome {
    Handled(Result<(), HandlerError>),
    Interrupted(&'static str),
}

/// Fires one event. A signal abandons it, but for the last event: that one removes what was started.
async fn obey(
    run: &mut Run,
    handlers: &mut Table,
    signals: &mut Signals,
    fired: &EventName,
) -> Outcome {
    tracing::debug!("begins");
    if *fired == EventName::EndExperiment {
        return Outcome::Handled(handlers.fire(fired, run).await);
    }
    tokio::select! {
        biased;
        name = signals.next() => Outcome::Interrupted(name),
        result = handlers.fire(fired, run) => Outcome::Handled(result),
    }
}

/// Turns the outcome into the lifecycle's next event, and writes it down.
fn settle(run: &mut Run, fired: &EventName, outcome: Outcome, case: Option<&str>) -> Event {
    let (event, reason) = match outcome {
        Outcome::Handled(Ok(())) => (Event::Done, None),
        Outcome::Handled(Err(HandlerError { scope, reason })) => {
            run.fail(fired, &reason);
            (Event::Failed(scope), Some(reason))
        }
        Outcome::Interrupted(signal) => {
            let reason = format!("interrupted by {signal}");
            run.interrupt(&reason);
            (Event::Interrupted, Some(reason))
        }
    };
    run.journal_after(fired, &event, case, reason.as_deref());
    event
}
