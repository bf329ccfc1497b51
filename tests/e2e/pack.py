#!/usr/bin/env python3
"""The query pack of a platform that runs: all of it by default, what stream.pack lists, and what users made of its jobs.

usage: pack.py PROGRAM. A simulated town sends a packet a second and meter, with the demo's faults: a gateway that goes, a counter
that begins anew, a meter that falls silent.
"""
import datetime
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
PATIENCE_S = 180
# So that a town of healthy meters shows something soon: nobody has so much left.
LOW = {"MH_RULES_LOW_LIMIT_LITRES": "100000000"}
LIMITS = {"MH_RULES_SILENCE_METER": "10s", **LOW}
TABLES = ["alarm_cleared", "alarm_raised", "alerts", "flow_spike", "leak_suspicion", "low_balance_crossing", "low_balance_reminder",
          "meter_back", "meter_reset", "night_flow", "peak_flow_provisional", "silent_meter", "tamper_alert", "top_consumers",
          "usage_trend_provisional"]
# What the town's faults must show within a minute or two; the rest wants five minutes or hours (tests/app/pack_test.cc).
SOON = ["alerts", "low_balance_crossing", "low_balance_reminder", "alarm_raised", "silent_meter",
        "meter_reset"]


class Town:
    def __init__(self, folder):
        self.folder, self.data = folder, folder / "data"
        self.process, self.runs = None, 0

    def start(self, **settings):
        self.runs += 1
        out, err = (self.folder / f"{self.runs}.{kind}" for kind in ("out", "err"))
        self.process = subprocess.Popen([PROGRAM, "demo", "--data", str(self.data), "--meters", "60", "--interval", "1s", "--seed", "7"],
                                        stdout=out.open("w"), stderr=err.open("w"), env={**os.environ, **settings})
        until(lambda: "--sample" in out.read_text() or self.process.poll() is not None, "the town runs")
        assert self.process.poll() is None, err.read_text()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=PATIENCE_S)
        assert code == 0, (code, [file.read_text()[-3000:] for file in self.folder.glob(f"{self.runs}.*")])
        self.process = None

    def job(self, *words, code=0):
        done = subprocess.run([PROGRAM, "job", *words, "--data", str(self.data)], capture_output=True, text=True, timeout=PATIENCE_S)
        assert done.returncode == code, (words, done)
        return done.stdout + done.stderr

    def jobs(self):
        return {job["name"]: job for job in json.loads(self.job("list", "--json"))["jobs"]}

    def jobs_query(self, name):
        return json.loads(self.job("show", name, "--json"))["query"]

    def states(self):
        return {name: job["state"] for name, job in self.jobs().items()}

    def ask(self, query):
        with sqlite3.connect(f"file:{self.data}/database.sqlite?mode=ro", uri=True, timeout=30) as database:
            return database.execute(query).fetchall()

    def count(self, table):
        return self.ask(f"SELECT count(*) FROM {table}")[0][0]


def until(condition, what):
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, f"not in time: {what}"
        time.sleep(0.5)


def moment(text):
    return datetime.datetime.fromisoformat(text[:19])


def all_of_it(town):
    jobs = town.jobs()
    assert len(jobs) == 12 and all((job["state"], job["origin"]) == ("running", "pack") for job in jobs.values()), jobs
    listed = town.job("list").splitlines()
    assert "FROM" in listed[0] and all(" pack " in line for line in listed[1:]), listed
    tables = {name for name, in town.ask("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert tables >= set(TABLES), set(TABLES) - tables
    for table in SOON:
        until(lambda: town.count(table) > 0, f"rows in {table}")
    assert not any(job["last_error"] for job in town.jobs().values()), town.jobs()
    print({table: town.count(table) for table in TABLES})
    # What the platform calls silent is a setting.
    seen, detected = town.ask("SELECT LastSeen, DetectedAt FROM silent_meter LIMIT 1")[0]
    assert datetime.timedelta(seconds=10) <= moment(detected) - moment(seen) < datetime.timedelta(seconds=12), (seen, detected)


def listed_and_not(town):
    town.job("stop", "flow-spike")
    (town.folder / "tamper.sql").write_text("SELECT originData.app.moteeui AS DeviceID INTO Rows FROM EventHubInput\n")
    (town.folder / "tamper.toml").write_text('[inputs.EventHubInput]\nlog = "readings"\n[outputs.Rows]\nkind = "table"\ntable = "mine"\n')
    town.job("change", "--file", str(town.folder / "tamper.toml"))
    assert town.jobs()["tamper"]["origin"] == "changed"
    town.stop()
    town.start(MH_STREAM_PACK="raw-archive,low-balance-alert", **LIMITS)
    expected = {name: "unlisted" for name in town.states()}
    expected.update({"raw-archive": "running", "low-balance-alert": "running", "tamper": "running", "flow-spike": "stopped"})
    assert town.states() == expected, town.states()
    assert "not in stream.pack" in town.job("start", "silent-meter", code=1)
    stood, mine = town.count("meter_reset"), town.count("mine")
    until(lambda: town.count("mine") > mine + 100, "rows of a job that a user made his own")
    assert town.count("meter_reset") == stood
    town.stop()


def listed_again(town):
    town.start(**LOW)
    expected = {name: "running" for name in town.states()}
    expected["flow-spike"] = "stopped"
    assert town.states() == expected, town.states()
    assert "INTO Rows" in town.jobs_query("tamper")
    assert town.jobs()["silent-meter"]["version"] > 1, "the platform's time is five minutes again"


def refuse(town):
    done = subprocess.run([PROGRAM, "demo", "--data", str(town.folder / "none")], capture_output=True, text=True, timeout=PATIENCE_S,
                          env={**os.environ, "MH_STREAM_PACK": "raw-archive,silent"})
    assert done.returncode != 0 and 'no job "silent"; it has raw-archive, low-balance-alert,' in done.stderr, done


def main():
    with tempfile.TemporaryDirectory(prefix="meterhub-pack-") as name:
        town = Town(pathlib.Path(name))
        refuse(town)
        town.start(**LIMITS)
        try:
            all_of_it(town)
            listed_and_not(town)
            listed_again(town)
            town.stop()
        finally:
            if town.process is not None:
                town.process.kill()
    print("PASS")


if __name__ == "__main__":
    main()
