//! `aefm export`

use super::{Exit, complain};
use crate::cli::{ExportArgs, ExportFormat};
use aefm_collector::export::{Form, cases, export};
use std::io::{self, Write};

pub(super) fn run(args: &ExportArgs) -> Exit {
    let form = match args.format {
        ExportFormat::AefmCsv => Form::AefmCsv,
        ExportFormat::Otlp => Form::Otlp,
        ExportFormat::JaegerJson => Form::JaegerJson,
        ExportFormat::Csv => Form::Csv,
        ExportFormat::Alibaba => Form::Alibaba,
    };
    let cases = cases(&args.run).unwrap_or_default();
    if cases.is_empty() {
        complain(&format!(
            "{} holds no cases: name a run's folder, data/<experiment>/<run>",
            args.run.display()
        ));
        return Exit::Usage;
    }
    if args.out.is_file() {
        complain(&format!(
            "{} is a file; --out is a folder",
            args.out.display()
        ));
        return Exit::Usage;
    }
    match export(form, &args.run, &cases, (&args.out, args.force)) {
        Ok(0) => {
            complain(&format!(
                "there is nothing in {} for this format: none of its {} cases has what it is made of",
                args.run.display(),
                cases.len()
            ));
            Exit::Failed
        }
        Ok(count) => {
            let what = match form {
                Form::AefmCsv | Form::Csv => "rows",
                Form::Otlp | Form::JaegerJson => "spans",
                Form::Alibaba => "calls",
            };
            // Nobody reads: the files are there all the same.
            drop(writeln!(
                io::stdout(),
                "{count} {what} of {} cases in {}",
                cases.len(),
                args.out.display()
            ));
            Exit::Ok
        }
        Err(error) => {
            complain(&format!("failed to {error}"));
            Exit::Failed
        }
    }
}
