"""Meters for tests that say what no simulator would: readings with figures and times of the test's own, as real LoRaWAN 1.0 frames.

AES and CMAC are written out here, as the tests need no packages; `check_vectors` compares with published frames.
"""
import base64
import datetime
import json
import pathlib
import struct

VECTORS = pathlib.Path(__file__).resolve().parents[1] / "data/vectors/lorawan_frames.json"


def _times_two(byte):
    return (byte << 1 ^ (0x11B if byte & 0x80 else 0)) & 0xFF


def _sbox():
    powers, value = [], 1
    for _ in range(255):
        powers.append(value)
        value ^= _times_two(value)
    box = []
    for byte in range(256):
        inverse = powers[-powers.index(byte) % 255] if byte else 0
        wide = inverse | inverse << 8
        box.append((inverse ^ wide >> 7 ^ wide >> 6 ^ wide >> 5 ^ wide >> 4 ^ 0x63) & 0xFF)
    return box


SBOX = _sbox()


def _round_keys(key):
    words = [list(key[at:at + 4]) for at in range(0, 16, 4)]
    constant = 1
    for number in range(4, 44):
        word = list(words[-1])
        if number % 4 == 0:
            word = [SBOX[byte] for byte in word[1:] + word[:1]]
            word[0] ^= constant
            constant = _times_two(constant)
        words.append([a ^ b for a, b in zip(words[-4], word)])
    return [sum(words[at:at + 4], []) for at in range(0, 44, 4)]


def aes(key, block):
    """AES-128 of one block."""
    keys = _round_keys(key)
    state = [a ^ b for a, b in zip(block, keys[0])]
    for number in range(1, 11):
        state = [SBOX[state[(column * 4 + row * 5) % 16]] for column in range(4) for row in range(4)]
        if number < 10:
            mixed = []
            for at in range(0, 16, 4):
                column = state[at:at + 4]
                whole = column[0] ^ column[1] ^ column[2] ^ column[3]
                mixed += [column[row] ^ whole ^ _times_two(column[row] ^ column[(row + 1) % 4]) for row in range(4)]
            state = mixed
        state = [a ^ b for a, b in zip(state, keys[number])]
    return bytes(state)


def _xor(left, right):
    return bytes(a ^ b for a, b in zip(left, right))


def _double(block):
    number = int.from_bytes(block, "big") << 1
    return (number & (1 << 128) - 1 ^ (0x87 if number >> 128 else 0)).to_bytes(16, "big")


def cmac(key, message):
    """RFC 4493."""
    subkey = _double(aes(key, bytes(16)))
    blocks = [message[at:at + 16] for at in range(0, len(message), 16)] or [b""]
    if len(blocks[-1]) < 16:
        subkey = _double(subkey)
        blocks[-1] = (blocks[-1] + b"\x80").ljust(16, b"\0")
    blocks[-1] = _xor(blocks[-1], subkey)
    state = bytes(16)
    for block in blocks:
        state = aes(key, _xor(state, block))
    return state


def uplink(address, counter, payload, network_key, application_key):
    """The frame of a data packet to port 1."""
    head = struct.pack("<BIBHB", 0x40, address, 0, counter & 0xFFFF, 1)
    block = lambda first, last: struct.pack("<B4xBIIxB", first, 0, address, counter, last)
    stream = b"".join(aes(application_key, block(1, number + 1)) for number in range((len(payload) + 15) // 16))
    message = head + _xor(payload, stream)
    return message + cmac(network_key, block(0x49, len(message)) + message)[:4]


def check_vectors():
    case = json.loads(VECTORS.read_text())["cases"][0]
    expect = case["expect"]
    made = uplink(int(expect["devaddr"], 16), expect["fcnt"], bytes.fromhex(expect["payload"]), bytes.fromhex(case["nwkskey"]), bytes.fromhex(case["appskey"]))
    assert made.hex() == case["phy"], made.hex()


class Meter:
    """One of profile v1. Figures in litres; what was bought is what is left and what was used."""

    def __init__(self, number, used=500_000, left=100_000):
        self.eui, self.address = f"0e2e000000{number:06x}", 0x01E00000 + number
        self.network_key, self.application_key = bytes([number % 256, 1] * 8), bytes([number % 256, 2] * 8)
        self.counter, self.used, self.left, self.status = 0, used, left, 4

    def csv(self):
        return {"eui": self.eui, "dev_addr": f"{self.address:08x}", "nwkskey": self.network_key.hex(), "appskey": self.application_key.hex()}

    def says(self, at=None, used=None, left=None, status=None):
        """An element of rxpk: the next packet, as a gateway hears it at `at` (seconds since 1970; now)."""
        self.counter += 1
        self.used, self.left = self.used if used is None else used, self.left if left is None else left
        self.status = self.status if status is None else status
        payload = struct.pack(">BBIiIH4s", 2, 1, self.used + self.left, self.left, self.used, self.status, b"v1.0")
        return reception(uplink(self.address, self.counter, payload, self.network_key, self.application_key), at)


def reception(frame, at=None):
    now = datetime.datetime.now(datetime.timezone.utc) if at is None else datetime.datetime.fromtimestamp(at, datetime.timezone.utc)
    return {"time": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), "tmst": int(now.timestamp() * 1e6) & 0xFFFFFFFF, "freq": 470.3, "chan": 0, "rfch": 0,
            "stat": 1, "modu": "LORA", "datr": "SF7BW125", "codr": "4/5", "rssi": -70, "lsnr": 7.5, "size": len(frame),
            "data": base64.b64encode(frame).decode()}
