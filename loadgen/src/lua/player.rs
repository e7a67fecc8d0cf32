//! A script at work in a worker: the next string of requests, and what the script makes of answers.

use super::fault::{Hook, ScriptError};
use super::machine::{Hooks, Machine};
use super::thread::Thread;
use super::wire::{Cut, check, cut};
use crate::context::Context;
use crate::http1::Heard;
use crate::target::Address;
use mlua::{Lua, Value};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The script in one worker.
pub(crate) struct Player {
    lua: Lua,
    path: PathBuf,
    hooks: Hooks,
    /// `request` is a function of the script's; otherwise all requests are the one in `text`.
    asks: bool,
    hears: bool,
    waits: bool,
    thread: Thread,
    /// What the script returned, and where its requests are.
    text: Vec<u8>,
    cuts: Vec<Cut>,
    /// The bytes to send where they are not just the text.
    bytes: Vec<u8>,
}

impl fmt::Debug for Player {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Player")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Player {
    pub(super) fn new(machine: Machine, thread: Thread, path: &Path) -> Self {
        Self {
            asks: machine.has("request"),
            hears: machine.has("response"),
            waits: machine.has("delay"),
            lua: machine.lua,
            hooks: machine.hooks,
            path: path.to_owned(),
            thread,
            text: Vec::new(),
            cuts: Vec::new(),
            bytes: Vec::new(),
        }
    }

    /// Takes the one string that a script without `request` sends. To be called after `init`.
    pub(super) fn settle(&mut self, fixed: &[u8]) -> Result<(), ScriptError> {
        if !self.asks {
            self.text = fixed.to_vec();
            self.cut()?;
            self.check()?;
        }
        Ok(())
    }

    /// Asks for a string that is not sent: wrk and wrk2 do so once in their first thread, to see whether it is a whole
    /// number of requests, and scripts that count see it.
    pub(super) fn rehearse(&mut self) -> Result<(), ScriptError> {
        self.ask()?;
        self.check()
    }

    fn check(&self) -> Result<(), ScriptError> {
        check(&self.text, &self.cuts).map_err(|text| ScriptError::request(&self.path, text))
    }

    fn cut(&mut self) -> Result<(), ScriptError> {
        cut(&self.text, &mut self.cuts).map_err(|text| ScriptError::request(&self.path, text))
    }

    /// How much memory the script takes.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.lua.used_memory()
    }

    /// Has the script make its next string. Tells how many requests are in it.
    pub(crate) fn ask(&mut self) -> Result<usize, ScriptError> {
        if self.asks {
            let value: Value =
                self.hooks.request.call(()).map_err(|error| {
                    ScriptError::code(&self.lua, &self.path, Hook::Request, &error)
                })?;
            let Value::String(text) = value else {
                let kind = value.type_name();
                let text = format!("it is a {kind}, not a string such as wrk.format() makes");
                return Err(ScriptError::request(&self.path, text));
            };
            self.text.clear();
            self.text.extend_from_slice(&text.as_bytes());
            self.cut()?;
        }
        Ok(self.cuts.len())
    }

    /// Whether the answer to that request of the string has no body.
    pub(crate) fn bodiless(&self, index: usize) -> bool {
        self.cuts.get(index).is_some_and(|cut| cut.bodiless)
    }

    /// The bytes of as many of the string's requests as there are numbers, each with its trace context.
    pub(crate) fn bytes(
        &mut self,
        numbers: impl Iterator<Item = u64>,
        context: Option<Context>,
    ) -> &[u8] {
        let Some(context) = context else {
            let end = numbers.zip(&self.cuts).last().map_or(0, |(_, cut)| cut.end);
            return &self.text[..end];
        };
        self.bytes.clear();
        let mut start = 0;
        for (number, cut) in numbers.zip(&self.cuts) {
            self.bytes.extend_from_slice(&self.text[start..cut.blank]);
            context.append(number, &mut self.bytes);
            self.bytes.extend_from_slice(&self.text[cut.blank..cut.end]);
            start = cut.end;
        }
        &self.bytes
    }

    /// Whether the script wants to hear of answers.
    pub(crate) fn hears(&self) -> bool {
        self.hears
    }

    /// Tells the script of an answer.
    pub(crate) fn hear(&mut self, status: u16, heard: &Heard) -> Result<(), ScriptError> {
        self.respond(status, heard)
            .map_err(|error| ScriptError::code(&self.lua, &self.path, Hook::Response, &error))
    }

    fn respond(&self, status: u16, heard: &Heard) -> mlua::Result<()> {
        let headers = self
            .lua
            .create_table_with_capacity(0, heard.fields().len())?;
        for (name, value) in heard.fields() {
            headers.raw_set(
                self.lua.create_string(name)?,
                self.lua.create_string(value)?,
            )?;
        }
        self.hooks
            .response
            .call((status, headers, self.lua.create_string(heard.body())?))
    }

    /// Whether connections rest before each request.
    pub(crate) fn waits(&self) -> bool {
        self.waits
    }

    /// How long a connection is to rest before its next request.
    pub(crate) fn delay(&mut self) -> Result<Duration, ScriptError> {
        let wait: mlua::Result<f64> = self.hooks.delay.call(());
        let ms =
            wait.map_err(|error| ScriptError::code(&self.lua, &self.path, Hook::Delay, &error))?;
        // An hour is longer than any time-out; what is no number, or negative, is no wait.
        Ok(Duration::from_secs_f64(
            ms.clamp(0.0, 3.6e6).max(0.0) / 1000.0,
        ))
    }

    /// Whether `thread:stop()` was called.
    pub(crate) fn stopped(&self) -> bool {
        self.thread.stop.load(Ordering::Relaxed)
    }

    /// Where to connect instead of where the URL leads; none if the script leaves that alone.
    pub(crate) fn address(&self) -> Option<Address> {
        self.thread.addresses.get(0)
    }

    pub(super) fn machine(&self) -> &Lua {
        &self.lua
    }
}
