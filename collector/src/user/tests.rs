//! Tables of the user's own, by format.

use super::*;
use crate::schema::user_table;
use crate::sink::{TableWriter, part_path};
use ::parquet::file::reader::SerializedFileReader;
use aefm_workloads::labels::FactorValue;

fn labels() -> CaseLabels {
    let factors = vec![("rate_hz".to_owned(), FactorValue::Float(5.0))];
    CaseLabels {
        run_id: "r".into(),
        case_id: "c001".into(),
        factors,
    }
}

/// The report, and the rows without the labels: `name=value` as Parquet's own reader shows them.
fn written(
    format: Format,
    bytes: &[u8],
    declared: &[(&str, ColumnType)],
) -> Result<(UserReport, Vec<String>), UserTableError> {
    let dir = tempfile::tempdir().unwrap();
    let declared: Vec<_> = declared
        .iter()
        .map(|(name, kind)| ((*name).to_owned(), *kind))
        .collect();
    let report = write_user_table(dir.path(), &labels(), "queue", (format, bytes), &declared)?;
    let file = std::fs::File::open(part_path(dir.path(), "user_queue", "c001")).unwrap();
    let reader = SerializedFileReader::new(file).unwrap();
    let rows = reader.into_iter().map(|row| {
        let cells: Vec<_> = row
            .unwrap()
            .get_column_iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let (ids, own) = cells.split_at(3);
        assert_eq!(ids, ["run_id=\"r\"", "case_id=\"c001\"", "rate_hz=5.0"]);
        own.join(" ")
    });
    Ok((report, rows.collect()))
}

#[test]
fn csv_gets_the_narrowest_types_and_keeps_what_fits() {
    let text = "t,depth,load,up,name,zip\n1,7,0.5,true,a,012\n2,,1,false,b,13\n3,8\n";
    let (report, rows) = written(Format::Csv, text.as_bytes(), &[]).unwrap();
    let expected = [
        "t=1 depth=7 load=0.5 up=true name=\"a\" zip=\"012\"",
        "t=2 depth=null load=1.0 up=false name=\"b\" zip=\"13\"",
    ];
    assert_eq!(rows, expected);
    assert_eq!((report.came, report.written), (3, 2));
    assert!(
        report
            .fault
            .as_ref()
            .is_some_and(|fault| fault.contains("line 4 has 2 fields")),
        "{report:?}"
    );
}

#[test]
fn declared_types_hold_whatever_the_values_look_like() {
    let declared = [("depth", ColumnType::Float)];
    let (report, rows) = written(Format::Csv, b"depth\n7\nmany\n", &declared).unwrap();
    assert_eq!((rows, report.came), (vec!["depth=7.0".to_owned()], 2));
    assert_eq!(
        report.fault.as_deref(),
        Some("row 2: `many` in column `depth` is not a number")
    );
    let missing = written(Format::Csv, b"size\n7\n", &declared)
        .unwrap_err()
        .to_string();
    assert!(
        missing.contains("`depth`") && missing.contains("size"),
        "{missing}"
    );
}

