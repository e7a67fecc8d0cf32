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
    if args.out.is_file() {
        complain(&format!(
            "{} is a file; --out is a folder",
            args.out.display()
        ));
        return Exit::Usage;
    }
    let was_there = args.out.exists();
    let imported = std::fs::create_dir_all(&args.out)
        .map_err(|error| format!("make {}: {error}", args.out.display()))
        .and_then(|()| read(args).map_err(|error| error.to_string()));
    match imported {
        Ok(Summary { text, doubts }) => {
            // Nobody reads: the tables are there all the same.
            drop(writeln!(
                io::stdout(),
                "{text}\n\ndataset: {}",
                args.out.display()
            ));
            for doubt in &doubts {
                complain(doubt);
            }
            if doubts.is_empty() {
                Exit::Ok
            } else {
                Exit::Incomplete
            }
        }
        Err(reason) => {
            if !was_there {
                // Made for tables that there are none of; where something is in it, it stays.
                let _ = std::fs::remove_dir(&args.out);
            }
            complain(&format!("failed to {reason}"));
            Exit::Failed
        }
    }
}

/// What was imported, and what of the files was not.
struct Summary {
    text: String,
    doubts: Vec<String>,
}

/// Imports, and says what.
fn read(args: &ImportArgs) -> Result<Summary, ImportError> {
    let run_id = ulid::Ulid::generate().to_string();
    match args.kind {
        Traces::Jaeger => read_traces(Kind::Jaeger, args, run_id),
        Traces::Otlp => read_traces(Kind::Otlp, args, run_id),
        Traces::Zipkin => read_traces(Kind::Zipkin, args, run_id),
        Traces::AefmCsv => {
            let imported = import_aefm_csv(&args.files[0], &args.out, &run_id, args.force)?;
            let absent: String = imported
                .absent
                .iter()
                .map(|file| format!("\nnot there: {file}"))
                .collect();
            let text = format!(
                "{} spans of {} cases; the start of {} spans was estimated{absent}",
                imported.spans, imported.cases, imported.estimated
            );
            let mut doubts = Vec::new();
            if imported.invalid > 0 {
                doubts.push(format!(
                    "{} rows without ids or times left out",
                    imported.invalid
                ));
            }
            if imported.spans == 0 {
                doubts.push("there are no spans in it".to_owned());
            }
            Ok(Summary { text, doubts })
        }
    }
}

fn read_traces(kind: Kind, args: &ImportArgs, run_id: String) -> Result<Summary, ImportError> {
    // Traces that no experiment made: one case, and no factors.
    let labels = CaseLabels {
        run_id,
        case_id: args.case.clone(),
        factors: Vec::new(),
    };
    let target = (&*args.out, args.force);
    let imported = import(kind, &args.files, target, &labels, BUDGET_BYTES)?;
    let report = &imported.report;
    let mut text = format!(
        "{} spans in {} traces, {} of them complete; {} orphans, {} copies left out",
        report.spans, report.traces, report.complete, report.orphans, report.copies
    );
    if imported.other_signals > 0 {
        text += &format!(
            "; {} documents of metrics, logs or profiles passed over",
            imported.other_signals
        );
    }
    Ok(Summary {
        text,
        doubts: imported.doubts(),
    })
}
