//! Handlers: what acts on the events of an experiment. The default actions are handlers, too.

mod default;

use crate::experiment::Experiment;
use crate::lifecycle::{EventName, Scope};
use crate::platform::PlatformError;
use crate::run::Run;
use async_trait::async_trait;
use std::collections::BTreeMap;

/// A handler's failure.
pub type HandlerError = PlatformError;

/// Something that acts on an event. It receives the run with the current case in it, which is set before the case's
/// first `start_<axis>`.
///
/// A handler may be dropped at any await when the user interrupts the run: whatever it starts must be known to the run
/// or end by its own drop.
#[async_trait]
pub trait Handler: Send {
    /// Acts.
    ///
    /// # Errors
    /// What failed and how far that reaches: the case, the environment, or the run.
    async fn handle(&mut self, event: &EventName, run: &mut Run) -> Result<(), HandlerError>;
}

/// Where a handler goes among those of its event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// After all that are there.
    Append,
    /// Before all that are there.
    Insert,
    /// In place of all that are there, the default one included.
    Replace,
}

/// All handlers, by event name.
#[derive(Default)]
pub struct Handlers {
    own: Vec<(String, Method, Box<dyn Handler>)>,
}

/// The handlers of a run, the default ones in their places.
pub(crate) struct Table(BTreeMap<String, Vec<Box<dyn Handler>>>);

impl Handlers {
    /// No handlers but the default ones.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a handler for an event (`init_environment`, `start_cpu`, ...).
    #[must_use]
    pub fn on(mut self, event: &str, method: Method, handler: impl Handler + 'static) -> Self {
        self.own
            .push((canonical(event).to_owned(), method, Box::new(handler)));
        self
    }

    /// Whether some handler acts on changes of an axis, so that the axis may be the user's own.
    #[must_use]
    pub fn acts_on(&self, axis: &str) -> bool {
        self.own
            .iter()
            .any(|(event, ..)| event.strip_prefix("start_") == Some(axis))
    }

    /// The default handlers of the experiment's events, and those of the user's among them.
    pub(crate) fn into_table(self, experiment: &Experiment) -> Table {
        let mut table = default::handlers(experiment);
        for (event, method, handler) in self.own {
            let handlers = table.entry(event).or_default();
            match method {
                Method::Append => handlers.push(handler),
                Method::Insert => handlers.insert(0, handler),
                Method::Replace => *handlers = vec![handler],
            }
        }
        Table(table)
    }
}

impl Table {
    /// Lets all handlers of an event act, in their order, until one fails.
    pub(crate) async fn fire(
        &mut self,
        event: &EventName,
        run: &mut Run,
    ) -> Result<(), HandlerError> {
        let name = event.to_string();
        let Some(handlers) = self.0.get_mut(&name) else {
            return Err(HandlerError::new(
                Scope::Run,
                format!("act on {name}: it has no handler"),
            ));
        };
        for handler in handlers {
            handler.handle(event, run).await?;
        }
        Ok(())
    }
}

/// The original's `start_workload` is `start_rate`.
fn canonical(event: &str) -> &str {
    if event == "start_workload" {
        "start_rate"
    } else {
        event
    }
}

#[cfg(test)]
mod tests;
