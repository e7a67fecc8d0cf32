"""What AEFM 0.2.0 computes from a file of Jaeger's JSON, done with pandas, for comparison.

    python3 collector_pandas.py spans.json [--vectorised]

Flat rows, parents joined to children, self time by the union of children, quantiles by service and pod, end-to-end
durations, three CSV files. Written for this comparison. Children are swept parent by parent, by groupby.apply as in
AEFM 0.2.0, or, --vectorised, as fast as pandas can.
"""
import json
import sys
import tempfile
import time

import numpy as np
import pandas as pd


def flatten(path):
    with open(path) as file:
        answer = json.load(file)
    rows = []
    for trace in answer["data"]:
        processes = {
            key: (value["serviceName"], next((tag["value"] for tag in value["tags"] if tag["key"] == "hostname"), None))
            for key, value in trace["processes"].items()
        }
        for span in trace["spans"]:
            service, pod = processes[span["processID"]]
            parent = span["references"][0]["spanID"] if span["references"] else None
            rows.append((span["traceID"], span["spanID"], parent, service, pod, span["operationName"],
                         span["startTime"], span["duration"]))
    return pd.DataFrame(rows, columns=["trace_id", "span_id", "parent_id", "service", "pod", "operation", "start", "duration"])


def covered_by(children):
    """How much of their parent's time these children take together."""
    children = children.sort_values("start", kind="stable")
    begin, end = children["parent_start"].iloc[0], children["parent_start"].iloc[0] + children["parent_duration"].iloc[0]
    covered = 0
    for start, duration in zip(children["start"], children["duration"]):
        start, stop = max(start, begin), min(start + duration, end)
        if stop > start:
            covered += stop - start
            begin = stop
    return covered


def self_times(pairs):
    columns = ["start", "duration", "parent_start", "parent_duration"]
    return pairs.groupby(["trace_id", "parent_id"])[columns].apply(covered_by)


def self_times_vectorised(pairs):
    pairs = pairs.sort_values(["trace_id", "parent_id", "start"], kind="stable")
    key = pairs["trace_id"] + pairs["parent_id"]
    end = np.minimum(pairs["start"] + pairs["duration"], pairs["parent_start"] + pairs["parent_duration"])
    start = np.maximum(pairs["start"], pairs["parent_start"])
    reached = end.groupby(key).cummax().groupby(key).shift()
    covered = (end - np.fmax(start, reached.fillna(-np.inf))).clip(lower=0)
    return covered.groupby([pairs["trace_id"], pairs["parent_id"]]).sum()


def main():
    started = time.perf_counter()
    spans = flatten(sys.argv[1])
    parents = spans[["trace_id", "span_id", "service", "pod", "operation", "start", "duration"]].add_prefix("parent_")
    pairs = spans.merge(parents, left_on=["trace_id", "parent_id"], right_on=["parent_trace_id", "parent_span_id"])
    sweep = self_times_vectorised if "--vectorised" in sys.argv else self_times
    covered = sweep(pairs).rename("covered").reset_index().rename(columns={"parent_id": "span_id"})
    spans = spans.merge(covered, on=["trace_id", "span_id"], how="left")
    spans["self"] = spans["duration"] - spans["covered"].fillna(0)
    means = spans.groupby(["service", "pod", "trace_id"])["self"].mean()
    statistics = means.groupby(["service", "pod"]).quantile([0.5, 0.95]).unstack()
    end_to_end = spans[spans["parent_id"].isna()].groupby("trace_id")["duration"].max()
    with tempfile.TemporaryDirectory() as folder:
        pairs.to_csv(f"{folder}/raw_data.csv", index=False)
        statistics.to_csv(f"{folder}/statistical_data.csv")
        end_to_end.to_csv(f"{folder}/end_to_end_data.csv")
    elapsed = time.perf_counter() - started
    print(f"pandas {pd.__version__}: {len(spans) / elapsed / 1e3:.1f} thousand spans/s, {elapsed:.2f} s")
    print(statistics.to_string())


main()
