"""Writers that share one source, one catalog and one store, and nothing else: each record is there once, whatever fails.

`tools/soak` runs the same with a million records of each source.
"""

import os
import random
import signal
import threading
import time
from collections import Counter

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from kafka_process import LIBRARIES, KafkaProcess
from nats_process import NatsClient, NatsProcess
from postgres_process import BINARIES, PostgresProcess
from test_flight import Sender
from test_kafka import Stream, source
from test_nats import DURABLE, RECORDS_A_MESSAGE, STREAM, Publisher, caught_up, wait_until
from test_postgres import PostgresWriter

RECORDS = int(os.environ.get("SIGNALDB_SCALE_RECORDS", "12000"))
WRITERS = int(os.environ.get("SIGNALDB_SCALE_WRITERS", "3"))
# How many faults at least; they go on as long as records do.
FAULTS = int(os.environ.get("SIGNALDB_SCALE_FAULTS", "3"))
SEED = int(os.environ.get("SIGNALDB_SEED", time.time_ns() % 1_000_000))
FEED_SECONDS = 6 + RECORDS / 20_000
CAUGHT_UP_SECONDS = 120 + RECORDS / 500
# Longer than ack_wait and the session: the others have a frozen writer's messages when it wakes.
ACK_WAIT_SECONDS, SESSION, FREEZE_SECONDS = 2, "1500ms", 3.5
# How often everything is delivered again: each costs another reading of what there is by then.
REPLAYS = int(os.environ.get("SIGNALDB_SCALE_REPLAYS", "1"))
PARTITIONS = 6
COUNTED = {"conflicts": ("signaldb_writer_commit_retries_total", {"reason": "conflict"}),
           "given_up": ("signaldb_writer_commits_total", {"outcome": "conflict"}),
           "commits": ("signaldb_writer_commits_total", {"outcome": "applied"}),
           "again": ("signaldb_writer_dedupe_hits_total", {})}

pytestmark = pytest.mark.skipif(not BINARIES.exists(), reason=f"postgresql-15 is not installed in {BINARIES}")


class Fleet:
    """The writers, what is done to them, and their counters, which a killed process takes along."""

    def __init__(self, folder, catalog, chance, **settings):
        self.catalog, self.chance, self.counted = catalog, chance, Counter()
        self.writers = [PostgresWriter(folder / f"writer{n}", catalog, commit__interval="200ms", retry__initial_delay="20ms",
                                       **{"storage.dsn": f"file://{folder}/tables", **settings}) for n in range(WRITERS)]

    def start(self):
        for writer in self.writers:
            writer.start(wait=False)
        for writer in self.writers:
            writer.wait_ready()

    def stop(self):
        for writer in self.writers:
            self._count(writer)
            writer.stop()

    def kill_one(self):
        writer = self.chance.choice(self.writers)
        self._count(writer)
        writer.kill()
        writer.start()

    def stop_one(self):
        writer = self.chance.choice(self.writers)
        self._count(writer)
        writer.stop()
        writer.start()

    def freeze_one(self):
        process = self.chance.choice(self.writers).process
        process.send_signal(signal.SIGSTOP)
        time.sleep(FREEZE_SECONDS)
        process.send_signal(signal.SIGCONT)

    def crash_catalog(self):
        self.catalog.crash()
        time.sleep(self.chance.uniform(0, 0.5))
        self.catalog.start()

    def _count(self, writer):
        for name, (metric, labels) in COUNTED.items():
            self.counted[name] += int(writer.metric(metric, **labels))

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        for writer in self.writers:
            if writer.process is not None:
                writer.kill()


class Faults:
    """The needed ones first, in an order of the seed's; then any of the cheap ones, as long as it is asked for."""

    def __init__(self, chance, needed, cheap):
        self.chance, self.done, self.needed, self.cheap = chance, Counter(), list(needed), cheap
        chance.shuffle(self.needed)

    def until(self, ended):
        while self.needed or self.done.total() < FAULTS or not ended():
            time.sleep(self.chance.uniform(0.3, 1.5))
            fault = self.needed.pop() if self.needed else self.chance.choice(self.cheap)
            fault()
            self.done[fault.__name__] += 1


def check(name, fleet, faults, expected, begun):
    stored = fleet.writers[0].record_ids()
    missing, more = expected - stored, stored - expected
    print(f"{name}: sent={expected.total()} stored={stored.total()} missing={missing.total()} doubled={more.total()} "
          f"writers={WRITERS} seconds={time.monotonic() - begun:.0f} faults={dict(faults.done)} {dict(fleet.counted)} SIGNALDB_SEED={SEED}")
    assert not missing and not more, list((missing + more).items())[:5]


