#!/usr/bin/env python3
"""Bad input against the real program over real sockets, with Qpid Proton as a nasty gateway.

usage: bad_input.py PROGRAM. A demo runs; beside its town come garbage, refused tokens, oversized and
broken messages, every case of ns_datagrams.json, forged, replayed and unknown frames. Each must be
answered with its error, counted and explained, and the town's own readings must all be there.
"""
import base64
import hmac
import json
import os
import pathlib
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import time
import urllib.parse

from proton import Message
from proton.utils import BlockingConnection, LinkDetached, SendException

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from ports import free_port

TOP = pathlib.Path(__file__).resolve().parents[2]
VECTORS = json.loads((TOP / "tests/data/vectors/ns_datagrams.json").read_text())
PROGRAM = str(pathlib.Path(sys.argv[1]).resolve())
GATEWAY = "nasty"
LIMIT_S = 60
HEADER = b"AMQP\x00\x01\x00\x00"
failures = []


def expect(condition, what):
    if not condition:
        failures.append(what)


def run(*arguments, code=0):
    done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=LIMIT_S)
    expect(done.returncode == code, f"{arguments}: {done.returncode} {done.stderr}")
    return done.stdout


def wait_for(condition, what):
    end = time.monotonic() + LIMIT_S
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"waited in vain for {what}")
        time.sleep(0.1)


class Platform:
    """A demo with a plain AMQP port, and what its commands say of it."""

    def __init__(self, folder):
        self.data = str(folder / "data")
        self.port = free_port()
        environment = dict(os.environ, MH_HUB_AMQP_LISTEN=f"127.0.0.1:{self.port}", MH_PLATFORM_LOG_LEVEL="info")
        self.out = folder / "out"
        self.process = subprocess.Popen([PROGRAM, "demo", "--data", self.data, "--meters", "30", "--interval", "2s", "--seed", "5"],
                                        env=environment, stdout=self.out.open("w"), stderr=(folder / "err").open("w"))
        wait_for(lambda: "--sample" in self.out.read_text(), "the demo")

    def status(self):
        return json.loads(run("status", "--json", "--data", self.data))

    def letters(self):
        """How many of each reason, of the nasty gateway alone."""
        counts = {}
        for letter in json.loads(run("deadletter", "list", "--json", "--data", self.data))["letters"]:
            if letter["gateway"] == GATEWAY:
                counts[letter["reason"]] = counts.get(letter["reason"], 0) + 1
        return counts

    def await_letters(self, least, what):
        """Until there are so many of each reason; what a status of a second ago calls read says nothing of the last ones."""
        wait_for(lambda: all(self.letters().get(reason, 0) >= count for reason, count in least.items()), f"the letters of {what}: {least}")

    def token(self, device, key, ttl="1h"):
        return run("token", "--host", "localhost", "--device", device, "--key", key, "--ttl", ttl).strip()

    def enrol(self):
        """The vectors' meters and a gateway of their datagrams' EUI; returns its key."""
        meters = pathlib.Path(self.data, "vectors.csv")
        lines = ["eui,dev_addr,nwkskey,appskey"]
        lines += [f"{s['deveui']},{s['devaddr']},{s['nwkskey']},{s['appskey']}" for s in VECTORS["sessions"]]
        meters.write_text("\n".join(lines) + "\n")
        run("registry", "import", "--replace", "--meters", str(meters), "--data", self.data)
        made = run("registry", "add", "gateway", GATEWAY, "--eui", "fffe020100000011", "--data", self.data)
        return made.strip().split("SharedAccessKey=")[1]

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(timeout=2 * LIMIT_S)
        expect(code == 0, f"the demo ended with {code}: {self.out.read_text()}")
        expect("missing 0 duplicate 0 wrong 0" in self.out.read_text(), self.out.read_text())


def dial(port):
    return BlockingConnection(f"127.0.0.1:{port}", timeout=20, allowed_mechs="ANONYMOUS")


def put_token(connection, token, resource):
    sender, receiver = connection.create_sender("$cbs"), connection.create_receiver("$cbs")
    sender.send(Message(id="1", reply_to="cbs", body=token,
                        properties={"operation": "put-token", "type": "servicebus.windows.net:sastoken", "name": resource}))
    return receiver.receive(timeout=20).properties["status-code"]


def enter(platform, key):
    """A connection on which the gateway is known; a registry's edit is seen within five seconds."""
    end = time.monotonic() + 5
    while True:
        connection = dial(platform.port)
        status = put_token(connection, platform.token(GATEWAY, key), f"localhost/devices/{GATEWAY}")
        if status == 200 or time.monotonic() > end:
            expect(status == 200, f"a good token: {status}")
            return connection
        connection.close()
        time.sleep(0.2)


def await_refusals(platform, reason, least):
    """Counted by the hub a moment after the peer has seen its connection end, shown a moment later."""
    wait_for(lambda: platform.status()["refused"]["by_reason"].get(reason, 0) >= least, f"{least} times \"{reason}\" in the status")


