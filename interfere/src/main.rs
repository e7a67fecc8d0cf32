//! `aefm-interfere`: see [`aefm_interfere::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    aefm_interfere::cli::run(std::env::args_os())
}
