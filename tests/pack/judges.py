"""For each query of the pack: which of its rows are right, and which truths they found."""
import bisect
import collections
import statistics

from truth import DAY, HOUR, MINUTE, SECOND, ByMeter, micros, window_end

INTERVAL = 30 * SECOND
LOCAL = 8 * HOUR
# An alarm comes with a packet. Of those a few may be lost one after another.
GRACE = 4 * INTERVAL
LEAST = 0.95


class Score:
    """`right`: rows that are true. `found`: true things that a row told."""

    def __init__(self, name):
        self.name, self.alarms, self.right, self.true, self.found = name, 0, 0, 0, 0
        self.delays, self.notes, self.wrong = [], [], []
        self.least_precision = self.least_recall = LEAST
        self.to_the_second = False  # rows fall into other windows when their times are moved

    def row(self, good, row):
        self.alarms += 1
        self.right += good
        if not good:
            self.wrong.append(row)

    @property
    def precision(self):
        return self.right / self.alarms if self.alarms else 1.0

    @property
    def recall(self):
        return self.found / self.true if self.true else 1.0

    def delay(self):
        if not self.delays:
            return "-"
        return f"{statistics.median(self.delays) / SECOND:.0f} s, {max(self.delays) / SECOND:.0f} s at most"


def litres(volume):
    return round(volume * 1000)


def match_once(name, rows, incidents, find, since=lambda one: one.begin, once=True):
    """`find(row)`: (incident, time of the alarm) or None. With `once` a second row for it is wrong."""
    score = Score(name)
    first = {}
    for row in rows:
        hit = find(row)
        good = hit is not None and not (once and hit[0] in first)
        score.row(good, row)
        if good and hit[0] not in first:
            first[hit[0]] = hit[1]
    score.true = len(incidents)
    score.found = sum(one in first for one in incidents)
    score.delays = [at - since(one) for one, at in first.items()]
    return score


def match_exactly(name, rows, expected):
    """Rows and expected ones as values that can be compared; each may be told once."""
    score = Score(name)
    left = collections.Counter(expected)
    score.true = sum(left.values())
    for row in rows:
        good = left[row] > 0
        left[row] -= good
        score.found += good
        score.row(good, row)
    return score


def figures(row):
    if row["DateTime"] is None:
        return (row["DeviceID"], None)
    return (row["DeviceID"], row["DateTime"], litres(row["Bought"]), litres(row["Remaining"]), litres(row["TotalUsed"]),
            row["MeterStatus"], row["MeterSoftwareVer"])


def true_figures(one):
    if not one.decodable:
        return (one.meter, None)
    return (one.meter, one.text, one.bought, one.left, one.used, one.status, one.version)


def raw_archive(truth, rows):
    heard = [one for one in truth.packets if one.receptions]
    return [match_exactly("01 BlobOutput", map(figures, rows["BlobOutput"]), map(true_figures, heard))]


def low_balance(truth, rows):
    low = [true_figures(one) for one in truth.heard() if one.left < 5000]
    return [match_exactly("02 SQLOutput", map(figures, rows["SQLOutput"]), low)]


def low_crossing(truth, rows):
    spells = [one for one in truth.of("low") if truth.listed(one.meter)]
    at = ByMeter(spells)

    def alert(row):
        time = micros(row["AlertTime"])
        spell = at.at(row["DeviceID"], time)
        return spell and (spell, time)

    days = {(one.meter, day) for one in spells
            for day in range(window_end(one.begin, DAY), window_end(one.end, DAY) + DAY, DAY)}
    told = [(row["DeviceID"], window_end(micros(row["AlertTime"]), DAY)) for row in rows["LowBalanceReminder"]]
    return [match_once("03 LowBalanceAlert", rows["LowBalanceAlert"], spells, alert),
            match_exactly("03 LowBalanceReminder", told, days)]


def status_alarms(truth, rows):
    kinds = {"battery": "battery", "tamper": "case opened", "flow sensor": "flow sensor"}
    raised, cleared = [], []
    for name, kind in kinds.items():
        all_of = truth.of(kind)
        ended = [one for one in all_of if one.end < truth.end]
        raised.append((name, all_of, ByMeter(all_of)))
        cleared.append((name, ended, ByMeter([one._replace(begin=one.end, end=one.end + GRACE) for one in ended])))

    def find(column, lists):
        def look(row):
            time = micros(row[column])
            for name, _, at in lists:
                hit = at.at(row["DeviceID"], time) if name == row["Alarm"] else None
                if hit:
                    return hit, time
            return None
        return look

    ends = [one._replace(begin=one.end, end=one.end + GRACE) for _, all_of, _ in cleared for one in all_of]
    return [match_once("04 AlarmRaised", rows["AlarmRaised"], [one for _, all_of, _ in raised for one in all_of],
                       find("RaisedAt", raised)),
            match_once("04 AlarmCleared", rows["AlarmCleared"], ends, find("ClearedAt", cleared))]