def garbage(platform):
    """On the TLS port, before and after the handshake."""
    port = int(platform.out.read_text().split("amqps://localhost:")[1].split()[0])
    trust = ssl.create_default_context(cafile=platform.data + "/tls/ca.pem")
    before = platform.status()["refused"]["by_reason"]
    for raw in (b"GET / HTTP/1.1\r\n\r\n", bytes(range(256)) * 20):
        with socket.create_connection(("127.0.0.1", port), timeout=20) as plain:
            plain.sendall(raw)
            try:
                while plain.recv(4096):
                    pass
            except ConnectionResetError:
                pass
    for inside in (b"GET / HTTP/1.1\r\n\r\n", HEADER + struct.pack(">IBBH", 0x7FFFFFFF, 2, 0, 0), HEADER + struct.pack(">IBBH", 4, 2, 0, 0)):
        with trust.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=20), server_hostname="localhost") as connection:
            connection.sendall(inside)
            while connection.recv(4096):
                pass
    for reason, least in (("handshake tls", 2), ("connection protocol", 3)):
        await_refusals(platform, reason, before.get(reason, 0) + least)


def signed(resource, key, expiry):
    quoted = urllib.parse.quote(resource, safe="")
    proof = hmac.digest(base64.b64decode(key), f"{quoted}\n{expiry}".encode(), "sha256")
    return f"SharedAccessSignature sr={quoted}&sig={urllib.parse.quote(base64.b64encode(proof), safe='')}&se={expiry}"


def tokens(platform, key):
    own = f"localhost/devices/{GATEWAY}"
    good = platform.token(GATEWAY, key)
    cases = {"token signature": (good.replace("sig=", "sig=A"), own),
             "token audience": (good, "localhost/devices/reader-1"),
             "token unknown": (platform.token("nobody", key), "localhost/devices/nobody"),
             "token malformed": ("nonsense", own),
             "token expired": (signed(own, key, expiry=1_000_000_000), own)}
    for reason, (token, resource) in cases.items():
        connection = dial(platform.port)
        status = put_token(connection, token, resource)
        expect(status in (401, 404), f"{reason}: {status}")
        connection.close()
    for reason in cases:
        await_refusals(platform, reason, 1)


def links(connection):
    for address in ("/devices/reader-1/messages/events", f"/devices/{GATEWAY}/messages/devicebound", "x" * 5000):
        try:
            connection.create_sender(address, name=address[:60])  # Proton's own names hold the whole address
            expect(False, f"{address[:60]} was opened")
        except LinkDetached:
            pass


def messages(platform, connection):
    sender = connection.create_sender(f"/devices/{GATEWAY}/messages/events")
    datagram = bytes.fromhex(VECTORS["cases"][0]["datagram"])
    other_eui = datagram[:4] + bytes.fromhex("fffe020100000099") + datagram[12:]
    for body in (b"", b"hello", b'{"rxpk":' + b"[" * 100_000, other_eui, b'{"rxpk":[' + b" " * (256 * 1024 - 100) + b"]}"):
        sender.send(Message(body=body, inferred=True))
    for body in (b"x" * (257 * 1024), 5):
        try:
            sender.send(Message(body=body, inferred=True))
            expect(False, f"{str(body)[:20]} was taken")
        except SendException:
            pass
    wanted = {"gwmp_short": 1, "gwmp_version": 1, "json": 1, "gw_mismatch": 1}
    platform.await_letters(wanted, "the bad messages")
    expect(platform.letters() == wanted, f"{platform.letters()} instead of {wanted}")
    await_refusals(platform, "message too_large", 1)
    return sender


def expected_reasons():
    """Of all cases, by the errors that the vectors expect; what asks for no answer puts nothing aside."""
    counts = {}
    for case in VECTORS["cases"]:
        errors = [line["ns"]["error"] for line in case["expect"]["lines"] if "error" in line.get("ns", {})]
        if "error" in case["expect"]:
            errors.append(case["expect"]["error"])
        for error in errors:
            counts[error] = counts.get(error, 0) + 1
    return counts


def vectors(platform, sender):
    before = platform.letters()
    for case in VECTORS["cases"]:
        sender.send(Message(body=bytes.fromhex(case["datagram"]), inferred=True))
    platform.await_letters({reason: before.get(reason, 0) + count for reason, count in expected_reasons().items()}, "the vectors")


def main():
    with tempfile.TemporaryDirectory(prefix="meterhub-bad-input-") as name:
        platform = Platform(pathlib.Path(name))
        try:
            key = platform.enrol()
            connection = enter(platform, key)
            garbage(platform)
            tokens(platform, key)
            links(connection)
            sender = messages(platform, connection)
            vectors(platform, sender)
            traced = run("trace", "--gateway", GATEWAY, "--data", platform.data)
            expect("reason=gw_mismatch" in traced, "trace shows no reason")
            connection.close()
            platform.stop()
        finally:
            if platform.process.poll() is None:
                platform.process.kill()
    print("\n".join(failures) or "PASS")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
