//! `aefm import`

use super::{Exit, complain};
use crate::cli::{ImportArgs, Traces};
use aefm_collector::import::{BUDGET_BYTES, Kind, import};
use aefm_workloads::labels::CaseLabels;
use std::io::{self, Write};

pub(super) fn run(args: &ImportArgs) -> Exit {
    let kind = match args.kind {
        Traces::Jaeger => Kind::Jaeger,
        Traces::Otlp => Kind::Otlp,
    };
    // Traces that no experiment made: one case, and no factors.
    let labels =
        CaseLabels { run_id: ulid::Ulid::generate().to_string(), case_id: "c001".to_owned(), factors: Vec::new() };
    let imported = std::fs::create_dir_all(&args.out)
        .map_err(|error| format!("make {}: {error}", args.out.display()))
        .and_then(|()| import(kind, &args.files, &args.out, &labels, BUDGET_BYTES).map_err(|error| error.to_string()));
    match imported {
        Ok(imported) => {
            let report = &imported.report;
            // Nobody reads: the tables are there all the same.
            drop(writeln!(
                io::stdout(),
                "{} spans in {} traces, {} of them complete; {} orphans, {} copies and {} spans without valid ids left out\n\ndataset: {}",
                report.spans,
                report.traces,
                report.complete,
                report.orphans,
                report.copies,
                imported.invalid,
                args.out.display()
            ));
            Exit::Ok
        }
        Err(reason) => {
            complain(&format!("failed to {reason}"));
            Exit::Failed
        }
    }
}
