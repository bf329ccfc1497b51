#!/usr/bin/env python3
"""The Debian package: built, looked at, installed and started, on a machine that is not changed.

usage: package_test.py TOOL, where TOOL is tools/package. As root the package is installed by dpkg
itself in a mount namespace whose root is an overlay over this machine's: it sees this machine's
libraries and users, and all it writes is gone with the namespace. Else it is unpacked into a folder
and started from there. There is no systemd in either: this test listens where systemd would.
"""
import os
import pathlib
import pwd
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

LIMIT_S = 120


def run(*command, **how):
    done = subprocess.run(command, capture_output=True, text=True, timeout=1200, **how)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def check(good, text):
    if not good:
        raise SystemExit(f"FAILED: {text}")
    print(f"ok: {text}", flush=True)


def look_at(package):
    fields = run("dpkg-deb", "--field", package)
    check("Package: meterhub\n" in fields, "it is called meterhub")
    check(re.search(r"^Depends: .*\blibrocksdb", fields, re.M) and "adduser" in fields, "it names what it needs")
    check("duckdb" not in re.search(r"^Depends:.*$", fields, re.M)[0], "libduckdb.so it brings along")
    names = {line.split(None, 5)[5].split(" -> ")[0]: line.split()[0] for line in run("dpkg-deb", "--contents", package).splitlines()}
    for name, mode in {"./usr/bin/meterhub": "lrwxrwxrwx", "./usr/lib/meterhub/meterhub": "-rwxr-xr-x",
                       "./usr/lib/meterhub/libduckdb.so": "-rw-r--r--", "./etc/meterhub/meterhub.toml": "-rw-r--r--",
                       "./usr/lib/systemd/system/meterhub.service": "-rw-r--r--",
                       "./usr/share/doc/meterhub/copyright": "-rw-r--r--"}.items():
        check(names.get(name) == mode, f"{name} {mode}, is {names.get(name)}")
    check("/etc/meterhub/meterhub.toml" in run("dpkg-deb", "--info", package, "conffiles"), "edited settings survive an upgrade")


def verify_unit(root):
    unit = pathlib.Path(root, "usr/lib/systemd/system/meterhub.service")
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(unit)], capture_output=True, text=True, timeout=60)
    check(done.returncode == 0 and "meterhub" not in done.stderr, f"systemd takes the unit {done.stderr}")
    said = run("systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=30", str(unit))
    check(True, said.strip().splitlines()[-1])


