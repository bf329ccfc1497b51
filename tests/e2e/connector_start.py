#!/usr/bin/env python3
"""Where the connector begins and what it reads: connector.start and connector.partitions on the real program.

usage: connector_start.py PROGRAM. What is read once more ends as copies; a partition that nobody reads waits; what is driven
again is read by a connector with a list too.
"""
import pathlib
import tempfile
import time

from replay import DECODED, Platform, check, wait_for

DELIVERIES = "meterhub_connector_deliveries_total"
ALL_ROWS = "SELECT count(*) AS n FROM readings"


def begin_earlier(platform, between):
    """Each start of the process begins there anew, and changes nothing in the lake."""
    all_of_it = platform.metrics()[DELIVERIES]
    before = platform.lake(ALL_ROWS)
    for start, least, most in (("committed", 0, 0), ("earliest", all_of_it, all_of_it), (between, 1, all_of_it - 1)):
        platform.stop()
        platform.start(MH_CONNECTOR_START=start)
        wait_for(lambda: platform.metrics().get(DELIVERIES, 0) >= least, f"what {start} begins with")
        wait_for(platform.all_is_read(), "what was read")
        read = platform.metrics().get(DELIVERIES, 0)
        check(least <= read <= most, f"begins at {start}: {read:.0f} of {all_of_it:.0f} deliveries read again")
        check(platform.lake(ALL_ROWS) == before and platform.verdict() == ("0", "0", "0"), "and the lake is as it was")


def some_partitions(platform):
    platform.stop()
    platform.start(MH_CONNECTOR_PARTITIONS="0,1,2")
    platform.send("3s", seed="8", fleet="second")
    time.sleep(2)
    stages = {stage["name"]: stage["records"] for stage in platform.status()["lag"]["stages"]}
    check(stages["connector"] > 0, f"{stages['connector']} deliveries of the other partitions wait")
    driven = platform.replay("--from", "earliest")
    wait_for(lambda: platform.metrics().get(DECODED, 0) > 0, "what is driven again")
    check(driven > 0, f"{driven} messages of those that were read are driven again, and read")
    platform.stop()
    platform.start()
    wait_for(platform.all_is_read(), "the rest")
    check(platform.verdict("second") == ("0", "0", "0"), "a connector of all partitions reads the rest")


def main():
    with tempfile.TemporaryDirectory(prefix="meterhub-start-") as name:
        platform = Platform(pathlib.Path(name))
        try:
            platform.start()
            platform.send("3s")
            time.sleep(1.1)  # the time below is cut to whole seconds
            between = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + "Z"
            time.sleep(1)
            platform.send("3s")
            wait_for(platform.all_is_read(), "what was sent")
            check(platform.verdict() == ("0", "0", "0"), "two spells are in the lake")
            begin_earlier(platform, between)
            some_partitions(platform)
            platform.stop()
        finally:
            platform.kill()
    print("PASS")


if __name__ == "__main__":
    main()
