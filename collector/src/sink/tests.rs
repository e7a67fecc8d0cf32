//! Files appear complete or not at all.

use super::*;
use crate::schema::{ColumnType, QUALITY, SPANS, user_table};
use aefm_workloads::labels::FactorValue;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, cast::AsArray};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::prelude::*;
use std::fs;

fn labels() -> CaseLabels {
    CaseLabels {
        run_id: "01RUN".into(),
        case_id: "c001".into(),
        factors: vec![
            ("app".into(), FactorValue::Text("hotel".into())),
            ("rate_hz".into(), FactorValue::Float(20.0)),
            ("round".into(), FactorValue::Int(1)),
        ],
    }
}

fn quality_row<'a>(source: &'a str, expected: i64) -> [Cell<'a>; 6] {
    [
        Cell::Text(source),
        Cell::Int(expected),
        Cell::Int(expected),
        Cell::Int(0),
        Cell::Text("ok"),
        Cell::Null,
    ]
}

#[test]
fn a_file_appears_only_when_it_is_finished() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = TableWriter::create(dir.path(), &QUALITY, &labels()).unwrap();
    writer.push(&quality_row("traces", 7)).unwrap();
    let path = part_path(dir.path(), "quality", "c001");
    assert!(!path.exists());
    let written = writer.finish().unwrap();
    assert_eq!(
        (written.rows, written.bytes),
        (1, fs::metadata(&path).unwrap().len())
    );
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn a_dropped_writer_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = TableWriter::create(dir.path(), &QUALITY, &labels()).unwrap();
    writer.push(&quality_row("traces", 7)).unwrap();
    drop(writer);
    assert_eq!(fs::read_dir(dir.path().join("quality")).unwrap().count(), 0);
}

#[test]
fn rows_that_do_not_fit_are_refused_and_leave_the_rest_whole() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = TableWriter::create(dir.path(), &QUALITY, &labels()).unwrap();
    let mut wrong = quality_row("traces", 7);
    wrong[4] = Cell::Null;
    let error = writer.push(&wrong).unwrap_err().to_string();
    assert!(
        error.contains("table quality of case c001") && error.contains("column status"),
        "{error}"
    );
    assert!(writer.push(&wrong[..3]).is_err());
    writer.push(&quality_row("load", 1)).unwrap();
    assert_eq!(writer.finish().unwrap().rows, 1);
}

#[test]
fn a_factor_may_not_hide_a_column_and_a_case_id_not_lead_out() {
    let dir = tempfile::tempdir().unwrap();
    let mut bad = labels();
    bad.factors.push(("status".into(), FactorValue::Int(1)));
    assert!(matches!(
        TableWriter::create(dir.path(), &QUALITY, &bad)
            .err()
            .unwrap()
            .cause,
        SinkCause::Collision(_)
    ));
    for id in ["../../etc", "", ".hidden", "a/b", "a=b"] {
        let bad = CaseLabels {
            case_id: id.into(),
            ..labels()
        };
        assert!(matches!(
            TableWriter::create(dir.path(), &QUALITY, &bad)
                .err()
                .unwrap()
                .cause,
            SinkCause::Name(_)
        ));
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_folder_that_cannot_be_made_is_named_in_the_error() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("spans"), "a file in the way").unwrap();
    let error = TableWriter::create(dir.path(), &SPANS, &labels())
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains("table spans of case c001") && error.contains("spans/case=c001"),
        "{error}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// What is written is read back, whatever it is.
    #[test]
    fn a_table_round_trips(rows in prop::collection::vec(
        (any::<Option<i64>>(), any::<Option<f64>>(), any::<Option<String>>(), any::<Option<bool>>(), any::<Option<Vec<u8>>>()),
        0..200,
    ), is_shared: bool) {
        let dir = tempfile::tempdir().unwrap();
        let columns = [
            ("i".to_owned(), ColumnType::Int), ("f".to_owned(), ColumnType::Float), ("t".to_owned(), ColumnType::Text),
            ("b".to_owned(), ColumnType::Flag), ("y".to_owned(), ColumnType::Bytes),
        ];
        let table = user_table("mine", &columns);
        let create = if is_shared { TableWriter::create_shared } else { TableWriter::create };
        let mut writer = create(dir.path(), &table, &labels()).unwrap();
        for (i, f, t, b, y) in &rows {
            let bytes = y.as_deref().map_or(Cell::Null, Cell::Bytes);
            writer.push(&[(*i).into(), (*f).into(), t.as_deref().into(), b.map_or(Cell::Null, Cell::Flag), bytes]).unwrap();
        }
        let path = writer.finish().unwrap().path;
        prop_assert!(path.ends_with("user_mine/case=c001/part-0.parquet"));
        let reader = ParquetRecordBatchReaderBuilder::try_new(fs::File::open(path).unwrap()).unwrap().build().unwrap();
        let mut back = Vec::new();
        for batch in reader {
            let batch = batch.unwrap();
            let (f, i) = (batch.column(6).as_primitive::<Float64Type>(), batch.column(5).as_primitive::<Int64Type>());
            let (t, b, y) = (batch.column(7).as_string::<i32>(), batch.column(8).as_boolean(), batch.column(9).as_binary::<i32>());
            for row in 0..batch.num_rows() {
                prop_assert_eq!(batch.column(2).as_string::<i32>().value(row), "hotel");
                back.push((
                    i.is_valid(row).then(|| i.value(row)), f.is_valid(row).then(|| f.value(row)),
                    t.is_valid(row).then(|| t.value(row).to_owned()), b.is_valid(row).then(|| b.value(row)),
                    y.is_valid(row).then(|| y.value(row).to_vec()),
                ));
            }
        }
        prop_assert_eq!(format!("{back:?}"), format!("{rows:?}"));
    }
}

#[test]
fn a_table_of_several_row_groups_is_the_same_however_it_was_written() {
    let columns = [
        ("i".to_owned(), ColumnType::Int),
        ("t".to_owned(), ColumnType::Text),
    ];
    let table = user_table("mine", &columns);
    let texts = ["a".repeat(100), "b".repeat(3_000)];
    let [alone, shared] = [TableWriter::create, TableWriter::create_shared].map(|create| {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = create(dir.path(), &table, &labels()).unwrap();
        for row in 0..140_000_i64 {
            writer
                .push(&[
                    Cell::Int(row),
                    Cell::Text(&texts[usize::from(row % 500 == 0)]),
                ])
                .unwrap();
        }
        let path = writer.finish().unwrap().path;
        let builder =
            ParquetRecordBatchReaderBuilder::try_new(fs::File::open(path).unwrap()).unwrap();
        assert!(builder.metadata().num_row_groups() > 1);
        builder
            .build()
            .unwrap()
            .map(Result::unwrap)
            .collect::<Vec<_>>()
    });
    assert_eq!(values(&alone), values(&shared));
}

/// The values of all batches, one row a line.
fn values(batches: &[arrow_array::RecordBatch]) -> Vec<(i64, usize)> {
    let rows = batches.iter().flat_map(|batch| {
        let (i, t) = (
            batch.column(5).as_primitive::<Int64Type>(),
            batch.column(6).as_string::<i32>(),
        );
        (0..batch.num_rows()).map(move |row| (i.value(row), t.value(row).len()))
    });
    rows.collect()
}
