//! The lifecycle: a pure machine that says which event fires next, whatever happened before.
//!
//! Invariant: once `start_experiment` has fired, `end_experiment` fires before the machine stops, on every path; so no
//! path leaves interference behind.

use crate::experiment::environment::Renewal;
use crate::plan::Plan;
use std::fmt;

/// The events of an experiment, by the original's names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventName {
    /// Open the run and its sinks.
    StartExperiment,
    /// Bring the application up.
    InitEnvironment,
    /// An axis changed: `start_<axis>`.
    StartAxis(String),
    /// Put the load on.
    StartSingleTestCase,
    /// Gather what happened.
    StartDataCollection,
    /// Remove all interference, then wait for collection.
    EndExperiment,
}

impl fmt::Display for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StartExperiment => f.write_str("start_experiment"),
            Self::InitEnvironment => f.write_str("init_environment"),
            Self::StartAxis(axis) => write!(f, "start_{axis}"),
            Self::StartSingleTestCase => f.write_str("start_single_test_case"),
            Self::StartDataCollection => f.write_str("start_data_collection"),
            Self::EndExperiment => f.write_str("end_experiment"),
        }
    }
}

/// What happened to the operation under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Nothing is under way yet.
    Begin,
    /// It succeeded.
    Done,
    /// It failed.
    Failed(Scope),
    /// The user wants out.
    Interrupted,
}

/// How far a failure reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// This case only.
    Case,
    /// The application must be brought up again before the next case.
    Environment,
    /// The run cannot go on.
    Run,
}

/// What to do next. Case numbers are positions in the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Fire an event; with a case for the events of a case (and for an environment brought up again before it).
    Fire(EventName, Option<usize>),
    /// Nothing more.
    Stop(Ending),
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Every case had its turn.
    Complete,
    /// The user stopped it.
    Interrupted,
    /// It could not go on.
    Failed,
}

/// Environments that fail to come up this often in a row end the run.
const MAX_INIT_FAILURES: u32 = 3;

/// The machine.
#[derive(Clone, Debug)]
pub struct Lifecycle<'a> {
    plan: &'a Plan,
    state: State,
    /// The case whose axis values are in force; none after a failure, so that every axis is set again.
    in_force: Option<usize>,
    environment_up: bool,
    /// What the next `init_environment` does.
    renewal: Renewal,
    init_failures: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Starting,
    Initialising(usize),
    SettingAxis { case: usize, rest: Vec<usize> },
    Loading(usize),
    Collecting(usize),
    Ending(Ending),
    Stopped(Ending),
}

impl<'a> Lifecycle<'a> {
    /// The lifecycle of a plan, before its first event.
    #[must_use]
    pub const fn new(plan: &'a Plan) -> Self {
        let renewal = plan.environment.at_start;
        Self {
            plan,
            state: State::Idle,
            in_force: None,
            environment_up: false,
            renewal,
            init_failures: 0,
        }
    }

    /// What `init_environment` is to do with the application, while that event is under way.
    #[must_use]
    pub const fn renewal(&self) -> Renewal {
        self.renewal
    }

    /// What to do after `event`.
    pub fn next(&mut self, event: &Event) -> Operation {
        let state = std::mem::replace(&mut self.state, State::Idle);
        match (state, event) {
            (State::Idle, Event::Interrupted) => self.stop(Ending::Interrupted),
            (State::Idle, _) => self.fire(State::Starting, EventName::StartExperiment, None),
            (State::Stopped(ending), _) => self.stop(ending),
            (State::Ending(ending), Event::Failed(_)) => self.stop(worse(ending, Ending::Failed)),
            (State::Ending(ending), Event::Interrupted) => {
                self.stop(worse(ending, Ending::Interrupted))
            }
            (State::Ending(ending), _) => self.stop(ending),
            (_, Event::Interrupted) => self.end(Ending::Interrupted),
            (_, Event::Failed(Scope::Run)) | (State::Starting, Event::Failed(_)) => {
                self.end(Ending::Failed)
            }
            (State::Starting, _) => self.begin_case(0),
            (State::Initialising(case), Event::Failed(_)) => self.init_failed(case),
            (State::Initialising(case), _) => {
                self.environment_up = true;
                self.init_failures = 0;
                self.set_axes(case, self.plan.changed(self.in_force, case))
            }
            (State::SettingAxis { case, .. }, Event::Failed(scope)) => {
                self.lose(*scope);
                self.collect(case)
            }
            (State::SettingAxis { case, rest }, _) => self.set_axes(case, rest),
            (State::Loading(case), Event::Failed(scope)) => {
                self.lose(*scope);
                self.collect(case)
            }
            (State::Loading(case), _) => {
                self.in_force = Some(case);
                self.collect(case)
            }
            (State::Collecting(case), Event::Failed(scope)) => {
                self.lose(*scope);
                self.begin_case(case + 1)
            }
            (State::Collecting(case), _) => self.begin_case(case + 1),
        }
    }

    fn begin_case(&mut self, case: usize) -> Operation {
        if case >= self.plan.cases.len() {
            return self.end(Ending::Complete);
        }
        let changed = self.plan.changed(self.in_force, case);
        if self.environment_up {
            self.renewal = self.plan.renewal(&changed);
            if self.renewal == Renewal::Keep {
                return self.set_axes(case, changed);
            }
        }
        self.fire(
            State::Initialising(case),
            EventName::InitEnvironment,
            Some(case),
        )
    }

    fn set_axes(&mut self, case: usize, mut rest: Vec<usize>) -> Operation {
        if rest.is_empty() {
            return self.fire(
                State::Loading(case),
                EventName::StartSingleTestCase,
                Some(case),
            );
        }
        let axis = self.plan.axes[rest.remove(0)].clone();
        self.fire(
            State::SettingAxis { case, rest },
            EventName::StartAxis(axis),
            Some(case),
        )
    }

    fn collect(&mut self, case: usize) -> Operation {
        self.fire(
            State::Collecting(case),
            EventName::StartDataCollection,
            Some(case),
        )
    }

    /// The case cannot be had without its environment; it is collected as failed, and the next one tries again.
    fn init_failed(&mut self, case: usize) -> Operation {
        self.lose(Scope::Environment);
        self.init_failures += 1;
        if self.init_failures >= MAX_INIT_FAILURES {
            return self.end(Ending::Failed);
        }
        self.collect(case)
    }

    const fn lose(&mut self, scope: Scope) {
        self.in_force = None;
        if matches!(scope, Scope::Environment) {
            self.environment_up = false;
            self.renewal = Renewal::Restart;
        }
    }

    fn end(&mut self, ending: Ending) -> Operation {
        self.fire(State::Ending(ending), EventName::EndExperiment, None)
    }

    fn stop(&mut self, ending: Ending) -> Operation {
        self.state = State::Stopped(ending);
        Operation::Stop(ending)
    }

    fn fire(&mut self, state: State, event: EventName, case: Option<usize>) -> Operation {
        self.state = state;
        Operation::Fire(event, case)
    }
}

const fn worse(one: Ending, other: Ending) -> Ending {
    match (one, other) {
        (Ending::Interrupted, _) | (_, Ending::Interrupted) => Ending::Interrupted,
        (Ending::Failed, _) | (_, Ending::Failed) => Ending::Failed,
        (Ending::Complete, Ending::Complete) => Ending::Complete,
    }
}

#[cfg(test)]
mod tests;
