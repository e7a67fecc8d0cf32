//! `aefm`, and with it `aefm load`, `aefm interfere` and `aefm testbed`: parse, run, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().collect();
    let rest = |name: &str| std::iter::once(name.into()).chain(args.iter().skip(2).cloned());
    match args.get(1).and_then(|command| command.to_str()) {
        Some("load") => aefm_loadgen::cli::run(rest("aefm load")),
        Some("interfere") => aefm_interfere::cli::run(rest("aefm interfere")),
        Some("init-data") => aefm_testbed::init_data::cli::run(rest("aefm init-data")),
        Some("testbed") => aefm_testbed::cli::run(rest("aefm testbed")),
        _ => aefm::command::run(args, aefm::handler::Handlers::new()),
    }
}
