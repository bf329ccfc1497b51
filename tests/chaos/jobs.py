#!/usr/bin/env python3
"""Jobs with state on a platform that is killed again and again: their rows are those of a run that nobody disturbed.

usage: jobs.py PROGRAM [--kills N] [--seed N] [--pause SECONDS] [--meters N] [--keep FOLDER]

A simulated town sends all the while. `meterhub serve` is killed (SIGKILL) at moments that follow from the seed and is
started again; checkpoints are much more frequent than by default, and files smaller, so that kills meet them. Then the gateways stop, each
job is added once more under another name, with outputs of its own, and reads the whole log in one go. Its rows are the
expected ones: it has never met a checkpoint, and has nothing of the first but query and log. Rows count up to the
watermark that both have passed; behind it windows are open, and what they will give is not known yet.

README.md says more.
"""
import argparse
import collections
import json
import os
import pathlib
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from ports import free_port

PATIENCE_S = 180

SOURCE = "FROM EventHubInput TIMESTAMP BY userData.[time]"
READINGS = f"""readings AS (
    SELECT originData.app.moteeui AS DeviceID, userData.[used] AS Used, userData.[time] AS SentAt,
        originData.app.userdata.seqno AS Seq
    {SOURCE}
)"""

# Columns with a time, compared in microseconds.
TIMES = {"WindowEnd", "SeenAt", "KnownAt", "EventTime"}
# Of each job: its query, its outputs with their columns, and its policy.
JOBS = {
    # Nothing is late or out of order here, so that its rows can be counted from the lake as well.
    "short": (f"""WITH {READINGS}, windows AS (
    SELECT DeviceID, COUNT(*) AS Packets, MIN(Used) AS Lowest, MAX(Used) AS Highest, System.Timestamp() AS WindowEnd
    FROM readings GROUP BY DeviceID, TumblingWindow(second, 5)
)
SELECT DeviceID, Packets, Lowest, Highest, WindowEnd INTO Rows FROM windows
SELECT DeviceID, Packets, Lowest, Highest, WindowEnd INTO Files FROM windows
""", {"Rows": "DeviceID Packets Lowest Highest WindowEnd", "Files": "DeviceID Packets Lowest Highest WindowEnd"},
              {"late_arrival": "15s", "out_of_order": "15s", "checkpoint": "700ms", "linger": "300ms"}),
    "long": (f"""WITH {READINGS}, steps AS (
    SELECT DeviceID, Used - LAG(Used) OVER (PARTITION BY DeviceID LIMIT DURATION(minute, 10)) AS Step FROM readings
), windows AS (
    SELECT COALESCE(m.Building, 'unknown') AS Building, System.Window().Id AS Period, System.Timestamp() AS WindowEnd,
        COUNT(*) AS Packets, COUNT(DISTINCT s.DeviceID) AS Meters, SUM(s.Step) AS Volume, AVG(s.Step) AS Mean
    FROM steps s LEFT OUTER JOIN Meters m ON s.DeviceID = m.DeviceID
    WHERE s.Step >= 0
    GROUP BY COALESCE(m.Building, 'unknown'), Windows(
        Window('tumbling', TumblingWindow(minute, 5)), Window('hopping', HoppingWindow(Duration(minute, 5), Hop(second, 5))))
)
SELECT Building, Period, WindowEnd, Packets, Meters, Volume, Mean INTO Rows FROM windows
SELECT Building, Period, WindowEnd, Packets, Meters, Volume, Mean INTO Files FROM windows
""", {"Rows": "Building Period WindowEnd Packets Meters Volume Mean", "Files": "Building Period WindowEnd Packets Meters Volume Mean"},
             {"checkpoint": "1s", "linger": "1s"}),
    # Every reading gives a row at once and one in its turn.
    "lag": (f"""WITH {READINGS}, steps AS (
    SELECT DeviceID, Used, Used - LAG(Used) OVER (PARTITION BY DeviceID LIMIT DURATION(minute, 10)) AS Step, System.Timestamp() AS SeenAt
    FROM readings
)
SELECT DeviceID, Used, Step, SeenAt INTO Rows FROM steps
SELECT DeviceID, Used, Step, SeenAt INTO Files FROM steps
SELECT DeviceID, Used, SentAt INTO AtOnceRows FROM readings
SELECT DeviceID, Used, SentAt INTO AtOnceFiles FROM readings
""", {"Rows": "DeviceID Used Step SeenAt", "Files": "DeviceID Used Step SeenAt",
      "AtOnceRows": "DeviceID Used SentAt", "AtOnceFiles": "DeviceID Used SentAt"}, {"checkpoint": "2s", "linger": "0s"}),
    # Either side of the join has many rows: three readings in five are followed by one whose number ends with 0 or 5.
    "fifth": (f"""WITH {READINGS}, followed AS (
    SELECT a.DeviceID, a.SentAt AS SentAt, b.SentAt AS NextAt, System.Timestamp() AS KnownAt
    FROM readings a LEFT OUTER JOIN readings b ON a.DeviceID = b.DeviceID AND DATEDIFF(second, a, b) BETWEEN 1 AND 3 AND b.Seq % 5 = 0
)
SELECT DeviceID, SentAt, NextAt, KnownAt INTO Rows FROM followed
SELECT DeviceID, SentAt, NextAt, KnownAt INTO Files FROM followed
""", {"Rows": "DeviceID SentAt NextAt KnownAt", "Files": "DeviceID SentAt NextAt KnownAt"}, {"late_arrival": "1s", "checkpoint": "300ms", "linger": "0s"}),
}


