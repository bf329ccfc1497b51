#!/usr/bin/env python3
"""Debian's azure.eventhub, on uAMQP, sends to an event hub of the settings and reads it.

usage: uamqp_events.py PROGRAM. Its clients know no other port than 5671, so that all of it stands in a network namespace
of the test's own. /usr/bin/python3 with python3-azure and python3-uamqp.
"""
import datetime
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

from azure.eventhub import EventData, EventHubConsumerClient, EventHubProducerClient
from azure.eventhub._eventprocessor.in_memory_checkpoint_store import InMemoryCheckpointStore
from azure.eventhub.exceptions import EventHubError
import uamqp

# Debian 12 joins an azure.eventhub that is written for uAMQP 1.6 with 1.5, which lacks what it asks for: three names, and an
# argument that says how many messages a turn may take. What goes over the wire is the same.
if not hasattr(uamqp.Message, "value"):
    uamqp.Message.value = uamqp.Message.data = property(uamqp.Message.get_data)
    uamqp.Message.message_annotations = property(lambda self: self.annotations)
    turn = uamqp.ReceiveClient.do_work
    uamqp.ReceiveClient.do_work = lambda self, **_: turn(self)

PROGRAM = str(pathlib.Path(sys.argv[1]).resolve())
HUB = "orders"
PARTITIONS = 4
LIMIT_S = 90


def enter_namespace():
    if os.environ.get("METERHUB_OWN_NETWORK") != "1":
        os.environ["METERHUB_OWN_NETWORK"] = "1"
        os.execvp("unshare", ["unshare", "--user", "--map-root-user", "--net", sys.executable, *sys.argv])
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def check(good, text):
    if not good:
        raise SystemExit(f"FAILED: {text}")
    print(f"ok: {text}", flush=True)


def wait_for(condition, what):
    end = time.monotonic() + LIMIT_S
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"FAILED: waited in vain for {what}")
        time.sleep(0.1)


class Platform:
    def __init__(self, folder):
        self.data = str(folder / "data")
        (folder / "meterhub.toml").write_text(f"[event_hubs.{HUB}]\npartitions = {PARTITIONS}\n")
        environment = dict(os.environ, MH_HUB_AMQPS_LISTEN="127.0.0.1:5671", MH_CONSOLE_LISTEN="")
        log = folder / "err"
        self.process = subprocess.Popen([PROGRAM, "serve", "--data", self.data, "--config", str(folder / "meterhub.toml")], env=environment,
                                        stderr=log.open("w"))
        wait_for(lambda: "hub_listens" in log.read_text(), "the hub")

    def connection_string(self, name, rights):
        out = subprocess.run([PROGRAM, "registry", "policy", "add", name, "--rights", rights, "--event-hub", HUB, "--data", self.data],
                             capture_output=True, text=True, timeout=LIMIT_S, check=True).stdout
        return re.search(r"^Event Hubs\t(.+)$", out, re.M)[1]


class Clients:
    """Of azure.eventhub on uAMQP. The engine of its own that 5.11 begins to have reads frames as if none ever left out what is null."""

    engine = "uAMQP"

    def __init__(self, platform, connection):
        self.connection = connection
        self.how = {"uamqp_transport": True, "connection_verify": platform.data + "/tls/ca.pem", "retry_total": 1}

    def producer(self, connection=None):
        return EventHubProducerClient.from_connection_string(connection or self.connection, **self.how)

    def consumer(self, **more):
        return EventHubConsumerClient.from_connection_string(self.connection, consumer_group="$Default", **self.how, **more)

    def send(self, bodies, **where):
        with self.producer() as producer:
            batch = producer.create_batch(**where)
            for body in bodies:
                event = EventData(body)
                event.properties = {"of": body, "number": 7}
                batch.add(event)
            producer.send_batch(batch)

    def read(self, count, act=lambda: None, **where):
        """`count` events from a position; `act` runs once the receiver is there. Fewer when no more come."""
        events = []
        done = threading.Event()

        def on_event(_, event):
            if event is not None:
                events.append(event)
            if len(events) >= count:
                done.set()

        with self.consumer() as consumer:
            thread = threading.Thread(target=consumer.receive, daemon=True, kwargs={"on_event": on_event, "max_wait_time": 1, **where})
            thread.start()
            if act is not None:
                time.sleep(3)
                act()
            done.wait(LIMIT_S if count > 0 else 3)
        thread.join(LIMIT_S)
        return events


