#!/usr/bin/env python3
"""Received and lost readings of every meter against what the simulator meant to send.

usage: completeness.py PROGRAM. A town sends through gateways of its own over TLS, 1 % of its packets are lost on the air, a
counter begins again, a payload is garbage, a gateway is cut off; the platform is killed in the middle and started again. What
the role `office` counts for each meter (docs/formats/fleet.md, read here by that page alone) must be what the truth says: sent
and settled, sent and heard by nobody.
"""
import csv
import io
import os
import pathlib
import shutil
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time
from collections import defaultdict

PROGRAM = str(pathlib.Path(sys.argv[1]).resolve())
SPAN = "65s"
LIMIT_S = 180
REASONS = ("silent", "gateway_down", "decrypt_failed", "rejected", "lost")


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
        self.folder, self.data = folder, folder / "data"
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.hub = f"127.0.0.1:{free.getsockname()[1]}"
        self.starts = 0
        self.start()

    def start(self):
        self.starts += 1
        said = self.folder / f"err-{self.starts}"
        environment = dict(os.environ, MH_HUB_AMQPS_LISTEN=self.hub, MH_CONSOLE_LISTEN="", MH_HISTORY_FLUSH_AFTER="500ms",
                           MH_OFFICE_SNAPSHOT_EVERY="1s", MH_OFFICE_SURVEY_EVERY="1s")
        self.process = subprocess.Popen([PROGRAM, "serve", "--data", str(self.data)], env=environment, stderr=said.open("w"))
        wait_for(lambda: "hub_listens" in said.read_text(), "the hub")

    def run(self, *arguments):
        done = subprocess.run([PROGRAM, *arguments, "--data", str(self.data)], capture_output=True, text=True, timeout=LIMIT_S)
        if done.returncode != 0:
            raise SystemExit(f"FAILED: {arguments}: {done.returncode} {done.stdout}{done.stderr}")
        return done.stdout

    def fleet(self):
        command = [PROGRAM, "simulate", "--hub", f"amqps://{self.hub}", "--ca", str(self.data / "tls" / "ca.pem"), "--fleet",
                   str(self.folder / "fleet"), "--interval", "2s", "--for", SPAN, "--meters", "600", "--seed", "21", "--faults"]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.process.terminate()
        check(self.process.wait(timeout=LIMIT_S) == 0, "the platform ends cleanly")


def truth(path):
    """[(meter, session, generation, counter, garbage, heard, settled)] in the order of sending (docs/formats/sent.md)."""
    content = path.read_bytes()
    at, packets, deliveries, settled = 8, {}, {}, set()
    while at < len(content):
        size, = struct.unpack_from("<H", content, at)
        kind, record = content[at + 2], content[at + 3:at + 2 + size]
        at += 2 + size + 4
        if kind == 2:
            number, meter, session, generation, counter = struct.unpack_from("<QQIII", record)
            garbage = record[54] & 1
            gateways, = struct.unpack_from("<H", record, 55)
            packets[number] = (f"{meter:016x}", session, generation, counter, bool(garbage), gateways > 0)
        if kind == 3:
            number, _, count = struct.unpack_from("<QIH", record)
            deliveries[number] = struct.unpack_from(f"<{count}Q", record, 14)
        if kind == 4:
            number, end = struct.unpack_from("<QB", record)
            if end == 0:
                settled.update(deliveries[number])
    return [(*packets[number], number in settled) for number in sorted(packets)]


