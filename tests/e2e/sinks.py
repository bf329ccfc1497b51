"""Servers that take messages, for tests of what people are told: a mail server and a web server."""
import base64
import contextlib
import email
import email.policy
import http.server
import socketserver
import ssl
import subprocess
import threading
import time
import urllib.parse

PASSWORD = "mail-pass-word"


class MailServer(socketserver.StreamRequestHandler):
    """One that wants TLS, then a password."""
    mails, arrived, tls, said = [], [], None, []

    def line(self):
        return self.rfile.readline().decode().rstrip("\r\n")

    def answer(self, text):
        self.wfile.write((text + "\r\n").encode())

    def start_tls(self):
        self.answer("220 go ahead")
        self.request = type(self).tls.wrap_socket(self.request, server_side=True)
        self.rfile, self.wfile = self.request.makefile("rb"), self.request.makefile("wb", buffering=0)

    def handle(self):
        secure, signed_in, to = False, False, []
        self.answer("220 sink")
        while command := self.line():
            type(self).said.append(command)
            verb = command.split()[0].upper()
            if verb == "EHLO":
                self.answer("250-sink\r\n250 " + ("AUTH PLAIN" if secure else "STARTTLS"))
            elif verb == "STARTTLS":
                try:
                    self.start_tls()
                except ssl.SSLError:
                    return
                secure = True
            elif verb == "AUTH":
                words = command.split()
                if len(words) < 3:
                    self.answer("334 ")
                    words.append(self.line())
                signed_in = base64.b64decode(words[-1]).decode().split("\0")[1:] == ["alarm", PASSWORD]
                self.answer("235 welcome" if signed_in else "535 5.7.8 wrong password")
            elif verb == "MAIL":
                self.answer("250 ok" if signed_in else "530 5.7.0 sign in first")
            elif verb == "RCPT":
                to.append(command.partition("<")[2].rstrip(">"))
                self.answer("250 ok")
            elif verb == "DATA":
                self.answer("354 go on")
                text = b""
                while (line := self.rfile.readline()) != b".\r\n":
                    text += line[1:] if line.startswith(b"..") else line
                type(self).arrived.append(time.time())
                type(self).mails.append((to, email.message_from_bytes(text, policy=email.policy.default)))
                self.answer("250 2.0.0 queued as 4711")
            else:
                self.answer("221 bye" if verb == "QUIT" else "250 ok")


class WebServer(http.server.BaseHTTPRequestHandler):
    answers, requests, arrived = {}, [], []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        url = urllib.parse.urlsplit(self.path)
        type(self).arrived.append(time.time())
        type(self).requests.append((url, dict(self.headers), body))
        status, text = type(self).answers.get(url.path, (204, ""))
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *words):
        pass


@contextlib.contextmanager
def serving(handler):
    """The port at which it listens."""
    server = (http.server.ThreadingHTTPServer if handler is WebServer else socketserver.ThreadingTCPServer)(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def certificate(folder):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost", "-keyout", "mail.key", "-out", "mail.pem"], cwd=folder, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "mail.pem", folder / "mail.key")
    MailServer.tls = context
    return folder / "mail.pem"
