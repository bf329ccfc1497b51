#!/usr/bin/env python3
"""meter_latest, building_status and district_status equal the simulator's own truth, column by column, also after SIGKILL.

usage: office_status.py PROGRAM [SEED]. A town with meters in every kind of trouble sends over TLS while midnight passes on its clock; a
dozen meters of this test have a history of nine days. Then everybody stops. What the tables must say as of their AsOf is computed
in Python (fleet_truth.py) from what the simulator wrote before it encoded. The town's clock is a time zone file of this test.
"""
import contextlib
import csv
import datetime
import io
import json
import os
import pathlib
import random
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time

import lorawan
from fleet_truth import SECOND, Judged, Meter, Reading, areas

PROGRAM = str(pathlib.Path(sys.argv[1]).resolve())
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else random.SystemRandom().randrange(1, 1_000_000)
METERS, INTERVAL, SPAN_S = 200, "2s", 40
MIDNIGHT_IN_S = 30
TENANT = "Demo Gas"
OTHERS_KEY = "a2V5IG9mIGEgZ2F0ZXdheSBvZiB0aGUgdGVzdA=="
DISTRICTS = ("北城", "O'Neill; --", "Harbour, \"old\"")
LIMIT_S = 180
DAY = 86_400 * SECOND
COLUMNS = ("Meters", "Online", "Silent", "Low", "Closed", "Faulty", "Unheard", "Flow", "UsedToday", "UsedYesterday", "UsedWeekAgo")


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


def micros(text):
    """Of RFC 3339, or of the lake's timestamps; both in UTC."""
    moment = datetime.datetime.fromisoformat(text.replace("Z", "").replace("+00", "").replace("T", " "))
    whole = moment.replace(tzinfo=datetime.timezone.utc, microsecond=0)
    return int(whole.timestamp()) * SECOND + moment.microsecond


class Platform:
    def __init__(self, folder):
        self.folder, self.data, self.runs = folder, folder / "data", 0
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.hub = f"127.0.0.1:{free.getsockname()[1]}"
        self.environment = dict(os.environ, MH_HUB_AMQPS_LISTEN=self.hub, MH_CONSOLE_LISTEN="", MH_HISTORY_FLUSH_AFTER="500ms", MH_STREAM_PACK="raw-archive",
                                MH_OFFICE_SURVEY_EVERY="1s", MH_OFFICE_TABLES_EVERY="1s", MH_OFFICE_SNAPSHOT_EVERY="5s", TZDIR=str(folder / "zones"))

    def start(self):
        self.runs += 1
        err = self.folder / f"err-{self.runs}"
        self.process = subprocess.Popen([PROGRAM, "serve", "--data", str(self.data)], env=self.environment, stderr=err.open("w"))
        wait_for(lambda: "platform_started" in err.read_text() or self.process.poll() is not None, "the platform")
        if self.process.poll() is not None:
            raise SystemExit(f"FAILED: {err.read_text()[-3000:]}")

    def run(self, *arguments):
        done = subprocess.run([PROGRAM, *arguments, "--data", str(self.data)], capture_output=True, text=True, timeout=LIMIT_S, env=self.environment)
        if done.returncode != 0:
            raise SystemExit(f"FAILED: {arguments}: {done.stdout}{done.stderr}")
        return done.stdout

    def lake(self, query):
        return list(csv.DictReader(io.StringIO(self.run("lake", "query", "--format", "csv", query))))

    def simulate(self):
        command = [PROGRAM, "simulate", "--hub", f"amqps://{self.hub}", "--ca", str(self.data / "tls" / "ca.pem"), "--fleet", str(self.folder / "fleet"),
                   "--meters", str(METERS), "--seed", str(SEED), "--interval", INTERVAL, "--for", f"{SPAN_S}s", "--troubled", "0.5"]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def send(self, packets):
        for at in range(0, len(packets), 50):
            done = subprocess.run([PROGRAM, "send", "--connection", f"HostName=localhost:{self.hub.split(':')[1]};DeviceId=gw-test;SharedAccessKey={OTHERS_KEY}", "--ca",
                                   str(self.data / "tls" / "ca.pem"), "--body", json.dumps({"rxpk": packets[at:at + 50]})], capture_output=True, text=True, timeout=LIMIT_S)
            assert done.returncode == 0, done

    def all_is_read(self):
        since = datetime.datetime.now(datetime.timezone.utc)

        def condition():
            status = json.loads(self.run("status", "--json"))
            return datetime.datetime.fromisoformat(status["time"]) >= since and all(stage["records"] == 0 for stage in status["lag"]["stages"])

        return condition

    def tables(self):
        """{table: rows as dictionaries}, all of one moment."""
        queries = {name: f"SELECT * FROM {name}" for name in ("meter_latest", "building_status", "district_status")}
        queries["alarms"] = "SELECT subject, count(*) AS n FROM episodes WHERE state <> 'cleared' AND subject_kind = 'meter' GROUP BY 1"
        with contextlib.closing(sqlite3.connect(f"file:{self.data}/database.sqlite?mode=ro", uri=True, timeout=60, isolation_level=None)) as database:
            database.row_factory = sqlite3.Row
            database.execute("BEGIN")
            return {name: [dict(row) for row in database.execute(query)] for name, query in queries.items()}


