#!/usr/bin/env python3
"""One episode of each trouble, told once, through twenty kills.

usage: office_episodes.py PROGRAM [SEED]. Real packets over AMQP and TLS: a leak, a meter that falls silent, a low balance, a
tampering, a closed valve, a counter that runs back, one that begins anew. Routes send all of it to a mail server and a webhook of
this test. Then more of the same while the platform is killed at random moments, ten times; when all was told, all is mended,
through ten kills more. Of every trouble there must be one episode, raised and ended once, and each channel must have been told of
either once: in one message, or in one that came again with the same id. What somebody does to an episode stands after a kill.
"""
import collections
import contextlib
import csv
import datetime
import http.client
import json
import os
import pathlib
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

from lorawan import Meter, check_vectors
from sinks import PASSWORD, MailServer, WebServer, certificate, serving

PROGRAM = str(pathlib.Path(sys.argv[1]).resolve())
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else random.SystemRandom().randrange(1_000_000)
PATIENCE_S = 240
KILLS = 10  # twice
GATEWAY = "gw-roof"
KEY = "a2V5IG9mIHRoZSBnYXRld2F5IG9uIHRoZSByb29m"
LATCHED = {"tamper", "counter_reset"}
MINUTE = 60
SILENCE_S = 10


def check(good, text):
    if not good:
        raise SystemExit(f"FAILED: {text}")
    print(f"ok: {text}", flush=True)


def until(condition, what):
    end = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"FAILED: waited in vain for {what}")
        time.sleep(0.1)


class Trouble:
    """One meter's. Times are event times: what takes hours has happened already; gateways store and tell later."""

    def __init__(self, rule, number):
        self.rule, self.meter, self.begun = rule, Meter(number), 0

    def raised(self):
        say, self.begun = self.meter.says, time.time()
        ago = lambda minutes: self.begun - minutes * MINUTE
        return {
            "leak": lambda: [say(ago(175 - 4 * n), used=self.meter.used + 5) for n in range(33)],
            "silent_meter": lambda: [say()],
            "low_balance": lambda: [say(left=4_000)],
            "tamper": lambda: [say(status=12)],
            "valve_closed": lambda: [say(status=2)],
            "reverse_counter": lambda: [say(ago(90)), say(ago(89.5), used=499_990), say(ago(89), used=499_980)],
            "counter_reset": lambda: [say(ago(0.5)), say(used=0)],
        }[self.rule]()

    def mended(self):
        say = self.meter.says
        if self.rule == "leak":  # its counter stands for more than ten minutes
            return [say(self.begun - minutes * MINUTE) for minutes in (43, 39, 35, 31)]
        if self.rule == "reverse_counter":
            return [say(self.begun - 88.5 * MINUTE)]
        return [say(left=54_000) if self.rule == "low_balance" else say(status=4)]  # one that was silent speaks: speaking()

    def silence_limit_s(self):
        return SILENCE_S if self.rule == "silent_meter" else 7 * 86_400


