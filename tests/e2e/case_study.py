#!/usr/bin/env python3
"""The case study, with its own connector: tests/clients/case-study-connector.mjs in the place of ours.

usage: case_study.py PROGRAM CLIENTS [--minutes N]. CLIENTS is the folder with the scripts and their node_modules. The
platform runs without its connector (connector.enabled = false) and takes documents (hub.external_readings); a town
sends datagrams; the connector reads them through a relay that cuts every connection five times, asks a network
server of ours, and sends documents to `readings`. `verify` judges lake and alerts: nothing missing, nothing twice, nothing wrong.
Then, under profile poc-2016, the published sample: its document is member for member the published one.
"""
import argparse
import base64
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from ports import free_port

LIMIT_S = 180
CUTS = 5
AWAY_S = 2  # how long the hub cannot be reached
SAMPLE = "sample-poc-2016"
VECTORS = pathlib.Path(__file__).resolve().parents[1] / "data" / "vectors" / "final_documents.json"


def check(good, text):
    if not good:
        raise SystemExit(f"FAILED: {text}")
    print(f"ok: {text}", flush=True)


def wait_for(condition, what, limit=LIMIT_S):
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"FAILED: waited in vain for {what}")
        time.sleep(0.2)


class Relay:
    """TCP to the hub; cut() ends every connection and turns newcomers away for a while."""

    def __init__(self, port):
        self.to = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.down_until = 0
        self.pairs = set()
        self.accepted = 0
        self.lock = threading.Lock()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            if time.monotonic() < self.down_until:
                client.close()
                continue
            hub = socket.create_connection(("127.0.0.1", self.to))
            with self.lock:
                self.pairs.add((client, hub))
                self.accepted += 1
            for source, sink in ((client, hub), (hub, client)):
                threading.Thread(target=self.carry, args=(source, sink, (client, hub)), daemon=True).start()

    def carry(self, source, sink, pair):
        try:
            while chunk := source.recv(65536):
                sink.sendall(chunk)
        except OSError:
            pass
        self.end(pair)

    def end(self, pair):
        with self.lock:
            self.pairs.discard(pair)
        for one in pair:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self, away_s):
        self.down_until = time.monotonic() + away_s
        with self.lock:
            pairs = list(self.pairs)
        for pair in pairs:
            self.end(pair)
        return len(pairs)


class Platform:
    """Hub, stream, history and a network server of ours; no connector."""

    def __init__(self, program, folder):
        self.program = program
        self.folder = folder
        self.data = str(folder / "data")
        self.fleet = str(folder / "fleet")
        self.port = free_port()
        self.feed = f"127.0.0.1:{free_port()}"
        self.ns_port = free_port()
        self.running = []
        settings = folder / "meterhub.toml"
        settings.write_text('[hub]\nexternal_readings = true\n[connector]\nenabled = false\n[history]\nflush_after = "500ms"\n'
                            f'[console]\nlisten = ""\n[ns]\nfeed_listen = "{self.feed}"\n')
        self.start("serve", ["serve", "--data", self.data, "--config", str(settings)], MH_HUB_AMQPS_LISTEN=f"127.0.0.1:{self.port}")
        wait_for(lambda: "hub_listens" in (folder / "serve.log").read_text(), "the hub")
        self.ca = self.data + "/tls/ca.pem"

    def start(self, name, arguments, **environment):
        process = subprocess.Popen([self.program, *arguments], env=dict(os.environ, **environment), stdout=subprocess.DEVNULL,
                                   stderr=(self.folder / f"{name}.log").open("w"))
        self.running.append(process)
        return process

    def said(self, name):
        return (self.folder / f"{name}.log").read_text()[-1000:]

    def start_ns(self):
        certificates = self.folder / "certificates"
        self.run("tls", "issue", "--name", "ns", "--to", str(certificates), "--data", self.data)
        http = f"127.0.0.1:{free_port()}"
        settings = {"LISTEN": f"127.0.0.1:{self.ns_port}", "FEED_SERVERS": self.feed, "CA_FILE": certificates / "ca.pem",
                    "CERTIFICATE_FILE": certificates / "ns.pem", "KEY_FILE": certificates / "ns.key", "HTTP_LISTEN": http}
        self.start("ns", ["serve", "--roles", "ns"], **{f"MH_NS_{key}": str(value) for key, value in settings.items()})

        def healthy():
            try:
                with urllib.request.urlopen(f"http://{http}/health", timeout=10) as answer:
                    return "true" in answer.read().decode()
            except OSError:
                return False

        wait_for(healthy, "the network server's sessions")

    def run(self, *arguments, code=0):
        done = subprocess.run([self.program, *arguments], capture_output=True, text=True, timeout=LIMIT_S)
        if code is not None and done.returncode != code:
            raise SystemExit(f"FAILED: {arguments}: {done.returncode} {done.stdout}{done.stderr}")
        return done.stdout

    def connection_string(self, port, *policy):
        printed = self.run("registry", "policy", *policy, "--data", self.data, "--host", f"localhost:{port}")
        return re.search(r"^Event Hubs\t(.+)$", printed, re.M)[1]

    def is_idle(self):
        status = json.loads(self.run("status", "--json", "--data", self.data))
        return all(stage["records"] == 0 for stage in status["lag"]["stages"])

    def verify(self):
        wait_for(self.is_idle, "what is under way")
        return self.run("verify", "--data", self.data, "--sent", f"{self.fleet}/sent.mhs", code=None)

    def end(self):
        for process in reversed(self.running):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in reversed(self.running):
            try:
                process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                process.kill()


