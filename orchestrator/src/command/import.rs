//! `aefm import`

use super::{Exit, complain};
use crate::cli::{ImportArgs, Traces};
use aefm_collector::import::{BUDGET_BYTES, ImportError, Kind, import, import_aefm_csv};
use aefm_workloads::labels::CaseLabels;
use std::io::{self, Write};

pub(super) fn run(args: &ImportArgs) -> Exit {
    if args.kind == Traces::AefmCsv && args.files.len() != 1 {
        complain("aefm-csv takes one folder, the one that AEFM 0.2.0 wrote its five files into");
        return Exit::Usage;
    }
    let imported = std::fs::create_dir_all(&args.out)
        .map_err(|error| format!("make {}: {error}", args.out.display()))
        .and_then(|()| read(args).map_err(|error| error.to_string()));
    match imported {
        Ok(summary) => {
            // Nobody reads: the tables are there all the same.
            drop(writeln!(
                io::stdout(),
                "{summary}\n\ndataset: {}",
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

/// Imports, and says what.
fn read(args: &ImportArgs) -> Result<String, ImportError> {
    let run_id = ulid::Ulid::generate().to_string();
    match args.kind {
        Traces::Jaeger => read_traces(Kind::Jaeger, args, run_id),
        Traces::Otlp => read_traces(Kind::Otlp, args, run_id),
        Traces::AefmCsv => {
            let imported = import_aefm_csv(&args.files[0], &args.out, &run_id)?;
            let absent: String = imported
                .absent
                .iter()
                .map(|file| format!("\nnot there: {file}"))
                .collect();
            Ok(format!(
                "{} spans of {} cases; the start of {} spans was estimated, {} rows without ids or times left out{absent}",
                imported.spans, imported.cases, imported.estimated, imported.invalid
            ))
        }
    }
}

fn read_traces(kind: Kind, args: &ImportArgs, run_id: String) -> Result<String, ImportError> {
    // Traces that no experiment made: one case, and no factors.
    let labels = CaseLabels {
        run_id,
        case_id: "c001".to_owned(),
        factors: Vec::new(),
    };
    let imported = import(kind, &args.files, &args.out, &labels, BUDGET_BYTES)?;
    let report = &imported.report;
    Ok(format!(
        "{} spans in {} traces, {} of them complete; {} orphans, {} copies and {} spans without valid ids left out",
        report.spans,
        report.traces,
        report.complete,
        report.orphans,
        report.copies,
        imported.invalid
    ))
}
