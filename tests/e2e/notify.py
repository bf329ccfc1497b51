#!/usr/bin/env python3
"""meterhub notify: channels and routes are kept, and test messages reach servers of this test.

usage: notify.py PROGRAM. A mail server (AUTH and STARTTLS) and a web server (webhook, robots of WeCom and DingTalk) are in
sinks.py; what they take is decoded and checked with Python's own libraries. Once with a platform that runs, once without.
"""
import base64
import contextlib
import hashlib
import hmac
import json
import os
import pathlib
import signal
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import time
import urllib.parse

from sinks import PASSWORD, MailServer, WebServer, certificate, serving

PROGRAM = str(pathlib.Path(sys.argv[1]).resolve())
PATIENCE_S = 120
DOCUMENT = pathlib.Path(__file__).resolve().parents[2] / "docs" / "messages.md"
HOOK_KEY = "key-of-the-webhook"
DING_SECRET = "SEC-of-the-robot"


class Site:
    """A data directory and the commands that speak to it."""

    def __init__(self, folder, web, mail, ca):
        self.folder, self.data, self.web, self.mail = folder, folder / "data", f"http://127.0.0.1:{web}", f"smtp://localhost:{mail}"
        self.environment = dict(os.environ, MH_HUB_AMQPS_LISTEN="127.0.0.1:0", MH_CONSOLE_LISTEN="", MH_NOTIFY_CA_FILE=str(ca), SECRET_OF_MAIL=PASSWORD)
        self.process = None

    def start(self):
        err = self.folder / "serve.err"
        self.process = subprocess.Popen([PROGRAM, "serve", "--data", str(self.data)], env=self.environment, stderr=err.open("w"))
        end = time.monotonic() + PATIENCE_S
        while "platform_started" not in err.read_text():
            assert self.process.poll() is None and time.monotonic() < end, err.read_text()
            time.sleep(0.1)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=PATIENCE_S) == 0
        self.process = None

    def notify(self, *words, code=0, stdin=""):
        done = subprocess.run([PROGRAM, "notify", *words, "--data", str(self.data)], env=self.environment, capture_output=True, text=True,
                              input=stdin, timeout=PATIENCE_S)
        assert done.returncode == code, (words, done)
        return done.stdout + done.stderr


def mail_channel(site):
    site.notify("channel", "add", "duty-mail", "--kind", "smtp", "--server", site.mail, "--user", "alarm", "--secret-env", "SECRET_OF_MAIL",
                "--from", "燃气报警 <alarm@gas.example.org>", "--to", "a@example.org", "--to", "b@example.org")
    assert "queued as 4711" in site.notify("test", "--channel", "duty-mail")
    to, mail = MailServer.mails[-1]
    assert to == ["a@example.org", "b@example.org"], to
    assert mail["Subject"] == "Meterhub：测试消息", mail["Subject"]
    assert mail["From"].addresses[0].display_name == "燃气报警", mail["From"]
    assert mail["Message-ID"] == f"<{mail['X-Meterhub-Id']}@gas.example.org>", mail["Message-ID"]
    assert "这是一条测试消息" in mail.get_content(), mail.get_content()
    assert MailServer.said.index("STARTTLS") < next(i for i, line in enumerate(MailServer.said) if line.startswith("AUTH")), "TLS before the password"


def mail_trouble(site):
    site.notify("channel", "change", "duty-mail", "--secret-file", "-", stdin="another\n")
    said = site.notify("test", "--channel", "duty-mail", code=1)
    assert "535 5.7.8 wrong password" in said and "authorization code" in said, said
    site.notify("channel", "change", "duty-mail", "--secret-file", "-", "--server", site.mail.replace("localhost", "127.0.0.1"), stdin=PASSWORD + "\n")
    said = site.notify("test", "--channel", "duty-mail", code=1)
    assert "notify.ca_file" in said, f"the certificate is for localhost only: {said}"
    site.notify("channel", "change", "duty-mail", "--server", "smtp://localhost:1")
    assert "not sent" in site.notify("test", "--channel", "duty-mail", code=1)


def webhook_channel(site):
    (site.folder / "key").write_text(HOOK_KEY + "\n")
    site.notify("channel", "add", "hook", "--kind", "webhook", "--url", site.web + "/hook", "--language", "en", "--secret-file", str(site.folder / "key"))
    assert "sent" in site.notify("test", "--channel", "hook")
    _, headers, body = WebServer.requests[-1]
    verify = documented("    import hashlib", "\n\n    def", "\n\n`https")
    assert verify["is_ours"](HOOK_KEY.encode(), headers, body), headers
    assert not verify["is_ours"](HOOK_KEY.encode(), headers, body + b" "), "a changed body"
    told = json.loads(body)
    assert told["id"] == headers["X-Meterhub-Id"] and told["notices"][0]["event"] == "test" and "test message" in told["text"], told
    WebServer.answers["/hook"] = (500, "out of order")
    assert "status 500: out of order" in site.notify("test", "--channel", "hook", code=1)
    WebServer.answers["/hook"] = (404, "")
    assert "check the URL" in site.notify("test", "--channel", "hook", code=1)
    WebServer.answers["/hook"] = (200, "fine")
    assert "fine" in site.notify("test", "--channel", "hook")


def documented(begin, middle, end):
    """The Python that docs/messages.md shows."""
    text = DOCUMENT.read_text()
    code = begin + text.partition(begin)[2].partition(end)[0]
    assert middle in code, code
    names = {}
    exec(textwrap.dedent(code), names)
    return names


