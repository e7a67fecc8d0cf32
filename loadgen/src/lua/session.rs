//! A script's run as a whole: `setup` and `init` for each worker before it, `done` after it.

use super::Script;
use super::fault::{Hook, ScriptError};
use super::machine::Machine;
use super::player::Player;
use super::stats::Stats;
use super::thread::Thread;
use super::totals::Totals;
use crate::schedule::Share;
use crate::target::Addresses;
use aefm_workloads::draw::derive;
use mlua::{Lua, Table};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The machine of `setup` and `done`, and those of the workers, which have to outlive these for `done` to look into.
pub(crate) struct Session {
    main: Machine,
    path: PathBuf,
    _workers: Vec<Lua>,
}

impl Session {
    /// Runs the script once for each worker and once for all, and has it set up and initialise all. With one player a
    /// worker.
    ///
    /// # Errors
    /// The script's first fault.
    pub(crate) fn start(
        script: &Script,
        share: Share,
        workers: u64,
    ) -> Result<(Self, Vec<Player>), ScriptError> {
        // No two machines of any shard draw alike.
        let seed = |stream: u64| {
            script
                .seed
                .map(|seed| derive(derive(seed, share.index), stream))
        };
        let main = Machine::new(script, seed(0))?;
        let (mut players, mut lives) = (Vec::new(), Vec::new());
        for worker in 0..workers {
            let mut player = prepare(script, &main, seed(worker + 1))?;
            if worker == 0 {
                player.rehearse()?;
            }
            lives.push(player.machine().clone());
            players.push(player);
        }
        main.flush();
        Ok((
            Self {
                main,
                path: script.path.clone(),
                _workers: lives,
            },
            players,
        ))
    }

    /// Calls `done`, if the script has it.
    ///
    /// # Errors
    /// It fails.
    pub(crate) fn done(&self, totals: Totals) -> Result<(), ScriptError> {
        if !self.main.has("done") {
            return Ok(());
        }
        let done = self
            .call_done(totals)
            .map_err(|error| ScriptError::code(&self.main.lua, &self.path, Hook::Done, &error));
        self.main.flush();
        done
    }

    fn call_done(&self, totals: Totals) -> mlua::Result<()> {
        let lua = &self.main.lua;
        let summary = lua.create_table()?;
        summary.set("duration", totals.duration_us)?;
        summary.set("requests", totals.requests)?;
        summary.set("bytes", totals.bytes)?;
        let errors = lua.create_table()?;
        for (name, count) in totals.errors {
            errors.set(name, count)?;
        }
        summary.set("errors", errors)?;
        let latency = Stats {
            hist: totals.response,
            scale: 1000.0,
        };
        let requests = Stats {
            hist: totals.pace,
            scale: 1.0,
        };
        lua.globals()
            .get::<mlua::Function>("done")?
            .call((summary, latency, requests))
    }
}

/// A worker's machine: `setup` in the main one, then `init` in its own, as wrk does.
fn prepare(script: &Script, main: &Machine, seed: Option<u64>) -> Result<Player, ScriptError> {
    let own = Machine::new(script, seed)?;
    let own_lua = own.lua.clone();
    let code =
        |lua, hook| move |error: mlua::Error| ScriptError::code(lua, &script.path, hook, &error);
    let thread = Thread {
        lua: own.lua.weak(),
        addresses: Addresses::default(),
        host: script.lookup_name.clone(),
        service: script.service(),
        stop: Arc::new(AtomicBool::new(false)),
    };
    own.wrk()
        .and_then(|wrk| wrk.set("thread", thread.clone()))
        .map_err(code(&own_lua, Hook::Load))?;
    main.wrk_function("setup")
        .and_then(|setup| setup.call::<()>(thread.clone()))
        .map_err(code(&main.lua, Hook::Setup))?;
    init(&own, &script.args).map_err(code(&own_lua, Hook::Init))?;
    // Nothing runs yet that could be stopped.
    thread.stop.store(false, Ordering::Relaxed);
    let fixed = own
        .wrk_function("request")
        .and_then(|request| request.call::<mlua::LuaString>(()));
    let fixed = fixed
        .map_err(code(&own_lua, Hook::Request))?
        .as_bytes()
        .to_vec();
    let mut player = Player::new(own, thread, &script.path);
    player.settle(&fixed)?;
    Ok(player)
}

fn init(machine: &Machine, args: &[String]) -> mlua::Result<()> {
    let table: Table = machine.lua.create_table()?;
    for (index, arg) in args.iter().enumerate() {
        table.raw_set(index, arg.as_str())?;
    }
    machine.wrk_function("init")?.call(table)
}
