#!/usr/bin/env python3
"""Dead letters driven again after their cause is mended: each reading in lake and alerts once.

usage: deadletter_retry.py PROGRAM. A town whose meters nobody registered sends in two spells; then its
meters are registered, and its letters are driven again: those of the second spell alone (--since), then
all, then all once more. `verify` judges lake and alerts against what was sent.
"""
import datetime
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

PROGRAM = str(pathlib.Path(sys.argv[1]).resolve())
REASON = "unknown_devaddr"
LIMIT_S = 120


def check(good, text):
    if not good:
        raise SystemExit(f"FAILED: {text}")
    print(f"ok: {text}", flush=True)


def wait_for(condition, what):
    end = time.monotonic() + LIMIT_S
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"FAILED: waited in vain for {what}")
        time.sleep(0.1)


class Platform:
    def __init__(self, folder):
        self.folder = folder
        self.data = str(folder / "data")
        self.fleet = str(folder / "fleet")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.hub = f"127.0.0.1:{free.getsockname()[1]}"
        environment = dict(os.environ, MH_HUB_AMQPS_LISTEN=self.hub, MH_CONSOLE_LISTEN="", MH_HISTORY_FLUSH_AFTER="500ms")
        self.process = subprocess.Popen([PROGRAM, "serve", "--data", self.data], env=environment, stderr=(folder / "err").open("w"))
        wait_for(lambda: "hub_listens" in (folder / "err").read_text(), "the hub")

    def run(self, *arguments, code=0):
        done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=LIMIT_S)
        if code is not None and done.returncode != code:
            raise SystemExit(f"FAILED: {arguments}: {done.returncode} {done.stdout}{done.stderr}")
        return done.stdout

    def register(self, what):
        self.run("registry", "import", "--data", self.data, f"--{what}", f"{self.fleet}/{what}.csv")

    def send(self, span, register=()):
        """A spell of the town; what of it shall be known is registered while its gateways already knock."""
        town = subprocess.Popen([PROGRAM, "simulate", "--hub", f"amqps://{self.hub}", "--ca", self.data + "/tls/ca.pem", "--fleet", self.fleet,
                                 "--meters", "60", "--interval", "1s", "--seed", "7", "--for", span], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        if register:
            wait_for(lambda: pathlib.Path(self.fleet, "sent.mhs").exists(), "the town's files")
        for what in register:
            self.register(what)
        out = town.communicate(timeout=LIMIT_S)[0]
        check(town.returncode == 0, out.strip())

    def letters(self, *more):
        out = self.run("deadletter", "retry", "--reason", REASON, "--data", self.data, *more)
        return int(re.search(r"(\d+)\n", out)[1])

    def all_is_read(self):
        """A condition for wait_for(). A status may be a second old: one of before says nothing of what came last."""
        since = datetime.datetime.now(datetime.timezone.utc)

        def condition():
            status = json.loads(self.run("status", "--json", "--data", self.data))
            return datetime.datetime.fromisoformat(status["time"]) >= since and all(stage["records"] == 0 for stage in status["lag"]["stages"])

        return condition

    def verdict(self):
        wait_for(self.all_is_read(), "what is under way")
        out = self.run("verify", "--data", self.data, "--sent", f"{self.fleet}/sent.mhs", code=None)
        return out.splitlines()[0], int(re.search(r"rows in the lake (\d+)", out)[1])

    def alerts(self):
        return json.loads(self.run("status", "--json", "--data", self.data))["alerts"]["total"]


def main():
    with tempfile.TemporaryDirectory(prefix="meterhub-letters-") as name:
        platform = Platform(pathlib.Path(name))
        try:
            platform.send("3s", register=("tenants", "gateways"))
            wait_for(platform.all_is_read(), "the first spell")
            first = platform.letters("--dry-run")
            time.sleep(1.1)  # the time below is cut to whole seconds
            between = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + "Z"
            time.sleep(1)
            platform.send("3s")
            wait_for(platform.all_is_read(), "the second spell")
            both = platform.letters("--dry-run")
            check(0 < first < both, f"letters of unregistered meters: {first}, then {both}")
            check(platform.letters("--dry-run", "--since", between) == both - first, "of the second spell alone")
            check(platform.letters("--dry-run", "--since", "1h") == both, "of the last hour")
            check(platform.verdict()[1] == 0, "none of them is in the lake")

            platform.register("meters")
            wait_for(lambda: json.loads(platform.run("status", "--json", "--data", platform.data))["meters"]["total"] == 60, "the meters")
            check(platform.letters("--since", between) == both - first, "the second spell is driven again")
            wait_for(lambda: platform.verdict()[1] > 0, "readings of the second spell")
            verdict, rows = platform.verdict()
            check(verdict.endswith("duplicate 0 wrong 0") and rows > 0, f"{rows} rows: {verdict}")
            check(platform.letters() >= first, "then the first, and frames of neighbours, which stay unknown")
            wait_for(lambda: platform.verdict()[0].startswith("missing 0 "), "all readings")
            verdict, rows = platform.verdict()
            check(verdict == "missing 0 duplicate 0 wrong 0", f"{rows} rows: {verdict}")
            alerts = platform.alerts()
            check(platform.letters() < first, "once more: neighbours alone")
            check(platform.verdict() == (verdict, rows) and platform.alerts() == alerts, f"and nothing is there twice; alerts {alerts}")
            platform.process.send_signal(signal.SIGTERM)
            check(platform.process.wait(timeout=LIMIT_S) == 0, "the platform ends cleanly")
        finally:
            if platform.process.poll() is None:
                platform.process.kill()
    print("PASS")


if __name__ == "__main__":
    main()
