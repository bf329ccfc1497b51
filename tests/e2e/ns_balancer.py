#!/usr/bin/env python3
"""Three network servers behind one address: one is killed, another is added, while packets flow.

usage: ns_balancer.py PROGRAM. The balancer is the kernel's: nftables spreads flows by source port and
keeps each where it is, dead or alive, as any balancer of UDP does. All of it stands in a network
namespace of the test's own. Nothing may be missing, and each living server must have its share again
within 5 s.
"""
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

PROGRAM = str(pathlib.Path(sys.argv[1]).resolve())
VIRTUAL = "10.77.0.1"
FEED = "127.0.0.1:7001"
LIMIT_S = 120
SHARE_WITHIN_S = 5
WINDOW_S = 4


def enter_namespace():
    if os.environ.get("METERHUB_OWN_NETWORK") == "1":
        return
    os.environ["METERHUB_OWN_NETWORK"] = "1"
    os.execvp("unshare", ["unshare", "--user", "--map-root-user", "--net", sys.executable, *sys.argv])


def wait_for(condition, what):
    end = time.monotonic() + LIMIT_S
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"waited in vain for {what}")
        time.sleep(0.1)


class Balancer:
    def __init__(self):
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        subprocess.run(["ip", "address", "add", f"{VIRTUAL}/32", "dev", "lo"], check=True)
        self.load("table ip balancer {\n chain out {\n type nat hook output priority -100;\n }\n}\n")

    def load(self, text):
        subprocess.run(["nft", "-f", "-"], input=text, text=True, check=True)

    def spread_over(self, servers):
        """New flows go to these in turn; old ones stay where they are."""
        places = ", ".join(f"{i} : {server.address}" for i, server in enumerate(servers))
        self.load("flush chain ip balancer out\n"
                  f"add rule ip balancer out ip daddr {VIRTUAL} udp dport 1700 dnat to numgen inc mod {len(servers)} map {{ {places} }}\n")


class Server:
    def __init__(self, folder, number):
        self.address = f"127.0.0.{number}"
        name = f"ns-{number}"
        certificates = folder / "certificates"
        subprocess.run([PROGRAM, "tls", "issue", "--name", name, "--to", certificates, "--data", folder / "data"], check=True,
                       stdout=subprocess.DEVNULL, timeout=LIMIT_S)
        settings = {"LISTEN": f"{self.address}:1700", "FEED_SERVERS": FEED, "CA_FILE": certificates / "ca.pem",
                    "CERTIFICATE_FILE": certificates / f"{name}.pem", "KEY_FILE": certificates / f"{name}.key",
                    "SESSIONS_DIRECTORY": folder / name, "HTTP_LISTEN": f"{self.address}:9100"}
        environment = dict(os.environ, **{f"MH_NS_{key}": str(value) for key, value in settings.items()})
        self.process = subprocess.Popen([PROGRAM, "serve", "--roles", "ns"], env=environment, stderr=(folder / f"{name}.log").open("w"))

    def get(self, path):
        try:
            with urllib.request.urlopen(f"http://{self.address}:9100{path}", timeout=10) as answer:
                return answer.read().decode()
        except OSError:
            return ""

    def is_healthy(self):
        return "true" in self.get("/health")

    def packets(self):
        found = re.search(r"^meterhub_ns_packets_total (\d+)", self.get("/metrics"), re.M)
        return int(found.group(1)) if found else 0


def shares(servers):
    """What part of the packets each of them opened, in a window that begins when they must have settled."""
    time.sleep(SHARE_WITHIN_S)
    before = [server.packets() for server in servers]
    time.sleep(WINDOW_S)
    opened = [server.packets() - then for server, then in zip(servers, before)]
    return [count / max(1, sum(opened)) for count in opened]


def expect_shares(what, servers):
    found = shares(servers)
    print(what, [f"{share:.2f}" for share in found], flush=True)
    if min(found) < 0.5 / len(servers):
        raise SystemExit(f"{what}: a living server has less than half of its share: {found}")


def main():
    enter_namespace()
    balancer = Balancer()
    running = []
    with tempfile.TemporaryDirectory(prefix="meterhub-balancer-") as name:
        folder = pathlib.Path(name)
        environment = dict(os.environ, MH_NS_TRANSPORT="udp", MH_NS_SERVERS=f"{VIRTUAL}:1700", MH_NS_FEED_LISTEN=FEED)
        output = folder / "demo.out"
        demo = subprocess.Popen([PROGRAM, "demo", "--data", folder / "data", "--meters", "300", "--interval", "1s", "--seed", "7"],
                                env=environment, stdout=output.open("w"), stderr=(folder / "demo.err").open("w"))
        running.append(demo)
        try:
            wait_for(lambda: "--sample" in output.read_text(), "the platform")
            servers = [Server(folder, number) for number in (2, 3, 4)]
            running.extend(server.process for server in servers)
            balancer.spread_over(servers)
            wait_for(lambda: all(server.is_healthy() for server in servers), "the servers' sessions")
            expect_shares("three servers:", servers)
            servers[1].process.kill()
            expect_shares("one of them was killed, and the balancer does not know:", [servers[0], servers[2]])
            added = Server(folder, 5)
            running.append(added.process)
            wait_for(added.is_healthy, "the new server's sessions")
            living = [servers[0], servers[2], added]
            balancer.spread_over(living)
            expect_shares("another was added:", living)
            demo.send_signal(signal.SIGINT)
            code = demo.wait(timeout=LIMIT_S)
            end = output.read_text()[-2000:]
            print(end)
            if code != 0 or "missing 0 duplicate 0 wrong 0" not in end:
                raise SystemExit(f"the demo ended with {code}\n{(folder / 'demo.err').read_text()[-2000:]}")
        finally:
            for process in running:
                if process.poll() is None:
                    process.kill()
                process.wait()


if __name__ == "__main__":
    main()
