//! A disk that fills while a table is written.

use aefm_collector::schema::SPANS;
use aefm_collector::sink::{Cell, TableWriter, part_path};
use aefm_tests::parts::{self, Part, SmallDisk};
use aefm_workloads::draw::mix;
use aefm_workloads::ids::{SpanId, TraceId};
use aefm_workloads::labels::CaseLabels;
#[test]
fn a_full_disk_is_an_error_that_says_so_and_leaves_no_file() {
    let dir = tempfile::tempdir().unwrap();
    if !parts::has(Part::Mount) {
        return;
    }
    let _disk = SmallDisk::mount(dir.path(), "1m").expect("it was tried");
    let dir = dir.path();
    let labels = CaseLabels {
        run_id: "r".into(),
        case_id: "c1".into(),
        factors: Vec::new(),
    };
    let mut writer = TableWriter::create(dir, &SPANS, &labels).unwrap();
    let error = (0..1_000_000_u64).find_map(|number| {
        let mut row = [Cell::Null; 23];
        // Ids that do not compress.
        let bytes = [mix(number).to_be_bytes(), mix(!number).to_be_bytes()].concat();
        row[0] = Cell::Trace(TraceId(bytes.try_into().unwrap()));
        row[1] = Cell::Span(SpanId(mix(number ^ 7).to_be_bytes()));
        (row[5], row[6]) = (Cell::Text("geo"), Cell::Text("near"));
        row[10..15].fill(Cell::Int(mix(number).cast_signed()));
        (row[15], row[17]) = (Cell::Flag(false), Cell::Flag(false));
        writer.push(&row).err()
    });
    let error = error.expect("a megabyte is not enough").to_string();
    assert!(
        error.contains("table spans of case c1") && error.contains("No space left on device"),
        "{error}"
    );
    // Later rows fail as well, and nothing pretends to be complete.
    assert!(writer.finish().is_err());
    assert!(!part_path(dir, "spans", "c1").exists());
    assert_eq!(std::fs::read_dir(dir.join("spans")).unwrap().count(), 0);
}
