//! What a worker sends next: the same request each time, a workload's, a scenario's or a script's. Bytes are made first
//! and sent then, so that what a request costs to make is not taken for the server's time.

mod sessions;

use crate::content::{Content, Drawn, Fields};
use crate::context::Context;
use crate::http1::{Fixed, Heard, write_request};
use crate::lua::{self, Player, ScriptError};
use crate::plan::Plan;
use crate::target::Address;
use aefm_workloads::mix::Request;
use sessions::Sessions;
use std::time::Duration;

/// Makes the bytes of request after request, in one worker.
#[derive(Debug)]
pub(crate) enum Requests {
    Fixed(Fixed),
    Drawn(Writer<Drawn>),
    Scenario(Writer<Sessions>),
    Script {
        player: Box<Player>,
        context: Option<Context>,
    },
}

/// Draws requests one by one and writes each down in HTTP/1.1.
#[derive(Debug)]
pub(crate) struct Writer<S> {
    source: S,
    fields: Fields,
    context: Option<Context>,
    request: Request,
    bytes: Vec<u8>,
}

impl<S> Writer<S> {
    fn new(source: S, plan: &Plan) -> Self {
        let (fields, context) = (plan.fields.clone(), plan.context);
        Self {
            source,
            fields,
            context,
            request: Request::default(),
            bytes: Vec::with_capacity(1024),
        }
    }

    fn write(&mut self, number: u64) {
        self.bytes.clear();
        write_request(
            &mut self.bytes,
            &self.fields,
            &self.request,
            self.context.map(|context| (context, number)),
        );
    }
}

impl Requests {
    /// One a worker and, with a script, the session that they belong to.
    ///
    /// # Errors
    /// The script cannot be started.
    pub(crate) fn of_workers(
        plan: &Plan,
    ) -> Result<(Vec<Self>, Option<lua::Session>), ScriptError> {
        let workers = plan.workers() as u64;
        let shares = (0..workers).map(|worker| plan.share.part(worker, workers));
        let all = match &plan.content {
            Content::Fixed(request) => shares
                .map(|_| Self::Fixed(Fixed::new(&plan.fields, request, plan.context)))
                .collect(),
            Content::Workload(drawn) => shares
                .map(|_| Self::Drawn(Writer::new(drawn.clone(), plan)))
                .collect(),
            Content::Scenario {
                scenario,
                seed,
                prefix,
            } => shares
                .map(|share| {
                    Self::Scenario(Writer::new(
                        Sessions::new(scenario, *seed, prefix, share),
                        plan,
                    ))
                })
                .collect(),
            Content::Script(script) => {
                let (session, players) = lua::Session::start(script, plan.share, workers)?;
                let context = plan.context;
                let all = players.into_iter().map(|player| Self::Script {
                    player: Box::new(player),
                    context,
                });
                return Ok((all.collect(), Some(session)));
            }
        };
        Ok((all, None))
    }

    /// Makes what is sent next on this connection, whose first request has this number. Tells how many requests it is.
    ///
    /// # Errors
    /// Why there is none, reading on from "failed to".
    pub(crate) fn make(&mut self, connection: u32, number: u64) -> Result<usize, String> {
        match self {
            Self::Fixed(fixed) => fixed.number(number),
            Self::Drawn(writer) => {
                writer.source.fill(number, &mut writer.request);
                writer.write(number);
            }
            Self::Scenario(writer) => {
                writer.source.fill(connection, &mut writer.request)?;
                writer.write(number);
            }
            Self::Script { player, .. } => return player.ask().map_err(|error| error.to_string()),
        }
        Ok(1)
    }

    /// Whether making takes so long that the time has to be read again.
    pub(crate) const fn take_time(&self) -> bool {
        !matches!(self, Self::Fixed(_))
    }

    /// Whether the answer to that one of the requests made has no body.
    pub(crate) fn bodiless(&self, index: usize) -> bool {
        match self {
            Self::Fixed(fixed) => fixed.bodiless(),
            Self::Drawn(Writer { request, .. }) | Self::Scenario(Writer { request, .. }) => {
                request.method == "HEAD"
            }
            Self::Script { player, .. } => player.bodiless(index),
        }
    }

    /// The bytes of as many of the requests made as there are numbers.
    pub(crate) fn bytes(&mut self, numbers: impl Iterator<Item = u64>) -> &[u8] {
        match self {
            Self::Fixed(fixed) => fixed.bytes(),
            Self::Drawn(Writer { bytes, .. }) | Self::Scenario(Writer { bytes, .. }) => bytes,
            Self::Script { player, context } => player.bytes(numbers, *context),
        }
    }

    /// Whether answers are to be kept for [`Self::hear`].
    pub(crate) fn hears(&self) -> bool {
        match self {
            Self::Fixed(_) | Self::Drawn(_) => false,
            Self::Scenario(writer) => writer.source.hears(),
            Self::Script { player, .. } => player.hears(),
        }
    }

    /// Takes note of an answer on this connection.
    ///
    /// # Errors
    /// Why it is not what was needed, reading on from "failed to".
    pub(crate) fn hear(
        &mut self,
        connection: u32,
        status: u16,
        heard: &Heard,
    ) -> Result<(), String> {
        match self {
            Self::Fixed(_) | Self::Drawn(_) => Ok(()),
            Self::Scenario(writer) => writer.source.hear(connection, status, heard),
            Self::Script { player, .. } => player
                .hear(status, heard)
                .map_err(|error| error.to_string()),
        }
    }

    /// There will be no answer on this connection.
    pub(crate) fn lose(&mut self, connection: u32) {
        if let Self::Scenario(writer) = self {
            writer.source.end(connection);
        }
    }

    /// Whether this connection has begun something that goes on with its next request.
    pub(crate) fn goes_on(&self, connection: u32) -> bool {
        matches!(self, Self::Scenario(writer) if writer.source.goes_on(connection))
    }

    /// How long a connection is to rest before its next request; none where nobody asks for it.
    ///
    /// # Errors
    /// The script's, reading on from "failed to".
    pub(crate) fn rest(&mut self) -> Result<Option<Duration>, String> {
        match self {
            Self::Script { player, .. } if player.waits() => {
                player.delay().map(Some).map_err(|error| error.to_string())
            }
            _ => Ok(None),
        }
    }

    /// Whether the script has stopped its thread.
    pub(crate) fn stopped(&self) -> bool {
        matches!(self, Self::Script { player, .. } if player.stopped())
    }

    /// How much memory a script takes; none without one.
    pub(crate) fn script_bytes(&self) -> Option<usize> {
        match self {
            Self::Script { player, .. } => Some(player.memory_bytes()),
            _ => None,
        }
    }

    /// Where a script wants to connect instead.
    pub(crate) fn address(&self) -> Option<Address> {
        match self {
            Self::Script { player, .. } => player.address(),
            _ => None,
        }
    }
}
