"""What the office must say of a fleet, from what its meters said: the rules of src/consumption and src/fleet, written again.

Times are microseconds since 1970, volumes litres. Days are those between `midnights`, rising; day n ends with midnights[n].
"""
import bisect
import dataclasses

SECOND = 1_000_000
HOUR = 3600 * SECOND
GAP = 5 * 60 * SECOND       # a longer step is spread over its time
FLOW_OF_NOW = 5 * 60 * SECOND
LITRES_PER_HOUR = 16_000    # the most that flows: what a counter that began again may show
BITS = {"battery": 1, "closed": 2, "case": 8, "sensor": 16}
STATES = ("Online", "Silent", "Low", "Closed", "Faulty", "Unheard")


@dataclasses.dataclass
class Reading:
    order: tuple            # session, generation, counter
    at: int                 # event time
    heard: int              # it, or when the hub took it if that was earlier
    bought: int
    left: int
    used: int
    status: int
    version: str
    late: bool = False


@dataclasses.dataclass
class Meter:
    eui: str
    district: str
    building: str
    silence: int
    low: int
    readings: list = dataclasses.field(default_factory=list)


def trunc(numerator, denominator):
    """Towards zero."""
    return abs(numerator) // denominator * (1 if numerator >= 0 else -1)


def step(before, at_before, after, at):
    """(litres, whether they are spread over the time between)"""
    used, span = after.used - before.used, at - at_before
    if used >= 0:
        return used, span > GAP
    most = -(-(span + 60 * SECOND) * LITRES_PER_HOUR // HOUR)
    return (after.used if after.used <= most else used), True


class Judged:
    """A meter as of a time."""

    def __init__(self, meter, midnights, as_of):
        self.meter, self.midnights, self.days = meter, midnights, {}
        self.last, self.flow = None, 0
        self.heard = max((reading.heard for reading in meter.readings), default=0)
        heard = 0  # so far
        for reading in meter.readings:
            if not reading.late:
                self.take(reading, heard)
            heard = max(heard, reading.heard)
        self.state = self.state_as_of(as_of)
        self.today = self.day(as_of)
        if as_of - self.heard > FLOW_OF_NOW:
            self.flow = 0

    def day(self, at):
        return bisect.bisect_right(self.midnights, at)

    def take(self, reading, heard):
        if self.last is not None:
            at_before = min(self.last.at, heard)
            at = max(reading.heard, at_before)
            used, spread = step(self.last, at_before, reading, at)
            self.flow = used * HOUR // (at - at_before) if used > 0 and at > at_before else 0
            self.spread(used, at_before, at) if spread and at > at_before else self.add(self.day(at - 1), used)
        self.last = reading

    def add(self, day, used):
        self.days[day] = self.days.get(day, 0) + used

    def spread(self, used, begin, end):
        until = lambda at: used if at >= end else 0 if at <= begin else trunc(used * (at - begin), end - begin)
        edge = begin
        for day in range(self.day(begin), self.day(end - 1) + 1):
            next_edge = min(self.midnights[day], end) if day < len(self.midnights) else end
            self.add(day, until(next_edge) - until(edge))
            edge = next_edge

    def state_as_of(self, as_of):
        status = self.last.status if self.last else 0
        if not self.heard:
            return "Unheard"
        if status & (BITS["case"] | BITS["sensor"]):
            return "Faulty"
        if as_of - self.heard > self.meter.silence:
            return "Silent"
        if status & BITS["closed"]:
            return "Closed"
        return "Low" if self.last and self.last.left < self.meter.low else "Online"

    def used(self, back):
        return self.days.get(self.today - back, 0)

    def exhausted(self):
        """Days from today until the balance is used up, at the mean since the first of the last seven days with any use."""
        back_with_use = [back for back in range(1, 8) if self.used(back) > 0]
        if not self.last or self.last.left <= 0 or not back_with_use:
            return None
        days = self.last.left * max(back_with_use) // sum(self.used(back) for back in back_with_use)
        return days if days <= 3650 else None


def areas(meters, midnights, as_of, place):
    """{place(meter): {column: figure}} of all that the status tables say but OpenAlarms."""
    out = {}
    for meter in meters:
        judged = Judged(meter, midnights, as_of)
        figures = out.setdefault(place(meter), dict.fromkeys(("Meters", *STATES, "Flow", "UsedToday", "UsedYesterday", "UsedWeekAgo"), 0))
        figures["Meters"] += 1
        figures[judged.state] += 1
        figures["Flow"] += judged.flow
        for column, back in (("UsedToday", 0), ("UsedYesterday", 1), ("UsedWeekAgo", 7)):
            figures[column] += judged.used(back)
    return out
