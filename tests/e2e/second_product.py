#!/usr/bin/env python3
"""A water meter beside gas meters, by the files of examples/water-meter alone.

usage: second_product.py PROGRAM. One platform; a gas town and the example's water meters send at the same time through
gateways of their own over TLS. The lake's table and the database's table of the water job must hold what the simulator
meant to send, value by value, from the truth that it wrote before it encoded; the gas town must be as it is alone; a
tenant's job sees its tenant's meters only. Before that: what is wrong in such files is refused, with its place.
"""
import csv
import io
import datetime
import json
import os
import pathlib
import shutil
import socket
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time

PROGRAM = str(pathlib.Path(sys.argv[1]).resolve())
EXAMPLE = pathlib.Path(__file__).resolve().parents[2] / "examples" / "water-meter"
GAS, WATER = "Demo Gas", "City Water"
SPAN = "20s"
LIMIT_S = 120
# Fields of water-v1.toml in their order, with what their numbers are divided by.
FIELDS = {"volume": 1000, "flow": 1000, "temperature": 10, "battery": 1, "leak": 1, "firmware": 1}


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
        environment = dict(os.environ, MH_HUB_AMQPS_LISTEN=self.hub, MH_CONSOLE_LISTEN="", MH_HISTORY_FLUSH_AFTER="500ms")
        self.process = subprocess.Popen([PROGRAM, "serve", "--data", str(self.data)], env=environment, stderr=(folder / "err").open("w"))
        wait_for(lambda: "hub_listens" in (folder / "err").read_text(), "the hub")

    def run(self, *arguments, code=0):
        done = subprocess.run([PROGRAM, *arguments, "--data", str(self.data)], capture_output=True, text=True, timeout=LIMIT_S)
        if done.returncode != code:
            raise SystemExit(f"FAILED: {arguments}: {done.returncode} {done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def fleet(self, name, *arguments):
        command = [PROGRAM, "simulate", "--hub", f"amqps://{self.hub}", "--ca", str(self.data / "tls" / "ca.pem"),
                   "--fleet", str(self.folder / name), "--interval", "1s", "--for", SPAN, *arguments]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def all_is_read(self):
        """A condition for wait_for(). A status may be a second old: one of before says nothing of what came last."""
        since = datetime.datetime.now(datetime.timezone.utc)

        def condition():
            status = json.loads(self.run("status", "--json"))
            jobs = json.loads(self.run("job", "list", "--json"))["jobs"]
            return (datetime.datetime.fromisoformat(status["time"]) >= since and all(stage["records"] == 0 for stage in status["lag"]["stages"])
                    and all(job["lag"]["records"] == 0 for job in jobs))

        return condition

    def lake(self, query):
        return list(csv.DictReader(io.StringIO(self.run("lake", "query", "--format", "csv", query))))

    def table(self, query):
        with sqlite3.connect(f"file:{self.data}/database.sqlite?mode=ro", uri=True, timeout=30) as database:
            return database.execute(query).fetchall()

    def verify(self, fleet):
        return self.run("verify", "--sent", str(self.folder / fleet / "sent.mhs"), code=0).splitlines()

    def stop(self):
        self.process.terminate()
        check(self.process.wait(timeout=LIMIT_S) == 0, "the platform ends cleanly")


def truth(path):
    """{(meter, counter): values by field} of all packets that a gateway heard (docs/formats/sent.md)."""
    content = path.read_bytes()
    at, heard, out = 8, {}, {}
    while at < len(content):
        size, = struct.unpack_from("<H", content, at)
        kind, record = content[at + 2], content[at + 3:at + 2 + size]
        at += 2 + size + 4
        if kind == 2:
            number, meter, _, _, counter = struct.unpack_from("<QQIII", record)
            gateways, = struct.unpack_from("<H", record, 55)
            if gateways > 0:
                heard[number] = (f"{meter:016x}", counter)
        if kind == 8:
            number, _, count = struct.unpack_from("<QBH", record)
            if number in heard:
                values = struct.unpack_from(f"<{count}q", record, 11)
                out[heard[number]] = {name: value / by for (name, by), value in zip(FIELDS.items(), values, strict=True)}
    return out


def refuse_what_is_wrong(platform, files):
    """Each with file, line, and what to do; nothing is taken."""
    profile = (EXAMPLE / "water-v1.toml").read_text()
    broken = files / "broken.toml"
    broken.write_text(profile.replace('type = "bcd"', 'type = "bdc"'))
    line = broken.read_text().splitlines().index('type = "bdc"') + 1
    said = platform.run("registry", "import", "--profiles", str(broken), code=1)
    check(f"{broken}: line {line}: field 1: type must be one of unsigned signed bcd text" in said, said.strip())
    twins = files / "twins"
    twins.mkdir()
    (twins / "a.toml").write_text(profile)
    (twins / "b.toml").write_text(profile.replace("big", "little"))
    said = platform.run("registry", "import", "--profiles", str(twins), code=1)
    check(f"{twins}/b.toml: profile water-v1 is in {twins}/a.toml too: leave one out or give it another name" in said, said.strip())
    said = platform.run("registry", "import", "--tenants", str(EXAMPLE / "tenants.csv"), "--meters", str(EXAMPLE / "meters.csv"), code=1)
    check('meters.csv: line 2: profile: there is no "water-v1", there are v1, poc-2016; import its file first' in said, said.strip())
    listed = platform.run("registry", "list", "profiles") + platform.run("registry", "list", "meters")
    check("water" not in listed, "nothing of it was taken")


def job_of(platform, files, tenant, name):
    """A row for every reading that a tenant's job sees."""
    (files / f"{name}.sql").write_text("SELECT originData.app.moteeui AS DeviceID, userData.[left] AS Remaining INTO Rows FROM EventHubInput")
    (files / f"{name}.toml").write_text(f'tenant = "{tenant}"\n[inputs.EventHubInput]\n[outputs.Rows]\nkind = "table"\ntable = "{name}"\n')
    platform.run("job", "add", "--file", str(files / f"{name}.toml"))


def register_all(platform, files):
    """Gas first and at work, then the other product while it runs."""
    gas = platform.fleet("gas", "--meters", "120", "--seed", "12")
    wait_for(lambda: (platform.folder / "gas" / "sent.mhs").exists(), "the gas town's files")
    csvs = [word for what in ("tenants", "gateways", "meters") for word in (f"--{what}", str(platform.folder / "gas" / f"{what}.csv"))]
    platform.run("registry", "import", *csvs)
    job_of(platform, files, GAS, "seen_of_gas")
    csvs = [word for what in ("tenants", "gateways", "meters") for word in (f"--{what}", str(EXAMPLE / f"{what}.csv"))]
    platform.run("registry", "import", "--profiles", str(EXAMPLE / "water-v1.toml"), *csvs)
    platform.run("job", "add", "--file", str(EXAMPLE / "water-readings.toml"))
    job_of(platform, files, WATER, "seen_of_water")
    water = platform.fleet("water", "--registry", str(EXAMPLE), "--profile", str(EXAMPLE / "water-v1.toml"))
    for fleet in (gas, water):
        out = fleet.communicate(timeout=LIMIT_S)[0].strip()
        check(fleet.returncode == 0, out)


def check_water(platform):
    sent = truth(platform.folder / "water" / "sent.mhs")
    check(len(sent) > 200, f"{len(sent)} packets of water meters were heard")
    count = lambda: int(platform.lake('SELECT count(*) AS n FROM "water-readings".Readings')[0]["n"])
    wait_for(lambda: count() >= len(sent), "the job's files in the lake")
    rows = platform.lake('SELECT DeviceID, Seq, Volume, Flow, Leak, Temperature, Tenant FROM "water-readings".Readings')
    check(len(rows) == len(sent) and len({(row["DeviceID"], row["Seq"]) for row in rows}) == len(rows), "each is one row of the job's lake table")
    for row in rows:
        meant = sent[row["DeviceID"], int(row["Seq"])]
        found = {"volume": float(row["Volume"]), "flow": float(row["Flow"]), "leak": float(row["Leak"] == "true"), "temperature": float(row["Temperature"])}
        if any(meant[name] != value for name, value in found.items()):
            raise SystemExit(f"FAILED: {row} instead of {meant}")
    check(len({row["Tenant"] for row in rows}) == 1, "with the values that were meant, of one tenant")
    due = {key for key, meant in sent.items() if meant["leak"] == 1 or meant["temperature"] < 4}
    check(0 < len(due) < len(sent), f"{len(due)} of them are alerts")
    wait_for(lambda: len(platform.table("SELECT 1 FROM water_alerts")) >= len(due), "the alerts")
    alerts = platform.table("SELECT DeviceID, Seq FROM water_alerts")
    check(sorted(alerts) == sorted(due), "and these alone are in the database's table")
    return {key[0] for key in sent}, len(sent)


def check_gas(platform, water_meters, water_rows):
    """`verify` compares every row and alert of gas with what was sent, as it would without water."""
    for fleet in ("gas", "water"):
        said = platform.verify(fleet)
        check("missing 0 duplicate 0 wrong 0" in said, f"{fleet}: " + "; ".join(said))
    alerts = platform.table("SELECT DeviceID FROM alerts")
    check(alerts and not water_meters & {device for device, in alerts}, f"{len(alerts)} alerts of gas, none of water")
    lake = {row["DeviceID"]: int(row["n"]) for row in platform.lake("SELECT DeviceID, count(*) AS n FROM readings GROUP BY 1")}
    of_gas = {device: n for device, n in lake.items() if device not in water_meters}
    check(len(of_gas) == 120 and sum(lake.values()) - sum(of_gas.values()) == water_rows, "the archive has every reading of both")
    for table, expected in (("seen_of_gas", of_gas), ("seen_of_water", {d: n for d, n in lake.items() if d in water_meters})):
        wait_for(lambda: sum(n for _, n in platform.table(f"SELECT DeviceID, count(*) FROM {table} GROUP BY 1")) >= sum(expected.values()), table)
        seen = dict(platform.table(f"SELECT DeviceID, count(*) FROM {table} GROUP BY 1"))
        check(seen == expected, f"{table}: {sum(seen.values())} rows, its tenant's and no other")
    empty = platform.table("SELECT count(*) FROM seen_of_gas WHERE Remaining IS NULL")
    check(empty == [(0,)], "no gas reading lost its figures")


def check_jobs(platform):
    jobs = json.loads(platform.run("job", "list", "--json"))["jobs"]
    check(all(job["state"] == "running" for job in jobs), ", ".join(f"{job['name']} {job['state']}" for job in jobs))
    letters = platform.run("deadletter", "list")
    check("undecodable" not in letters and "unknown_profile" not in letters, "no job and no profile put a reading aside")


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="meterhub-second-"))
    platform = Platform(folder)
    try:
        files = folder / "files"
        files.mkdir()
        refuse_what_is_wrong(platform, files)
        register_all(platform, files)
        wait_for(platform.all_is_read(), "what is under way")
        water_meters, water_rows = check_water(platform)
        check_gas(platform, water_meters, water_rows)
        check_jobs(platform)
        platform.stop()
    finally:
        if platform.process.poll() is None:
            platform.process.kill()
    shutil.rmtree(folder)
    print("PASS")


if __name__ == "__main__":
    main()