def counts(data):
    """{meter: {figure: n}} of both days, from the snapshots that a clean end leaves."""
    with sqlite3.connect(f"file:{data}/registry.sqlite?mode=ro", uri=True) as registry:
        names = dict(registry.execute("SELECT number, eui FROM meters"))
    out = {}
    for path in sorted((data / "office").glob("fleet-p*.snapshot")):
        content = path.read_bytes()
        check(content[:8] == b"MHFLEET2", path.name)
        at = 8 + 4 + 4 + 8 + 8
        letters, = struct.unpack_from("<H", content, at)
        at += 2 + 8 * letters
        gateways, = struct.unpack_from("<H", content, at)
        at += 2
        for _ in range(gateways):
            at += 2 + struct.unpack_from("<H", content, at)[0]
        meters, = struct.unpack_from("<I", content, at)
        at += 4
        for _ in range(meters):
            number, _, has_reading = struct.unpack_from("<IqB", content, at)
            at += 13 + (64 if has_reading else 0) + 8 + 8 + 32 + 4 + 4 + 2
            *_, day = struct.unpack_from("<IHIHIHHHHHHH", content, at)
            at += 30
            days = [struct.unpack_from("<7H", content, at + 14 * n) for n in range(2)]
            at += 28
            sums = [sum(figures) for figures in zip(*days)]
            out[names[number]] = dict(zip(("received", "late", *REASONS), sums), day=day)
        check(at + 4 == len(content), f"{path.name}: {meters} meters, nothing behind them")
    return out


def expected(sent, stored):
    """{meter: (received, rejected, missing)}: packets of the truth that are stored, and those sent between the first of them
    and the last one, of a counter that began anew from its begin on."""
    chains = defaultdict(dict)
    for meter, session, generation, counter, garbage, *_ in sent:
        chains[meter].setdefault((session, generation), {})[counter] = garbage
    out = {}
    for meter, by_chain in chains.items():
        received = rejected = missing = 0
        first = True
        for chain, packets in sorted(by_chain.items()):
            came = [counter for counter in packets if (meter, *chain, counter) in stored]
            if not came:
                continue
            rejected += sum(packets[counter] for counter in came)
            received += sum(not packets[counter] for counter in came)
            begin = min(came) if first else 0
            missing += max(came) - begin + 1 - len(came)
            first = False
        if received + rejected:
            out[meter] = (received, rejected, missing)
    return out


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="meterhub-completeness-"))
    try:
        platform = Platform(folder)
        fleet = platform.fleet()
        wait_for(lambda: (folder / "fleet" / "sent.mhs").exists(), "the town's files")
        platform.run("registry", "import", *(word for what in ("tenants", "gateways", "meters") for word in (f"--{what}", str(folder / "fleet" / f"{what}.csv"))))
        time.sleep(15)
        platform.kill()
        platform.start()
        check(platform.process.poll() is None, "killed and started again")
        out = fleet.communicate(timeout=LIMIT_S)[0].strip()
        check(fleet.returncode == 0, out)
        sent = truth(folder / "fleet" / "sent.mhs")
        query = "SELECT DeviceID, Session, Generation, Seq FROM readings"
        lake = lambda: {(row["DeviceID"], int(row["Session"]), int(row["Generation"]), int(row["Seq"]))
                        for row in csv.DictReader(io.StringIO(platform.run("lake", "query", "--format", "csv", query)))}
        settled = {packet[:4] for packet in sent if packet[6]}
        wait_for(lambda: settled <= lake(), "all that was settled")
        stored = lake()  # what was sent without an answer to it may be there too
        platform.stop()
        found = counts(platform.data)
        meant = expected(sent, stored)
        check(len(meant) > 590 and len(settled) > 2000, f"{len(settled)} packets of {len(meant)} meters were settled")
        check(found.keys() == meant.keys(), "the office counts these meters")
        lost = sum(missing for _, _, missing in meant.values())
        check(lost > 10, f"{lost} were sent and did not come")
        for meter, (received, rejected, missing) in sorted(meant.items()):
            figures = found[meter]
            gone = figures["lost"] + figures["gateway_down"]
            if (figures["received"], figures["rejected"], gone, figures["decrypt_failed"]) != (received, rejected, missing, 0):
                raise SystemExit(f"FAILED: {meter}: {figures} instead of received {received} rejected {rejected} missing {missing}")
        check(True, f"received, rejected and lost of each are those of the truth; late {sum(f['late'] for f in found.values())}, silent {sum(f['silent'] for f in found.values())}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


main()
