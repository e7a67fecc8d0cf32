"""Reads a run's dataset with duckdb, polars and pandas, as a user would, and checks what a good run must show.

Usage: python check.py RUN [--default]     (RUN is data/<experiment>/<run>; --default: also what the default run shows)
"""

import json
import pathlib
import sys

import duckdb
import pandas
import polars

TABLES = ["cases", "load", "requests", "spans", "traces", "services", "edges", "metrics", "interference", "quality"]

run = pathlib.Path(sys.argv[1])
failures = []


def check(what, holds, detail=""):
    print(("ok      " if holds else "FAILED  ") + what + (f": {detail}" if detail != "" else ""))
    if not holds:
        failures.append(what)


def rows(query):
    return duckdb.sql(query.replace("$", str(run))).fetchall()


for table in TABLES:
    counts = {
        "duckdb": rows(f"select count(*) from '$/{table}/*/*.parquet'")[0][0],
        "polars": polars.scan_parquet(run / table / "**" / "*.parquet").select(polars.len()).collect().item(),
        "pandas": len(pandas.read_parquet(run / table)),
    }
    check(f"{table} is read alike by three", len(set(counts.values())) == 1 and counts["duckdb"] > 0, counts)
    columns = [name for name, *_ in rows(f"describe select * from '$/{table}/*/*.parquet'")]
    check(f"{table} starts with its labels", columns[:6] == ["run_id", "case_id", "app", "workload", "rate_hz", "round"], columns[:6])

statuses = rows("select status, count(*) from '$/cases/*/*.parquet' group by all")
meta = json.loads((run / "run.json").read_text())
check("every planned case is ok", statuses == [("ok", len(meta["plan"]["cases"]))], statuses)
check("the run is complete", meta["state"] == "complete", meta["state"])

off = rows("select case_id, second from '$/load/*/*.parquet' where intended <> ok + errors + unfinished + unsent")
check("outcomes sum to intended in every second", off == [], off)
off = rows("""
    select l.case_id, l.n, r.n from (select case_id, sum(intended) n from '$/load/*/*.parquet' group by 1) l
    join (select case_id, count(*) n from '$/requests/*/*.parquet' group by 1) r using (case_id) where l.n <> r.n""")
check("requests has one row for every intended request", off == [], off)

done, joined = rows("""
    select count(*), count(*) filter (t.complete and t.n_services >= 2)
    from (select * from '$/requests/*/*.parquet' where phase = 'measure' and done_ns is not null and outcome = 'ok') r
    left join (select trace_id, complete, services n_services from '$/traces/*/*.parquet') t using (trace_id)""")[0]
check("at least 99.9 % of completed requests have a complete trace of 2 or more services", joined >= 0.999 * done, f"{joined}/{done}")

off = rows("""
    with first as (select case_id, min(t_ns) t0 from '$/interference/*/*.parquet' group by 1)
    select i.case_id, i.requested, avg(i.achieved) a from '$/interference/*/*.parquet' i join first using (case_id)
    where i.kind = 'cpu' and i.t_ns >= t0 + 1000000000 group by all having abs(a - i.requested) > 3""")
check("achieved CPU intensity is within 3 points of the requested one", off == [], off)

off = rows("select count(*) from '$/spans/*/*.parquet' where self_ns < 0 or self_ns > duration_ns")
check("self times lie between zero and the duration", off == [(0,)], off)

if "--default" in sys.argv:
    check("there are twelve cases", len(meta["plan"]["cases"]) == 12)
    effect = rows("""
        select rate_hz, round, max(self_p95_ns) filter (cpu = 60) / max(self_p95_ns) filter (cpu = 0)
        from '$/services/*/*.parquet' where service = 'search' group by all order by all""")
    check("interference raises the p95 self time of search at every rate", all(ratio > 1 for *_, ratio in effect), effect)
    lag = rows("""
        select cpu, round(quantile_cont((sent_ns - intended_ns) / 1e3, 0.99), 0) from '$/requests/*/*.parquet'
        where phase = 'measure' and sent_ns is not null group by all order by all""")
    print("        send lag p99 in us by intensity:", lag)

sys.exit(1 if failures else 0)