#[test]
fn json_lines_may_differ_in_their_keys() {
    let text = b"{\"a\": 1, \"b\": {\"c\": [2]}}\nnot json\n\n{\"d\": \"x\", \"a\": 2.5}\n[1]\n";
    let (report, rows) = written(Format::JsonLines, text, &[]).unwrap();
    let expected = [r#"a=1.0 b="{"c":[2]}" d=null"#, r#"a=2.5 b=null d="x""#];
    assert_eq!(rows, expected);
    assert_eq!((report.came, report.written), (4, 2));
    assert!(
        report
            .fault
            .is_some_and(|fault| fault.contains("line 2 is not JSON"))
    );
}

#[test]
fn parquet_keeps_its_types() {
    let source = tempfile::tempdir().unwrap();
    let columns = [
        ("t_ns".to_owned(), ColumnType::Int),
        ("raw".to_owned(), ColumnType::Bytes),
    ];
    let own = CaseLabels {
        factors: vec![("colour".into(), FactorValue::Text("red".into()))],
        ..labels()
    };
    let mut writer = TableWriter::create(source.path(), &user_table("x", &columns), &own).unwrap();
    writer
        .push(&[crate::sink::Cell::Int(4), crate::sink::Cell::Null])
        .unwrap();
    let bytes = std::fs::read(writer.finish().unwrap().path).unwrap();
    // A table of ours has ids of its own, which would come twice.
    let error = written(Format::Parquet, &bytes, &[]).unwrap_err();
    assert!(
        matches!(&error, UserTableError::Name(name) if name == "run_id"),
        "{error}"
    );

    let flat = flat_parquet();
    let (report, rows) = written(Format::Parquet, &flat, &[]).unwrap();
    assert_eq!(rows, ["at=1500000 name=\"geo\"", "at=null name=\"user\""]);
    assert_eq!((report.came, report.fault), (2, None));
    assert!(written(Format::Parquet, b"PAR1 or not", &[]).is_err());
}

/// An instant in microseconds and a dictionary of names.
fn flat_parquet() -> Vec<u8> {
    use arrow_array::types::Int32Type;
    use arrow_array::{ArrayRef, DictionaryArray, RecordBatch, TimestampMicrosecondArray};
    use std::sync::Arc;
    let at: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![Some(1_500), None]));
    let name: DictionaryArray<Int32Type> = vec!["geo", "user"].into_iter().collect();
    let batch = RecordBatch::try_from_iter([("at", at), ("name", Arc::new(name))]).unwrap();
    let mut writer =
        ::parquet::arrow::ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

/// The values of all cases as one reader would have them: each file's types, and its rows.
fn cases(texts: &[&str]) -> Vec<(Vec<String>, Vec<String>)> {
    let dir = tempfile::tempdir().unwrap();
    let case = |at: usize| CaseLabels {
        case_id: format!("c{at:03}"),
        factors: vec![("rate_hz".to_owned(), FactorValue::Float(at as f64))],
        ..labels()
    };
    for (at, text) in texts.iter().enumerate() {
        write_user_table(
            dir.path(),
            &case(at),
            "queue",
            (Format::Csv, text.as_bytes()),
            &[],
        )
        .unwrap();
    }
    let read = |at: usize| {
        let mut types = Vec::new();
        let mut rows = Vec::new();
        for batch in
            crate::read::read_table(&part_path(dir.path(), "user_queue", &case(at).case_id))
                .unwrap()
        {
            let batch = batch.unwrap();
            types = batch
                .schema()
                .fields()
                .iter()
                .skip(3)
                .map(|field| format!("{}:{}", field.name(), field.data_type()))
                .collect();
            for row in 0..batch.num_rows() {
                assert_eq!(crate::read::float(&batch, "rate_hz", row), Some(at as f64));
                let cells: Vec<_> = (3..batch.num_columns())
                    .map(|column| crate::read::any(&batch, column, row))
                    .collect();
                rows.push(cells.join(","));
            }
        }
        (types, rows)
    };
    (0..texts.len()).map(read).collect()
}

#[test]
fn a_column_has_one_type_in_all_cases() {
    let whole_then_real = cases(&[
        "name,depth\nq1,1\nq2,2\n",
        "name,depth\nq1,1.5\nq2,2\n",
        "name,depth\nq1,7\n",
    ]);
    for (types, _) in &whole_then_real {
        assert_eq!(types[..], ["name:Utf8", "depth:Float64"]);
    }
    assert_eq!(whole_then_real[0].1, ["q1,1", "q2,2"]);
    assert_eq!(whole_then_real[1].1, ["q1,1.5", "q2,2"]);
    // What a double would round is text in all of them; an empty column takes the type that others have.
    let large = cases(&["d,e\n9007199254740993,\n", "d,e\n0.5,3\n"]);
    assert_eq!(
        large[0],
        (
            vec!["d:Utf8".into(), "e:Int64".into()],
            vec!["9007199254740993,".into()]
        )
    );
    assert_eq!(large[1].1, ["0.5,3"]);
    let text = cases(&["d\ntrue\n", "d\n3\n", "d\nx\n"]);
    assert_eq!(
        text.iter()
            .map(|(types, rows)| (&*types[0], &*rows[0]))
            .collect::<Vec<_>>(),
        [("d:Utf8", "true"), ("d:Utf8", "3"), ("d:Utf8", "x")]
    );
    // Columns of one case are there, and null, in the others.
    let more = cases(&["a\n1\n", "b,a\nx,2\n"]);
    assert_eq!(
        more[0],
        (vec!["a:Int64".into(), "b:Utf8".into()], vec!["1,".into()])
    );
    assert_eq!(more[1].1, ["2,x"]);
    assert_eq!(cases(&["d\n1\n9007199254740993\n0.5\n"])[0].0, ["d:Utf8"]);
}