class Connector:
    def __init__(self, clients, platform, hub, readings, profile):
        self.out = platform.folder / f"connector-{profile}.out"
        environment = dict(os.environ, HUB_CONNECTION_STRING=hub, READINGS_CONNECTION_STRING=readings, NS=f"127.0.0.1:{platform.ns_port}",
                           LOCAL_PORT=str(free_port()), PROFILE=profile, CA_FILE=platform.ca, NODE_EXTRA_CA_CERTS=platform.ca)
        self.process = subprocess.Popen(["node", "case-study-connector.mjs"], cwd=clients, env=environment, stdout=self.out.open("w"),
                                        stderr=subprocess.STDOUT)

    def said(self, what):
        found = []
        for line in self.out.read_text().splitlines():
            try:
                said = json.loads(line)
            except ValueError:
                continue
            if said.get("what") == what:
                found.append(said)
        return found

    def events(self):
        counts = self.said("counts")
        return counts[-1]["history"] + counts[-1]["current"] if counts else 0

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=LIMIT_S)
        return self.said("counts")[-1]


def run_town(options, folder):
    platform = Platform(options.program, folder)
    try:
        relay = Relay(platform.port)
        hub = platform.connection_string(relay.port, "show", "service", "--keys")
        readings = platform.connection_string(relay.port, "add", "case-study", "--rights", "send", "--event-hub", "readings")
        span = options.minutes * 60 if options.minutes else 30
        town = subprocess.Popen([options.program, "simulate", "--hub", f"amqps://127.0.0.1:{platform.port}", "--ca", platform.ca, "--fleet",
                                 platform.fleet, "--meters", "200", "--interval", "2s", "--seed", "7", "--bodies", "datagrams", "--for", "24h"],
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        platform.running.append(town)
        wait_for(lambda: pathlib.Path(platform.fleet, "sent.mhs").exists(), "the town's files")
        for what in ("tenants", "gateways", "meters"):
            platform.run("registry", "import", "--data", platform.data, f"--{what}", f"{platform.fleet}/{what}.csv")
        platform.start_ns()
        time.sleep(3)  # history, for the connector to begin with
        connector = Connector(options.clients, platform, hub, readings, "v1")
        platform.running.append(connector.process)
        wait_for(lambda: connector.said("history read"), "the connector's history")
        history = connector.said("history read")[0]["events"]
        check(history > 0, f"history first: {history} events")
        began = time.monotonic()
        for number in range(CUTS):
            time.sleep((span - 5) / (CUTS + 1))
            check(relay.cut(away_s=AWAY_S) > 0, f"cut {number + 1}: the hub's connections are gone")
            # What it had received before is counted by now. Its return may be the SDK's own doing, of which it says nothing.
            time.sleep(AWAY_S)
            wait_for(lambda before=connector.events(): connector.events() > before, "the connector's return")
        time.sleep(max(0, began + span - time.monotonic()))
        town.send_signal(signal.SIGINT)  # however long the cuts took, it has sent all the time
        out = town.communicate(timeout=LIMIT_S)[0]
        check(town.returncode == 0, out.strip())
        wait_for(lambda: platform.verify().startswith("missing 0 "), "all readings in the lake")
        found = platform.verify()
        print(found, end="")
        check(found.splitlines()[0] == "missing 0 duplicate 0 wrong 0", found.splitlines()[0])
        check(int(re.search(r"rows in the lake (\d+)", found)[1]) > 0 and int(re.search(r"alerts (\d+)", found)[1]) > 0, "rows and alerts are there")
        counts = connector.end()
        check(relay.accepted > CUTS, f"{relay.accepted} connections through the relay; the connector: {json.dumps(counts)}")
        status = json.loads(platform.run("status", "--json", "--data", platform.data))
        letters = {reason: count for reason, count in status["dead_letters"]["by_reason"].items() if reason in ("document", "unknown_meter")}
        check(not letters, "no document was put aside")
        print(f"readings {status['readings']}", flush=True)
    finally:
        platform.end()


def run_sample(options, folder):
    platform = Platform(options.program, folder)
    try:
        hub = platform.connection_string(platform.port, "show", "service", "--keys")
        readings = platform.connection_string(platform.port, "add", "case-study", "--rights", "send,listen", "--event-hub", "readings")
        data = ("--data", platform.data)
        platform.run("registry", "add", "tenant", "gas", *data)
        platform.run("registry", "add", "meter", "ffffffffffffff01", "--profile", "poc-2016", "--dev-addr", "01a2b3c4", "--nwkskey",
                     "2b7e151628aed2a6abf7158809cf4f3c", "--appskey", "3c4fcf098815f7aba6d2ae2816157e2b", *data)
        printed = platform.run("registry", "add", "gateway", "gw-0001", "--eui", "fffe020100000011", "--host", f"localhost:{platform.port}", *data)
        gateway = re.search(r"HostName=\S+", printed)[0]
        platform.start_ns()
        connector = Connector(options.clients, platform, hub, readings, "poc-2016")
        platform.running.append(connector.process)
        body = json.dumps({"rxpk": [{"tmst": 3512348611, "chan": 4, "rfch": 0, "freq": 481.5, "stat": 1, "modu": "LORA", "datr": "SF12BW125", "codr": "4/5",
                                     "lsnr": 9, "rssi": -13, "size": 33, "data": "QMSzogEAAAABCb1i2yQIQ805eWPyolnCp+tCIk8RSEWA"}]})
        datagram = bytes([2, 0, 1, 0]) + bytes.fromhex("fffe020100000011") + body.encode()
        environment = dict(os.environ, CA_FILE=platform.ca, NODE_EXTRA_CA_CERTS=platform.ca)
        subprocess.run(["node", "device-send.mjs"], cwd=options.clients, check=True, timeout=LIMIT_S, stdout=subprocess.DEVNULL,
                       env=dict(environment, DEVICE_CONNECTION_STRING=gateway, COUNT="1", BODY_BASE64=base64.b64encode(datagram).decode()))
        done = subprocess.run(["node", "first-events.mjs"], cwd=options.clients, capture_output=True, text=True, timeout=LIMIT_S,
                              env=dict(environment, EVENTHUB_CONNECTION_STRING=readings))
        said = "" if done.returncode == 0 else f"{done.stdout}{done.stderr} connector: {connector.out.read_text()} ns: {platform.said('ns')}"
        check(done.returncode == 0, f"a document is in readings {said}")
        document = json.loads(json.loads(done.stdout.splitlines()[0])["body"])
        published = next(case["document"] for case in json.loads(VECTORS.read_text())["cases"] if case["id"] == SAMPLE)
        # When it was heard is the one thing that no later run can have in common with 2016.
        heard = document["originData"]["app"]["gwrx"][0]["time"]
        check(document["userData"]["time"] == heard, f"the document's time is its reception's, {heard}")
        document["originData"]["app"]["gwrx"][0]["time"] = published["originData"]["app"]["gwrx"][0]["time"]
        document["userData"]["time"] = published["userData"]["time"]
        check(document == published, "member for member the published document")
        check(list(document["originData"]["app"]) == list(published["originData"]["app"]), "in the published order")
        connector.end()
        wait_for(lambda: json.loads(platform.run("status", "--json", "--data", platform.data))["readings"]["total"] == 1, "the reading")
        wait_for(lambda: "3.84" in platform.run("lake", "query", "SELECT * FROM readings", "--data", platform.data, code=None), "the row in the lake")
        check(True, "and its figures, wrong as they are, in the lake")
    finally:
        platform.end()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("clients")
    parser.add_argument("--minutes", type=float, default=0, help="how long the town sends; half a minute when not given")
    options = parser.parse_args()
    options.program = str(pathlib.Path(options.program).resolve())
    with tempfile.TemporaryDirectory(prefix="meterhub-case-study-") as name:
        for number, run in enumerate((run_sample, run_town)):
            folder = pathlib.Path(name, str(number))
            folder.mkdir()
            run(options, folder)
    print("PASS")


if __name__ == "__main__":
    main()
