#!/usr/bin/env python3
"""Jobs of a platform that runs: added, changed under load, stopped, chained, kept across a restart.

usage: jobs.py PROGRAM. A simulated town sends all the while. A job writes one row for each reading into a table; rows
carry the partition and offset of their reading, so a gap is a missing offset and a repeat is one that comes twice.
"""
import hmac
import http.server
import json
import pathlib
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

PROGRAM = str(pathlib.Path(sys.argv[1]).resolve())
PATIENCE_S = 120


class Town:
    def __init__(self, folder):
        self.folder, self.data = folder, folder / "data"
        self.process, self.runs = None, 0

    def start(self):
        self.runs += 1
        err = self.folder / f"demo-{self.runs}.err"
        out = self.folder / f"demo-{self.runs}.out"
        self.process = subprocess.Popen([PROGRAM, "demo", "--data", str(self.data), "--meters", "100", "--interval", "1s", "--seed", "7"],
                                        stdout=out.open("w"), stderr=err.open("w"))
        until(lambda: "--sample" in out.read_text() or self.process.poll() is not None, "the town runs")
        assert self.process.poll() is None, err.read_text()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=PATIENCE_S) == 0
        self.process = None

    def job(self, *words, code=0):
        done = subprocess.run([PROGRAM, "job", *words, "--data", str(self.data)], capture_output=True, text=True, timeout=PATIENCE_S)
        assert done.returncode == code, (words, done)
        return done.stdout + done.stderr

    def jobs(self):
        return {job["name"]: job for job in json.loads(self.job("list", "--json"))["jobs"]}

    def rows(self, table):
        with sqlite3.connect(f"file:{self.data}/database.sqlite?mode=ro", uri=True, timeout=30) as database:
            try:
                return database.execute(f"SELECT Part, Pos, Ver FROM {table} ORDER BY Part, Pos").fetchall()
            except sqlite3.OperationalError as error:
                if "no such table" in str(error):
                    return []
                raise


def until(condition, what):
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, f"not in time: {what}"
        time.sleep(0.1)


def write_job(folder, name, query, output, inputs="log = \"readings\""):
    (folder / f"{name}.sql").write_text(query)
    (folder / f"{name}.toml").write_text(f"[inputs.EventHubInput]\n{inputs}\n\n[outputs.Rows]\n{output}\n")
    return str(folder / f"{name}.toml")


def each(version):
    return f"SELECT originData.app.moteeui AS DeviceID, {version} AS Ver INTO Rows FROM EventHubInput\n"


def check_rows(rows):
    """Every offset from the first on, once, and versions that never go back."""
    parts = {}
    for part, position, version in rows:
        parts.setdefault(part, []).append((position, version))
    for part, found in parts.items():
        positions = [position for position, _ in found]
        assert positions == list(range(positions[0], positions[0] + len(positions))), f"partition {part}: gap or repeat in {positions}"
        versions = [version for _, version in found]
        assert versions == sorted(versions), f"partition {part}: {versions}"


def add_and_change(town, files):
    table = 'kind = "table"\ntable = "each_reading"'
    town.job("add", "--file", write_job(files, "every", each(1), table))
    assert town.jobs()["every"]["state"] == "running"
    until(lambda: len(town.rows("each_reading")) > 50, "rows of a job that was added")
    until(lambda: "counters" in town.jobs()["every"], "the job's thread tells what it does")
    assert town.jobs()["every"]["state"] == "running"
    for version in range(2, 6):
        text = town.job("change", "--file", write_job(files, "every", each(version), table))
        assert f"every: version {version}, running" in text, text
        until(lambda: any(row[2] == version for row in town.rows("each_reading")), f"rows of version {version}")
    check_rows(town.rows("each_reading"))


def refuse(town, files):
    wrong = "SELECT LENGTH(a) INTO Rows FROM EventHubInput\nSELECT b INTO Rows FROM Elsewhere\n"
    said = town.job("add", "--file", write_job(files, "wrong", wrong, 'kind = "table"\ntable = "wrong"'), code=1)
    assert "wrong:1:" in said and "wrong:2:" in said and "^" in said, said
    assert "wrong" not in town.jobs()
    said = town.job("add", "--file", write_job(files, "wrong", each(1), 'kind = "tabel"'), code=1)
    assert "outputs.Rows.kind" in said, said


def stop_and_go_on(town):
    town.job("stop", "every")
    assert town.jobs()["every"]["state"] == "stopped"
    stood = len(town.rows("each_reading"))
    feed = town.jobs()["low-balance-alert"]["counters"]["events"]
    until(lambda: town.jobs()["low-balance-alert"]["counters"]["events"] > feed + 50, "another job goes on")
    assert len(town.rows("each_reading")) == stood
    town.job("start", "every")
    until(lambda: len(town.rows("each_reading")) > stood + 50, "rows after the start")
    check_rows(town.rows("each_reading"))