def documented_commands(site):
    """Each that keeps something; those that send would need the servers they name."""
    for name, text in (("mail-password", "x"), ("wecom-url", "https://localhost/send?key=k"), ("ding-url", "https://localhost/send?access_token=t"),
                       ("ding-secret", "SEC"), ("hook-key", "k")):
        (site.folder / f"{name}.txt").write_text(text)
    (site.folder / "bin").mkdir()
    (site.folder / "bin" / "meterhub").symlink_to(PROGRAM)
    environment = dict(site.environment, PATH=f"{site.folder}/bin:{os.environ['PATH']}")
    commands = [line.strip() for line in DOCUMENT.read_text().replace(" \\\n", " ").splitlines() if line.startswith("    meterhub notify")]
    assert len(commands) > 8, commands
    for command in commands:
        if " test " not in command:
            subprocess.run(command, shell=True, cwd=site.folder, env=environment, check=True, timeout=PATIENCE_S, stdout=subprocess.DEVNULL)


def robots(site):
    said = site.notify("channel", "add", "group", "--kind", "wecom", "--url", site.web + "/wecom?key=of-the-robot", code=1)
    assert "--url-file" in said, said
    site.notify("channel", "add", "group", "--kind", "wecom", "--url-file", "-", stdin=site.web + "/wecom?key=of-the-robot\n")
    WebServer.answers["/wecom"] = (200, '{"errcode":0,"errmsg":"ok"}')
    site.notify("test", "--channel", "group")
    url, _, body = WebServer.requests[-1]
    assert url.query == "key=of-the-robot" and json.loads(body)["msgtype"] == "markdown", (url, body)
    assert "测试消息" in json.loads(body)["markdown"]["content"]
    WebServer.answers["/wecom"] = (200, '{"errcode":93000,"errmsg":"invalid webhook url"}')
    assert "copy its webhook address again" in site.notify("test", "--channel", "group", code=1)

    (site.folder / "ding").write_text(DING_SECRET)
    site.notify("channel", "add", "ding", "--kind", "dingtalk", "--secret-file", str(site.folder / "ding"), "--url-file", "-",
                stdin=site.web + "/ding?access_token=t")
    WebServer.answers["/ding"] = (200, '{"errcode":0,"errmsg":"ok"}')
    site.notify("test", "--channel", "ding")
    query = urllib.parse.parse_qs(WebServer.requests[-1][0].query)
    signed = hmac.new(DING_SECRET.encode(), f"{query['timestamp'][0]}\n{DING_SECRET}".encode(), hashlib.sha256).digest()
    assert query["sign"] == [base64.b64encode(signed).decode()] and query["access_token"] == ["t"], query
    assert json.loads(WebServer.requests[-1][2])["markdown"]["title"] == "Meterhub：测试消息"


def routes(site):
    said = site.notify("route", "add", "--channel", "hook", "--rule", "leak", "--rule", "tamper", "--severity", "urgent", "--quiet", "22:00-07:00",
                       "--escalate-after", "30m")
    assert "leak,tamper" in said and "30 min" in said and "22:00-07:00" in said, said
    site.notify("route", "add", "--channel", "duty-mail")
    listed = json.loads(site.notify("route", "list", "--json"))["routes"]
    assert [route["channel"] for route in listed] == ["hook", "duty-mail"] and listed[0]["escalate_after_minutes"] == 30, listed
    assert "there is no rule" in site.notify("route", "add", "--channel", "hook", "--rule", "leek", code=1)
    assert "22:00-07:00" in site.notify("route", "add", "--channel", "hook", "--quiet", "25:00-07:00", code=1)
    assert "no channel" in site.notify("route", "add", "--channel", "nobody", code=1)
    site.notify("route", "remove", str(listed[1]["number"]))
    assert "there is no route" in site.notify("route", "remove", str(listed[1]["number"]), code=1)


def nothing_secret_is_shown(site):
    shown = site.notify("channel", "list") + site.notify("channel", "list", "--json")
    kept = b"".join(path.read_bytes() for path in site.data.glob("registry.sqlite*"))
    err = (site.folder / "serve.err").read_text()
    for secret in (PASSWORD, HOOK_KEY, DING_SECRET, "of-the-robot", "access_token"):
        assert secret not in shown and secret.encode() not in kept and secret not in err, secret
    with sqlite3.connect(f"file:{site.data}/registry.sqlite?mode=ro", uri=True) as registry:
        actions = [row[0] for row in registry.execute("SELECT action FROM audit WHERE action LIKE 'channel.%' OR action LIKE 'route.%'")]
    assert actions.count("channel.add") == 4 and "channel.test" in actions and "route.remove" in actions, actions


def without_a_platform(site):
    WebServer.answers["/hook"] = (200, "still fine")
    assert "still fine" in site.notify("test", "--channel", "hook")
    assert "ding" in site.notify("channel", "list")
    site.notify("channel", "change", "hook", "--disable")
    assert json.loads(site.notify("channel", "list", "--json"))["channels"][-1]["enabled"] is False
    site.notify("channel", "remove", "hook")
    assert json.loads(site.notify("route", "list", "--json"))["routes"] == []
    assert "there is no channel" in site.notify("test", "--channel", "hook", code=1)


def main():
    with tempfile.TemporaryDirectory(prefix="meterhub-notify-") as name, contextlib.ExitStack() as stack:
        folder = pathlib.Path(name)
        ca = certificate(folder)
        web = stack.enter_context(serving(WebServer))
        mail = stack.enter_context(serving(MailServer))
        site = Site(folder, web, mail, ca)
        site.start()
        try:
            for step in (mail_channel, mail_trouble, webhook_channel, robots, routes, nothing_secret_is_shown):
                step(site)
                print(step.__name__)
            site.stop()
            without_a_platform(site)
            site.notify("channel", "remove", "duty-mail")
            documented_commands(site)
        finally:
            if site.process is not None:
                site.process.kill()
    print("PASS")


if __name__ == "__main__":
    main()