#[test]
fn tables_of_another_run_are_left_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let of = |run: &str, case: &str| CaseLabels {
        run_id: run.into(),
        case_id: case.into(),
        ..labels()
    };
    let write = |labels: &CaseLabels, text: &str| {
        write_user_table(
            dir.path(),
            labels,
            "queue",
            (Format::Csv, text.as_bytes()),
            &[],
        )
        .unwrap()
    };
    write(&of("other", "c001"), "d\n1\n");
    let path = part_path(dir.path(), "user_queue", "c001");
    let before = std::fs::read(&path).unwrap();
    write(&of("r", "c002"), "d\n0.5\n");
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn names_of_the_dataset_are_not_the_users() {
    for text in ["rate_hz\n1\n", "case_id\n1\n", "a,a\n1,2\n", "a,\n1,2\n"] {
        assert!(
            written(Format::Csv, text.as_bytes(), &[]).is_err(),
            "{text}"
        );
    }
    assert!(written(Format::Csv, b"", &[]).is_err());
    let (report, rows) = written(Format::JsonLines, b"", &[]).unwrap();
    assert_eq!((report.came, rows.len()), (0, 0));
}

#[test]
fn numbers_that_a_double_would_round_stay_as_they_are_written() {
    for (text, expected) in [
        ("9223372036854775808", "d=\"9223372036854775808\""),
        ("1e400", "d=\"1e400\""),
        ("0.1234567890123456789", "d=\"0.1234567890123456789\""),
        ("1.50", "d=1.5"),
    ] {
        let (_, rows) = written(Format::Csv, format!("d\n{text}\n").as_bytes(), &[]).unwrap();
        assert_eq!(rows, [expected]);
        let json = format!("{{\"d\": {text}}}");
        let (_, rows) = written(Format::JsonLines, json.as_bytes(), &[]).unwrap();
        assert_eq!(rows, [expected]);
    }
    let infinite = written(Format::Csv, b"d\n1e400\n", &[("d", ColumnType::Float)]).unwrap();
    assert_eq!((infinite.0.came, infinite.0.written), (1, 0));
}

#[test]
fn ids_are_texts() {
    let ids = written(Format::Csv, b"id\n1e10\n2e11\n", &[]).unwrap().1;
    assert_eq!(ids, ["id=\"1e10\"", "id=\"2e11\""]);
    let numbers = written(Format::Csv, b"d\n1e10\n2.5\n", &[]).unwrap().1;
    assert_eq!(numbers, ["d=10000000000.0", "d=2.5"]);
    let json = br#"{"a": "1", "b": 1e3}"#;
    assert_eq!(
        written(Format::JsonLines, json, &[]).unwrap().1,
        ["a=\"1\" b=1000.0"]
    );
    let declared = written(Format::JsonLines, json, &[("a", ColumnType::Int)]).unwrap();
    assert_eq!(declared.1, ["a=1 b=1000.0"]);
}

#[test]
fn a_column_that_becomes_text_is_as_it_was_written() {
    let cells = [
        "1.50",
        "1e+10",
        "True",
        "+5",
        "7",
        "0.10000000000000001",
        "1.0",
    ];
    for cell in cells {
        let first = format!("d\n{cell}\n");
        let all = cases(&[&first, "d\nabc\n", "d\n2.50\n"]);
        let found: Vec<_> = all
            .iter()
            .map(|(types, rows)| (&*types[0], &*rows[0]))
            .collect();
        assert_eq!(
            found,
            [("d:Utf8", cell), ("d:Utf8", "abc"), ("d:Utf8", "2.50")]
        );
    }
    // Whole numbers, then fractions, then text: the first case is rewritten twice.
    let twice = cases(&["d\n+5\n", "d\n0.50\n", "d\nx\n"]);
    assert_eq!((&*twice[0].1[0], &*twice[1].1[0]), ("+5", "0.50"));
}