def text(event):
    return event.body_as_str()


def properties(clients):
    with clients.consumer() as consumer:
        hub = consumer.get_eventhub_properties()
        check(hub["eventhub_name"] == HUB and hub["partition_ids"] == [str(n) for n in range(PARTITIONS)], f"{clients.engine}: hub properties {hub}")
        return [consumer.get_partition_properties(name) for name in hub["partition_ids"]]


def send_and_read(clients):
    engine = clients.engine
    before = properties(clients)
    clients.send(["p-0", "p-1", "p-2"], partition_id="1")
    time.sleep(0.05)
    between = datetime.datetime.now(datetime.timezone.utc)
    time.sleep(0.05)
    clients.send(["p-3", "p-4"], partition_id="1")
    after = properties(clients)
    check(after[1]["last_enqueued_sequence_number"] == before[1]["last_enqueued_sequence_number"] + 5 and not after[1]["is_empty"],
          f"{engine}: five events more in partition 1: {after[1]}")
    first = after[1]["last_enqueued_sequence_number"] - 4
    for what, position in {"a sequence number": {"starting_position": first, "starting_position_inclusive": True},
                           "the sequence number before, exclusive": {"starting_position": first - 1 if first > 0 else "-1"}}.items():
        events = clients.read(5, None, partition_id="1", **position)
        check([text(event) for event in events] == [f"p-{n}" for n in range(5)], f"{engine}: all of it from {what}")
    check(events[0].properties == {b"of": b"p-0", b"number": 7} or events[0].properties == {"of": "p-0", "number": 7},
          f"{engine}: application properties arrive: {events[0].properties}")
    check([event.sequence_number for event in events] == list(range(first, first + 5)), f"{engine}: sequence numbers have no gap")
    late = clients.read(2, None, partition_id="1", starting_position=between)
    check([text(event) for event in late] == ["p-3", "p-4"], f"{engine}: from an enqueue time")
    late = clients.read(2, None, partition_id="1", starting_position=events[2].offset)
    check([text(event) for event in late] == ["p-3", "p-4"], f"{engine}: from an offset, exclusive")
    earliest = clients.read(after[1]["last_enqueued_sequence_number"] + 1, None, partition_id="1", starting_position="-1")
    check(earliest[0].sequence_number == 0 and text(earliest[-1]) == "p-4", f"{engine}: from the earliest")
    news = clients.read(1, lambda: clients.send(["news"], partition_id="1"), partition_id="1", starting_position="@latest")
    check([text(event) for event in news] == ["news"], f"{engine}: from the latest, only what comes")


def keys_and_turns(clients):
    before = properties(clients)
    clients.send(["k-0", "k-1"], partition_key="order-17")
    clients.send(["k-2"], partition_key="order-17")
    after = properties(clients)
    grown = [b["last_enqueued_sequence_number"] - a["last_enqueued_sequence_number"] for a, b in zip(before, after)]
    check(grown == [0, 3, 0, 0], f"{clients.engine}: key order-17 leads to partition 1 of 4 (docs/formats/event-hub-keys.md): {grown}")
    with clients.producer() as producer:
        for n in range(2 * PARTITIONS):
            producer.send_batch([EventData(f"t-{n}")])
    grown = [b["last_enqueued_sequence_number"] - a["last_enqueued_sequence_number"] for a, b in zip(after, properties(clients))]
    check(grown == [2, 2, 2, 2], f"{clients.engine}: without a key, in turn: {grown}")