class Failure(Exception):
    pass


def require(condition, text):
    if not condition:
        raise Failure(text)


def until(condition, what):
    end = time.monotonic() + PATIENCE_S
    while not condition():
        require(time.monotonic() < end, f"not in time: {what}")
        time.sleep(0.05)


def microseconds(text):
    whole, _, fraction = text.removesuffix("Z").partition(".")
    return int(time.mktime(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) - time.timezone) * 1_000_000 + int((fraction + "000000")[:6])


def table_of(job, output):
    return f"{job}_{output}".replace("-", "_")


class Platform:
    """A platform and the gateways in front of it, each a process that comes and goes."""

    def __init__(self, program, folder, options):
        self.program, self.folder, self.options = program, folder, options
        self.data, self.fleet = folder / "data", folder / "fleet"
        self.hub = f"127.0.0.1:{free_port()}"
        self.server = self.gateways = None
        self.starts = 0
        self.environment = os.environ | {
            "MH_HUB_AMQPS_LISTEN": self.hub, "MH_CONSOLE_LISTEN": "", "MH_LOG_PARTITIONS": "4", "MH_LOG_SEGMENT": "16MiB",
            "MH_LOG_QUOTA": "4GB", "MH_HISTORY_FLUSH_AFTER": "1s", "MH_HISTORY_MEMORY": "256MiB"}

    def log(self):
        return self.folder / f"server-{self.starts:03}.err"

    def start(self):
        self.starts += 1
        with self.log().open("w") as err:
            self.server = subprocess.Popen([self.program, "serve", "--data", str(self.data)], env=self.environment, stdout=subprocess.DEVNULL, stderr=err)

    def is_ready(self):
        require(self.server.poll() is None, f"the platform ended by itself: {self.log()}")
        return "platform_started" in self.log().read_text()

    def start_until_ready(self):
        self.start()
        until(self.is_ready, "the platform starts")

    def kill(self):
        require(self.server.poll() is None, f"the platform ended by itself: {self.log()}")
        self.server.send_signal(signal.SIGKILL)
        self.server.wait()

    def stop(self):
        self.server.send_signal(signal.SIGTERM)
        require(self.server.wait(timeout=PATIENCE_S) == 0, f"the platform did not drain: {self.log()}")

    def simulate(self, *words):
        with (self.folder / "gateways.err").open("a") as err:
            return subprocess.Popen(
                [self.program, "simulate", "--hub", f"amqps://{self.hub}", "--fleet", str(self.fleet), "--ca", str(self.data / "tls" / "ca.pem"),
                 "--meters", str(self.options.meters), "--seed", str(self.options.seed), "--interval", "1s", "--token-life", "3h", *words],
                stdout=subprocess.DEVNULL, stderr=err)

    def stop_gateways(self):
        self.gateways.send_signal(signal.SIGTERM)
        require(self.gateways.wait(timeout=PATIENCE_S) == 0, "the gateways failed: " + str(self.folder / "gateways.err"))

    def command(self, *words):
        done = subprocess.run([self.program, *words, "--data", str(self.data)], capture_output=True, text=True, timeout=PATIENCE_S)
        require(done.returncode == 0, f"{words}: {done.stdout}{done.stderr}")
        return done.stdout

    def import_town(self):
        # The fleet's files are there once it has run, if only in vain.
        self.simulate("--for", "100ms").wait(timeout=PATIENCE_S)
        files = [word for name in ("tenants", "gateways", "meters") for word in (f"--{name}", str(self.fleet / f"{name}.csv"))]
        self.command("registry", "import", *files)

    def add_job(self, job, name):
        query, outputs, policy = JOBS[job]
        (self.folder / f"{name}.sql").write_text(query)
        text = 'start = "earliest"\n[inputs.EventHubInput]\n[inputs.Meters]\nreference = "meters"\n'
        if "Meters" not in query.split():
            text = 'start = "earliest"\n[inputs.EventHubInput]\n'
        for output in outputs:
            sink = 'kind = "lake"' if output.endswith("Files") else f'kind = "table"\ntable = "{table_of(name, output)}"'
            text += f"[outputs.{output}]\n{sink}\n"
        text += "[policy]\n" + "".join(f'{key} = "{value}"\n' for key, value in policy.items())
        (self.folder / f"{name}.toml").write_text(text)
        self.command("job", "add", "--file", str(self.folder / f"{name}.toml"))

    def jobs(self):
        return {job["name"]: job for job in json.loads(self.command("job", "list", "--json"))["jobs"]}

    # How many it has read since its start, so far as it has said so.
    def events(self, job):
        return self.jobs()[job].get("counters", {}).get("events", 0)

    def query(self, sql):
        return [json.loads(line) for line in self.command("lake", "query", "--format", "json", sql).splitlines()]

    # Rows of an output, each with its identity: columns, tenant and time; partition, position, place.
    def rows(self, job, name, output):
        columns = JOBS[job][1][output].split() + ["Tenant", "EventTime"]
        if output.endswith("Files"):
            folder = self.data / "lake" / "jobs" / name / output
            if not any(folder.glob("*.parquet")):
                return []
            shown = ", ".join(f"epoch_us({column}) AS {column}" if column in TIMES else column for column in columns)
            found = self.query(f"SELECT {shown}, Part, Pos, Sub FROM read_parquet('{folder.resolve()}/*.parquet')")
            found = [tuple(row[column] for column in columns + ["Part", "Pos", "Sub"]) for row in found]
        else:
            with sqlite3.connect(f"file:{self.data}/database.sqlite?mode=ro", uri=True, timeout=30) as database:
                found = database.execute(f"SELECT {', '.join(columns)}, Part, Pos, Sub FROM {table_of(name, output)}").fetchall()
        names = columns + ["Part", "Pos", "Sub"]
        found = [tuple(microseconds(value) if name in TIMES and isinstance(value, str) else value for name, value in zip(names, row)) for row in found]
        return [(row[:-3], row[-3:]) for row in found]