class Site:
    def __init__(self, folder, web, mail, ca):
        self.folder, self.data, self.web, self.mail = folder, folder / "data", f"http://127.0.0.1:{web}", f"smtp://localhost:{mail}"
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.environment = dict(os.environ, MH_HUB_AMQPS_LISTEN=f"127.0.0.1:{self.port}", MH_CONSOLE_LISTEN="", MH_STREAM_PACK="raw-archive",
                                MH_NOTIFY_CA_FILE=str(ca), SECRET_OF_MAIL=PASSWORD, MH_OFFICE_SURVEY_EVERY="1s", MH_OFFICE_TABLES_EVERY="1s",
                                MH_OFFICE_SNAPSHOT_EVERY="2s", MH_RULES_SILENCE_GATEWAY="1h")
        self.process, self.runs = None, 0

    def start(self):
        self.runs += 1
        err = self.folder / f"serve-{self.runs}.err"
        self.process = subprocess.Popen([PROGRAM, "serve", "--data", str(self.data)], env=self.environment, stderr=err.open("w"))
        until(lambda: "platform_started" in err.read_text() or self.process.poll() is not None, "the platform")
        if self.process.poll() is not None:
            raise SystemExit(f"FAILED: {err.read_text()[-3000:]}")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        check(self.process.wait(timeout=PATIENCE_S) == 0, "a clean end")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def run(self, *words):
        done = subprocess.run([PROGRAM, *words, "--data", str(self.data)], env=self.environment, capture_output=True, text=True, timeout=PATIENCE_S)
        if done.returncode != 0:
            raise SystemExit(f"FAILED: {words}: {done.stdout}{done.stderr}")

    def register(self, meters):
        (self.folder / "tenants.csv").write_text("name,time_zone\nGas,Asia/Shanghai\n")
        (self.folder / "gateways.csv").write_text(f"id,eui,tenant,primary_key\n{GATEWAY},0e2f000000000001,Gas,{KEY}\n")
        with (self.folder / "meters.csv").open("w", newline="") as file:
            rows = csv.DictWriter(file, ["eui", "tenant", "district", "building", "floor", "unit", "silence_limit_s", "dev_addr", "nwkskey", "appskey"])
            rows.writeheader()
            for number, trouble in enumerate(meters):
                rows.writerow({**trouble.meter.csv(), "tenant": "Gas", "district": "North", "building": "Tower", "floor": "1", "unit": str(101 + number),
                               "silence_limit_s": trouble.silence_limit_s()})
        self.run("registry", "import", *(word for what in ("tenants", "gateways", "meters") for word in (f"--{what}", str(self.folder / f"{what}.csv"))))

    def route_all(self):
        self.run("notify", "channel", "add", "mail", "--kind", "smtp", "--server", self.mail, "--user", "alarm", "--secret-env", "SECRET_OF_MAIL",
                 "--from", "a@gas.example.org", "--to", "b@example.org", "--language", "en")
        self.run("notify", "channel", "add", "hook", "--kind", "webhook", "--url", self.web + "/hook", "--language", "en")
        for channel in ("mail", "hook"):
            self.run("notify", "route", "add", "--channel", channel, "--on", "both", "--severity", "info")
        time.sleep(3)  # they count within a second or two

    def send(self, packets):
        """As a gateway: again until it is settled, whatever becomes of the platform meanwhile."""
        command = [PROGRAM, "send", "--connection", f"HostName=localhost:{self.port};DeviceId={GATEWAY};SharedAccessKey={KEY}", "--ca",
                   str(self.data / "tls" / "ca.pem"), "--body", json.dumps({"rxpk": packets})]
        end = time.monotonic() + PATIENCE_S
        while subprocess.run(command, capture_output=True, timeout=PATIENCE_S).returncode != 0:
            assert time.monotonic() < end, "not settled"
            time.sleep(0.2)

    def act(self, action, **body):
        """What somebody does to episodes, through the control socket."""
        connection = http.client.HTTPConnection("localhost", timeout=PATIENCE_S)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(PATIENCE_S)
        connection.sock.connect(str(self.data / "control.sock"))
        connection.request("POST", f"/api/v1/episodes/{action}", json.dumps({"by": "li.na", **body}), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        check(answer.status == 200 and json.loads(text)["done"] == len(body["ids"]), f"{action}: {text}")

    def ask(self, query, *values):
        with contextlib.closing(sqlite3.connect(f"file:{self.data}/database.sqlite?mode=ro", uri=True, timeout=60)) as database:
            return database.execute(query, values).fetchall()

    def all_is_told(self):
        return self.ask("SELECT (SELECT count(*) FROM outbox_notices WHERE state = 'waiting') + (SELECT count(*) FROM outbox WHERE state = 'waiting')") == [(0,)]

    def count(self, what):
        return self.ask("SELECT count(*) FROM episode_history WHERE what = ?", what)[0][0]


def calm(site, troubles):
    """Seven troubles, one after the other."""
    for trouble in troubles:
        site.send(trouble.raised())
    until(lambda: site.count("raised") >= len(troubles), "an episode of each trouble")
    until(lambda: WebServer.arrived and MailServer.arrived, "the first messages")
    first = site.ask("SELECT min(created) FROM outbox_notices")[0][0] / 1e6
    print(f"from the first episode's row to the mail {MailServer.arrived[0] - first:.2f} s, to the webhook {WebServer.arrived[0] - first:.2f} s")
    check(len(site.ask("SELECT 1 FROM episodes")) == len(troubles), f"{len(troubles)} troubles, {len(troubles)} episodes")


def under_fire(site, chance, works):
    """Each is sent while the platform is killed, and killed again when there are fewer of them than kills."""
    for number in range(max(KILLS, len(works))):
        gateway = threading.Thread(target=site.send, args=(works[number],)) if number < len(works) else None
        if gateway:
            gateway.start()
        if number < KILLS:
            time.sleep(chance.uniform(0, 2))
            site.kill()
            site.start()
        if gateway:
            gateway.join()
    print(f"ok: {KILLS} kills", flush=True)


def by_hand(site, acknowledged, shelved):
    """What was answered is on disk: a kill right behind it changes nothing."""
    ids = {subject: number for number, subject in site.ask("SELECT id, subject FROM episodes")}
    site.act("acknowledge", ids=[ids[acknowledged.meter.eui]])
    later = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
    site.act("shelve", ids=[ids[shelved.meter.eui]], until=later.strftime("%Y-%m-%dT%H:%M:%SZ"))
    site.kill()
    site.start()
    return {ids[acknowledged.meter.eui]: "cleared", ids[shelved.meter.eui]: "shelved"}


def episodes(site, troubles, touched):
    """One of each trouble, from begin to end, whatever happened meanwhile; `touched`: states of those that somebody saw."""
    found = collections.Counter(site.ask("SELECT rule, subject FROM episodes"))
    expected = collections.Counter((trouble.rule, trouble.meter.eui) for trouble in troubles)
    check(found == expected, f"{len(troubles)} episodes, one of each: too many {found - expected}, missing {expected - found}")
    odd = site.ask("SELECT id, rule, state, reopened, cleared_text FROM episodes WHERE reopened <> 0 OR cleared IS NULL OR standing <> 0")
    check(not odd, f"each was raised once and has ended {odd}")
    wrong = [row for row in site.ask("SELECT id, rule, state FROM episodes") if row[2] != touched.get(row[0], "returned" if row[1] in LATCHED else "cleared")]
    check(not wrong, f"those that somebody must have seen wait as returned, others are cleared {wrong}")
    people = site.ask("SELECT episode, what, who FROM episode_history WHERE who <> '' ORDER BY id")
    check([row[1:] for row in people] == [("acknowledged", "cli:li.na"), ("shelved", "cli:li.na")], f"who did what {people}")
    lines = collections.Counter(site.ask("SELECT episode, what FROM episode_history WHERE who = ''"))
    check(set(lines.values()) == {1} and len(lines) == 2 * len(troubles), f"two lines of history each {[line for line in lines.items() if line[1] != 1]}")


def told(site, channel, troubles, received):
    """What the channel's server took, against the outbox and the episodes."""
    sent = dict(site.ask("SELECT message_id, body FROM outbox WHERE channel_name = ? AND state = 'sent'", channel))
    others = site.ask("SELECT state, last_error FROM outbox WHERE state <> 'sent'")
    check(not others and set(received) == set(sent), f"{channel}: {len(sent)} messages, each was noted as sent and has come {others}")
    notices = site.ask("SELECT n.episode, json_extract(n.body, '$.event'), count(*) FROM outbox_notices n JOIN outbox m ON m.id = n.message "
                       "WHERE m.channel_name = ? AND n.state = 'taken' GROUP BY 1, 2", channel)
    check(len(notices) == 2 * len(troubles) and all(row[2] == 1 for row in notices), f"{channel}: begin and end of each are in one message {[row for row in notices if row[2] != 1]}")
    listed, counted = collections.Counter(), collections.Counter()
    for body in map(json.loads, sent.values()):
        listed.update((notice["episode"], notice["event"]) for notice in body["notices"])
        counted.update(notice["rule"] for notice in body["notices"])
        counted.update(body["more"])
    by_rule = collections.Counter(trouble.rule for trouble in troubles)
    check(set(listed.values()) == {1} and counted == by_rule + by_rule, f"{channel}: none is told twice: {sum(listed.values())} listed, others counted {counted}")
    return sent


def messages(site, troubles):
    hook = collections.defaultdict(list)
    for _, headers, body in WebServer.requests:
        hook[headers["X-Meterhub-Id"]].append(json.loads(body))
    for number, body in told(site, "hook", troubles, hook).items():
        kept = json.loads(body)
        assert all((copy["notices"], copy["more"]) == (kept["notices"], kept["more"]) for copy in hook[number]), (kept, hook[number])
    mails = collections.defaultdict(list)
    for _, mail in MailServer.mails:
        mails[mail["X-Meterhub-Id"]].append(mail.get_content())
    for number, body in told(site, "mail", troubles, mails).items():
        assert len(set(mails[number])) == 1 and all(line in mails[number][0] for line in json.loads(body)["lines"]), (body, mails[number])
    again = sum(len(copies) - 1 for copies in [*hook.values(), *mails.values()])
    print(f"ok: {len(hook) + len(mails)} messages; {again} came again with the same id")


@contextlib.contextmanager
def speaking(site, meter):
    """A meter that was silent speaks, and goes on, so that it is not silent again. Its packets are a while on their way: older than the
    newest time at which it was found silent."""
    over = threading.Event()

    def speak():
        while not over.wait(1):
            site.send([meter.says(time.time() - 3)])

    gateway = threading.Thread(target=speak)
    gateway.start()
    try:
        yield
    finally:
        over.set()
        gateway.join()


def story(site, chance):
    first = [Trouble(rule, number + 1) for number, rule in enumerate(
        ("low_balance", "tamper", "valve_closed", "leak", "reverse_counter", "counter_reset", "silent_meter"))]
    more = [Trouble(chance.choice(("low_balance", "tamper", "valve_closed", "leak", "reverse_counter", "counter_reset")), number + 11) for number in range(KILLS)]
    every = first + more
    site.start()
    site.register(every)
    site.route_all()
    calm(site, first)
    under_fire(site, chance, [trouble.raised() for trouble in more])
    until(lambda: site.count("raised") >= len(every), "the episodes")
    until(site.all_is_told, "their messages")
    check(site.count("cleared") + site.count("returned") == 0, "nothing has ended by itself")
    under_fire(site, chance, [trouble.mended() for trouble in first[:-1] + more])
    time.sleep(SILENCE_S + 3)  # the platform listens for long enough to find it silent again
    with speaking(site, first[-1].meter):
        until(lambda: site.count("cleared") + site.count("returned") >= len(every), "their ends")
        until(site.all_is_told, "the messages of it")
        touched = by_hand(site, first[1], first[5])
    site.stop()
    site.start()
    time.sleep(3)
    site.stop()
    return every, touched


def main():
    print(f"seed {SEED}", flush=True)
    check_vectors()
    with tempfile.TemporaryDirectory(prefix="meterhub-episodes-") as name, contextlib.ExitStack() as stack:
        folder = pathlib.Path(name)
        ca = certificate(folder)
        site = Site(folder, stack.enter_context(serving(WebServer)), stack.enter_context(serving(MailServer)), ca)
        try:
            troubles, touched = story(site, random.Random(SEED))
            episodes(site, troubles, touched)
            messages(site, troubles)
        except BaseException:
            print("".join(f"--- {file.name}\n{file.read_text()[-1500:]}" for file in sorted(folder.glob("serve-*.err"))[-3:]))
            raise
        finally:
            if site.process is not None and site.process.poll() is None:
                site.process.kill()
    print("PASS")


if __name__ == "__main__":
    main()
