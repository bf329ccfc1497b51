#!/usr/bin/env python3
"""Runs the commands that README.md, docs/jobs.md, docs/replay.md and an example show, in their order, with the real program.

usage: commands_run.py PROGRAM. Lines of ```sh blocks that begin with `meterhub` run in a fresh
folder that holds queries/, profiles/, jobs/, examples/ and the CSV files of a small simulated town. `serve` goes on beside
the others and must end with 0 on SIGTERM.
"""
import itertools
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
LIMIT_S = 120
PATIENCE_S = 60
# The others go on with the platform that the first has started.
DOCUMENTS = ["README.md", "docs/jobs.md", "docs/replay.md", "examples/water-meter/README.md"]


def commands(text):
    for block in re.findall(r"```sh\n(.*?)```", text, re.S):
        for line in block.splitlines():
            if line.startswith("meterhub "):
                yield line


def prepare(folder, environment):
    """A town's CSV files come from the registry of a short demo."""
    subprocess.run("meterhub demo --meters 20 --for 3s --data town", shell=True, cwd=folder, env=environment,
                   check=True, timeout=LIMIT_S, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for what in ("tenants", "gateways", "meters"):
        keys = "" if what == "tenants" else " --with-keys"
        subprocess.run(f"meterhub registry export --data town --{what} {what}.csv{keys}", shell=True, cwd=folder,
                       env=environment, check=True, timeout=LIMIT_S)
    shutil.copytree(TOP / "queries", folder / "queries")
    shutil.copytree(TOP / "profiles", folder / "profiles")
    shutil.copytree(TOP / "examples" / "jobs", folder / "jobs")
    shutil.copytree(TOP / "examples", folder / "examples")


def wait_until_serving(process, folder):
    for _ in range(LIMIT_S * 10):
        if (folder / "data" / "control.sock").exists():
            return
        if process.poll() is not None:
            raise SystemExit(f"serve ended with {process.returncode}")
        time.sleep(0.1)
    raise SystemExit("serve does not listen")


def run(command, folder, environment):
    """A running platform sees an import within 5 s, and has readings in the lake some 10 s after they came: so long, and
    longer on a busy machine, a command may fail."""
    end = time.monotonic() + PATIENCE_S
    while True:
        done = subprocess.run(command, shell=True, cwd=folder, env=environment, timeout=LIMIT_S,
                              capture_output=True, text=True)
        if done.returncode == 0 or time.monotonic() > end:
            return done
        time.sleep(0.5)


def run_all(folder, environment):
    serving = None
    failed = []
    try:
        for command in itertools.chain.from_iterable(commands((TOP / name).read_text()) for name in DOCUMENTS):
            if command.startswith("meterhub serve"):
                serving = subprocess.Popen(["sh", "-c", "exec " + command], cwd=folder, env=environment, stderr=subprocess.DEVNULL)
                wait_until_serving(serving, folder)
                continue
            done = run(command, folder, environment)
            print(f"{done.returncode}  {command}")
            if done.returncode != 0:
                failed.append(f"{command}\n{done.stdout}{done.stderr}")
    finally:
        if serving is not None:
            serving.send_signal(signal.SIGTERM)
            if serving.wait(timeout=LIMIT_S) != 0:
                failed.append(f"serve ended with {serving.returncode} on SIGTERM")
    return failed


def main():
    program = pathlib.Path(sys.argv[1]).resolve()
    environment = dict(os.environ, PATH=f"{program.parent}:{os.environ['PATH']}")
    with tempfile.TemporaryDirectory(prefix="meterhub-docs-") as name:
        folder = pathlib.Path(name)
        prepare(folder, environment)
        failed = run_all(folder, environment)
    print("\n".join(failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