#[test]
fn json_comes_in_every_form() {
    for text in [
        "\u{feff}{\"a\":1}\n{\"a\":2}",
        "[{\"a\":1},{\"a\":2}]",
        "[\n  {\n    \"a\": 1\n  },\n  {\n    \"a\": 2\n  }\n]\n",
        "{\n  \"a\": 1\n}\n{\n  \"a\": 2\n}\n",
        "{\"a\":1}{\"a\":2}",
        "[{\"a\":1}]\n[{\"a\":2}]\n",
    ] {
        let (report, rows) = written(Format::JsonLines, text.as_bytes(), &[]).unwrap();
        assert_eq!(
            (rows, report.fault),
            (vec!["a=1".into(), "a=2".into()], None),
            "{text}"
        );
    }
    for (text, said) in [
        ("{\"a\":1}\n{\"a\":\n{\"a\":2}\n", "line 2 is not JSON"),
        (
            "{\"a\":1}\n{\"a\":3,\"a\":4}\n{\"a\":2}",
            "line 2 has the key `a` twice",
        ),
        (
            "[{\"a\":1},\n{\"a\":2}",
            "the array that begins in line 1 does not end",
        ),
        ("[{\"a\":1},7,{\"a\":2}]", "line 1 is no JSON object"),
    ] {
        let (report, rows) = written(Format::JsonLines, text.as_bytes(), &[]).unwrap();
        assert_eq!((rows.len(), report.came), (2, 3), "{text}");
        assert!(
            report
                .fault
                .as_ref()
                .is_some_and(|fault| fault.contains(said)),
            "{report:?}"
        );
    }
}

#[test]
fn what_is_no_table_is_an_error() {
    for (format, text, said) in [
        (
            Format::Csv,
            "<html><body>Login</body></html>\n",
            "this is a page",
        ),
        (Format::JsonLines, "\n<!doctype html>", "this is a page"),
        (Format::Csv, "a\tb\n1\t2\n", "separated by tabs"),
        (Format::Csv, "a;b\n1;2\n", "separated by semicolons"),
    ] {
        let error = written(format, text.as_bytes(), &[])
            .unwrap_err()
            .to_string();
        assert!(error.contains(said), "{error}");
        assert!(
            !error.contains("as Csv") && !error.contains("as JsonLines"),
            "{error}"
        );
    }
}

#[test]
fn parquet_has_one_unit_of_time_and_no_column_costs_the_others() {
    use arrow_array::{
        ArrayRef, Decimal128Array, DurationMicrosecondArray, DurationMillisecondArray,
        DurationNanosecondArray, DurationSecondArray, RecordBatch, Time32MillisecondArray,
        Time64MicrosecondArray, TimestampSecondArray, UInt64Array,
    };
    use std::sync::Arc;
    let decimal = |value: i128, scale: i8| -> ArrayRef {
        let array = Decimal128Array::from(vec![value]);
        Arc::new(array.with_precision_and_scale(38, scale).unwrap())
    };
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("s", Arc::new(DurationSecondArray::from(vec![1]))),
        ("ms", Arc::new(DurationMillisecondArray::from(vec![1_000]))),
        (
            "us",
            Arc::new(DurationMicrosecondArray::from(vec![1_000_000])),
        ),
        (
            "ns",
            Arc::new(DurationNanosecondArray::from(vec![1_000_000_000])),
        ),
        ("day", Arc::new(Time32MillisecondArray::from(vec![1_000]))),
        (
            "day_us",
            Arc::new(Time64MicrosecondArray::from(vec![1_000_000])),
        ),
        ("large", Arc::new(UInt64Array::from(vec![u64::MAX]))),
        ("small", Arc::new(UInt64Array::from(vec![7]))),
        ("price", decimal(150, 2)),
        ("long", decimal(12_345_678_901_234_567_890, 10)),
        (
            "never",
            Arc::new(TimestampSecondArray::from(vec![i64::MAX / 2])),
        ),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer =
        ::parquet::arrow::ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    let (report, rows) = written(Format::Parquet, &writer.into_inner().unwrap(), &[]).unwrap();
    assert_eq!(
        rows,
        [
            "s=1000000000 ms=1000000000 us=1000000000 ns=1000000000 day=1000000000 day_us=1000000000 \
          large=\"18446744073709551615\" small=7 price=1.5 long=\"1234567890.1234567890\""
        ]
    );
    assert_eq!(report.without.len(), 1, "{report:?}");
    assert!(report.without[0].contains("column `never`"), "{report:?}");
}
