//! The default action of every event.

use super::{Handler, HandlerError};
use crate::experiment::Experiment;
use crate::lifecycle::{EventName, Scope};
use crate::run::Run;
use aefm_workloads::interference::Kind;
use aefm_workloads::matrix::Factor;
use aefm_workloads::quantity::Unit;
use async_trait::async_trait;
use std::collections::BTreeMap;

/// The default handlers of all events of an experiment.
pub(super) fn handlers(experiment: &Experiment) -> BTreeMap<String, Vec<Box<dyn Handler>>> {
    let mut table: BTreeMap<String, Vec<Box<dyn Handler>>> = BTreeMap::new();
    let mut add = |event: EventName, handler: Box<dyn Handler>| {
        table.insert(event.to_string(), vec![handler])
    };
    add(EventName::StartExperiment, Box::new(OpenSources));
    add(EventName::InitEnvironment, Box::new(BringUp));
    add(EventName::StartSingleTestCase, Box::new(PutLoadOn));
    add(EventName::StartDataCollection, Box::new(Gather));
    add(EventName::EndExperiment, Box::new(End));
    for axis in &experiment.axes {
        let handler: Option<Box<dyn Handler>> = match axis.factor {
            Factor::Rate | Factor::Round => Some(Box::new(Nothing)),
            Factor::Interference(kind) => Some(Box::new(SetInterference(kind))),
            Factor::Custom(_) => None,
        };
        if let Some(handler) = handler {
            add(EventName::StartAxis(axis.factor.name().to_owned()), handler);
        }
    }
    table
}

/// `start_experiment`: opens the receiver, the sampler and the platform.
struct OpenSources;

#[async_trait]
impl Handler for OpenSources {
    async fn handle(&mut self, _: &EventName, run: &mut Run) -> Result<(), HandlerError> {
        run.open()
            .await
            .map_err(|reason| HandlerError::new(Scope::Run, reason))
    }
}

/// `init_environment`: brings the application up.
struct BringUp;

#[async_trait]
impl Handler for BringUp {
    async fn handle(&mut self, _: &EventName, run: &mut Run) -> Result<(), HandlerError> {
        run.bring_up().await
    }
}

/// `start_rate`, `start_round`: the case itself knows its rate and its round.
struct Nothing;

#[async_trait]
impl Handler for Nothing {
    async fn handle(&mut self, _: &EventName, _: &mut Run) -> Result<(), HandlerError> {
        Ok(())
    }
}

/// `start_<kind>`: sets that interference on every testbed node and waits until it is held.
struct SetInterference(Kind);

#[async_trait]
impl Handler for SetInterference {
    async fn handle(&mut self, _: &EventName, run: &mut Run) -> Result<(), HandlerError> {
        let wanted = run
            .current()?
            .case
            .intensities
            .iter()
            .find(|(kind, _)| *kind == self.0)
            .map_or(0.0, |(_, intensity)| *intensity);
        // More than all of a node is asked of it as all: what it gave is held against what the case wants.
        let is_share = run.experiment().interference[&self.0].unit == Unit::Percent.name();
        let asked = if is_share { wanted.min(100.0) } else { wanted };
        let held = run.platform()?.set_interference(self.0, asked).await?;
        if !held.reached {
            // What counts is what will be reached under load: the case is judged by that.
            tracing::info!(
                "{} interference of {wanted} is not reached before the load: {:.1}",
                self.0.name(),
                held.achieved
            );
        }
        Ok(())
    }
}

/// `start_single_test_case`: puts the load on.
struct PutLoadOn;

#[async_trait]
impl Handler for PutLoadOn {
    async fn handle(&mut self, _: &EventName, run: &mut Run) -> Result<(), HandlerError> {
        run.put_load_on().await
    }
}

/// `start_data_collection`: gathers, while the run goes on.
struct Gather;

#[async_trait]
impl Handler for Gather {
    async fn handle(&mut self, _: &EventName, run: &mut Run) -> Result<(), HandlerError> {
        run.gather().await
    }
}

/// `end_experiment`: removes all interference first, then waits for collection, then takes the application down.
struct End;

#[async_trait]
impl Handler for End {
    async fn handle(&mut self, _: &EventName, run: &mut Run) -> Result<(), HandlerError> {
        run.end().await;
        Ok(())
    }
}
