#!/usr/bin/env python3
"""Runs the query pack on a simulated fleet with incidents and compares its alarms with the truth.

usage: pack.py PROGRAM [--seed N] [--scale N] [--keep FOLDER] [--only NUMBER]

For each query `meterhub sql test` runs it over hours of documents that `meterhub simulate --documents`
wrote; judges.py says which rows are right. Prints query, alarms, true, precision, recall, and how
long after its cause an alarm's time is (median, most). Fails below 0.95.
"""
import argparse
import collections
import filecmp
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import judges
from truth import Truth

TOP = pathlib.Path(__file__).resolve().parents[2]
SHARED = pathlib.Path(os.environ.get("METERHUB_SHARED", TOP.parent / "shared"))
# Chongqing is 8 hours ahead. hours: the afternoon and evening; day: a local day and its edges.
RUNS = {
    "hours": {"--begin": "2026-03-02T08:00:00Z", "--for": "4h", "meters": 300},
    "day": {"--begin": "2026-03-02T15:00:00Z", "--for": "26h", "meters": 120},
}


def simulate(program, name, arguments, folder):
    run = RUNS[name]
    subprocess.run([program, "simulate", "--documents", folder, "--meters", str(run["meters"] * arguments.scale), "--faults",
                    "--seed", str(arguments.seed), "--begin", run["--begin"], "--for", run["--for"]],
                   check=True, stdout=subprocess.DEVNULL)
    return Truth(folder)


def query_of(name):
    """The pack's, or one that docs/queries.md proposes."""
    own = TOP / "tests/pack" / f"{name}.sql"
    return own if own.exists() else TOP / "queries" / f"{name}.sql"


def ask(program, query, log, folder, by_arrival):
    """Rows of each output."""
    command = [program, "sql", "test", "--query", query, "--input", f"EventHubInput={folder / (log + '.jsonl')}"]
    if " Meters " in query.read_text():
        command += ["--reference", f"Meters={folder / 'Meters.csv'}"]
    if by_arrival:
        command += ["--late", "5s", "--out-of-order", "0s"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{query.name}: exit code {done.returncode}\n{done.stderr[-2000:]}")
    rows = collections.defaultdict(list)
    for line in done.stdout.splitlines():
        row = json.loads(line)
        rows[row["output"]].append(row["event"])
    return rows


def show(score):
    print(f"{score.name:28} {score.alarms:7} {score.true:7} {score.precision:9.3f} {score.recall:7.3f}   {score.delay()}")
    for note in score.notes:
        print(f"{'':28} {note}")
    if score.wrong and score.precision < 1:
        print(f"{'':28} wrong, for instance: {json.dumps(score.wrong[0], default=str)}")


def same_as_shared():
    """Our copies are the pack's files."""
    if not (SHARED / "queries").is_dir():
        print(f"no pack at {SHARED / 'queries'}: ours are not compared with it")
        return True
    return all(filecmp.cmp(TOP / "queries" / query.name, query, shallow=False) for query in (SHARED / "queries").glob("*.sql"))


def passes(score, by_arrival):
    """Of nothing nothing is proved."""
    if score.to_the_second and by_arrival:
        return score.true > 0
    return score.true > 0 and score.precision >= score.least_precision and score.recall >= score.least_recall


def run(arguments, base):
    truths, good = {}, True
    print(f"seed {arguments.seed}\n{'query':28} {'alarms':>7} {'true':>7} {'precision':>9} {'recall':>7}   after its cause")
    for name, kind, log, judge in judges.JUDGES:
        if arguments.only and not name.startswith(arguments.only):
            continue
        if kind not in truths:
            truths[kind] = simulate(arguments.program, kind, arguments, base / kind)
        for score in judge(truths[kind], ask(arguments.program, query_of(name), log, base / kind, arguments.by_arrival)):
            show(score)
            good = good and passes(score, arguments.by_arrival)
    return good


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--scale", type=int, default=1, help="so many times the meters")
    parser.add_argument("--keep", type=pathlib.Path, help="where the documents stay")
    parser.add_argument("--by-arrival", action="store_true", help="in order of arrival, by the time policies of a job")
    parser.add_argument("--only", help="the queries that begin so")
    arguments = parser.parse_args()
    if not same_as_shared():
        sys.exit("queries/ differs from the shared pack")
    with tempfile.TemporaryDirectory() as folder:
        good = run(arguments, arguments.keep or pathlib.Path(folder))
    sys.exit(0 if good else f"seed {arguments.seed}: below {judges.LEAST}")


if __name__ == "__main__":
    main()
