//! CRISP's own examples: the same critical paths, to the microsecond (see CONFORMANCE.md of `collector/`).
//!
//! The examples are a repository of Uber's (`uber-research/CRISP`, `test_cases/`); `AEFM_CRISP` names a copy of that
//! folder. They are not ours to keep here. With `AEFM_CRISP_PYTHON`, a Python that has CRISP's requirements, CRISP itself
//! is run on them, and its calling-context trees are compared, too.

use aefm_collector::span::{Names, Span, SpanKind};
use aefm_collector::trace::{Steps, Tree, group};
use aefm_tests::parts::{Part, find};
use aefm_workloads::ids::{SpanId, TraceId};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

/// A trace of CRISP's, whose ids are any text.
fn spans(trace: &Value) -> Vec<Span> {
    let mut names = Names::default();
    let json = trace["spans"].as_array().unwrap();
    let numbers: HashMap<&str, u64> = (1..)
        .zip(json)
        .map(|(number, span)| (span["spanID"].as_str().unwrap(), number))
        .collect();
    let id = |text: &str| SpanId(numbers.get(text).copied().unwrap_or(u64::MAX).to_be_bytes());
    json.iter()
        .map(|span| {
            let process = &trace["processes"][span["processID"].as_str().unwrap()];
            let tag = |tags: &Value, key: &str| {
                let tag = tags.as_array()?.iter().find(|tag| tag["key"] == key)?;
                tag["value"].as_str().map(str::to_owned)
            };
            let node = tag(&process["tags"], "hostname");
            let parent = span["references"]
                .as_array()
                .and_then(|list| list.first()?["spanID"].as_str());
            Span {
                trace_id: TraceId([1; 16]),
                span_id: id(span["spanID"].as_str().unwrap()),
                parent: parent.map(id),
                origin: names.origin(
                    process["serviceName"].as_str().unwrap(),
                    None,
                    node.as_deref(),
                ),
                operation: names.name(span["operationName"].as_str().unwrap()),
                kind: tag(&span["tags"], "span.kind").and_then(|kind| SpanKind::from_name(&kind)),
                start_ns: span["startTime"].as_i64().unwrap(),
                duration_ns: span["duration"].as_i64().unwrap(),
                negative: false,
                unfinished: false,
                error: false,
                http_status: None,
                attributes: None,
                extra: None,
            }
        })
        .collect()
}

/// The calling-context tree of the critical path: own time by call path, names joined by `;`.
fn contexts(trace: Vec<Span>) -> BTreeMap<String, i64> {
    let spans = group(trace).0.remove(0);
    let tree = Tree::new(&spans, None);
    let steps = Steps::new(&spans, &tree, tree.root().unwrap());
    let name = |node: u32| {
        format!(
            "[{}] {}",
            spans[node as usize].origin.service, spans[node as usize].operation
        )
    };
    let mut contexts = BTreeMap::new();
    for node in steps.nodes() {
        let mut path = name(node);
        let mut at = node;
        while let Some(parent) = tree.parents[at as usize] {
            path = format!("{};{path}", name(parent));
            at = parent;
        }
        let children: i64 = steps
            .children(node)
            .iter()
            .map(|child| steps.duration_ns(*child))
            .sum();
        *contexts.entry(path).or_insert(0) += steps.duration_ns(node) - children;
    }
    // A small overlap that is forgiven can make these negative.
    contexts
        .values_mut()
        .for_each(|time: &mut i64| *time = (*time).max(0));
    contexts
}

/// Own time on the path by operation.
fn exclusive(trace: Vec<Span>) -> BTreeMap<String, i64> {
    let mut by_operation = BTreeMap::new();
    for (path, time) in contexts(trace) {
        let operation = path.rsplit(';').next().unwrap_or_default().to_owned();
        *by_operation.entry(operation).or_insert(0) += time;
    }
    by_operation
}

fn examples(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "json")
    });
    files.sort();
    files
}

#[test]
fn critical_paths_are_those_of_crisps_examples() {
    let Some(folder) = find(Part::Crisp) else {
        return;
    };
    let mut checked = 0;
    for file in examples(Path::new(&folder)) {
        let example: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        let testing = &example["testing"];
        let golden = if testing.is_array() {
            &testing[0]
        } else {
            &testing["opTimeExclusive"]
        };
        let Some(golden) = golden.as_object() else {
            continue;
        };
        let golden: BTreeMap<String, i64> = golden
            .iter()
            .map(|(name, time)| (name.clone(), time.as_i64().unwrap()))
            .collect();
        assert_eq!(
            exclusive(spans(&example["data"][0])),
            golden,
            "{}",
            file.display()
        );
        checked += 1;
    }
    assert!(checked >= 20, "only {checked} examples have results");
}

/// What CRISP writes as the calling-context tree (`.cct`) of one example; none where it fails on it itself.
fn cct_of_crisp(
    python: &Path,
    repository: &Path,
    example: &Path,
    trace: &Value,
) -> Option<BTreeMap<String, i64>> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(example, folder.path().join("trace.json")).unwrap();
    let is_root = |span: &&Value| span["references"].as_array().is_none_or(Vec::is_empty);
    let root = trace["spans"]
        .as_array()
        .unwrap()
        .iter()
        .find(is_root)
        .unwrap();
    let service = &trace["processes"][root["processID"].as_str().unwrap()]["serviceName"];
    let run = std::process::Command::new(python)
        .args(["-m", "crisp.process_trace", "-s", service.as_str().unwrap()])
        .args(["-a", root["operationName"].as_str().unwrap(), "-i"])
        .arg(folder.path())
        .current_dir(repository)
        .output()
        .unwrap();
    let written = std::fs::read_to_string(folder.path().join("flame-graph-P100.cct"));
    let Ok(text) = written else {
        eprintln!(
            "CRISP itself wrote nothing for {}: {}",
            example.display(),
            String::from_utf8_lossy(&run.stderr)
        );
        return None;
    };
    let line = |line: &str| {
        // `path time <<count>>`
        let (path, time) = line
            .rsplit_once(" <<")
            .map_or(line, |(head, _)| head)
            .rsplit_once(' ')
            .unwrap();
        (path.to_owned(), time.parse::<i64>().unwrap())
    };
    Some(
        text.lines()
            .filter(|line| !line.is_empty())
            .map(line)
            .collect(),
    )
}

#[test]
fn calling_context_trees_are_those_that_crisp_writes() {
    let (Some(folder), Some(python)) = (find(Part::Crisp), find(Part::CrispPython)) else {
        return;
    };
    let mut checked = 0;
    for file in examples(&folder) {
        let example: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        let trace = &example["data"][0];
        let repository = folder.parent().unwrap();
        let Some(theirs) = cct_of_crisp(Path::new(&python), repository, &file, trace) else {
            continue;
        };
        // Whether a path of no time is named is a matter of taste.
        let timed = |tree: BTreeMap<String, i64>| {
            tree.into_iter()
                .filter(|(_, time)| *time > 0)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            timed(contexts(spans(trace))),
            timed(theirs),
            "{}",
            file.display()
        );
        checked += 1;
    }
    assert!(
        checked >= 20,
        "CRISP wrote trees for only {checked} examples"
    );
}