def make_zone(folder, midnight):
    """The zone file of Asia/Shanghai for this test: local midnight is at `midnight`. Returns its seconds east of UTC."""
    offset = -(midnight % 86_400)
    offset += 86_400 if offset < -43_200 else 0
    (folder / "zones" / "Asia").mkdir(parents=True)
    (folder / "zones" / "Asia" / "Shanghai").write_bytes(b"TZif" + bytes(16) + struct.pack(">6I", 0, 0, 0, 0, 1, 4) + struct.pack(">iBB", offset, 0, 0) + b"RUN\0")
    return offset


def register(platform, others):
    """The town, with limits of all kinds and some meters that are placed nowhere; then the meters of this test."""
    fleet = platform.folder / "fleet"
    wait_for(lambda: (fleet / "gateways.txt").exists(), "the town's files")
    with (fleet / "meters.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for number, row in enumerate(rows):
        row["silence_limit_s"] = (10, 60, 3600)[number % 3]
        row["low_limit_litres"] = 100_000 if number % 7 == 0 else ""
        row.update(district=DISTRICTS[number % 9 // 3], building=f"Tower {number % 9}")
        if number % 20 == 3:
            row.update(district="", building="", floor="", unit="")
    rows += [{**other.csv(), "tenant": TENANT, "district": rows[0]["district"], "building": "Case study", "floor": "1", "unit": str(number), "profile": "v1",
              "silence_limit_s": 7 * 86_400} for number, other in enumerate(others)]
    with (platform.folder / "meters.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, [*rows[0]])
        writer.writeheader()
        writer.writerows(rows)
    (platform.folder / "gateways.csv").write_text(f"id,eui,tenant,primary_key\ngw-test,0e2f000000000001,{TENANT},{OTHERS_KEY}\n")
    platform.run("registry", "import", "--tenants", str(fleet / "tenants.csv"), "--gateways", str(fleet / "gateways.csv"))
    platform.run("registry", "import", "--gateways", str(platform.folder / "gateways.csv"), "--meters", str(platform.folder / "meters.csv"))
    return {row["eui"]: Meter(row["eui"], row["district"], row["building"], int(row["silence_limit_s"]) * SECOND, int(row.get("low_limit_litres") or 5_000))
            for row in rows}


def history(others, meters, midnight, chance):
    """Packets of nine days: minutes close together and hours apart, across midnights; one counter falls, one begins anew."""
    packets = []
    for number, other in enumerate(others):
        at, end = midnight - chance.randrange(7, 9) * 86_400 + chance.uniform(0, 3600), time.time() - 2
        while at < end:
            used = other.used + (chance.randrange(0, 60) if chance.random() < 0.7 else 0)
            if number == 3 and chance.random() < 0.1:
                used = other.used - 20
            if number == 4 and chance.random() < 0.05:
                used = chance.randrange(0, 200)
            packets.append(other.says(round(at, 6), used=used, left=other.left + other.used - used if number != 4 else other.left))
            stamp = micros(packets[-1]["time"])
            meters[other.eui].readings.append(Reading((1, 0, other.counter), stamp, stamp, other.used + other.left, other.left, other.used, other.status, "v1.0"))
            at += chance.choice((30, 200, 299, 301, 3600, 20_000, 50_000))
    return packets


def simulated(path):
    """{(meter, session, generation, counter): (time or None, bought, left, used, status, version)} of settled packets (docs/formats/sent.md)."""
    content = path.read_bytes()
    at, packets, carried, settled = 8, {}, {}, set()
    while at < len(content):
        size, = struct.unpack_from("<H", content, at)
        kind, record = content[at + 2], content[at + 3:at + 2 + size]
        at += 2 + size + 4
        if kind == 2:
            number, eui, session, generation, counter, sent = struct.unpack_from("<QQIIIq", record)
            bought, left, used, status, version, flags = struct.unpack_from("<IiIH4sB", record, 36)
            packets[number] = ((f"{eui:016x}", session, generation, counter), (sent if flags & 2 else None, bought, left, used, status, version.decode()))
        if kind == 3:
            number, _, count = struct.unpack_from("<QIH", record)
            carried[number] = struct.unpack_from(f"<{count}Q", record, 14)
        if kind == 4 and record[8] == 0:
            settled.update(carried[struct.unpack_from("<Q", record)[0]])
    return dict(packets[number] for number in settled)


def add_truth(platform, meters):
    """Figures from the simulator's file; of packets that no gateway with a clock heard, when the hub took them is the time."""
    sent = simulated(platform.folder / "fleet" / "sent.mhs")
    wait_for(lambda: int(platform.lake("SELECT count(*) AS n FROM readings WHERE DeviceID LIKE '0a4d%'")[0]["n"]) >= len(sent), "all readings in the lake")
    for row in platform.lake("SELECT DeviceID, Session, Generation, Seq, DateTime, EnqueuedTime, Late FROM readings WHERE DeviceID LIKE '0a4d%' ORDER BY 1, 2, 3, 4"):
        key = (row["DeviceID"], int(row["Session"]), int(row["Generation"]), int(row["Seq"]))
        at, *figures = sent.pop(key)
        taken = micros(row["EnqueuedTime"])
        if at is None:
            at = micros(row["DateTime"])
        meters[row["DeviceID"]].readings.append(Reading(key[1:], at, min(at, taken), *figures, late=row["Late"] == "true"))
    check(not sent, f"the lake has every settled packet: {len(sent)} are missing")


def litres(value):
    return None if value is None else round(value * 1000)


def expected_row(meter, judged):
    last = judged.last
    return {"District": meter.district, "Building": meter.building, "State": "new" if judged.state == "Unheard" else judged.state.lower(),
            "LastSeen": judged.heard or None, "ReadingTime": last and last.at, "Bought": last and last.bought, "Remaining": last and last.left,
            "TotalUsed": last and last.used, "MeterStatus": last and last.status, "MeterSoftwareVer": last and last.version, "Flow": judged.flow,
            "UsedToday": judged.used(0), "UsedYesterday": judged.used(1)}


def found_row(row):
    out = dict(row)
    for column in ("Bought", "Remaining", "TotalUsed", "Flow", "UsedToday", "UsedYesterday"):
        out[column] = litres(row[column])
    for column in ("LastSeen", "ReadingTime"):
        out[column] = micros(row[column]) if row[column] else None
    return out


def compare_meters(rows, meters, midnights, local_date):
    wrong = []
    for row in map(found_row, rows):
        judged = Judged(meters[row["DeviceID"]], midnights, micros(row["AsOf"]))
        meant = expected_row(judged.meter, judged)
        days = judged.exhausted()
        meant["Exhausted"] = None if days is None else str(local_date(micros(row["AsOf"])) + datetime.timedelta(days=days))
        wrong += [(row["DeviceID"], column, value, row[column]) for column, value in meant.items() if row[column] != value]
    return wrong


def compare_areas(tables, meters, midnights):
    wrong = []
    alarms = {row["subject"]: row["n"] for row in tables["alarms"]}
    for table, place in (("building_status", lambda m: (m.district, m.building)), ("district_status", lambda m: m.district)):
        rows = {(row["District"], row["Building"]) if table == "building_status" else row["District"]: row for row in tables[table]}
        as_of = micros(tables[table][0]["AsOf"])
        placed = [meter for meter in meters.values() if meter.building or table == "district_status"]
        meant = areas(placed, midnights, as_of, place)
        if set(rows) != set(meant):
            wrong.append((table, set(rows) ^ set(meant)))
        for key in set(rows) & set(meant):
            row = {column: litres(rows[key][column]) if column == "Flow" or column.startswith("Used") else rows[key][column] for column in COLUMNS}
            wrong += [(table, key, column, meant[key][column], row[column]) for column in COLUMNS if row[column] != meant[key][column]]
            open_alarms = sum(alarms.get(meter.eui, 0) for meter in placed if place(meter) == key)
            if open_alarms != rows[key]["OpenAlarms"]:
                wrong.append((table, key, "OpenAlarms", open_alarms, rows[key]["OpenAlarms"]))
            if rows[key]["Tenant"] != TENANT:
                wrong.append((table, key, rows[key]["Tenant"]))
    return wrong


def compare(platform, meters, midnights, local_date, when):
    """As of a time from now on. An episode may be written between two tables: only that is looked at again."""
    since = time.time() * SECOND
    for _ in range(10):
        wait_for(lambda: (rows := platform.tables()["district_status"]) and micros(rows[0]["AsOf"]) > since, "tables of now")
        tables = platform.tables()
        wrong = compare_areas(tables, meters, midnights)
        if not wrong or any("OpenAlarms" not in line for line in wrong):
            break
        since = micros(tables["district_status"][0]["AsOf"])
    check(not wrong, f"{when}: {len(tables['building_status'])} buildings and {len(tables['district_status'])} districts as the truth says {wrong[:5]}")
    wrong = compare_meters(tables["meter_latest"], meters, midnights, local_date)
    check(len(tables["meter_latest"]) == len(meters) and not wrong, f"{when}: {len(meters)} meters too {wrong[:5]}")
    return tables


def show(looks):
    """A column that is 0 everywhere proves nothing."""
    totals = [{column: round(sum(row[column] for row in tables["district_status"]), 3) for column in (*COLUMNS, "OpenAlarms")} for tables in looks]
    print("\n".join(map(str, totals)))
    check(all(any(total[column] for total in totals) for column in totals[0]), "every column says something")


def story(platform, chance):
    midnight = int(time.time()) + MIDNIGHT_IN_S
    offset = make_zone(platform.folder, midnight)
    local = lambda at: datetime.datetime.fromtimestamp(at / SECOND + offset, datetime.timezone.utc).date()
    midnights = [midnight * SECOND + days * DAY for days in range(-12, 3)]
    others = [lorawan.Meter(number + 1) for number in range(12)]
    platform.start()
    town = platform.simulate()
    meters = register(platform, others)
    packets = history(others, meters, midnight, chance)
    platform.send(packets)
    print(f"{len(packets)} packets of nine days", flush=True)
    out = town.communicate(timeout=LIMIT_S)[0].strip()
    check(town.returncode == 0, out)
    check(time.time() > midnight, "midnight has passed")
    wait_for(platform.all_is_read(), "what is under way")
    add_truth(platform, meters)
    looks = [compare(platform, meters, midnights, local, "drained")]
    for number in range(3):
        platform.process.kill()
        platform.process.wait()
        platform.start()
        looks.append(compare(platform, meters, midnights, local, f"after kill {number + 1}"))
    show(looks)


def main():
    print(f"seed {SEED}", flush=True)
    lorawan.check_vectors()
    with tempfile.TemporaryDirectory(prefix="meterhub-status-") as name:
        platform = Platform(pathlib.Path(name))
        try:
            story(platform, random.Random(SEED))
            platform.process.send_signal(signal.SIGTERM)
            check(platform.process.wait(timeout=LIMIT_S) == 0, "the platform ends cleanly")
        finally:
            if platform.process.poll() is None:
                platform.process.kill()
    print("PASS")


if __name__ == "__main__":
    main()
