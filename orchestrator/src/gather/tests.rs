//! Collections that fail: the case says so, and so does the dataset.

use super::*;
use crate::experiment::Experiment;
use crate::folder::RunFolder;
use crate::plan::Plan;
use crate::platform::{Census, Endpoints};
use crate::report::Status;
use crate::run::{CurrentCase, OwnTable};
use aefm_collector::user::Format;
use futures_core::future::BoxFuture;
use parquet::file::reader::SerializedFileReader;
use parquet::record::{Field, Row};
use std::collections::BTreeMap;

struct Stage {
    _data: tempfile::TempDir,
    folder: Arc<RunFolder>,
    experiment: Experiment,
    plan: Plan,
}

impl Stage {
    fn new(collect: &str) -> Self {
        let data = tempfile::tempdir().expect("a folder");
        let text =
            format!("axes: {{rate: [1], round: [1, 2]}}\nshuffle: false\ncollect: {collect}\n");
        let experiment = Experiment::read(&text, &|_| false).expect("valid");
        let plan = Plan::new(&experiment, "run", 1, 1).expect("there is room");
        let folder = Arc::new(RunFolder::create(data.path(), "e", "run").expect("it can be made"));
        Self {
            _data: data,
            folder,
            experiment,
            plan,
        }
    }

    async fn sources(&self) -> Arc<Sources> {
        Arc::new(
            Sources::open(Arc::clone(&self.folder), &self.experiment, &self.plan)
                .await
                .expect("nothing is secret"),
        )
    }

    fn evidence(&self, at: usize, census: fn() -> Vec<Census>) -> Evidence {
        let mut current = CurrentCase::new(at, self.plan.cases[at].clone(), 0);
        current.load_window = Some((0, 1));
        Evidence {
            current,
            ended_ns: 2,
            interference: Vec::new(),
            stressors: Vec::new(),
            census: Arc::new(move |_| -> BoxFuture<'static, Vec<Census>> {
                Box::pin(async move { census() })
            }),
            endpoints: Endpoints::default(),
            load: self.experiment.load.clone(),
        }
    }

    /// Rows of a table of a case; none where there is no such file.
    fn rows(&self, table: &str, case: &str) -> Vec<BTreeMap<String, String>> {
        let Ok(file) = std::fs::File::open(part_path(self.folder.path(), table, case)) else {
            return Vec::new();
        };
        let reader = SerializedFileReader::new(file).expect("it is whole");
        let cells = |row: Row| {
            row.get_column_iter()
                .map(|(name, cell)| (name.clone(), shown(cell)))
                .collect()
        };
        reader
            .into_iter()
            .map(|row| cells(row.expect("a row")))
            .collect()
    }

    /// Source and reason of what is not ok in a case.
    fn troubles(&self, case: &str) -> Vec<(String, String)> {
        let bad = self
            .rows("quality", case)
            .into_iter()
            .filter(|row| row["status"] != "ok");
        bad.map(|row| (row["source"].clone(), row["reason"].clone()))
            .collect()
    }
}

fn shown(cell: &Field) -> String {
    match cell {
        Field::Str(text) => text.clone(),
        other => other.to_string(),
    }
}

#[tokio::test]
async fn a_collection_that_panics_fails_its_case_and_no_other() {
    let stage = Stage::new("{settle: 500ms}");
    let sources = stage.sources().await;
    let mut collection = Collection::new(Ui::new(), 2);
    collection.begin(
        Arc::clone(&sources),
        stage.evidence(0, || panic!("a service says nonsense")),
    );
    collection.begin(sources, stage.evidence(1, Vec::new));
    collection.finish(Duration::from_secs(60)).await;
    let status = |id: &str| {
        let report = collection
            .reports()
            .iter()
            .find(|report| report.case.id == id)
            .expect("it is reported");
        (report.status, report.reason.clone().unwrap_or_default())
    };
    let (failed, reason) = status("c001");
    assert!(
        failed == Status::Failed && reason.contains("a service says nonsense"),
        "{reason}"
    );
    let troubles = stage.troubles("c001");
    assert!(
        troubles
            .iter()
            .any(|(source, why)| source == "collection" && why.contains("nonsense")),
        "{troubles:?}"
    );
    assert!(!status("c002").1.contains("nonsense"));
}

#[tokio::test]
async fn a_collection_that_is_given_up_is_over_and_says_so() {
    let stage = Stage::new("{settle: 1h}");
    let mut collection = Collection::new(Ui::new(), 1);
    // Nobody counts spans here: they are awaited for an hour.
    collection.begin(stage.sources().await, stage.evidence(0, Vec::new));
    collection.finish(Duration::from_millis(50)).await;
    collection.abandon().await;
    // What is known already is written all the same.
    assert_eq!(collection.reports()[0].status, Status::Degraded);
    assert!(
        stage
            .troubles("c001")
            .iter()
            .any(|(source, why)| source == "traces" && why.contains("the run ended before"))
    );
    let part = part_path(stage.folder.path(), "load", "c001");
    assert!(part.exists(), "{}", part.display());
}

#[tokio::test]
async fn tables_of_commands_and_handlers_are_written_and_those_that_fail_degrade_the_case() {
    let stage = Stage::new(
        "\n  settle: 500ms\n  tables:\n    \
         facts: {command: [sh, -c, 'echo id,from,rate; echo $AEFM_CASE_ID,$AEFM_FROM_NS,$AEFM_RATE_HZ'], format: csv}\n    \
         half: {command: [sh, -c, 'echo \"{\\\"a\\\": 1}\"; echo nonsense; echo sorry >&2; exit 3'], format: json-lines}\n    \
         slow: {command: [sleep, '60'], format: csv, timeout: 200ms}\n    \
         absent: {command: [/no/such/program], format: csv}",
    );
    let mut evidence = stage.evidence(0, Vec::new);
    let own = OwnTable {
        name: "mine".to_owned(),
        format: Format::Csv,
        bytes: b"a\n1\n".to_vec(),
    };
    evidence.current.tables.push(own);
    let mut collection = Collection::new(Ui::new(), 1);
    collection.begin(stage.sources().await, evidence);
    collection.finish(Duration::from_secs(60)).await;
    let count = |table: &str| stage.rows(table, "c001").len();
    assert_eq!(
        [
            "user_facts",
            "user_half",
            "user_slow",
            "user_absent",
            "user_mine"
        ]
        .map(count),
        [1, 1, 0, 0, 1]
    );
    let facts = &stage.rows("user_facts", "c001")[0];
    assert_eq!(facts["id"], facts["case_id"]);
    assert_eq!((facts["from"].as_str(), facts["rate"].as_str()), ("0", "1"));

    let troubles = stage.troubles("c001");
    let why = |source: &str| {
        let of = troubles
            .iter()
            .filter(|(of, _)| of == source)
            .map(|(_, why)| why.as_str());
        of.collect::<Vec<_>>().join("; ")
    };
    assert!(
        why("user_half").contains("sorry") && why("user_half").contains("1 of 2 rows"),
        "{troubles:?}"
    );
    assert!(
        why("user_slow").contains("did not end within 200ms"),
        "{troubles:?}"
    );
    assert!(
        why("user_absent").contains("/no/such/program"),
        "{troubles:?}"
    );
    assert!(
        why("user_facts").is_empty() && why("user_mine").is_empty(),
        "{troubles:?}"
    );
    assert_eq!(collection.reports()[0].status, Status::Degraded);
}