def refusals(clients, listen_only):
    try:
        with clients.producer(listen_only) as producer:
            producer.send_batch([EventData("never")])
        check(False, "a policy that may listen cannot send")
    except EventHubError as error:
        check(True, f"{clients.engine}: a policy that may listen cannot send: {type(error).__name__}")
    try:
        clients.send(["never"], partition_id="9")
        check(False, "there is no partition 9")
    except EventHubError as error:
        check(True, f"{clients.engine}: there is no partition 9: {type(error).__name__}")


class Competitor:
    def __init__(self, clients, store):
        self.consumer = clients.consumer(checkpoint_store=store, load_balancing_interval=1, partition_ownership_expiration_interval=6)
        self.seen = []
        self.partitions = set()
        self.thread = threading.Thread(target=self.consumer.receive, daemon=True,
                                       kwargs={"on_event": self.on_event, "on_partition_initialize": lambda c: self.partitions.add(c.partition_id),
                                               "on_partition_close": lambda c, _: self.partitions.discard(c.partition_id), "starting_position": "@latest"})
        self.thread.start()

    def on_event(self, context, event):
        self.seen.append(text(event))
        context.update_checkpoint(event)

    def close(self):
        self.consumer.close()
        self.thread.join(LIMIT_S)


def competing(clients):
    store = InMemoryCheckpointStore()
    first = Competitor(clients, store)
    wait_for(lambda: len(first.partitions) == PARTITIONS, "the first consumer's partitions")
    second = Competitor(clients, store)
    wait_for(lambda: len(first.partitions) == 2 and len(second.partitions) == 2, "an even share")
    check(first.partitions | second.partitions == {str(n) for n in range(PARTITIONS)}, f"{clients.engine}: two consumers share the partitions")
    time.sleep(3)  # receivers of partitions that just changed hands are there
    marks = [f"{clients.engine}-c-{n}" for n in range(20)]
    for n, mark in enumerate(marks):
        clients.send([mark], partition_id=str(n % PARTITIONS))
    wait_for(lambda: set(marks) <= set(first.seen + second.seen), "every event at one of the two")
    check(first.seen and second.seen and len(first.seen + second.seen) == len(marks), f"{clients.engine}: each event once: {len(first.seen)} + {len(second.seen)}")
    first.close()
    clients.send([f"{clients.engine}-after"], partition_id="0")
    clients.send([f"{clients.engine}-after"], partition_id="1")
    wait_for(lambda: len(second.partitions) == PARTITIONS and second.seen.count(f"{clients.engine}-after") == 2, "the other's partitions taken over")
    second.close()
    third = Competitor(clients, store)
    clients.send([f"{clients.engine}-last"], partition_id="2")
    wait_for(lambda: f"{clients.engine}-last" in third.seen, "the third consumer")
    check(set(third.seen) == {f"{clients.engine}-last"}, f"{clients.engine}: a third goes on at the checkpoints: {third.seen}")
    third.close()


def main():
    enter_namespace()
    with tempfile.TemporaryDirectory(prefix="meterhub-uamqp-") as name:
        platform = Platform(pathlib.Path(name))
        try:
            both = platform.connection_string("both", "listen,send")
            listen = platform.connection_string("reader", "listen")
            clients = Clients(platform, both)
            send_and_read(clients)
            keys_and_turns(clients)
            refusals(clients, listen)
            competing(clients)
            platform.process.send_signal(signal.SIGTERM)
            check(platform.process.wait(timeout=LIMIT_S) == 0, "the platform ends cleanly")
        finally:
            if platform.process.poll() is None:
                platform.process.kill()
    print("PASS")
    sys.stdout.flush()
    os._exit(0)  # uAMQP's threads outlive their clients


if __name__ == "__main__":
    main()
