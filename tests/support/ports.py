"""Ports for programs that must be told theirs."""
import random
import socket


def free_port():
    """Of TCP and of UDP, below those that the system gives to whoever connects before it is taken."""
    while True:
        port = random.randrange(20_000, 32_000)
        try:
            with socket.create_server(("127.0.0.1", port)), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
                udp.bind(("127.0.0.1", port))
                return port
        except OSError:
            continue