def silent_meter(truth, rows):
    silences = truth.of("silence")
    begins = ByMeter([one._replace(end=one.begin) for one in silences], before=GRACE)
    ends = ByMeter([one._replace(begin=one.end) for one in silences], after=GRACE)
    whole = {(one.meter, one.begin): one for one in silences} | {(one.meter, one.end): one for one in silences}

    def silent(row):
        hit = begins.at(row["DeviceID"], micros(row["LastSeen"]))
        return hit and (whole[hit.meter, hit.begin], micros(row["DetectedAt"]))

    def back(row):
        hit = ends.at(row["DeviceID"], micros(row["BackAt"]))
        if hit is None:
            return None
        one = whole[hit.meter, hit.begin]
        lasted = (one.end - one.begin) / SECOND
        return (one, micros(row["BackAt"])) if lasted - 1 <= row["SilentSeconds"] <= lasted + 240 else None

    within = [row for row in rows["SilentMeter"] if micros(row["DetectedAt"]) <= truth.end]
    score = match_once("05 SilentMeter", within, silences, silent)
    score.notes.append(f"{len(rows['SilentMeter']) - len(within)} rows after the end of the input, where all are silent, are left aside")
    return [score, match_once("05 MeterBack", rows["MeterBack"], silences, back, since=lambda one: one.end)]


def leak(truth, rows):
    leaks = truth.of("leak")
    window = 2 * HOUR

    def covered(row):
        end = micros(row["WindowEnd"])
        for one in leaks:
            if one.meter == row["DeviceID"] and min(one.end, end) - max(one.begin, end - window) >= 0.9 * window:
                return one, end
        return None

    night = collections.Counter()
    for time, meter, used in truth.burnt():
        if 1 <= (time + LOCAL) // HOUR % 24 <= 3:
            night[meter, window_end(time, DAY, -LOCAL)] += used
    nights = {key for key, used in night.items() if used > 100}
    told = [(row["DeviceID"], micros(row["WindowEnd"])) for row in rows["NightFlow"]]
    scores = [match_once("06 LeakSuspicion", rows["LeakSuspicion"], leaks, covered, once=False),
              match_exactly("06 NightFlow", told, nights)]
    leaking = ByMeter(truth.of("leak", "seepage"))
    of_leaks = sum(leaking.at(meter, end - 13 * HOUR) is not None for meter, end in told)
    slow = {one.meter for one in truth.of("seepage")}
    scores[0].notes.append(f"{len(slow)} leaks of less than a litre an interval are not for this output: "
                           f"it names {len(slow & {row['DeviceID'] for row in rows['LeakSuspicion']})} of them")
    scores[1].notes.append(f"{of_leaks} of {len(told)} rows are leaks, the others people who use gas at night; "
                           f"{len(slow & {meter for meter, _ in told})} of {len(slow)} slow leaks are named")
    return scores


FALLS = ("runs backwards", "counter reset", "exchange")


def tamper(truth, rows):
    incidents = truth.of("balance raised", *FALLS)
    at = ByMeter(incidents, after=GRACE)

    def find(row):
        time = micros(row["SeenAt"])
        one = at.at(row["DeviceID"], time)
        fits = one and (one.kind in FALLS) == (row["Reason"] == "consumption runs backwards")
        return (one, time) if fits else None

    return [match_once("07 TamperAlert", rows["TamperAlert"], incidents, find, once=False)]


def meter_reset(truth, rows):
    events = {"counter reset": FALLS, "firmware changed": ("firmware",), "sequence restarted": ("sequence restart",)}
    incidents = truth.of(*FALLS, "firmware", "sequence restart")
    at = ByMeter(incidents, after=GRACE)

    def find(row):
        time = micros(row["SeenAt"])
        one = at.at(row["DeviceID"], time)
        return (one, time) if one and one.kind in events[row["Event"]] else None

    return [match_once("11 MeterReset", rows["MeterReset"], incidents, find, once=False)]


