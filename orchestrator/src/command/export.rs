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
    match export(form, &args.run, &cases, (&args.out, args.force)) {
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
