"""What a simulated fleet knows to be true (docs/formats/fleet-truth.md), read back.

Times are whole microseconds since 1970 UTC, volumes whole litres.
"""
import bisect
import collections
import csv
import datetime
import json

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def micros(text):
    """Of an RFC 3339 time in UTC, with any number of digits behind the point."""
    whole, _, part = text.rstrip("Z").partition(".")
    at = datetime.datetime.fromisoformat(whole).replace(tzinfo=datetime.timezone.utc)
    return (at - EPOCH) // datetime.timedelta(microseconds=1) + int((part + "000000")[:6])


def window_end(at, size, offset=0):
    """Windows are (start, end]."""
    return -((offset - at) // size) * size + offset


Incident = collections.namedtuple("Incident", "kind meter begin end litres")


class Packet:
    """`time`: of its reading, None when nobody heard it; `air`: when it was sent."""
    __slots__ = ("number", "meter", "seq", "air", "time", "receptions", "decodable", "bought", "left", "used",
                 "status", "version", "burnt", "text")

    def __init__(self, line):
        self.number = line["packet"]
        self.meter = line["meter"]
        self.air = micros(line["air"])
        self.text = line["time"]
        self.time = micros(line["time"]) if line["time"] else None
        for name in ("seq", "receptions", "decodable", "bought", "left", "used", "status", "version", "burnt"):
            setattr(self, name, line[name])


class Truth:
    def __init__(self, folder):
        self.packets, self.incidents, self.run = [], [], None
        with open(folder / "truth.jsonl") as lines:
            for line in map(json.loads, lines):
                if "packet" in line:
                    self.packets.append(Packet(line))
                elif "incident" in line:
                    self.incidents.append(Incident(line["incident"], line["meter"], micros(line["from"]),
                                                   micros(line["until"]), line["litres"]))
                else:
                    self.run = line["run"]
        self.begin, self.end = micros(self.run["begin"]), micros(self.run["end"])
        with open(folder / "Meters.csv") as lines:
            self.places = {row["DeviceID"]: row for row in csv.DictReader(lines)}

    def of(self, *kinds):
        return [one for one in self.incidents if one.kind in kinds]

    def heard(self):
        """Packets whose document has figures."""
        return [one for one in self.packets if one.time is not None and one.decodable]

    def listed(self, meter):
        return meter in self.places

    def place(self, meter):
        row = self.places.get(meter)
        return (row["District"], row["Tenant"]) if row else ("unknown", "unknown")

    def booked(self, longest):
        """(time, meter, litres): use as differences of readings, none across `longest` or a fall."""
        out, last = [], {}
        for one in sorted(self.heard(), key=lambda p: p.time):
            before = last.get(one.meter)
            last[one.meter] = one
            if before and one.time - before.time < longest and one.used >= before.used:
                out.append((one.time, one.meter, one.used - before.used))
        return out

    def burnt(self):
        """(time, meter, litres): what really flowed, said or not, once a meter has begun to speak."""
        begun, out = set(), []
        for one in self.packets:
            if one.meter in begun:
                out.append((one.time if one.time is not None else one.air, one.meter, one.burnt))
            begun.add(one.meter)
        return out


class ByMeter:
    """Finds incidents by meter and time."""

    def __init__(self, incidents, before=0, after=0):
        self.lists = collections.defaultdict(list)
        for one in sorted(incidents, key=lambda i: i.begin):
            self.lists[one.meter].append(one)
        self.before, self.after = before, after

    def at(self, meter, time):
        """The incident of this meter that covers the time, with the margins."""
        known = self.lists.get(meter, [])
        place = bisect.bisect_right([one.begin - self.before for one in known], time)
        for one in reversed(known[:place]):
            if time <= one.end + self.after:
                return one
        return None
