//! A virtual machine with everything in it that a script expects, and the script run in it once.

use super::Script;
use super::address::{Addr, connect, lookup};
use super::fault::{Hook, ScriptError};
use crate::clock;
use aefm_workloads::draw::derive;
use mlua::{Function, Lua, LuaOptions, StdLib, Table, Value};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The hooks of a script, each looking its function up when it is called.
pub(super) struct Hooks {
    pub(super) request: Function,
    pub(super) response: Function,
    pub(super) delay: Function,
}

/// A machine in which the script has run from top to bottom.
pub(super) struct Machine {
    pub(super) lua: Lua,
    pub(super) hooks: Hooks,
}

impl Machine {
    /// `seed` is this machine's own, if draws are to follow one.
    pub(super) fn new(script: &Script, seed: Option<u64>) -> Result<Self, ScriptError> {
        let lua = machine();
        let hooks = prepare(&lua, script, seed)
            .map_err(|error| ScriptError::machine(&script.path, &error))?;
        let chunk = lua
            .load(&script.source[..])
            .set_name(format!("@{}", script.path.display()));
        chunk
            .exec()
            .map_err(|error| ScriptError::code(&lua, &script.path, Hook::Load, &error))?;
        Ok(Self { lua, hooks })
    }

    /// Whether the script has a global function of that name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.lua
            .globals()
            .get::<Value>(name)
            .is_ok_and(|value| value.is_function())
    }

    /// Puts out what Lua's own buffers hold, so that it stands where it was printed.
    pub(super) fn flush(&self) {
        // Nobody may be reading it any more.
        let _ = self.lua.load("io.stdout:flush()").exec();
    }

    /// `wrk`.
    pub(super) fn wrk(&self) -> mlua::Result<Table> {
        self.lua.globals().get("wrk")
    }

    /// A function of `wrk`.
    pub(super) fn wrk_function(&self, name: &str) -> mlua::Result<Function> {
        self.wrk()?.get(name)
    }
}

#[expect(
    unsafe_code,
    reason = "scripts may use all of Lua's libraries, ffi and debug among them, as they may in wrk"
)]
fn machine() -> Lua {
    // SAFETY: what a script does through ffi or debug is on its author, who could run any program here as well.
    unsafe { Lua::unsafe_new_with(StdLib::ALL, LuaOptions::default()) }
}

fn prepare(lua: &Lua, script: &Script, seed: Option<u64>) -> mlua::Result<Hooks> {
    let given = lua.create_table()?;
    given.set("scheme", script.scheme)?;
    given.set("host", script.host.as_str())?;
    given.set("port", script.port.map(|port| port.to_string()))?;
    given.set("path", script.target.as_str())?;
    given.set("method", script.method.as_str())?;
    given.set(
        "body",
        script
            .body
            .as_ref()
            .map(|body| lua.create_string(body))
            .transpose()?,
    )?;
    let headers = lua.create_table()?;
    for (name, value) in &script.headers {
        headers.set(name.as_str(), value.as_str())?;
    }
    given.set("headers", headers)?;
    given.set("prints_to_stderr", script.prints_to_stderr)?;
    let found = |_: &Lua, (host, service): (String, Value)| lookup(&host, &service.to_string()?);
    given.set("lookup", lua.create_function(found)?)?;
    given.set(
        "connect",
        lua.create_function(|_, addr: Addr| Ok(connect(addr)))?,
    )?;
    given.set(
        "time_us",
        lua.create_function(|_, ()| Ok(clock::wall_ns() / 1000))?,
    )?;
    given.set(
        "gettime",
        lua.create_function(|_, ()| Ok(clock::wall_ns() as f64 / 1e9))?,
    )?;
    given.set(
        "sleep",
        lua.create_function(|_, seconds: f64| sleep(seconds))?,
    )?;
    if let Some(seed) = seed {
        let calls = AtomicU64::new(0);
        // A number in Lua holds 53 bits.
        let next = move |_: &Lua, ()| {
            Ok((derive(seed, calls.fetch_add(1, Ordering::Relaxed)) >> 11) as f64)
        };
        given.set("next_seed", lua.create_function(next)?)?;
    }
    lua.globals().set("url", script.url.as_str())?;
    let hooks: Table = lua
        .load(include_str!("prelude.lua"))
        .set_name("=wrk")
        .call(given)?;
    Ok(Hooks {
        request: hooks.get("request")?,
        response: hooks.get("response")?,
        delay: hooks.get("delay")?,
    })
}

/// `socket.sleep`: holds up the script's worker, as it says it does.
fn sleep(seconds: f64) -> mlua::Result<()> {
    let time = Duration::try_from_secs_f64(seconds.max(0.0));
    std::thread::sleep(
        time.map_err(|error| mlua::Error::runtime(format!("cannot sleep {seconds} s: {error}")))?,
    );
    Ok(())
}