def chain(town, files):
    town.job("add", "--file", write_job(files, "source", each(1), 'kind = "log"'))
    second = "SELECT DeviceID, Ver + 1 AS Ver INTO Rows FROM EventHubInput\n"
    town.job("add", "--file", write_job(files, "second", second, 'kind = "table"\ntable = "of_second"', 'job = "source"\noutput = "Rows"'))
    until(lambda: len(town.rows("of_second")) > 50, "rows of a job that reads another's")
    assert all(int(row[2]) == 2 for row in town.rows("of_second"))
    assert "reads what it writes" in town.job("remove", "source", code=1)
    town.job("remove", "second")
    town.job("remove", "source")
    assert "source" not in town.jobs()


class Receiver(http.server.BaseHTTPRequestHandler):
    """Refuses every third request for now, and keeps rows by their identity."""
    secret, rows, requests, wrong = b"0123456789abcdef", {}, 0, []

    def do_POST(self):
        kind = type(self)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        kind.requests += 1
        time_text, signature = (part.split("=")[1] for part in self.headers["Meterhub-Signature"].split(","))
        if hmac.new(kind.secret, time_text.encode() + b"." + body, "sha256").hexdigest() != signature:
            kind.wrong.append(self.headers["Meterhub-Signature"])
        refused = kind.requests % 3 == 0
        if not refused:
            kind.rows.update((row["id"], row["event"]) for row in json.loads(body)["rows"])
        self.send_response(503 if refused else 204)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *words):
        pass


def webhook(town, files):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    (town.data / "secrets").mkdir()
    (town.data / "secrets" / "hook").write_bytes(Receiver.secret + b"\n")
    sink = f'kind = "webhook"\nurl = "http://127.0.0.1:{server.server_port}/hook"\nsecret = "hook"'
    town.job("add", "--file", write_job(files, "hooked", each(1), sink))
    until(lambda: len(Receiver.rows) > 100 and Receiver.requests > 5, "rows at the webhook")
    town.job("remove", "hooked")
    server.shutdown()
    assert not Receiver.wrong, Receiver.wrong
    check_rows(sorted((int(part), int(position), 1) for _, _, part, position, _ in (name.split("/") for name in Receiver.rows)))


def lake(town, files):
    (files / "kept.sql").write_text(each(1))
    (files / "kept.toml").write_text('[inputs.EventHubInput]\n[outputs.Rows]\nkind = "lake"\n[policy]\nlinger = "1s"\n')
    town.job("add", "--file", str(files / "kept.toml"))
    folder = town.data / "lake" / "jobs" / "kept" / "Rows"
    until(lambda: len(list(folder.glob("*.parquet"))) > 5, "files in the lake")
    town.job("remove", "kept")
    query = f"SELECT Part, Pos, Ver FROM read_parquet('{folder.resolve()}/*.parquet') ORDER BY Part, Pos"
    done = subprocess.run([PROGRAM, "lake", "query", "--data", str(town.data), "--format", "csv", query], capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done
    check_rows([tuple(int(value) for value in line.split(",")) for line in done.stdout.splitlines()[1:]])
    assert subprocess.run([PROGRAM, "lake", "check", "--data", str(town.data)], capture_output=True, timeout=PATIENCE_S).returncode == 0


def restart(town):
    town.job("stop", "raw-archive")
    before = len(town.rows("each_reading"))
    town.stop()
    assert town.jobs()["every"]["state"] == "enabled", "asked of a directory that nobody owns"
    town.start()
    assert town.jobs()["every"]["state"] == "running"
    assert town.jobs()["raw-archive"]["state"] == "stopped"
    until(lambda: len(town.rows("each_reading")) > before + 50, "rows after a restart")
    check_rows(town.rows("each_reading"))


def main():
    with tempfile.TemporaryDirectory(prefix="meterhub-jobs-") as name:
        folder = pathlib.Path(name)
        files = folder / "jobs"
        files.mkdir()
        town = Town(folder)
        town.start()
        try:
            add_and_change(town, files)
            refuse(town, files)
            stop_and_go_on(town)
            chain(town, files)
            webhook(town, files)
            lake(town, files)
            restart(town)
            print(town.job("list"), town.job("show", "every"))
            town.stop()
        finally:
            if town.process is not None:
                town.process.kill()
    print("PASS")


if __name__ == "__main__":
    main()
