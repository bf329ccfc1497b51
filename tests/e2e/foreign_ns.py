#!/usr/bin/env python3
"""A vendor's own network server in small: it knows nothing of LoRaWAN and nothing of Meterhub.

usage: foreign_ns.py UDP_ADDRESS ANSWER_ADDRESS KEY_FILE     (addresses as 127.0.0.1:1700)

Each datagram is a gateway's body, of the shape that examples/plugin-xor/plugin_xor.c describes. Its readings
go out over TCP as JSON objects that name no request: NULs, a line's end or nothing between them, in
pieces cut anywhere. What it does not understand it does not answer.
"""
import base64
import datetime
import json
import random
import socket
import struct
import sys


def readings(body, key):
    """(gateway, meter, counter, payload) of each reading; ValueError or struct.error for anything else."""
    if body[:2] != b"XR":
        raise ValueError("not ours")
    gateway, rest = body[2:10].hex(), body[10:]
    while rest:
        meter, counter, size = struct.unpack_from(">8sIB", rest)
        payload = bytes(byte ^ key[i % len(key)] for i, byte in enumerate(rest[13:13 + size]))
        (total,) = struct.unpack_from("B", rest, 13 + size)
        if sum(payload) % 256 != total:
            raise ValueError("a wrong sum")
        yield gateway, meter.hex(), counter, payload
        rest = rest[14 + size:]


def document(gateway, meter, counter, payload):
    time = datetime.datetime.now(datetime.timezone.utc).isoformat().replace("+00:00", "Z")
    userdata = {"seqno": counter, "port": 1, "payload": base64.b64encode(payload).decode()}
    receptions = [{"eui": gateway, "time": time, "timefromgateway": False, "chan": 0, "rssi": -80, "lsnr": 7.5}]
    return {"gw": None, "mote": None, "app": {
        "moteeui": meter, "dir": "up", "userdata": userdata,
        "motetx": {"freq": 470.3, "modu": "OWN", "datr": "50k", "codr": "1", "adr": False}, "gwrx": receptions}}


def send_ragged(connection, data):
    while data:
        size = random.randint(1, 400)
        connection.sendall(data[:size])
        data = data[size:]


def serve(listen, answer_to, key):
    asked = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    asked.bind(listen)
    answers = None
    print("foreign_ns listens", flush=True)
    while True:
        body = asked.recv(65536)
        try:
            found = [json.dumps(document(*one)).encode() for one in readings(body, key)]
        except (ValueError, struct.error):
            continue
        try:
            if answers is None:
                answers = socket.create_connection(answer_to)
                answers.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            send_ragged(answers, b"".join(one + random.choice([b"", b"\0", b"\0\0", b"\n"]) for one in found))
        except OSError:
            answers = None


def address(text):
    host, port = text.rsplit(":", 1)
    return host, int(port)


if __name__ == "__main__":
    serve(address(sys.argv[1]), address(sys.argv[2]), open(sys.argv[3], "rb").read())
