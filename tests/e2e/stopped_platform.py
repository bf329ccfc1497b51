#!/usr/bin/env python3
"""A platform that is stopped, as by SIGSTOP: commands say so soon, and work again afterwards.

usage: stopped_platform.py PROGRAM
"""
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

PROGRAM = str(pathlib.Path(sys.argv[1]).resolve())


def main():
    with tempfile.TemporaryDirectory(prefix="meterhub-stopped-") as name:
        data, err = f"{name}/data", pathlib.Path(name, "err")
        environment = dict(os.environ, MH_HUB_AMQPS_LISTEN="127.0.0.1:0", MH_CONSOLE_LISTEN="")
        platform = subprocess.Popen([PROGRAM, "serve", "--data", data], env=environment, stderr=err.open("w"))
        try:
            while "platform_started" not in err.read_text() and platform.poll() is None:
                time.sleep(0.05)
            ask = [PROGRAM, "status", "--data", data]
            assert subprocess.run(ask, timeout=60, stdout=subprocess.DEVNULL).returncode == 0
            platform.send_signal(signal.SIGSTOP)
            begun = time.monotonic()
            done = subprocess.run(ask, timeout=60, capture_output=True, text=True)
            assert done.returncode == 1 and f"process {platform.pid} owns" in done.stderr and "kill -CONT" in done.stderr, done
            print(f"told after {time.monotonic() - begun:.1f} s: {done.stderr.strip()}")
            platform.send_signal(signal.SIGCONT)
            assert subprocess.run(ask, timeout=60, stdout=subprocess.DEVNULL).returncode == 0
            platform.send_signal(signal.SIGTERM)
            assert platform.wait(timeout=60) == 0
        finally:
            if platform.poll() is None:
                platform.kill()
    print("PASS")


if __name__ == "__main__":
    main()
