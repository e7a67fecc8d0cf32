//! `thread` as scripts know it: a worker, seen from `setup` or from itself.

use super::address::{Addr, connect, lookup};
use super::transfer::Copied;
use crate::target::{Address, Addresses};
use mlua::{Lua, MetaMethod, UserData, UserDataFields, UserDataMethods, Value, WeakLua};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A worker's machine, and what scripts decide for it beyond requests.
#[derive(Clone)]
pub(super) struct Thread {
    /// Weak, since the machine itself holds one of these.
    pub(super) lua: WeakLua,
    /// Where to connect instead; empty: wherever the URL leads.
    pub(super) addresses: Addresses,
    /// Where the URL leads: `thread.addr` until the script sets it.
    pub(super) host: String,
    pub(super) service: String,
    /// `thread:stop()` was called.
    pub(super) stop: Arc<AtomicBool>,
}

impl Thread {
    fn machine(&self) -> mlua::Result<Lua> {
        self.lua
            .try_upgrade()
            .ok_or_else(|| mlua::Error::runtime("the thread is gone"))
    }

    /// The first address behind the URL's name that takes a connection.
    fn usual(&self) -> mlua::Result<Option<Addr>> {
        Ok(lookup(&self.host, &self.service)?
            .into_iter()
            .find(|addr| connect(*addr)))
    }
}

impl UserData for Thread {
    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        fields.add_field_method_get("addr", |_, own| match own.addresses.get(0) {
            Some(Address::Ip(ip)) => Ok(Some(Addr(ip))),
            _ => own.usual(),
        });
        fields.add_field_method_set("addr", |_, own, addr: Addr| {
            own.addresses.set(vec![Address::Ip(addr.0)]);
            Ok(())
        });
    }

    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method("get", |lua, own, name: String| {
            let value: Value = own.machine()?.globals().get(name)?;
            Copied::take(&value)?.put(lua)
        });
        methods.add_method("set", |_, own, (name, value): (String, Value)| {
            let machine = own.machine()?;
            machine
                .globals()
                .set(name, Copied::take(&value)?.put(&machine)?)
        });
        methods.add_method("stop", |_, own, ()| {
            own.stop.store(true, Ordering::Relaxed);
            Ok(())
        });
        methods.add_meta_method(
            MetaMethod::NewIndex,
            |_, _, (name, _): (String, Value)| -> mlua::Result<()> {
                Err(mlua::Error::runtime(format!(
                    "cannot set `{name}` of a thread: use thread:set(\"{name}\", value)"
                )))
            },
        );
    }
}