def multiset_difference(found, expected):
    missing, more = expected - found, found - expected
    return [f"{sum(counts.values())} {what}, as {list(counts.elements())[:3]}" for what, counts in (("missing", missing), ("too many", more)) if counts]


class Judgement:
    """What a job's outputs hold against what its undisturbed twin's hold, both up to a time."""

    def __init__(self, platform):
        self.platform, self.troubles = platform, []

    def compare(self, job, until_us):
        tables = {}
        for output in JOBS[job][1]:
            tables[output] = self.compare_output(job, output, until_us)
        for output, rows in tables.items():
            if output.endswith("Files") and rows != tables[output.removesuffix("Files") + "Rows"]:
                self.troubles.append(f"{job}: {output} and its table differ")

    def compare_output(self, job, output, until_us):
        found, expected = self.platform.rows(job, job, output), self.platform.rows(job, twin_of(job), output)
        identities = collections.Counter(identity for _, identity in found)
        repeated = [identity for identity, count in identities.items() if count > 1]
        rows, wanted = (collections.Counter(row for row, _ in some if row[-1] < until_us) for some in (found, expected))
        problems = multiset_difference(rows, wanted) + ([f"{len(repeated)} identities more than once, as {repeated[:3]}"] if repeated else [])
        print(f"  {job:7} {output:12} {sum(rows.values()):7} rows compared, {len(found) - sum(rows.values())} of open windows left out"
              + ("" if not problems else ": " + "; ".join(problems)))
        self.troubles += [f"{job}: {output}: {problem}" for problem in problems]
        if not rows:
            self.troubles.append(f"{job}: {output}: no rows, so nothing is shown")
        return rows

    # The windows of job `short` once more, by other means: nothing is late there, and the lake knows the readings.
    def count_from_lake(self, until_us):
        first = self.platform.query("SELECT min(epoch_us(DateTime)) AS t FROM readings")[0]["t"]
        counted = self.platform.query(
            "SELECT DeviceID, Packets, Lowest, Highest, WindowEnd FROM (SELECT DeviceID, count(*) AS Packets, min(TotalUsed)::DOUBLE AS Lowest, "
            "max(TotalUsed)::DOUBLE AS Highest, (epoch_us(DateTime) + 4999999) // 5000000 * 5000000 AS WindowEnd FROM readings WHERE NOT Late "
            f"GROUP BY ALL) WHERE WindowEnd < {until_us}")
        expected = collections.Counter((row["DeviceID"], row["Packets"], row["Lowest"], row["Highest"], row["WindowEnd"]) for row in counted)
        found = collections.Counter((row[0], row[1], float(row[2]), float(row[3]), row[4])
                                    for row, _ in self.platform.rows("short", "short", "Rows") if row[-1] < until_us)
        problems = multiset_difference(found, expected)
        print(f"  short   against the lake: {sum(expected.values())} windows since {first}" + ("" if not problems else ": " + "; ".join(problems)))
        self.troubles += [f"short: against the lake: {problem}" for problem in problems]


