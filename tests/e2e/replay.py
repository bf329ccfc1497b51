#!/usr/bin/env python3
"""Readings of a wrong payload profile, mended by a replay: rows of the lake replaced and noted, all else as it was.

usage: replay.py PROGRAM. A town sends while profile v1 has the wrong scale for the gas used. The profile is mended, and what
the hub took is decoded again: of one gateway, then of all, then once more, then by a command while nothing runs. `verify`
judges the lake against what was sent; a job's table, alerts and dead letters must not move.
"""
import datetime
import json
import os
import pathlib
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time

PROGRAM = str(pathlib.Path(sys.argv[1]).resolve())
TOP = pathlib.Path(__file__).resolve().parents[2]
LIMIT_S = 120
DECODED = 'meterhub_connector_replayed_total{reason="decoded"}'
GIVEN = "meterhub_stream_replayed_total"


def check(good, text):
    if not good:
        raise SystemExit(f"FAILED: {text}")
    print(f"ok: {text}", flush=True)


def wait_for(condition, what):
    end = time.monotonic() + LIMIT_S
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"FAILED: waited in vain for {what}")
        time.sleep(0.2)


class Platform:
    def __init__(self, folder):
        self.folder, self.data = folder, str(folder / "data")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.hub = f"127.0.0.1:{free.getsockname()[1]}"
        self.process = None

    def start(self, **settings):
        # Nobody is below the limit: an alert tells the figures of its time, which are the wrong ones here.
        environment = dict(os.environ, MH_HUB_AMQPS_LISTEN=self.hub, MH_CONSOLE_LISTEN="", MH_HISTORY_FLUSH_AFTER="500ms",
                           MH_RULES_LOW_LIMIT_LITRES="0", **settings)
        log = self.folder / "err"
        log.unlink(missing_ok=True)
        self.process = subprocess.Popen([PROGRAM, "serve", "--data", self.data], env=environment, stderr=log.open("w"))
        wait_for(lambda: "platform_started" in log.read_text(), "the platform")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        check(self.process.wait(timeout=LIMIT_S) == 0, "the platform ends cleanly")

    def run(self, *arguments, code=0):
        done = subprocess.run([PROGRAM, *arguments, "--data", self.data], capture_output=True, text=True, timeout=LIMIT_S)
        if code is not None and done.returncode != code:
            raise SystemExit(f"FAILED: {arguments}: {done.returncode} {done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def profile(self, name, change=("", "")):
        text = (TOP / "profiles" / "v1.toml").read_text()
        file = self.folder / f"{name}.toml"
        file.write_text(text.replace(*change) if change[0] else text)
        self.run("registry", "import", "--replace", "--profiles", str(file))

    def kill(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def send(self, span, seed="7", fleet="fleet"):
        """The town is registered while its gateways already knock."""
        fleet = self.folder / fleet
        town = subprocess.Popen([PROGRAM, "simulate", "--hub", f"amqps://{self.hub}", "--ca", self.data + "/tls/ca.pem", "--fleet", str(fleet),
                                 "--meters", "240", "--interval", "1s", "--seed", seed, "--for", span], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        wait_for((fleet / "sent.mhs").exists, "the town's files")
        files = (word for what in ("tenants", "gateways", "meters") for word in (f"--{what}", str(fleet / f"{what}.csv")))
        self.run("registry", "import", "--replace", *files)
        out = town.communicate(timeout=LIMIT_S)[0]
        check(town.returncode == 0, out.strip())

    def metrics(self):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(self.data + "/control.sock")
            client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            text = b"".join(iter(lambda: client.recv(65536), b"")).decode()
        return {name: float(value) for name, value in re.findall(r"^(meterhub_\S+) ([\d.e+]+)\r?$", text, re.M)}

    def status(self):
        return json.loads(self.run("status", "--json"))

    def all_is_read(self):
        """A condition for wait_for(). A status may be a second old: one of before says nothing of what came last."""
        since = datetime.datetime.now(datetime.timezone.utc)

        def condition():
            status = self.status()
            jobs = json.loads(self.run("job", "list", "--json"))["jobs"]
            return (datetime.datetime.fromisoformat(status["time"]) >= since and all(stage["records"] == 0 for stage in status["lag"]["stages"])
                    and all(job["lag"]["records"] == 0 for job in jobs))

        return condition

    def replay(self, *more):
        return int(re.search(r"driven again: (\d+) messages", self.run("replay", *more))[1])

    def wait_for_replay(self, decoded):
        """Until so many packets were decoded again since the start, and history has them."""
        wait_for(lambda: self.metrics().get(DECODED, 0) == decoded and self.metrics().get(GIVEN, 0) == decoded, "the replay")
        wait_for(self.all_is_read(), "what is under way")

    def lake(self, query):
        return [json.loads(line) for line in self.run("lake", "query", "--format", "json", query).splitlines()]

    def verdict(self, fleet="fleet"):
        out = self.run("verify", "--sent", str(self.folder / fleet / "sent.mhs"), "--low-limit", "0", code=None)
        return re.search(r"missing (\d+) duplicate (\d+) wrong (\d+)", out).groups()

    def elsewhere(self):
        """What a replay must not touch."""
        with sqlite3.connect(f"file:{self.data}/database.sqlite?mode=ro", uri=True, timeout=30) as database:
            rows = [database.execute(f"SELECT * FROM {table} ORDER BY 1, 2, 3").fetchall() for table in ("seen", "alerts")]
        letters = json.loads(self.run("deadletter", "list", "--json"))["letters"]
        return rows, letters

    def add_job(self):
        (self.folder / "seen.sql").write_text("SELECT originData.app.moteeui AS DeviceID, originData.app.userdata.seqno AS Number, "
                                              "userData.used AS TotalUsed INTO Rows FROM EventHubInput")
        (self.folder / "seen.toml").write_text('[inputs.EventHubInput]\n[outputs.Rows]\nkind = "table"\ntable = "seen"\n')
        self.run("job", "add", "--file", str(self.folder / "seen.toml"))


EVERYTHING = "SELECT * FROM readings ORDER BY ALL"
CHANGES = "SELECT count(*) AS n, count(DISTINCT (DeviceID, Session, Generation, Seq)) AS identities FROM changes"


def mend_one_gateway(platform, rows):
    """The platform hears of the profile within a second: replays before that change nothing."""
    gateway = (platform.folder / "fleet" / "gateways.csv").read_text().splitlines()[1].split(",")[0]

    def some_changed():
        before = platform.metrics().get(DECODED, 0)
        platform.replay("--from", "1h", "--gateway", gateway)
        wait_for(lambda: platform.metrics().get(DECODED, 0) > before, "the gateway's packets")
        time.sleep(1)
        return platform.lake(CHANGES)[0]["n"] > 0

    wait_for(some_changed, "rows that change")
    wait_for(lambda: platform.metrics()[DECODED] == platform.metrics()[GIVEN], "the gateway's replay")
    wait_for(platform.all_is_read(), "what is under way")
    changed = platform.lake(CHANGES)[0]["n"]
    check(0 < changed < rows, f"of gateway {gateway} alone {changed} of {rows} rows changed")


def mend_all(platform, rows, packets):
    before = platform.metrics()[DECODED]
    messages = platform.replay("--from", "1h")
    platform.wait_for_replay(before + packets)
    check(platform.verdict() == ("0", "0", "0"), f"all {messages} messages decoded again: every row is as it was sent")
    changes = platform.lake(CHANGES)[0]
    check(changes == {"n": rows, "identities": rows}, f"and each of {rows} rows has its change noted once")
    odd = platform.lake("SELECT count(*) AS n FROM changes WHERE OldTotalUsed <> 10 * NewTotalUsed OR OldRemaining <> NewRemaining "
                        "OR Reason <> 'replay' OR ChangedTime < DateTime")[0]
    check(odd == {"n": 0}, "with the value before and after, when and why")


def repeat(platform, packets):
    before = platform.lake(EVERYTHING), platform.lake(CHANGES)
    decoded = platform.metrics()[DECODED]
    platform.replay("--from", "earliest")
    platform.wait_for_replay(decoded + packets)
    check((platform.lake(EVERYTHING), platform.lake(CHANGES)) == before, "a second replay changes nothing")
    platform.stop()
    said = platform.run("replay", "--from", "1h")
    check("driven again: " in said and "when it starts" in said, f"nor does one while nothing runs: {said.splitlines()[0]}")
    platform.start()
    platform.wait_for_replay(packets)
    check((platform.lake(EVERYTHING), platform.lake(CHANGES)) == before, "once the platform has started")


def refuse_nonsense(platform):
    for words, text in ((("--from", "1h", "--gateway", "nobody"), "no gateway nobody in the registry"),
                        (("--from", "1h", "--to", "2h"), "nothing lies between from and to")):
        said = platform.run("replay", *words, code=1)
        check(text in said, said.strip())


def main():
    with tempfile.TemporaryDirectory(prefix="meterhub-replay-") as name:
        platform = Platform(pathlib.Path(name))
        try:
            platform.start()
            platform.profile("wrong", ('name = "used"\noffset = 10\nsize = 4\ndecimals = 3', 'name = "used"\noffset = 10\nsize = 4\ndecimals = 2'))
            time.sleep(2)  # within a second it is what the platform decodes by
            platform.add_job()
            platform.send("4s")
            wait_for(platform.all_is_read(), "what was sent")
            rows = platform.lake("SELECT count(*) AS n FROM readings")[0]["n"]
            check(platform.verdict() == ("0", "0", str(rows)), f"{rows} rows, all with the wrong figure")
            packets = platform.metrics()["meterhub_connector_decoded_total"]
            elsewhere = platform.elsewhere()
            check(len(elsewhere[0][0]) == rows, "a job has seen each")

            counted = platform.run("replay", "--from", "1h", "--dry-run")
            check("would be driven again: " in counted and platform.metrics().get(DECODED, 0) == 0, counted.strip())
            refuse_nonsense(platform)
            platform.replay("--from", "1h")
            platform.wait_for_replay(packets)
            check(platform.lake(CHANGES)[0]["n"] == 0, "a replay before the profile is mended changes nothing")

            platform.profile("right")
            mend_one_gateway(platform, rows)
            mend_all(platform, rows, packets)
            check(platform.elsewhere() == elsewhere, "the job's table, alerts and dead letters are as they were")
            repeat(platform, packets)
            check(platform.elsewhere() == elsewhere, "and still are")
            platform.run("lake", "compact")
            check(platform.verdict() == ("0", "0", "0"), "hours are closed: verify finds nothing")
            platform.run("lake", "check")
            platform.stop()
        finally:
            platform.kill()
    print("PASS")


if __name__ == "__main__":
    main()
