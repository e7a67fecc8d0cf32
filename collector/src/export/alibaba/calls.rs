//! The calls within a trace: who (UM) called whom (DM), how, and under which number.

use crate::export::attributes::members;
use crate::span::{Span, SpanKind};
use crate::trace::Tree;
use aefm_workloads::ids::TraceId;

/// A microservice and its instance, empty where it was not said.
pub(super) type Side<'a> = (&'a str, &'a str);

/// The communication paradigm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Paradigm {
    Rpc,
    Http,
    /// A message queue.
    Mq,
    /// A database, and whether it was written to.
    Db(bool),
    /// A cache in memory, likewise.
    Mc(bool),
}

/// What caches in memory are called, each followed by whatever else is in a name.
const CACHES: [&str; 5] = ["memcache", "mmc", "redis", "valkey", "dragonfly"];
/// What databases are called.
const DATABASES: [&str; 12] = [
    "mongo",
    "mysql",
    "mariadb",
    "postgres",
    "sql",
    "cassandra",
    "couch",
    "dynamodb",
    "elasticsearch",
    "oracle",
    "mssql",
    "clickhouse",
];
/// What writes to a store.
const WRITES: [&str; 9] = [
    "insert", "update", "delete", "set", "add", "replace", "incr", "decr", "upsert",
];

fn is_write(word: &str) -> bool {
    WRITES.contains(&word)
}

/// The words of a name, at whatever separates them.
fn words(name: &str) -> impl Iterator<Item = &str> {
    name.split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
}

/// One record of a call.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Call<'a> {
    pub(super) trace_id: TraceId,
    /// The operation that the trace is of.
    pub(super) entrance: &'a str,
    /// `0` for the root's call, `0.1` for the first call within it, and so on.
    pub(super) rpc_id: String,
    pub(super) paradigm: Paradigm,
    pub(super) um: Side<'a>,
    pub(super) dm: Side<'a>,
    pub(super) interface: &'a str,
    pub(super) start_ns: i64,
    pub(super) duration_ns: i64,
    /// Whose record this is.
    pub(super) seen_by: SeenBy,
}

/// Which side's span a record of a call is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SeenBy {
    /// The caller's.
    Caller,
    /// The callee's; the caller has one, too.
    Callee,
    /// The callee's, and the caller made none.
    CalleeAlone,
}

impl Paradigm {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Rpc => "rpc",
            Self::Http => "http",
            Self::Mq => "mq",
            Self::Db(_) => "db",
            Self::Mc(_) => "mc",
        }
    }

    /// The store that is called so, if it is known as one; `words` say what is done there.
    fn store(name: &str, words: &[&str]) -> Option<Self> {
        let is_one_of = |stores: &[&str]| stores.iter().any(|store| name.starts_with(store));
        let writes = words.iter().any(|word| is_write(word));
        if is_one_of(&CACHES) {
            Some(Self::Mc(writes))
        } else if is_one_of(&DATABASES) {
            Some(Self::Db(writes))
        } else {
            None
        }
    }

    /// By OpenTelemetry's attributes, and where there are none by names; a call that says nothing is an RPC.
    fn of(span: &Span) -> Self {
        let attributes = members(span.attributes.as_deref().unwrap_or("{}"));
        let text = |keys: &[&str]| {
            let member = attributes.iter().find(|(key, _)| keys.contains(&&**key));
            member.map(|(_, value)| value.get().trim_matches('"').to_ascii_lowercase())
        };
        if let Some(system) = text(&["db.system.name", "db.system", "db.type"]) {
            let operation = text(&["db.operation.name", "db.operation"]).unwrap_or_default();
            return Self::store(&system, &[&*operation]).unwrap_or(Self::Db(is_write(&operation)));
        }
        // Clients that say no more than a name, such as `memcached_get_multi_rate` or `mongo_rate`.
        if span.kind == Some(SpanKind::Client) && text(&["rpc.system"]).is_none() {
            let named = text(&["peer.service", "component"]).unwrap_or_default();
            let operation = span.operation.to_ascii_lowercase();
            let words: Vec<&str> = words(&operation).collect();
            let store = std::iter::once(&*named)
                .chain(words.iter().copied())
                .find_map(|name| Self::store(name, &words));
            if let Some(store) = store {
                return store;
            }
        }
        let is_message = matches!(span.kind, Some(SpanKind::Producer | SpanKind::Consumer));
        if is_message || text(&["messaging.system"]).is_some() {
            return Self::Mq;
        }
        let is_http = |key: &str| key.starts_with("http.") || key.starts_with("url.");
        if text(&["rpc.system"]).is_none() && attributes.iter().any(|(key, _)| is_http(key)) {
            return Self::Http;
        }
        Self::Rpc
    }
}

