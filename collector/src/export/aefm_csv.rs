//! AEFM 0.2.0's five CSV files, with its names and columns, and correct numbers.
//!
//! Where it was wrong we differ: a parent's own time is its duration without the *union* of its children (it subtracted
//! each step once a child, and dropped what fell below zero), a trace's duration is its root's, and traces of one span
//! and failed ones are there.

use super::ExportError;
use super::file::{OutFile, Target, push_field};
use crate::aefm_csv::FILES;
use crate::read::{any, float, int, read_table, text};
use crate::schema::{CASES, LOAD, SPANS, Table, USAGE};
use crate::sink::part_path;
use arrow_array::RecordBatch;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

struct Files(Vec<OutFile>);

/// A span as the files need it; times in microseconds.
struct Row {
    id: String,
    parent: Option<String>,
    service: String,
    pod: String,
    operation: String,
    start_us: f64,
    duration_us: f64,
    self_us: f64,
}

/// Writes the five files of a run's cases into `out`; says how many rows each file has.
///
/// # Errors
/// A table cannot be read, or a file cannot be written.
pub(super) fn write_aefm_csv(
    run: &Path,
    cases: &[String],
    out: Target<'_>,
) -> Result<[u64; 5], ExportError> {
    let open = |(name, _): &(&str, &[&str])| out.file(format!("{name}.csv"));
    let factors: Vec<Factors> = cases
        .iter()
        .map(|case| factors_of(run, case))
        .collect::<Result<_, _>>()?;
    // Imported cases may have factors of their own: each has a column, in the order in which they first come.
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in factors.iter().flatten() {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let mut files = Files(FILES.iter().map(open).collect::<Result<_, _>>()?);
    files.headers(&names)?;
    let mut rows = [0; 5];
    for (case, own) in cases.iter().zip(&factors) {
        let value = |name: &&str| {
            let own = own.iter().find(|(own, _)| own == name);
            own.map_or_else(String::new, |(_, value)| field(value))
        };
        let values: Vec<String> = names.iter().map(value).collect();
        for (count, more) in rows.iter_mut().zip(files.case(run, case, &values)?) {
            *count += more;
        }
    }
    files.0.into_iter().try_for_each(OutFile::finish)?;
    Ok(rows)
}

impl Files {
    fn case(
        &mut self,
        run: &Path,
        case: &str,
        factors: &[String],
    ) -> Result<[u64; 5], ExportError> {
        let mut traces: BTreeMap<String, Vec<Row>> = BTreeMap::new();
        for batch in read_table(&part_path(run, "spans", case))? {
            let batch = batch?;
            for row in 0..batch.num_rows() {
                // The original looked at nothing but the run itself.
                if text(&batch, "phase", row) == Some("warm-up") {
                    continue;
                }
                let of = |name: &str| text(&batch, name, row).unwrap_or_default().to_owned();
                let us = |name: &str| int(&batch, name, row).unwrap_or_default() as f64 / 1e3;
                traces.entry(of("trace_id")).or_default().push(Row {
                    id: of("span_id"),
                    parent: text(&batch, "parent_span_id", row).map(str::to_owned),
                    service: of("service"),
                    pod: of("pod"),
                    operation: of("operation"),
                    start_us: us("start_ns"),
                    duration_us: us("duration_ns"),
                    self_us: us("self_ns"),
                });
            }
        }
        let mut counts = [0; 5];
        counts[0] = self.throughput(run, case, factors)?;
        let mut own: BTreeMap<(String, String), Vec<f64>> = BTreeMap::new();
        for (trace_id, spans) in &traces {
            counts[1] += self.raw(trace_id, spans, factors)?;
            counts[3] += self.end_to_end(trace_id, spans, factors)?;
            // The mean over a trace, then quantiles over traces, as the original did.
            let mut means: HashMap<(&str, &str), (f64, f64)> = HashMap::new();
            for span in spans {
                let mean = means.entry((&span.service, &span.pod)).or_default();
                (mean.0, mean.1) = (mean.0 + span.self_us, mean.1 + 1.0);
            }
            for ((service, pod), (sum, count)) in means {
                own.entry((service.to_owned(), pod.to_owned()))
                    .or_default()
                    .push(sum / count);
            }
        }
        for ((service, pod), mut values) in own {
            values.sort_by(f64::total_cmp);
            let quantiles =
                [quantile(&values, 0.5), quantile(&values, 0.95)].map(|value| value.to_string());
            self.line(
                2,
                &[&[field(&service), field(&pod)], &quantiles[..], factors].concat(),
            )?;
            counts[2] += 1;
        }
        counts[4] = self.hardware(run, case, factors)?;
        Ok(counts)
    }

    /// A file has its header, whatever else comes of it.
    fn headers(&mut self, factors: &[&str]) -> Result<(), ExportError> {
        let name = |name: &&str| match *name {
            // What the original calls the rate that was asked for.
            "rate_hz" => "throughput".to_owned(),
            name => field(name),
        };
        let factors: Vec<String> = factors.iter().map(name).collect();
        for (place, (_, columns)) in FILES.iter().enumerate() {
            let own: Vec<String> = columns.iter().map(|name| (*name).to_owned()).collect();
            self.line(place, &[own, factors.clone()].concat())?;
        }
        Ok(())
    }

    fn line(&mut self, place: usize, fields: &[String]) -> Result<(), ExportError> {
        self.0[place].write(&format!("{}\n", fields.join(",")))
    }

    /// Requests answered well per second of the measured phase.
    fn throughput(
        &mut self,
        run: &Path,
        case: &str,
        factors: &[String],
    ) -> Result<u64, ExportError> {
        let path = part_path(run, "load", case);
        if !path.exists() {
            return Ok(0);
        }
        let (mut ok, mut seconds) = (0, std::collections::BTreeSet::new());
        for batch in read_table(&path)? {
            let batch = batch?;
            for row in
                (0..batch.num_rows()).filter(|row| text(&batch, "phase", *row) == Some("measure"))
            {
                ok += int(&batch, "ok", row).unwrap_or_default();
                seconds.extend(int(&batch, "second", row));
            }
        }
        if seconds.is_empty() {
            return Ok(0);
        }
        let rate = ok as f64 / seconds.len() as f64;
        self.line(0, &[&[rate.to_string()], factors].concat())?;
        Ok(1)
    }

    /// One row a parent and child. `merged_child_duration` and `step` are the parent's children merged where they
    /// overlap, in microseconds and numbered from 0, as in the original; `exact_parent_duration` is the self time.
    fn raw(
        &mut self,
        trace_id: &str,
        spans: &[Row],
        factors: &[String],
    ) -> Result<u64, ExportError> {
        let places: HashMap<&str, usize> = spans
            .iter()
            .enumerate()
            .map(|(place, span)| (&*span.id, place))
            .collect();
        let mut children: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        let mut trace_us = f64::INFINITY;
        for (place, span) in spans.iter().enumerate() {
            match span.parent.as_deref().and_then(|parent| places.get(parent)) {
                Some(parent) if *parent != place => {
                    children.entry(*parent).or_default().push(place);
                }
                _ => trace_us = trace_us.min(span.start_us),
            }
        }
        let mut count = 0;
        for (parent, mut places) in children {
            places.sort_by(|a, b| spans[*a].start_us.total_cmp(&spans[*b].start_us));
            for (child, (step, merged_us)) in places.iter().zip(steps(&places, spans)) {
                let (parent, child) = (&spans[parent], &spans[*child]);
                let fields = [
                    trace_id.to_owned(),
                    parent.id.clone(),
                    trace_us.to_string(),
                    child.start_us.to_string(),
                    (child.start_us + child.duration_us).to_string(),
                    child.id.clone(),
                    field(&child.operation),
                    field(&parent.operation),
                    field(&child.service),
                    field(&child.pod),
                    field(&parent.service),
                    field(&parent.pod),
                    parent.duration_us.to_string(),
                    child.duration_us.to_string(),
                    merged_us.to_string(),
                    step.to_string(),
                    parent.self_us.to_string(),
                ];
                self.line(1, &[&fields, factors].concat())?;
                count += 1;
            }
        }
        Ok(count)
    }

    fn end_to_end(
        &mut self,
        trace_id: &str,
        spans: &[Row],
        factors: &[String],
    ) -> Result<u64, ExportError> {
        let ids: std::collections::HashSet<&str> = spans.iter().map(|span| &*span.id).collect();
        let is_root = |span: &&Row| {
            span.parent
                .as_deref()
                .is_none_or(|parent| !ids.contains(parent))
        };
        let root = spans
            .iter()
            .filter(is_root)
            .min_by(|a, b| a.start_us.total_cmp(&b.start_us));
        let Some(root) = root else { return Ok(0) };
        self.line(
            3,
            &[
                &[trace_id.to_owned(), root.duration_us.to_string()],
                factors,
            ]
            .concat(),
        )?;
        Ok(1)
    }

    /// One row a container; what has CPU and no memory stays, with an empty field.
    fn hardware(&mut self, run: &Path, case: &str, factors: &[String]) -> Result<u64, ExportError> {
        let path = part_path(run, "usage", case);
        if !path.exists() {
            return self.processes(run, case, factors);
        }
        let mut count = 0;
        for batch in read_table(&path)? {
            let batch = batch?;
            for row in 0..batch.num_rows() {
                let of = |name: &str| field(text(&batch, name, row).unwrap_or_default());
                let number = |name: &str| {
                    float(&batch, name, row).map_or_else(String::new, |value| value.to_string())
                };
                let fields = [
                    of("container"),
                    of("pod"),
                    number("cpu_percent"),
                    number("memory_percent"),
                ];
                self.line(4, &[&fields, factors].concat())?;
                count += 1;
            }
        }
        Ok(count)
    }

    /// Where nobody was asked for containers, one row a process of the application: the most of a core that it used in a
    /// sample, in percent. It has no limit, so that its memory is no share of one.
    fn processes(
        &mut self,
        run: &Path,
        case: &str,
        factors: &[String],
    ) -> Result<u64, ExportError> {
        let path = part_path(run, "metrics", case);
        if !path.exists() {
            return Ok(0);
        }
        let mut most: BTreeMap<String, f64> = BTreeMap::new();
        for batch in read_table(&path)? {
            let batch = batch?;
            for row in
                (0..batch.num_rows()).filter(|row| text(&batch, "scope", *row) == Some("process"))
            {
                let subject = text(&batch, "subject", row).unwrap_or_default().to_owned();
                let cores = float(&batch, "cpu_cores", row).unwrap_or_default();
                let known = most.entry(subject).or_default();
                *known = known.max(cores);
            }
        }
        let mut count = 0;
        for (subject, cores) in most {
            let name = field(&subject);
            let fields = [
                name.clone(),
                name,
                (cores * 100.0).to_string(),
                String::new(),
            ];
            self.line(4, &[&fields, factors].concat())?;
            count += 1;
        }
        Ok(count)
    }
}

/// The children (by start) in steps of those that overlap: the number of each one's step, and the step's length.
fn steps(places: &[usize], spans: &[Row]) -> Vec<(usize, f64)> {
    let mut bounds: Vec<(f64, f64)> = Vec::new();
    let mut numbers = Vec::new();
    for place in places {
        let (start, end) = (
            spans[*place].start_us,
            spans[*place].start_us + spans[*place].duration_us,
        );
        match bounds.last_mut() {
            Some(step) if start <= step.1 => step.1 = step.1.max(end),
            _ => bounds.push((start, end)),
        }
        numbers.push(bounds.len() - 1);
    }
    numbers
        .into_iter()
        .map(|number| (number, bounds[number].1 - bounds[number].0))
        .collect()
}

/// Linear between neighbours, as pandas does.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len().saturating_sub(1)) as f64;
    let (below, above) = (
        sorted[place.floor() as usize],
        sorted[place.ceil() as usize],
    );
    below + (above - below) * place.fract()
}