class Manager:
    """systemd's end of the notify socket."""

    def __init__(self, folder):
        self.path = str(folder / "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        os.chmod(self.path, 0o777)
        self.socket.settimeout(LIMIT_S)
        self.said = ""

    def wait_for(self, line):
        while line not in self.said.splitlines():
            self.said += self.socket.recv(65536).decode() + "\n"
        check(True, f"told {line}")


def demote(user):
    entry = pwd.getpwnam(user)

    def in_child():
        os.setgroups([])
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
        os.umask(0o077)
    return in_child


def start_and_stop(program, config, folder, data, as_user):
    with socket.create_server(("127.0.0.1", 0)) as free, socket.create_server(("127.0.0.1", 0)) as page:
        hub, console = (f"127.0.0.1:{one.getsockname()[1]}" for one in (free, page))
    manager = Manager(folder)
    # Ports of this machine may be taken; all else is as the package sets it.
    environment = {"PATH": "/usr/bin:/bin", "NOTIFY_SOCKET": manager.path, "MH_HUB_AMQPS_LISTEN": hub, "MH_CONSOLE_LISTEN": console}
    if data:
        environment["MH_PLATFORM_DATA"] = data
    process = subprocess.Popen([program, "serve", "--config", config], env=environment, cwd="/", stderr=subprocess.PIPE, text=True,
                               preexec_fn=demote(as_user) if as_user else None)
    try:
        manager.wait_for("READY=1")
        host, port = hub.split(":")
        with socket.create_connection((host, int(port)), timeout=10):
            check(True, "gateways can connect when it says that it is ready")
        process.send_signal(signal.SIGTERM)
        manager.wait_for("STOPPING=1")
        check(process.wait(timeout=LIMIT_S) == 0, "it stops cleanly")
    finally:
        if process.poll() is None:
            process.kill()
        err = process.communicate()[1]
        if process.returncode != 0:
            print(err, file=sys.stderr)


def unpacked(package, folder):
    root = folder / "root"
    run("dpkg-deb", "--extract", package, str(root))
    if "libduckdb.so => " + str(root / "usr/lib/meterhub/libduckdb.so") not in run("ldd", str(root / "usr/lib/meterhub/meterhub")).replace("/usr/lib/meterhub/./", "/usr/lib/meterhub/"):
        raise SystemExit("FAILED: the program finds another libduckdb.so than the package's")
    start_and_stop(str(root / "usr/bin/meterhub"), str(root / "etc/meterhub/meterhub.toml"), folder, str(folder / "data"), None)


def inside(package, folder):
    """In the overlay: a machine of its own, as far as files go."""
    run("dpkg", "--install", package)
    check(run("meterhub", "version").startswith("meterhub "), "the program runs")
    run("meterhub", "config", "check", "--config", "/etc/meterhub/meterhub.toml")
    state = os.stat("/var/lib/meterhub")
    check(state.st_mode & 0o777 == 0o700 and state.st_uid == pwd.getpwnam("meterhub").pw_uid, "the data belong to the user meterhub alone")
    verify_unit("/")
    start_and_stop("/usr/bin/meterhub", "/etc/meterhub/meterhub.toml", folder, None, "meterhub")
    check(os.path.exists("/var/lib/meterhub/registry.sqlite"), "the data lie where the settings say")
    with open("/etc/meterhub/meterhub.toml", "a", encoding="utf-8") as settings:
        settings.write("# mine\n")
    run("dpkg", "--install", package)
    check("# mine" in pathlib.Path("/etc/meterhub/meterhub.toml").read_text(encoding="utf-8"), "an upgrade keeps edited settings")
    again = folder / "again"
    again.mkdir(mode=0o755)
    start_and_stop("/usr/bin/meterhub", "/etc/meterhub/meterhub.toml", again, None, "meterhub")
    run("dpkg", "--remove", "meterhub")
    check(not os.path.exists("/usr/bin/meterhub") and os.path.exists("/etc/meterhub/meterhub.toml"), "removing keeps the settings")
    run("dpkg", "--purge", "meterhub")
    check(not os.path.exists("/etc/meterhub/meterhub.toml"), "purging removes the settings")
    check(os.path.exists("/var/lib/meterhub/master.key"), "nothing removes the data")


def in_overlay(package, folder):
    """Runs inside() where / is an overlay whose upper side is in memory."""
    layers = folder / "layers"
    layers.mkdir()
    script = f"""
set -e
mount -t tmpfs none {layers}
mkdir {layers}/upper {layers}/work {layers}/root
mount -t overlay overlay -o lowerdir=/,upperdir={layers}/upper,workdir={layers}/work {layers}/root
for name in proc dev; do mount --rbind /$name {layers}/root/$name; done
exec chroot {layers}/root {sys.executable} {os.path.abspath(__file__)} --inside {package} {folder}
"""
    done = subprocess.run(["unshare", "--mount", "sh", "-c", script], timeout=1200)
    check(done.returncode == 0, "installed, started, upgraded, removed")
    check(not os.path.exists("/etc/meterhub") or os.path.getmtime("/etc/meterhub") < folder.stat().st_ctime, "this machine is as it was")


def main():
    if sys.argv[1] == "--inside":
        folder = pathlib.Path(sys.argv[3], "inside")
        folder.mkdir(mode=0o755)
        return inside(sys.argv[2], folder)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        package = run(sys.argv[1], str(folder / "package")).strip().splitlines()[-1]
        look_at(package)
        unpacked(package, folder)
        if os.geteuid() == 0:
            in_overlay(package, folder)
        else:
            print("not root: dpkg itself was not tried")
    return None


if __name__ == "__main__":
    main()