/// The calls of one trace (in the table's order). A call that both sides recorded is there twice under one number, as
/// in Alibaba's trace; the root's caller is `USER`.
pub(super) fn calls(spans: &[Span]) -> Vec<Call<'_>> {
    let tree = Tree::new(spans, None);
    let Some(root) = tree.root() else {
        return Vec::new();
    };
    let entrance = &*spans[root as usize].operation;
    // The number of the call that each span is within, and how many calls were made within that call.
    let mut numbers = vec![String::new(); spans.len()];
    let mut made: std::collections::HashMap<String, u32> = std::collections::HashMap::new();
    let mut next = |within: &str| {
        let count = made.entry(within.to_owned()).or_default();
        *count += 1;
        if within.is_empty() {
            (*count - 1).to_string()
        } else {
            format!("{within}.{count}")
        }
    };
    let mut calls = Vec::new();
    let mut record = |span: &'_ Span, rpc_id: &str, (um, dm, seen_by), interface| {
        calls.push(Call {
            trace_id: span.trace_id,
            entrance,
            rpc_id: rpc_id.to_owned(),
            paradigm: Paradigm::of(span),
            um,
            dm,
            interface,
            start_ns: span.start_ns,
            duration_ns: span.duration_ns,
            seen_by,
        });
    };
    // The root that stands for the trace has the first number.
    numbers[root as usize] = next("");
    for node in &tree.order {
        let place = *node as usize;
        let span = &spans[place];
        match tree.parents[place].map(|parent| parent as usize) {
            None => {
                if *node != root {
                    numbers[place] = next("");
                }
                record(
                    span,
                    &numbers[place],
                    (("USER", ""), side(span), SeenBy::CalleeAlone),
                    &span.operation,
                );
            }
            Some(parent) if spans[parent].origin.service != span.origin.service => {
                let caller = &spans[parent];
                numbers[place] = next(&numbers[parent]);
                let mut seen_by = SeenBy::CalleeAlone;
                if matches!(caller.kind, Some(SpanKind::Client | SpanKind::Producer)) {
                    seen_by = SeenBy::Callee;
                    record(
                        caller,
                        &numbers[place],
                        (side(caller), side(span), SeenBy::Caller),
                        &span.operation,
                    );
                }
                record(
                    span,
                    &numbers[place],
                    (side(caller), side(span), seen_by),
                    &span.operation,
                );
            }
            Some(parent) => numbers[place] = numbers[parent].clone(),
        }
        // A database, cache or queue that has no spans of its own.
        let is_call = matches!(span.kind, Some(SpanKind::Client | SpanKind::Producer));
        if is_call && tree.children(*node).is_empty() {
            let number = next(&numbers[place]);
            record(
                span,
                &number,
                (side(span), (peer(span), ""), SeenBy::Caller),
                &span.operation,
            );
        }
    }
    calls
}

fn side(span: &Span) -> Side<'_> {
    (
        &span.origin.service,
        span.origin.pod.as_deref().unwrap_or_default(),
    )
}

/// The name of what was called, as far as the caller says it.
fn peer(span: &Span) -> &str {
    let attributes = span.attributes.as_deref().unwrap_or("{}");
    let keys = [
        "peer.service",
        "db.system.name",
        "db.system",
        "messaging.system",
        "server.address",
        "net.peer.name",
    ];
    let members = members(attributes);
    let named = keys
        .iter()
        .find_map(|key| members.iter().find(|(name, _)| name == key));
    named.map_or("UNKNOWN", |(_, value)| value.get().trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::testing::span;

    #[test]
    fn stores_are_known_by_their_names_where_attributes_are_silent() {
        for (operation, attributes, expected) in [
            ("memcached_get_multi_rate", "{}", Paradigm::Mc(false)),
            ("memcached_set_rate", "{}", Paradigm::Mc(true)),
            ("mongo_rate", "{}", Paradigm::Db(false)),
            (
                "SQL SELECT",
                r#"{"peer.service":"mysql"}"#,
                Paradigm::Db(false),
            ),
            (
                "FindDriverIDs",
                r#"{"peer.service":"redis"}"#,
                Paradigm::Mc(false),
            ),
            ("GET", r#"{"db.type":"redis"}"#, Paradigm::Mc(false)),
            (
                "x",
                r#"{"db.system":"hbase","db.operation":"insert"}"#,
                Paradigm::Db(true),
            ),
            ("/geo.Geo/Nearby", "{}", Paradigm::Rpc),
            (
                "/redis.Redis/Get",
                r#"{"rpc.system":"grpc"}"#,
                Paradigm::Rpc,
            ),
            ("GET /search", r#"{"http.method":"GET"}"#, Paradigm::Http),
        ] {
            let mut call = span(1, None, 0, 1);
            call.kind = Some(SpanKind::Client);
            call.operation = operation.into();
            call.attributes = Some(attributes.into());
            assert_eq!(Paradigm::of(&call), expected, "{operation}");
        }
    }

    #[test]
    fn both_sides_of_a_call_share_a_number_and_silent_peers_are_named() {
        // s1 (1) makes a call (4, a client of s1) that s2 serves (5); s2 asks a cache (8).
        let mut spans = vec![
            span(1, None, 0, 9_000_000),
            span(4, Some(1), 1_000_000, 8_000_000),
            span(5, Some(4), 2_000_000, 7_000_000),
            span(8, Some(5), 3_000_000, 4_000_000),
        ];
        spans[1].kind = Some(SpanKind::Client);
        spans[2].kind = Some(SpanKind::Server);
        spans[2].attributes = Some(r#"{"http.request.method":"GET"}"#.into());
        spans[3].kind = Some(SpanKind::Client);
        spans[3].attributes = Some(r#"{"db.system":"memcached","db.operation":"set"}"#.into());
        let calls = calls(&spans);
        let brief: Vec<_> = calls
            .iter()
            .map(|call| {
                (
                    &*call.rpc_id,
                    call.um.0,
                    call.dm.0,
                    call.paradigm,
                    call.seen_by,
                )
            })
            .collect();
        assert_eq!(
            brief,
            [
                ("0", "USER", "s1", Paradigm::Rpc, SeenBy::CalleeAlone),
                ("0.1", "s1", "s2", Paradigm::Rpc, SeenBy::Caller),
                ("0.1", "s1", "s2", Paradigm::Http, SeenBy::Callee),
                (
                    "0.1.1",
                    "s2",
                    "memcached",
                    Paradigm::Mc(true),
                    SeenBy::Caller
                ),
            ]
        );
        assert_eq!(calls[0].dm.1, "s1-0");
    }
}
