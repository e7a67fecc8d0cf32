//! The collector against real sockets, real processes and a real disk that fills.

mod otlp;
mod proc;
mod sink;
