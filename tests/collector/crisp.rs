//! CRISP's own examples: the same critical paths, to the microsecond.
//!
//! The examples are a repository of Uber's (`uber-research/CRISP`, `test_cases/`); `AEFM_CRISP` names a copy of that
//! folder. They are not ours to keep here.

use aefm_collector::span::{Names, Span, SpanKind};
use aefm_collector::trace::{Steps, Tree, group};
use aefm_workloads::ids::{SpanId, TraceId};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

/// A trace of CRISP's, whose ids are any text.
fn spans(trace: &Value) -> Vec<Span> {
    let mut names = Names::default();
    let json = trace["spans"].as_array().unwrap();
    let numbers: HashMap<&str, u64> =
        (1..).zip(json).map(|(number, span)| (span["spanID"].as_str().unwrap(), number)).collect();
    let id = |text: &str| SpanId(numbers.get(text).copied().unwrap_or(u64::MAX).to_be_bytes());
    json.iter()
        .map(|span| {
            let process = &trace["processes"][span["processID"].as_str().unwrap()];
            let tag = |tags: &Value, key: &str| {
                let tag = tags.as_array()?.iter().find(|tag| tag["key"] == key)?;
                tag["value"].as_str().map(str::to_owned)
            };
            let node = tag(&process["tags"], "hostname");
            let parent = span["references"].as_array().and_then(|list| list.first()?["spanID"].as_str());
            Span {
                trace_id: TraceId([1; 16]),
                span_id: id(span["spanID"].as_str().unwrap()),
                parent: parent.map(id),
                origin: names.origin(process["serviceName"].as_str().unwrap(), None, node.as_deref()),
                operation: names.name(span["operationName"].as_str().unwrap()),
                kind: tag(&span["tags"], "span.kind").and_then(|kind| SpanKind::from_name(&kind)),
                start_ns: span["startTime"].as_i64().unwrap(),
                duration_ns: span["duration"].as_i64().unwrap(),
                negative: false,
                error: false,
                http_status: None,
                attributes: None,
                extra: None,
            }
        })
        .collect()
}

/// Exclusive time on the path by operation: durations without those of the children on the path, summed by call path.
fn exclusive(trace: Vec<Span>) -> BTreeMap<String, i64> {
    let spans = group(trace).0.remove(0);
    let tree = Tree::new(&spans, None);
    let steps = Steps::new(&spans, &tree, tree.root().unwrap());
    let name = |node: u32| format!("[{}] {}", spans[node as usize].origin.service, spans[node as usize].operation);
    let path = |node: u32| {
        let mut path = name(node);
        let mut at = node;
        while let Some(parent) = tree.parents[at as usize] {
            path = format!("{}->{path}", name(parent));
            at = parent;
        }
        path
    };
    let mut by_path: BTreeMap<String, (String, i64)> = BTreeMap::new();
    for node in steps.nodes() {
        let children: i64 = steps.children(node).iter().map(|child| steps.duration_ns(*child)).sum();
        by_path.entry(path(node)).or_insert((name(node), 0)).1 += steps.duration_ns(node) - children;
    }
    let mut by_operation = BTreeMap::new();
    for (operation, time) in by_path.into_values() {
        *by_operation.entry(operation).or_insert(0) += time.max(0);
    }
    by_operation
}

fn examples(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    files
}

#[test]
fn critical_paths_are_those_of_crisps_examples() {
    let Some(folder) = std::env::var_os("AEFM_CRISP") else {
        eprintln!("left out: AEFM_CRISP does not name CRISP's folder test_cases");
        return;
    };
    let mut checked = 0;
    for file in examples(Path::new(&folder)) {
        let example: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        let testing = &example["testing"];
        let golden = if testing.is_array() { &testing[0] } else { &testing["opTimeExclusive"] };
        let Some(golden) = golden.as_object() else { continue };
        let golden: BTreeMap<String, i64> =
            golden.iter().map(|(name, time)| (name.clone(), time.as_i64().unwrap())).collect();
        assert_eq!(exclusive(spans(&example["data"][0])), golden, "{}", file.display());
        checked += 1;
    }
    assert!(checked >= 20, "only {checked} examples have results");
}