class Readings:
    """Readings by meter and time; a job may have moved a row's time up to the newest it had seen."""

    def __init__(self, packets):
        self.times = collections.defaultdict(list)
        for one in packets:
            self.times[one.meter].append(one.time)
        for times in self.times.values():
            times.sort()

    def __contains__(self, key):
        meter, time = key
        times = self.times.get(meter, [])
        place = bisect.bisect_right(times, time)
        return place > 0 and time - times[place - 1] < 2 * SECOND


def flow_spike(truth, rows, name="13 FlowSpike", least_precision=LEAST):
    spikes = truth.of("spike")
    at = ByMeter(spikes, after=GRACE)
    fast = Readings(one for one in truth.heard() if one.burnt >= 20)  # litres in 30 s: 2.4 m3/h
    score = Score(name)
    first = {}
    for row in rows["FlowSpike"]:
        time = micros(row["SeenAt"])
        spike = at.at(row["DeviceID"], time)
        score.row(spike is not None or (row["DeviceID"], time) in fast, row)
        first.setdefault(spike, time)
    score.true = len(spikes)
    score.found = sum(one in first for one in spikes)
    score.delays = [first[one] - one.begin for one in spikes if one in first]
    days = truth.run["meters"] * (truth.end - truth.begin) / DAY
    said, late = {}, []
    for one in truth.packets:
        heard = one.time is not None and one.decodable
        if heard and not said.get(one.meter, True):
            late.append(one)
        said[one.meter] = heard
    after_loss = Readings(late)
    lost = sum((row["DeviceID"], micros(row["SeenAt"])) in after_loss for row in score.wrong)
    score.notes.append(f"{len(score.wrong)} false rows, {1000 * len(score.wrong) / days:.0f} a day of 1,000 meters: "
                       f"{lost} of them are steps of more than 30 s, since the packet before was lost")
    score.least_precision = least_precision
    return [score]


def flow_spike_as_it_is(truth, rows):
    """Its false rows are a property of the query (docs/queries.md): of the share of lost packets, not of the engine."""
    return flow_spike(truth, rows, least_precision=0.6)


def flow_spike_by_time(truth, rows):
    return flow_spike(truth, rows, name="13 by elapsed time")


def volumes(uses, key, size, offset=0):
    out = collections.Counter()
    for time, meter, used in uses:
        out[key(meter), window_end(time, size, offset)] += used
    return out


PERIODS = {"5min": (5 * MINUTE, 0), "hour": (HOUR, 0), "day": (DAY, -LOCAL)}


def usage_trend(truth, rows):
    uses = truth.booked(HOUR)
    expected, burnt = {}, {}
    for period, (size, offset) in PERIODS.items():
        counts, meters = collections.Counter(), collections.defaultdict(set)
        for time, meter, _ in uses:
            key = truth.place(meter), window_end(time, size, offset)
            counts[key] += 1
            meters[key].add(meter)
        for key, used in volumes(uses, truth.place, size, offset).items():
            expected[(period, *key)] = (used, counts[key], len(meters[key]))
        for key, used in volumes(truth.burnt(), truth.place, size, offset).items():
            burnt[(period, *key)] = used
    told = {}
    for row in rows["UsageTrend"]:
        told[row["Period"], (row["District"], row["Tenant"]), micros(row["PeriodEnd"])] = row
    exact = match_exactly("08 UsageTrend, by readings",
                          [(key, litres(row["Volume"]), row["Packets"], row["Meters"]) for key, row in told.items()],
                          [(key, *value) for key, value in expected.items()])
    exact.to_the_second = True
    real = Score("08 UsageTrend, by gas burnt")
    real.true = len(burnt)
    for key, row in told.items():
        good = key in burnt and abs(litres(row["Volume"]) - burnt[key]) <= 20 + 0.02 * burnt[key]
        real.row(good, row)
        real.found += good
    real.notes.append("right: within 20 litres and 2 % of what flowed")
    return [exact, real]


def minutes_of(truth, uses):
    out = collections.defaultdict(dict)
    for (district, end), used in volumes(uses, lambda m: truth.place(m)[0], MINUTE).items():
        if district != "unknown":
            out[district, window_end(end, HOUR)][end] = used
    return out


