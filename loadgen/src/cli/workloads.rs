//! `aefm-load workloads`: what `-w` takes.

use super::{Failure, exit};
use aefm_workloads::mix::Workload;
use std::io::{ErrorKind, Write};

/// Writes name and content of every native workload.
pub(super) fn list(json: bool, out: &mut impl Write) -> Result<u8, Failure> {
    let text = if json { as_json() } else { as_text() };
    match out.write_all(text.as_bytes()) {
        // Whoever read has seen enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(exit::VALID),
        Err(error) => Err(Failure::run(format!("write the list: {error}"))),
        Ok(()) => Ok(exit::VALID),
    }
}

fn as_json() -> String {
    let about = |workload: &Workload| serde_json::json!({ "name": workload.name, "application": workload.app(), "about": workload.about });
    format!(
        "{}\n",
        Workload::ALL
            .iter()
            .map(about)
            .collect::<serde_json::Value>()
    )
}

fn as_text() -> String {
    let width = Workload::ALL
        .iter()
        .map(|workload| workload.name.len())
        .max()
        .unwrap_or(0);
    Workload::ALL
        .iter()
        .map(|workload| format!("{:width$}  {}\n", workload.name, workload.about))
        .collect()
}
