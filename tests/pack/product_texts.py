#!/usr/bin/env python3
"""The texts that a platform runs give the rows of the pack's, row for row, while the thresholds are the defaults.

usage: product_texts.py PROGRAM. Each query of queries/pack/ and the one of the same name (the shared pack's where it is
there, else that of queries/) read the same hours of a simulated fleet with incidents: with reference data as the pack has it,
and with the columns that the registry's meters have. Then with other thresholds in those columns, which must show.
"""
import collections
import csv
import json
import os
import pathlib
import subprocess
import sys
import tempfile

PROGRAM = str(pathlib.Path(sys.argv[1]).resolve())
TOP = pathlib.Path(__file__).resolve().parents[2]
SHARED = pathlib.Path(os.environ.get("METERHUB_SHARED", TOP.parent / "shared")) / "queries"
# Chongqing is 8 hours ahead: an afternoon and evening, and a local day with its edges.
RUNS = {"hours": ("2026-03-02T08:00:00Z", "4h", "150"), "day": ("2026-03-02T15:00:00Z", "26h", "60")}
DEFAULTS = {"LeakStep": 0.0, "NightLimit": 0.1, "TamperTolerance": 0.0015, "SpikeFactor": 10.0, "SpikeFloor": 0.02,
            "BatteryMask": 1, "TamperMask": 8, "SensorMask": 16}
# Under these no row of the output is left, but for meters that the reference data does not have.
NONE = {"04-status-alarms": ({"BatteryMask": 0, "TamperMask": 0, "SensorMask": 0}, ["AlarmRaised", "AlarmCleared"]),
        "06-leak-suspicion": ({"LeakStep": 100.0, "NightLimit": 100.0}, ["LeakSuspicion", "NightFlow"]),
        "13-flow-spike": ({"SpikeFloor": 1000.0}, ["FlowSpike"])}
LIMIT_S = 600


def simulate(folder):
    for name, (begin, span, meters) in RUNS.items():
        subprocess.run([PROGRAM, "simulate", "--documents", str(folder / name), "--meters", meters, "--faults", "--seed", "5",
                        "--begin", begin, "--for", span], check=True, timeout=LIMIT_S, stdout=subprocess.DEVNULL)


def reference(folder, columns):
    """Meters.csv as JSON lines, so that numbers stay numbers, with these columns beside its own."""
    target = folder / "Meters.jsonl"
    with (folder / "Meters.csv").open() as source, target.open("w") as out:
        for meter in csv.DictReader(source):
            out.write(json.dumps({**meter, **columns}) + "\n")
    return target


def rows(query, folder, meters):
    command = [PROGRAM, "sql", "test", "--query", str(query), "--input", f"EventHubInput={folder / 'readings.jsonl'}"]
    if " Meters " in query.read_text():
        command += ["--reference", f"Meters={meters}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S)
    assert done.returncode == 0, (query, done.stderr)
    return collections.Counter(done.stdout.splitlines())


def outputs(found):
    return collections.Counter(json.loads(line)["output"] for line in found.elements())


def known(found, meters):
    devices = {json.loads(line)["DeviceID"] for line in meters.read_text().splitlines()}
    return [line for line in found if json.loads(line)["event"]["DeviceID"] in devices]


def main():
    names = sorted(path.stem for path in (TOP / "queries" / "pack").glob("*.sql"))
    assert len(names) >= 6, names
    with tempfile.TemporaryDirectory(prefix="meterhub-product-texts-") as name:
        folder = pathlib.Path(name)
        simulate(folder)
        for query in names:
            texts = SHARED if (SHARED / f"{query}.sql").exists() else TOP / "queries"
            product, seen = TOP / "queries" / "pack" / f"{query}.sql", collections.Counter()
            for run in (folder / kind for kind in RUNS):
                expected = rows(texts / f"{query}.sql", run, run / "Meters.csv")
                for meters in (run / "Meters.csv", reference(run, DEFAULTS)):
                    found = rows(product, run, meters)
                    assert found == expected, (query, run.name, meters.name, list((found - expected) + (expected - found))[:3])
                seen += outputs(expected)
            print(f"{query:24} {dict(seen)}")
            assert seen, f"{query}: of no rows nothing is proved"
            columns, gone = NONE.get(query, ({}, []))
            for run in (folder / kind for kind in RUNS) if gone else ():
                meters = reference(run, {**DEFAULTS, **columns})
                left = known(rows(product, run, meters), meters)
                assert all(seen[output] > 0 for output in gone) and not left, (query, seen, left)


if __name__ == "__main__":
    main()
