//! `aefm-load`: open-loop HTTP load whose latency numbers can be trusted.

fn main() -> std::process::ExitCode {
    aefm_loadgen::cli::run(std::env::args_os())
}