/// A case's factors and their values.
type Factors = Vec<(String, String)>;

/// Its factors by its row in `cases`, or where a dataset is without, by the first row of another table.
fn factors_of(run: &Path, case: &str) -> Result<Factors, ExportError> {
    for table in [&CASES, &LOAD, &SPANS, &USAGE] {
        let path = part_path(run, &table.name, case);
        if !path.exists() {
            continue;
        }
        for batch in read_table(&path)? {
            let batch = batch?;
            if batch.num_rows() > 0 {
                let name = |column| batch.schema_ref().field(column).name().clone();
                let columns = 2..factor_end(&batch, table);
                return Ok(columns
                    .map(|column| (name(column), any(&batch, column, 0)))
                    .collect());
            }
        }
    }
    Ok(Vec::new())
}

/// The column after the last factor: the table's first own one.
fn factor_end(batch: &RecordBatch, table: &Table) -> usize {
    let first = table.columns.first().map(|column| &*column.name);
    batch
        .schema_ref()
        .fields()
        .iter()
        .position(|field| Some(field.name().as_str()) == first)
        .unwrap_or(2)
}

/// A field of CSV.
fn field(text: &str) -> String {
    let mut field = String::new();
    push_field(&mut field, text);
    field
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::ColumnType;
    use crate::sink::{Cell, TableWriter};
    use crate::trace::testing::span;
    use crate::trace::write_trace_tables;
    use aefm_workloads::labels::{CaseLabels, FactorValue};

    #[test]
    fn the_five_files_have_the_originals_columns_and_correct_numbers() {
        let (run, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let factors = vec![
            ("round".to_owned(), FactorValue::Int(2)),
            ("note".to_owned(), FactorValue::Text("a,b".into())),
        ];
        let labels = CaseLabels {
            run_id: "r".into(),
            case_id: "c1".into(),
            factors,
        };
        // Two parallel children of 60 us in 100: the original had -20 and dropped it.
        let spans = vec![
            span(3, None, 0, 100_000),
            span(1, Some(3), 10_000, 70_000),
            span(4, Some(3), 10_000, 70_000),
        ];
        write_trace_tables(run.path(), &labels, spans, None).unwrap();
        let target = Target {
            folder: out.path(),
            replaces: false,
        };
        let rows = write_aefm_csv(run.path(), &["c1".to_owned()], target).unwrap();
        assert_eq!(rows, [0, 2, 2, 1, 0]);
        let file =
            |name: &str| std::fs::read_to_string(out.path().join(format!("{name}.csv"))).unwrap();
        let raw = file("raw_data");
        assert!(
            raw.starts_with("trace_id,parent_id,trace_time,start_time,end_time,child_id,"),
            "{raw}"
        );
        assert!(
            raw.lines()
                .nth(1)
                .unwrap()
                .ends_with(",100,60,60,0,40,2,\"a,b\""),
            "{raw}"
        );
        assert!(
            file("end_to_end_data")
                .lines()
                .nth(1)
                .unwrap()
                .contains(",100,2,")
        );
        assert_eq!(
            file("statistical_data").lines().nth(1).unwrap(),
            "s0,s0-0,40,40,2,\"a,b\""
        );
        assert_eq!(file("hardware_data").lines().count(), 1);
    }

    #[test]
    fn headers_come_first_and_factors_are_the_cases_also_where_it_has_no_spans() {
        let (run, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for (case, round, spans) in [
            ("c1", 1, Vec::new()),
            ("c2", 2, vec![span(3, None, 0, 100_000)]),
        ] {
            let labels = CaseLabels {
                run_id: "r".into(),
                case_id: case.into(),
                factors: vec![("round".to_owned(), FactorValue::Int(round))],
            };
            let mut load = TableWriter::create(run.path(), &LOAD, &labels).unwrap();
            let cells: Vec<_> = LOAD
                .columns
                .iter()
                .map(|column| match (&*column.name, column.kind) {
                    ("phase", _) => Cell::Text("measure"),
                    (_, ColumnType::Int) => Cell::Int(20),
                    (_, ColumnType::Float) => Cell::Float(20.0),
                    (_, ColumnType::Text) => Cell::Text(""),
                    (_, ColumnType::Flag) => Cell::Flag(false),
                    (_, ColumnType::Bytes) => Cell::Bytes(&[]),
                })
                .collect();
            load.push(&cells).unwrap();
            load.finish().unwrap();
            write_trace_tables(run.path(), &labels, spans, None).unwrap();
        }
        let target = Target {
            folder: out.path(),
            replaces: false,
        };
        let cases = ["c1", "c2"].map(str::to_owned);
        write_aefm_csv(run.path(), &cases, target).unwrap();
        let file =
            |name: &str| std::fs::read_to_string(out.path().join(format!("{name}.csv"))).unwrap();
        assert_eq!(
            file("throughput_data"),
            "real_throughput,round\n20,1\n20,2\n"
        );
        for (name, columns) in FILES {
            let header = format!("{},round", columns.join(","));
            assert_eq!(file(name).lines().next(), Some(&*header));
        }
    }

    #[test]
    fn quantiles_are_pandas() {
        let values = [1.0, 2.0, 3.0, 4.0];
        assert!(
            (quantile(&values, 0.5) - 2.5).abs() < 1e-12
                && (quantile(&values, 0.95) - 3.85).abs() < 1e-12
        );
    }
}
