//! Handlers of the user's own among the default ones, on a real run that starts no process.

use super::*;
use crate::cli::Level;
use crate::compose::Written;
use crate::platform::local::placement::Placement;
use crate::run::Ground;
use crate::ui::Ui;
use aefm_workloads::labels::FactorValue;
use std::sync::{Arc, Mutex};

/// Writes down its name, the event and the current case's own factors.
struct Scribe {
    name: &'static str,
    seen: Arc<Mutex<Vec<String>>>,
    fails: bool,
}

#[async_trait]
impl Handler for Scribe {
    async fn handle(&mut self, event: &EventName, run: &mut Run) -> Result<(), HandlerError> {
        let custom = run.current()?.case.custom.clone();
        self.seen
            .lock()
            .expect("no test panicked in here")
            .push(format!("{} {event} {custom:?}", self.name));
        if self.fails {
            Err(HandlerError::new(Scope::Case, "paint"))
        } else {
            Ok(())
        }
    }
}

fn scribe(name: &'static str, seen: &Arc<Mutex<Vec<String>>>) -> Scribe {
    Scribe {
        name,
        seen: Arc::clone(seen),
        fails: false,
    }
}

#[tokio::test]
async fn handlers_act_where_they_were_put_and_know_the_case() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let failing = Scribe {
        fails: true,
        ..scribe("failing", &seen)
    };
    let handlers = Handlers::new()
        .on("start_workload", Method::Append, scribe("last", &seen))
        .on("start_rate", Method::Insert, scribe("first", &seen))
        .on("start_colour", Method::Append, failing)
        .on("start_colour", Method::Append, scribe("never", &seen))
        .on(
            "init_environment",
            Method::Append,
            scribe("replaced", &seen),
        )
        .on("init_environment", Method::Replace, scribe("mine", &seen));
    let data = tempfile::tempdir().expect("a folder");
    let text = format!(
        "axes: {{rate: [1], colour: [red]}}\ndata: {}",
        data.path().display()
    );
    let experiment =
        Experiment::read(&text, &|axis| handlers.acts_on(axis)).expect("a handler acts on colour");
    let mut table = handlers.into_table(&experiment);
    let placement = Placement {
        instrument: vec![0],
        testbed: vec![0],
    };
    let mut run = Run::begin(
        experiment,
        Written {
            text,
            parts: Vec::new(),
        },
        Ground {
            placement,
            survey: None,
        },
        1,
        Level::Off,
        Ui::new(),
    )
    .expect("a folder to run in");
    run.enter_case(0);
    assert_eq!(
        run.plan().cases[0].custom,
        [("colour".to_owned(), FactorValue::Text("red".to_owned()))]
    );

    let axis = |name: &str| EventName::StartAxis(name.to_owned());
    table.fire(&axis("rate"), &mut run).await.expect("both act");
    let failed = table
        .fire(&axis("colour"), &mut run)
        .await
        .expect_err("the first one fails");
    assert_eq!(
        (failed.scope, failed.reason.as_str()),
        (Scope::Case, "paint")
    );
    // The default handler would want a platform, which this run has not.
    table
        .fire(&EventName::InitEnvironment, &mut run)
        .await
        .expect("the default one is replaced");
    assert!(table.fire(&axis("unheard"), &mut run).await.is_err());

    let seen: Vec<_> = seen
        .lock()
        .expect("no handler panicked")
        .iter()
        .map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        seen,
        [
            "first start_rate",
            "last start_rate",
            "failing start_colour",
            "mine init_environment"
        ]
    );
}