def test_writers_of_one_jetstream_consumer(tmp_path):
    chance = random.Random(SEED)
    with PostgresProcess() as catalog, NatsProcess() as server, NatsClient(server.url) as client:
        client.create(STREAM, DURABLE, ["otel.>"], ack_wait=ACK_WAIT_SECONDS)
        publisher = Publisher(client, "scale")

        def crash_server():
            server.kill()
            time.sleep(chance.uniform(0, 0.5))
            server.start()

        def deliver_everything_again():
            client.run(client.jetstream.delete_consumer(STREAM, DURABLE))
            client.add_consumer(STREAM, DURABLE, ack_wait=ACK_WAIT_SECONDS)

        with Fleet(tmp_path, catalog, chance, **{"nats.0.url": server.url, "nats.0.stream": STREAM}) as fleet:
            begun, feeder = time.monotonic(), publisher.feed(RECORDS, FEED_SECONDS)
            faults = Faults(chance, [fleet.freeze_one, fleet.kill_one] + [deliver_everything_again] * REPLAYS,
                            [fleet.freeze_one, fleet.kill_one, fleet.stop_one, fleet.crash_catalog, crash_server])
            faults.until(lambda: not feeder.is_alive())
            feeder.join()
            wait_until(lambda: caught_up(client), CAUGHT_UP_SECONDS)
            fleet.stop()
            check("nats", fleet, faults, publisher.expected, begun)
            assert all(count == 1 for count in publisher.expected.values())


@pytest.mark.skipif(not LIBRARIES.exists(), reason=f"Kafka is not in {LIBRARIES}: run tools/setup")
def test_writers_of_one_kafka_group(tmp_path):
    chance, topic, group = random.Random(SEED), "scale", "scale"
    with PostgresProcess() as catalog, KafkaProcess() as kafka:
        kafka.create_topic(topic, PARTITIONS)
        stream = Stream(kafka, topic, PARTITIONS, seconds=FEED_SECONDS, records=RECORDS)

        def crash_broker():
            kafka.crash()
            time.sleep(chance.uniform(0, 0.5))
            kafka.start()

        def deliver_everything_again():
            fleet.stop()
            beginning = [TopicPartition(topic, n, 0) for n in range(PARTITIONS)]
            for future in kafka.admin().alter_consumer_group_offsets([ConsumerGroupTopicPartitions(group, beginning)]).values():
                future.result(30)
            fleet.start()

        def all_committed():
            return sum(max(offset, 0) for offset in kafka.committed(group, topic, PARTITIONS)) == RECORDS // RECORDS_A_MESSAGE

        with Fleet(tmp_path, catalog, chance, **source(kafka, topic, group=group, session_timeout=SESSION)) as fleet:
            begun = time.monotonic()
            stream.start()
            faults = Faults(chance, [fleet.freeze_one, fleet.kill_one] + [deliver_everything_again] * REPLAYS,
                            [fleet.freeze_one, fleet.kill_one, fleet.stop_one, fleet.crash_catalog, crash_broker])
            faults.until(lambda: not stream.is_alive())
            stream.join()
            wait_until(all_committed, CAUGHT_UP_SECONDS)
            fleet.stop()
            check("kafka", fleet, faults, stream.sent, begun)


def test_flight_writers_of_one_catalog(tmp_path):
    """Each writer has senders and a log of its own. A put whose answer was lost in a kill is repeated, and may be there twice."""
    chance, stop = random.Random(SEED), threading.Event()
    with PostgresProcess() as catalog, Fleet(tmp_path, catalog, chance) as fleet:
        begun = time.monotonic()
        senders = [Sender(writer, f"sender{n}", stop, records=max(60, RECORDS // 1000)) for n, writer in enumerate(fleet.writers)]
        for sender in senders:
            sender.start()
        faults = Faults(chance, [fleet.kill_one], [fleet.kill_one, fleet.stop_one, fleet.crash_catalog])
        try:
            faults.until(lambda: sum(len(sender.acknowledged) for sender in senders) >= RECORDS)
        finally:
            stop.set()
            for sender in senders:
                sender.join()
        for writer in fleet.writers:
            writer.flush()
        fleet.stop()
        stored, attempts, acknowledged = fleet.writers[0].record_ids(), Counter(), set()
        for sender in senders:
            attempts.update(sender.attempts)
            acknowledged |= sender.acknowledged
        lost = [i for i in acknowledged if stored[i] == 0]
        doubled = [i for i, count in stored.items() if count > attempts[i]]
        print(f"flight: acknowledged={len(acknowledged)} stored={stored.total()} lost={len(lost)} doubled={len(doubled)} "
              f"resent={sum(n > 1 for n in attempts.values())} seconds={time.monotonic() - begun:.0f} faults={dict(faults.done)} "
              f"{dict(fleet.counted)} SIGNALDB_SEED={SEED}")
        assert len(acknowledged) >= RECORDS and not lost and not doubled, [*lost, *doubled][:5]
