#!/usr/bin/env python3
"""Gas used, of a real platform: tables and answers against plain SQL over the lake, while it runs, after a kill and
when it is stopped; and every figure of a meter against the two readings that it names.

usage: usage.py PROGRAM
"""
import decimal
import json
import os
import pathlib
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

PROGRAM = str(pathlib.Path(sys.argv[1]).resolve())
FROM = "2000-01-01T00:00:00Z"


def run(*words):
    done = subprocess.run([PROGRAM, *words], timeout=300, capture_output=True, text=True)
    assert done.returncode == 0, (words, done.stderr)
    return done.stdout


def ask(data, *words):
    since = () if "--from" in words else ("--from", FROM)
    return json.loads(run("usage", "--data", data, "--json", *since, *words), parse_float=decimal.Decimal)


def lake(data, sql):
    return [json.loads(line, parse_float=decimal.Decimal) for line in run("lake", "query", "--data", data, "--format", "json", sql).splitlines()]


class Platform:
    def __init__(self, data):
        self.err = pathlib.Path(f"{data}.err")
        environment = dict(os.environ, MH_HUB_AMQPS_LISTEN="127.0.0.1:0", MH_CONSOLE_LISTEN="", MH_CONNECTOR_START="earliest")
        self.process = subprocess.Popen([PROGRAM, "serve", "--data", data], env=environment, stderr=self.err.open("w"))
        while "platform_started" not in self.err.read_text():
            assert self.process.poll() is None, self.err.read_text()
            time.sleep(0.05)

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        if self.process.poll() is None:
            self.process.kill()

    def end(self, how):
        self.process.send_signal(how)
        self.process.wait(timeout=120)


def rolled_up(data, packets):
    """The hours, once all readings are in them."""
    while True:
        rows = ask(data, "--by", "hour")["rows"]
        if sum(row["packets"] for row in rows) == packets:
            return rows
        time.sleep(0.2)


def check_sums(data, rows):
    expected = lake(data, "SELECT count(*) AS packets, count(DISTINCT DeviceID) AS meters FROM readings WHERE TotalUsed IS NOT NULL")[0]
    used = lake(data, "SELECT coalesce(sum(used), 0)::DECIMAL(18,3) AS used FROM (SELECT TotalUsed - lag(TotalUsed) OVER "
                      "(PARTITION BY DeviceID ORDER BY Session, Generation, Seq) AS used FROM readings WHERE TotalUsed IS NOT NULL)")[0]["used"]
    assert sum(row["packets"] for row in rows) == expected["packets"]
    assert sum(row["used"] for row in rows) == used, (rows, used)
    days = ask(data, "--by", "day", "--sum", "tenant")["rows"]
    assert sum(row["used"] for row in days) == used
    fine = ask(data, "--by", "5min")["rows"]
    assert sum(row["used"] for row in fine) == used
    peaks = ask(data, "--by", "hour", "--peaks")["rows"]
    for peak in peaks:
        same = [row["used"] for row in fine if all(row[k] == peak[k] for k in ("tenant", "district", "zone")) and peak["begin"] <= row["begin"] < peak["end"]]
        assert peak["peak"] == max(same) * 12, (peak, same)
    # What any SQLite tool sees.
    with sqlite3.connect(f"file:{data}/database.sqlite?mode=ro", uri=True) as plain:
        shown = plain.execute("SELECT sum(CAST(round(used_m3 * 1000) AS INTEGER)) FROM usage_trend WHERE period = 'hour'").fetchone()[0]
    assert shown == int(used * 1000)
    return used


def check_meter(data):
    eui = lake(data, "SELECT DeviceID FROM readings WHERE TotalUsed IS NOT NULL GROUP BY 1 HAVING count(*) > 3 ORDER BY 1 LIMIT 1")[0]["DeviceID"]
    figures = [one for one in ask(data, "--meter", eui, "--by", "5min", "--from", "1h")["figures"] if one["steps"] > 0]
    assert figures
    for one in figures:
        for end in (one["from"], one["to"]):
            found = lake(data, f"SELECT TotalUsed AS counter FROM readings WHERE DeviceID = '{eui}' AND Session = {end['session']} "
                               f"AND Generation = {end['generation']} AND Seq = {end['seq']}")
            assert [row["counter"] for row in found] == [end["counter"]], (one, found)
        assert one["used"] == one["to"]["counter"] - one["from"]["counter"], one
    text = run("usage", "--data", data, "--meter", eui, "--by", "5min", "--from", "1h", "--csv")
    assert text.startswith("begin,end,used_m3,estimated_m3,steps,marks,") and eui not in text


def check_exchange(data):
    """Another meter in the place of one: its usage is what the old one measured, and says whose readings it is from."""
    old = lake(data, "SELECT DeviceID FROM readings WHERE TotalUsed IS NOT NULL GROUP BY 1 HAVING count(*) > 3 ORDER BY 1 LIMIT 1")[0]["DeviceID"]
    new = "00000000000ffff1"
    before = [one for one in ask(data, "--meter", old, "--by", "5min", "--from", "1h")["figures"] if one["steps"] > 0]
    tenant = [line.split("\t")[2] for line in run("registry", "list", "meters", "--data", data).splitlines() if old in line][0]
    run("registry", "add", "meter", new, "--tenant", tenant, "--data", data)
    assert f"{old} -> {new}" in run("registry", "exchange", old, new, "--at", "1s", "--data", data)
    after = [one for one in ask(data, "--meter", new, "--by", "5min", "--from", "1h")["figures"] if one["steps"] > 0]
    for one in after:
        assert one["from"].pop("meter") == old and one["to"].pop("meter") == old, one
    assert after == before, (after, before)
    assert old in run("usage", "--data", data, "--meter", new, "--by", "5min", "--from", "1h")


def main():
    with tempfile.TemporaryDirectory(prefix="meterhub-usage-") as name:
        data = f"{name}/data"
        run("demo", "--data", data, "--meters", "1500", "--interval", "3s", "--seed", "7", "--for", "15s")
        run("lake", "compact", "--data", data)
        packets = lake(data, "SELECT count(*) AS n FROM readings WHERE TotalUsed IS NOT NULL")[0]["n"]
        with Platform(data) as platform:
            platform.end(signal.SIGKILL)  # perhaps in the middle of it
        with Platform(data) as platform:
            rows = rolled_up(data, packets)
            used = check_sums(data, rows)
            check_meter(data)
            district = rows[0]["district"]
            some = ask(data, "--by", "hour", "--district", district)["rows"]
            assert some and all(row["district"] == district for row in some)
            assert not ask(data, "--by", "hour", "--district", "nowhere")["rows"]
            assert not ask(data, "--by", "hour", "--tenant", "nobody")["rows"]
            platform.end(signal.SIGTERM)
        assert ask(data, "--by", "hour")["rows"] == rows, "without a platform"
        check_meter(data)
        check_exchange(data)
        with Platform(data) as platform:
            eui = [line.split("\t")[3] for line in run("registry", "list", "exchanges", "--data", data).splitlines()][0]
            figures = [one for one in ask(data, "--meter", eui, "--by", "5min", "--from", "1h")["figures"] if one["steps"] > 0]
            assert figures and all(one["from"]["meter"] == one["to"]["meter"] for one in figures), figures
            platform.end(signal.SIGTERM)
        print(f"PASS: {packets} packets, {used} m3 in {len(rows)} rows")


if __name__ == "__main__":
    main()