def twin_of(job):
    return job + "-again"


def play_kills(platform, options):
    """Most when it is at work, a third at any moment, starts too."""
    chance = random.Random(options.seed)
    usual_start = 1.0
    for number in range(1, options.kills + 1):
        pause, from_start = chance.uniform(0, options.pause), chance.random() < 1 / 3
        begun = time.monotonic()
        if from_start:
            time.sleep(min(pause, usual_start * pause / options.pause))
            where = f"{time.monotonic() - begun:.2f} s after its start"
        else:
            until(platform.is_ready, "the platform starts")
            usual_start = time.monotonic() - begun
            time.sleep(pause)
            where = f"{pause:.2f} s after it was ready"
        platform.kill()
        print(f"kill {number}: {where}", flush=True)
        platform.start()
    until(platform.is_ready, "the platform starts")


def restored(platform):
    """How many starts began from a checkpoint, by job."""
    counts = collections.Counter()
    for log in platform.folder.glob("server-*.err"):
        for line in log.read_text().splitlines():
            if " job_restored " in line and "fresh=false" in line:
                counts[line.partition("job=")[2].split()[0]] += 1
    return counts


def wait_for_watermarks(platform, names):
    """Until what came last is behind every job; gives the time up to which all of them are final."""
    newest = platform.query("SELECT max(epoch_us(DateTime)) AS t FROM readings")[0]["t"]

    def watermarks():
        jobs = platform.jobs()
        require(all(jobs[name]["state"] == "running" for name in names), {name: jobs[name]["state"] for name in names})
        return [microseconds(jobs[name]["watermark"]) if jobs[name].get("watermark") else 0 for name in names]

    until(lambda: min(watermarks()) > newest + 6_000_000, "the jobs pass the last reading")
    return min(watermarks())


def run(platform, options):
    platform.start_until_ready()
    platform.import_town()
    for job in JOBS:
        platform.add_job(job, job)
    platform.gateways = platform.simulate()
    begun = time.monotonic()
    until(lambda: all(platform.events(job) > options.meters for job in JOBS), "jobs at work")
    play_kills(platform, options)
    lasted = time.monotonic() - begun
    seen = platform.events("lag")
    until(lambda: platform.events("lag") > seen + options.meters, "readings after the last kill")
    platform.stop_gateways()
    for job in JOBS:
        platform.add_job(job, twin_of(job))
    final = wait_for_watermarks(platform, [name for job in JOBS for name in (job, twin_of(job))])
    counters = {job: platform.jobs()[twin_of(job)]["counters"] for job in JOBS}
    platform.stop()
    judgement = Judgement(platform)
    for job in JOBS:
        judgement.compare(job, final)
        print(f"  {job:7} {counters[job]['events']} events, {counters[job]['late']} late and {counters[job]['out_of_order']} out of order")
    judgement.count_from_lake(final)
    platform.command("verify", "--sent", str(platform.fleet / "sent.mhs"))
    readings = platform.query("SELECT count(*) AS n FROM readings")[0]["n"]
    print(f"seed {options.seed}: {options.kills} kills in {lasted:.0f} s, {readings} readings, starts from a checkpoint: {dict(restored(platform))}, "
          + ("FAILED" if judgement.troubles else "nothing missing, nothing twice, nothing different"))
    return not judgement.troubles


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program", type=pathlib.Path)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pause", type=float, default=3.0, help="longest time from ready to a kill, seconds")
    parser.add_argument("--meters", type=int, default=60)
    parser.add_argument("--keep", type=pathlib.Path, help="an empty folder for data and logs, kept")
    options = parser.parse_args()
    folder = options.keep or pathlib.Path(tempfile.mkdtemp(prefix="meterhub-chaos-jobs-"))
    folder.mkdir(exist_ok=True)
    platform = Platform(str(options.program.resolve()), folder, options)
    clean = False
    try:
        clean = run(platform, options)
    except Failure as failure:
        print(f"FAILED: {failure}")
    finally:
        for process in (platform.gateways, platform.server):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()
    if not clean:
        print(f"data and logs are kept in {folder}")
    elif not options.keep:
        shutil.rmtree(folder)
    sys.exit(0 if clean else 1)


if __name__ == "__main__":
    main()
