//! `aefm export`

use super::{Exit, complain};
use crate::cli::{ExportArgs, ExportFormat};
use aefm_collector::export::write_aefm_csv;
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::Path;

pub(super) fn run(args: &ExportArgs) -> Exit {
    let cases = cases(&args.run);
    if cases.is_empty() {
        complain(&format!("{} holds no cases: name a run's folder, data/<experiment>/<run>", args.run.display()));
        return Exit::Usage;
    }
    let written = match args.format {
        ExportFormat::AefmCsv => std::fs::create_dir_all(&args.out)
            .map_err(|error| format!("make {}: {error}", args.out.display()))
            .and_then(|()| write_aefm_csv(&args.run, &cases, &args.out).map_err(|error| error.to_string())),
    };
    match written {
        Ok(rows) => {
            let rows: u64 = rows.iter().sum();
            // Nobody reads: the files are there all the same.
            drop(writeln!(io::stdout(), "{rows} rows of {} cases in {}", cases.len(), args.out.display()));
            Exit::Ok
        }
        Err(reason) => {
            complain(&format!("failed to {reason}"));
            Exit::Failed
        }
    }
}

/// Ids of the cases of a run, sorted.
fn cases(run: &Path) -> Vec<String> {
    let folders = std::fs::read_dir(run.join("cases")).into_iter().flatten().flatten();
    let ids: BTreeSet<_> =
        folders.filter_map(|folder| folder.file_name().to_str()?.strip_prefix("case=").map(str::to_owned)).collect();
    ids.into_iter().collect()
}
