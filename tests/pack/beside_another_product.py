#!/usr/bin/env python3
"""The rows of gas meters are the same with and without readings of another product between them.

usage: beside_another_product.py PROGRAM. Every query of queries/ runs twice, over hours of a simulated gas fleet with
incidents: as they are, and with a reading of a water meter behind every fifth. What a query says of gas meters, and what
it says of no meter in particular, must be equal row by row.
"""
import collections
import json
import pathlib
import subprocess
import sys
import tempfile

PROGRAM = str(pathlib.Path(sys.argv[1]).resolve())
QUERIES = sorted((pathlib.Path(__file__).resolve().parents[2] / "queries").glob("*.sql"))
WATER = "0a4d5700000000"
WATER_METERS = 16
OF_COPIES = "12-duplicates"
LIMIT_S = 600


def water_reading(line, number):
    """A water meter's document (examples/water-meter) at the time and place of a gas meter's."""
    document = json.loads(line)
    document["originData"]["app"]["moteeui"] = f"{WATER}{number % WATER_METERS:02x}"
    time = (document["userData"] or {}).get("time")
    document["userData"] = time and {"volume": 100 + number / 1000, "flow": 0.1, "temperature": 3.0, "battery": 80,
                                     "leak": number % 2, "firmware": "1.0", "time": time}
    return json.dumps(document, separators=(",", ":"))


def mix(source, target):
    with source.open() as gas, target.open("w") as out:
        for number, line in enumerate(gas):
            out.write(line)
            if number % 5 == 0:
                out.write(water_reading(line, number) + "\n")


def rows(folder, query, file):
    command = [PROGRAM, "sql", "test", "--query", str(query), "--input", f"EventHubInput={folder / file}"]
    if "Meters" in query.read_text():
        command += ["--reference", f"Meters={folder / 'Meters.csv'}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S)
    assert done.returncode == 0, (query.name, file, done.returncode, done.stderr)
    return collections.Counter(line for line in done.stdout.splitlines() if WATER not in line), done.stdout.count(WATER)


def main():
    seen = 0
    with tempfile.TemporaryDirectory(prefix="meterhub-beside-") as name:
        folder = pathlib.Path(name)
        subprocess.run([PROGRAM, "simulate", "--documents", name, "--meters", "60", "--for", "3h", "--interval", "60s", "--faults"],
                       check=True, timeout=LIMIT_S, stdout=subprocess.DEVNULL)
        for log in ("readings", "decoded"):
            mix(folder / f"{log}.jsonl", folder / f"{log}-mixed.jsonl")
        for query in QUERIES:
            log = "decoded" if query.stem == OF_COPIES else "readings"
            alone, _ = rows(folder, query, f"{log}.jsonl")
            beside, of_water = rows(folder, query, f"{log}-mixed.jsonl")
            print(f"{query.name}: {alone.total()} rows of gas, {of_water} mentions of water", flush=True)
            assert alone == beside, (query.name, "gone", alone - beside, "new", beside - alone)
            seen += alone.total() > 0
    assert seen >= len(QUERIES) - 2, "too few queries have rows to compare"
    print("PASS")


if __name__ == "__main__":
    main()
