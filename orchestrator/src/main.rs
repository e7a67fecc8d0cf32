//! `aefm`, and with it `aefm load`, `aefm interfere` and `aefm testbed`: parse, run, exit code.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().collect();
    // The binary under another name (a link to it) is the program of that name.
    match args
        .first()
        .and_then(|own| Path::new(own).file_name()?.to_str())
    {
        Some("aefm-load") => return aefm_loadgen::cli::run(args),
        Some("aefm-interfere") => return aefm_interfere::cli::run(args),
        _ => {}
    }
    let rest = |name: &str| std::iter::once(name.into()).chain(args.iter().skip(2).cloned());
    match args.get(1).and_then(|command| command.to_str()) {
        Some("load") => aefm_loadgen::cli::run(rest("aefm load")),
        Some("interfere") => aefm_interfere::cli::run(rest("aefm interfere")),
        Some("init-data") => aefm_testbed::init_data::cli::run(rest("aefm init-data")),
        Some("testbed") => aefm_testbed::cli::run(rest("aefm testbed")),
        _ => aefm::command::run(args, aefm::handler::Handlers::new()),
    }
}
