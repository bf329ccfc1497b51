#!/usr/bin/env python3
"""Independent AMQP clients against the real program, over TLS with the platform's own authority.

usage: peers_test.py PROGRAM BEHAVIOUR CLIENT..., where BEHAVIOUR is send, refused, flow or cut, and CLIENT the
command of one peer. A client is called with HOST PORT AUTHORITY RESOURCE TOKEN ADDRESS FIRST COUNT SIZE: it puts
the token (claims-based security), opens a sender and sends COUNT messages of SIZE bytes that begin with n-FIRST
and so on. It prints a line for each thing that happens to it:
    token STATUS | link open | link refused CONDITION | accepted NAME | rejected NAME CONDITION
    credit-max N (where its library tells) | cut WHY (and exits with 3)
"""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from ports import free_port

PROGRAM = str(pathlib.Path(sys.argv[1]).resolve())
CLIENT = sys.argv[3:]
DEVICE = "peer"
LIMIT_S = 120
PLATFORMS = []


def check(good, text):
    if not good:
        raise SystemExit(f"FAILED: {text}")
    print(f"ok: {text}", flush=True)


def run(*arguments):
    done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=LIMIT_S)
    if done.returncode != 0:
        raise SystemExit(f"FAILED: {arguments}: {done.stderr}")
    return done.stdout


def wait_for(condition, what):
    end = time.monotonic() + LIMIT_S
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"FAILED: waited in vain for {what}")
        time.sleep(0.05)


class Platform:
    process = None

    def __init__(self, folder, **settings):
        self.data = str(folder / "data")
        self.port = free_port()
        self.environment = dict(os.environ, MH_HUB_AMQPS_LISTEN=f"127.0.0.1:{self.port}", MH_CONSOLE_LISTEN="", **settings)
        self.err = folder / "err"
        PLATFORMS.append(self)
        run("registry", "add", "tenant", "peers", "--data", self.data)
        made = run("registry", "add", "gateway", DEVICE, "--eui", "00000000000000aa", "--data", self.data)
        self.key = made.strip().split("SharedAccessKey=")[1]
        self.start()

    def start(self):
        self.process = subprocess.Popen([PROGRAM, "serve", "--data", self.data], env=self.environment, stderr=self.err.open("w"))
        wait_for(lambda: "platform_started" in self.err.read_text() or self.process.poll() is not None, "the hub")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        check(self.process.wait(timeout=LIMIT_S) == 0, "the platform ends cleanly")

    def settled(self):
        return json.loads(run("status", "--json", "--data", self.data))["packets"]["settled"]

    def stored(self):
        """Messages of the gateway in the log `telemetry`, in which they are in their order."""
        hops = json.loads(run("trace", "--json", "--gateway", DEVICE, "--data", self.data))["hops"]
        return sum(1 for hop in hops if hop["log"] == "telemetry")

    def client(self, count=1, size=100, first=0, device=DEVICE, break_token=False):
        resource = f"localhost/devices/{DEVICE}"
        token = run("token", "--host", "localhost", "--device", DEVICE, "--key", self.key, "--ttl", "1h").strip()
        if break_token:
            token = token.replace("sig=", "sig=A", 1)
        return subprocess.Popen([*CLIENT, "localhost", str(self.port), self.data + "/tls/ca.pem", resource, token,
                                 f"/devices/{device}/messages/events", str(first), str(count), str(size)], stdout=subprocess.PIPE, text=True)

    def said(self, **how):
        client = self.client(**how)
        try:
            return client.communicate(timeout=LIMIT_S)[0].splitlines()
        except subprocess.TimeoutExpired:
            client.kill()
            raise SystemExit(f"FAILED: the client does not end; it said {client.communicate()[0].splitlines()[-5:]}") from None


def of(lines, word):
    return [line.split() for line in lines if line.startswith(word)]


def send(folder):
    platform = Platform(folder)
    lines = platform.said(count=300, size=300)
    check("token 200" in lines and "link open" in lines, f"it comes in: {lines[:3]}")
    check({words[1] for words in of(lines, "accepted")} == {f"n-{i}" for i in range(300)}, f"all of its messages are settled, {lines[-3:]}")
    wait_for(lambda: platform.settled() >= 300, "the platform's own count")
    platform.stop()


def refused(folder):
    platform = Platform(folder)
    lines = platform.said(break_token=True)
    check("token 401" in lines and not of(lines, "accepted"), f"a forged token: {lines}")
    lines = platform.said(device="somebody-else")
    check(["link", "refused", "amqp:unauthorized-access"] in of(lines, "link refused"), f"another's address: {lines}")
    lines = platform.said(size=300_000)
    told = of(lines, "rejected") + of(lines, "link refused")
    check(told and told[0][-1] == "amqp:link:message-size-exceeded" and not of(lines, "accepted"), f"too large a message: {lines}")
    check(len(of(platform.said(), "accepted")) == 1, "and it may come again")
    platform.stop()


def flow(folder):
    platform = Platform(folder, MH_HUB_DEVICE_RATE="200", MH_HUB_DEVICE_BURST="100", MH_HUB_LINK_CREDIT="100")
    begun = time.monotonic()
    lines = platform.said(count=600)
    took = time.monotonic() - begun
    check(len(of(lines, "accepted")) == 600, f"all are settled in the end: {lines[-2:]}")
    # The last hundred, which it had credit for, are taken into debt.
    check(took >= 2.0, f"600 messages at 200/s after 100 at once: {took:.1f} s")
    for words in of(lines, "credit-max"):
        check(int(words[1]) <= 100, f"it is given no more credit than the settings say: {words[1]}")
    platform.stop()


def accepted_until(client, enough, act):
    """Numbers of the messages that were settled; `act` is done once there are enough."""
    numbers = []
    for line in client.stdout:
        words = line.split()
        if words[0] == "accepted":
            numbers.append(int(words[1][2:]))
            if len(numbers) == enough:
                act()
        if words[0] == "cut":
            break
    client.communicate(timeout=LIMIT_S)
    return numbers


def cut(folder):
    # Credit comes by the hundred, every two seconds: there is a middle.
    platform = Platform(folder, MH_HUB_DEVICE_RATE="50", MH_HUB_DEVICE_BURST="1", MH_HUB_LINK_CREDIT="100")
    # The client dies: the platform keeps what it has settled, and goes on.
    client = platform.client(count=250)
    settled = accepted_until(client, 10, client.kill)
    wait_for(lambda: platform.stored() >= len(settled), "what was settled before the client died")
    before = platform.stored()
    # The platform dies, and comes back.
    client = platform.client(count=250)
    settled = accepted_until(client, 150, platform.kill)
    check(client.returncode == 3 and 150 <= len(settled) < 250, f"it hears of the cut after {len(settled)} of 250: exit {client.returncode}")
    platform.start()
    check(platform.stored() >= before + max(settled) + 1, "what was settled is there")
    rest = set(range(250)) - set(settled)
    again = platform.said(first=min(rest), count=250 - min(rest))
    check({int(words[1][2:]) for words in of(again, "accepted")} >= rest, "it comes back and sends what was not settled")
    platform.stop()


def main():
    with tempfile.TemporaryDirectory(prefix="meterhub-peers-") as name:
        try:
            {"send": send, "refused": refused, "flow": flow, "cut": cut}[sys.argv[2]](pathlib.Path(name))
        finally:
            for platform in PLATFORMS:
                if platform.process and platform.process.poll() is None:
                    platform.process.kill()
    print("PASS")


if __name__ == "__main__":
    main()
