//! What happened: sources in, one tidy Parquet dataset out.
//!
//! [`schema`] says what the tables hold, [`sink`] writes them (complete or not at all), [`records`] turns what programs
//! printed into rows, [`otlp`] receives spans and [`jaeger`] searches them, [`trace`] makes tables of them, [`proc`]
//! watches processes and the node, [`prometheus`] asks for what is measured elsewhere, [`user`] takes tables of the user's,
//! and [`store`] puts a dataset into an object store.

mod aefm_csv;
pub mod clock;
mod device;
pub mod export;
pub mod grpc;
pub mod http;
pub mod import;
pub mod jaeger;
pub mod json;
mod json_text;
pub mod otlp;
pub mod proc;
pub mod prometheus;
pub mod read;
pub mod records;
pub mod requests;
pub mod schema;
pub mod sink;
pub mod span;
pub mod store;
pub mod trace;
pub mod user;
