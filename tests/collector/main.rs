//! The collector against real sockets, real processes, a real disk that fills, and servers that misbehave.

mod charts;
mod crisp;
mod double;
mod jaeger;
mod late;
mod moto;
mod otlp;
mod otlp_forms;
mod parts;
mod proc;
mod real_jaeger;
mod real_prometheus;
mod sink;
mod store;