def peak_flow(truth, rows):
    score, real = Score("09 PeakFlow, by readings"), Score("09 PeakFlow, by gas burnt")
    booked, burnt = minutes_of(truth, truth.booked(5 * MINUTE)), minutes_of(truth, truth.burnt())
    score.to_the_second = True
    score.true = real.true = len(booked)
    for row in rows["PeakFlow"]:
        key = row["District"], micros(row["HourEnd"])
        minutes = booked.get(key, {})
        peak = max(minutes.values(), default=-1)
        mean = sum(minutes.values()) * 60 / 1000 / len(minutes) if minutes else -1
        good = (litres(row["PeakFlow"]) == peak * 60 and minutes.get(micros(row["PeakAt"])) == peak
                and abs(row["MeanFlow"] - mean) < 1e-6)
        score.row(good, row)
        score.found += good
        flowed = max(burnt.get(key, {0: -1}).values()) * 60
        good = abs(litres(row["PeakFlow"]) - flowed) <= 40 * 60 + 0.05 * flowed
        real.row(good, row)
        real.found += good
    real.notes.append("right: within 40 litres a minute and 5 % of what flowed; what flowed while packets were lost "
                      "is booked in one minute (docs/queries.md)")
    real.least_precision = real.least_recall = 0.9
    return [score, real]


def top_consumers(truth, rows):
    """Of equal volumes any may stand at the tenth place."""
    groups = collections.defaultdict(dict)
    for (meter, end), used in volumes(truth.booked(HOUR), lambda m: m, HOUR).items():
        if truth.listed(meter):
            groups[truth.place(meter)[0], end][meter] = used
    score = Score("10 TopConsumers")
    score.to_the_second = True
    score.true = sum(min(10, len(group)) for group in groups.values())
    told = set()
    for row in rows["TopConsumers"]:
        key = row["District"], micros(row["HourEnd"])
        group = sorted(groups.get(key, {}).values(), reverse=True)
        used = groups.get(key, {}).get(row["DeviceID"], -1)
        at_place = group[row["Place"] - 1] if row["Place"] <= len(group) else -1
        good = (key, row["DeviceID"]) not in told and used == at_place == litres(row["Volume"]) and used >= 0
        told.add((key, row["DeviceID"]))
        score.row(good, row)
        score.found += good
    return [score]


def duplicates(truth, rows):
    packets = {}
    for one in truth.packets:
        if one.receptions and one.decodable:
            packets.setdefault((one.meter, one.seq), []).append(one)

    def find(row):
        for one in packets.get((row["DeviceID"], row["Seq"]), []):
            if abs(micros(row.get("SentAt") or row["WindowEnd"]) - one.air) <= 10 * MINUTE:
                return one, one.air
        return None

    unique = match_once("12 UniquePackets", rows["UniquePackets"], [one for many in packets.values() for one in many], find,
                        since=lambda one: one.air)
    twice = [one for many in packets.values() for one in many if one.receptions > 1]
    copied = set(twice)
    several = match_once("12 DuplicatePackets", rows["DuplicatePackets"], twice,
                         lambda row: next((hit for hit in [find(row)] if hit and hit[0] in copied), None),
                         since=lambda one: one.air)
    counted = sum(find(row)[0].receptions == row["Copies"] for row in rows["DuplicatePackets"] if find(row))
    several.notes.append(f"{counted} of {several.alarms} rows count every copy")
    unique.delays, several.delays = [], []
    return [unique, several]


# Query, run (hours: many meters; day: a local day), log that it reads, judge.
JUDGES = [
    ("01-raw-archive", "hours", "readings", raw_archive),
    ("02-low-balance-alert", "hours", "readings", low_balance),
    ("03-low-balance-crossing", "day", "readings", low_crossing),
    ("04-status-alarms", "hours", "readings", status_alarms),
    ("05-silent-meter", "hours", "readings", silent_meter),
    ("06-leak-suspicion", "day", "readings", leak),
    ("07-tamper", "hours", "readings", tamper),
    ("08-usage-trend", "day", "readings", usage_trend),
    ("09-peak-flow", "day", "readings", peak_flow),
    ("10-top-consumers", "hours", "readings", top_consumers),
    ("11-meter-reset", "hours", "readings", meter_reset),
    ("12-duplicates", "hours", "decoded", duplicates),
    ("13-flow-spike", "hours", "readings", flow_spike_as_it_is),
    ("13-flow-spike-by-elapsed-time", "hours", "readings", flow_spike_by_time),
]
