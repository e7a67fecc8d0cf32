//! `wrk.lookup` and `wrk.connect`: addresses as values in a script.

use mlua::{FromLua, Lua, MetaMethod, UserData, UserDataMethods, Value};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

/// How long `wrk.connect` tries.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// An address in a script. As text it is `host:port`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Addr(pub(super) SocketAddr);

impl UserData for Addr {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_meta_method(MetaMethod::ToString, |_, own, ()| {
            Ok(format!("{}:{}", own.0.ip(), own.0.port()))
        });
    }
}

impl FromLua for Addr {
    fn from_lua(value: Value, _: &Lua) -> mlua::Result<Self> {
        let type_name = value.type_name();
        let addr = value
            .as_userdata()
            .and_then(|data| data.borrow::<Self>().ok().map(|own| *own));
        addr.ok_or_else(|| {
            mlua::Error::runtime(format!(
                "an address is needed, as wrk.lookup() returns them, not a {type_name}"
            ))
        })
    }
}

/// All addresses of a host. The service is a port, `http` or `https`.
pub(super) fn lookup(host: &str, service: &str) -> mlua::Result<Vec<Addr>> {
    let port = match service {
        "http" => 80,
        "https" => 443,
        digits => digits.parse().map_err(|_| {
            mlua::Error::runtime(format!(
                "cannot look up the service {digits}: give a port, http or https"
            ))
        })?,
    };
    let found = (host, port).to_socket_addrs();
    let found =
        found.map_err(|error| mlua::Error::runtime(format!("cannot look up {host}: {error}")))?;
    Ok(found.map(Addr).collect())
}

/// Whether somebody takes a connection there.
pub(super) fn connect(addr: Addr) -> bool {
    TcpStream::connect_timeout(&addr.0, CONNECT_TIMEOUT).is_ok()
}
