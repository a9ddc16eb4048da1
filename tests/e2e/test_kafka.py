"""Exactly once from a real Kafka broker: the multiset of records in the tables is the one that was produced, whatever fails."""

import contextlib
import json
import os
import random
import signal
import threading
import time
from collections import Counter

import pytest
import requests
from google.protobuf.json_format import MessageToDict
from kafka_process import LIBRARIES, KafkaProcess
from telemetry_requests import (SIGNALS, ExportLogsServiceRequest, ExportMetricsServiceRequest, ExportTraceServiceRequest,
                                Requests, attribute)
from writer_process import Writer

# Records of each test that keeps going while something fails; `make soak` raises it.
RECORDS = int(os.environ.get("SIGNALDB_KAFKA_RECORDS", "6000"))
SEED = int(os.environ.get("SIGNALDB_SEED", time.time_ns() % 1_000_000))
RECORDS_PER_MESSAGE = 20
WAIT_SECONDS = 60 + RECORDS // 2000
DEFAULT_TOPICS = {"traces": "otlp_spans", "metrics": "otlp_metrics", "logs": "otlp_logs"}

pytestmark = pytest.mark.skipif(not LIBRARIES.exists(), reason=f"Kafka is not in {LIBRARIES}: run tools/setup")


@pytest.fixture(scope="module")
def kafka():
    with KafkaProcess() as process:
        yield process


def source(kafka, topic=None, group="signaldb", **settings):
    """Settings of a writer that reads `topic`."""
    keys = {"kafka.0.brokers": kafka.brokers, "kafka.0.group_id": group, "kafka.0.session_timeout": "1500ms",
            "kafka.0.max_poll_interval": "10s"}
    if topic is not None:
        keys |= {"kafka.0.topics.0.topic": topic, "kafka.0.topics.0.signal": "logs"}
    return keys | {"kafka.0." + key.replace("__", ".").replace("topic.", "topics.0."): value for key, value in settings.items()}


def stored(writer, expected, dataset="default.default"):
    """Waits until that many records are in the tables, and a little longer for any that are too many; gives them all."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        writer.flush()
        ids = writer.record_ids(dataset)
        if ids.total() >= expected:
            return ids
        time.sleep(0.3)
    raise AssertionError(f"{ids.total()} of {expected} records in {WAIT_SECONDS} s: {writer.log_tail()}")


def assert_same(found, sent):
    missing, extra = sent - found, found - sent
    assert not missing and not extra, f"missing={missing.total()} {list(missing)[:5]} extra={extra.total()} {list(extra)[:5]}"


def as_json(signal_name, body):
    """The request as OTLP/JSON, which writes ids in hex."""
    kind = {"logs": ExportLogsServiceRequest, "traces": ExportTraceServiceRequest, "metrics": ExportMetricsServiceRequest}
    message = kind[signal_name].FromString(body)
    request = MessageToDict(message, use_integers_for_enums=True)
    if signal_name == "traces":
        for resource, plain in zip(request["resourceSpans"], message.resource_spans):
            for scope, plain_scope in zip(resource["scopeSpans"], plain.scope_spans):
                for span, plain_span in zip(scope["spans"], plain_scope.spans):
                    span["traceId"], span["spanId"] = plain_span.trace_id.hex(), plain_span.span_id.hex()
    return json.dumps(request).encode()


def assert_ready_says(writer, text):
    """Waits until /readyz has it, which a writer that has just been started does not even answer."""
    deadline, answer = time.monotonic() + 30, ""
    while text not in answer:
        assert time.monotonic() < deadline, f"{answer} {writer.log_tail()}"
        with contextlib.suppress(requests.RequestException):
            answer = requests.get(f"http://{writer.admin}/readyz", timeout=5).text
        time.sleep(0.1)


class Stream(threading.Thread):
    """Produces logs with ids of their own over all partitions, at a pace that lasts as long as the test wants."""

    def __init__(self, kafka, topic, partitions=1, seconds=6.0, records=RECORDS):
        super().__init__()
        self.kafka, self.topic, self.partitions, self.seconds = kafka, topic, partitions, seconds
        self.messages = records // RECORDS_PER_MESSAGE
        self.sent = Counter()

    def run(self):
        supply, producer = Requests(self.topic), self.kafka.producer()
        for number in range(self.messages):
            _, body, ids = supply.next("logs", RECORDS_PER_MESSAGE)
            while True:
                try:
                    producer.produce(self.topic, body, partition=number % self.partitions)
                    break
                except BufferError:
                    producer.poll(0.1)
            self.sent.update(ids)
            producer.poll(0)
            time.sleep(self.seconds / self.messages)
        assert producer.flush(60) == 0


def test_every_signal_in_both_encodings_is_stored_and_acknowledged(kafka, tmp_path):
    sent, supply, producer = Counter(), Requests("all"), kafka.producer()
    for topic in DEFAULT_TOPICS.values():
        kafka.create_topic(topic, 2)
    for number in range(12):
        name = SIGNALS[number % 3]
        _, body, ids = supply.next(name)
        producer.produce(DEFAULT_TOPICS[name], as_json(name, body) if number % 2 else body, partition=number % 2)
        sent.update(ids)
    producer.produce("otlp_logs", b"<not otlp>", partition=0)
    assert producer.flush(30) == 0
    with Writer(tmp_path, **source(kafka, group="all", session_timeout="6s")) as writer:
        assert_same(stored(writer, sent.total()), sent)
        assert writer.metric("signaldb_writer_kafka_messages_total", topic="otlp_logs") == 5
        letters = writer.rows("dead_letters")
        assert len(letters) == 1 and "neither OTLP protobuf nor OTLP JSON" in str(letters[0]), letters
        writer.stop()
    for topic in DEFAULT_TOPICS.values():
        assert sum(offset for offset in kafka.committed("all", topic, 2) if offset > 0) == 4 + (topic == "otlp_logs")


def test_tenants_stand_in_headers_and_in_resources(kafka, tmp_path):
    kafka.create_topic("headers")
    kafka.create_topic("resources")
    supply, producer = Requests("tenants"), kafka.producer()
    sent = {"acme": Counter(), "globex": Counter(), "default": Counter()}
    for tenant in sent:
        _, body, ids = supply.next("logs")
        producer.produce("headers", body, headers=[("tenant", tenant)] if tenant != "default" else None)
        sent[tenant].update(ids)
    request = ExportLogsServiceRequest()
    for tenant in sent:
        _, body, ids = supply.next("logs")
        part = ExportLogsServiceRequest.FromString(body)
        if tenant != "default":
            attribute(part.resource_logs[0].resource.attributes, "tenant", tenant)
        request.resource_logs.extend(part.resource_logs)
        sent[tenant].update(ids)
    producer.produce("resources", request.SerializeToString())
    producer.produce("resources", as_json("logs", request.SerializeToString()))
    sent = {tenant: ids + Counter({i: 1 for i in list(ids)[20:]}) for tenant, ids in sent.items()}
    producer.produce("headers", supply.next("logs")[1], headers=[("tenant", "../evil")])
    assert producer.flush(30) == 0
    settings = source(kafka, "headers", group="tenants", topic__tenant_from="header:tenant") | {
        "kafka.0.topics.1.topic": "resources", "kafka.0.topics.1.signal": "logs", "kafka.0.topics.1.tenant_from": "resource:tenant"}
    with Writer(tmp_path, **settings) as writer:
        for tenant, ids in sent.items():
            assert_same(stored(writer, ids.total(), f"{tenant}.default"), ids)
        letters = writer.rows("dead_letters")
        assert len(letters) == 1 and "not a tenant id" in str(letters[0]), letters
        writer.stop()


def test_records_of_aborted_transactions_are_not_stored(kafka, tmp_path):
    kafka.create_topic("transactions")
    producer, supply, sent = kafka.producer(transactional__id="t"), Requests("transactions"), Counter()
    producer.init_transactions(60)
    for commit in (True, False, True, False, True):
        producer.begin_transaction()
        for _ in range(3):
            _, body, ids = supply.next("logs")
            producer.produce("transactions", body)
            sent.update(ids if commit else ())
        # What is still in the client's queue would be purged by the abort and never reach the broker.
        assert producer.flush(60) == 0
        producer.commit_transaction(60) if commit else producer.abort_transaction(60)
    with Writer(tmp_path, **source(kafka, "transactions", group="transactions")) as writer:
        assert_same(stored(writer, sent.total()), sent)
        writer.stop()


def test_a_writer_killed_in_mid_stream_loses_and_doubles_nothing(kafka, tmp_path):
    print(f"SIGNALDB_SEED={SEED} SIGNALDB_KAFKA_RECORDS={RECORDS}")
    chance = random.Random(SEED)
    kafka.create_topic("kills", 3)
    stream = Stream(kafka, "kills", 3)
    writer = Writer(tmp_path, **source(kafka, "kills", group="kills"), commit__interval="100ms")
    writer.start()
    stream.start()
    kills = 0
    while stream.is_alive():
        time.sleep(chance.uniform(0.8, 2.5))
        writer.kill()
        writer.start(wait=False)
        kills += 1
    stream.join()
    writer.wait_ready()
    assert_same(stored(writer, stream.sent.total()), stream.sent)
    print(f"kills={kills} again={writer.metric('signaldb_writer_dedupe_hits_total')}")
    writer.stop()


def test_a_broker_that_crashes_is_waited_for(kafka, tmp_path):
    kafka.create_topic("restarts", 2)
    stream = Stream(kafka, "restarts", 2, seconds=4)
    with Writer(tmp_path, **source(kafka, "restarts", group="restarts"), commit__interval="100ms") as writer:
        stream.start()
        time.sleep(1.5)
        kafka.crash()
        assert_ready_says(writer, "kafka kafka")
        kafka.start()
        stream.join()
        assert_same(stored(writer, stream.sent.total()), stream.sent)
        writer.stop()


def test_a_stop_does_not_wait_for_a_broker_that_is_frozen(kafka, tmp_path):
    kafka.create_topic("frozen")
    supply, producer, sent = Requests("frozen"), kafka.producer(), Counter()

    def send():
        _, body, ids = supply.next("logs")
        producer.produce("frozen", body)
        sent.update(ids)
        assert producer.flush(30) == 0

    with Writer(tmp_path, **source(kafka, "frozen", group="frozen"), shutdown__deadline="2s") as writer:
        send()
        assert_same(stored(writer, sent.total()), sent)
        send()
        kafka.process.send_signal(signal.SIGSTOP)
        try:
            begin = time.monotonic()
            writer.stop()
            assert time.monotonic() - begin < 12
        finally:
            kafka.process.send_signal(signal.SIGCONT)
        writer.start()
        assert_same(stored(writer, sent.total()), sent)
        writer.stop()


def test_writers_of_one_group_come_go_and_freeze_without_a_trace(kafka, tmp_path):
    print(f"SIGNALDB_SEED={SEED} SIGNALDB_KAFKA_RECORDS={RECORDS}")
    kafka.create_topic("group", 4)
    shared = source(kafka, "group", group="group") | {
        "schema.catalog_uri": f"sqlite://{tmp_path}/one/signaldb-data/catalog.db",
        "storage.dsn": f"file://{tmp_path}/one/signaldb-data/tables", "commit.interval": "100ms"}
    stream = Stream(kafka, "group", 4, seconds=12)
    with Writer(tmp_path / "one", **shared) as one:
        stream.start()
        two = Writer(tmp_path / "two", **shared).start()
        time.sleep(3)
        two.stop()
        two.start()
        time.sleep(1.5)
        # Frozen for longer than the session: it wakes as a zombie with rows of partitions that are another's.
        two.process.send_signal(signal.SIGSTOP)
        time.sleep(4)
        two.process.send_signal(signal.SIGCONT)
        stream.join()
        assert_same(stored(one, stream.sent.total()), stream.sent)
        lost = two.metric("signaldb_writer_kafka_rebalances_total", kind="lost")
        moved = one.metric("signaldb_writer_kafka_rebalances_total", kind="revoked")
        print(f"lost={lost} revoked={moved}")
        assert moved > 0
        two.stop()
        one.flush()
        assert_same(one.record_ids(), stream.sent)
        one.stop()


def test_offsets_that_are_gone_stop_the_partition_or_are_counted(kafka, tmp_path):
    kafka.create_topic("gone")
    supply, producer, sent = Requests("gone"), kafka.producer(), Counter()

    def send(messages):
        for _ in range(messages):
            _, body, ids = supply.next("logs")
            producer.produce("gone", body)
            yield ids
        assert producer.flush(30) == 0

    for ids in send(3):
        sent.update(ids)
    writer = Writer(tmp_path, **source(kafka, "gone", group="gone"))
    writer.start()
    assert_same(stored(writer, sent.total()), sent)
    writer.stop()
    lost = list(send(2))
    kafka.delete_records("gone", 5)
    for ids in send(1):
        sent.update(ids)
    writer.start(wait=False)
    assert_ready_says(writer, "messages were deleted from the topic before they were read")
    writer.stop()
    writer.settings["kafka.0.on_out_of_range"] = "earliest"
    writer.start()
    assert_same(stored(writer, sent.total()), sent)
    assert writer.metric("signaldb_writer_kafka_gap_messages_total") == len(lost)
    writer.stop()

    kafka.delete_topic("gone")
    time.sleep(1)
    kafka.create_topic("gone")
    for ids in send(2):
        sent.update(ids)
    writer.start(wait=False)
    assert_ready_says(writer, "made anew")
    writer.stop()
    writer.settings["kafka.0.topics.0.incarnation"] = "1"
    writer.start()
    assert_same(stored(writer, sent.total()), sent)
    writer.stop()


def test_writers_that_stop_one_after_another_end_in_order(kafka, tmp_path):
    # Each time the leader of the group goes, another one leads, and is stopped before it has assigned anything.
    kafka.create_topic("ends", 3)
    writers = [Writer(tmp_path / str(number), **source(kafka, "ends", group="ends", session_timeout="6s")) for number in range(3)]
    for _ in range(2):
        for writer in writers:
            writer.start(wait=False)
        for writer in writers:
            writer.wait_ready()
        time.sleep(1)
        for writer in writers:
            writer.stop()


def test_a_member_with_a_name_that_restarts_in_time_moves_nothing(kafka, tmp_path):
    kafka.create_topic("names", 4)
    shared = source(kafka, "names", group="names", session_timeout="60s", max_poll_interval="120s") | {
        "schema.catalog_uri": f"sqlite://{tmp_path}/one/signaldb-data/catalog.db",
        "storage.dsn": f"file://{tmp_path}/one/signaldb-data/tables"}
    supply, producer, sent = Requests("names"), kafka.producer(), Counter()

    def send_to_every_partition():
        for partition in range(4):
            _, body, ids = supply.next("logs")
            producer.produce("names", body, partition=partition)
            sent.update(ids)
        assert producer.flush(30) == 0

    def rebalances(writer):
        return [writer.metric("signaldb_writer_kafka_rebalances_total", kind=kind) for kind in ("assigned", "revoked", "lost")]

    def wait_for_partitions(writer):
        deadline = time.monotonic() + 120
        while writer.metric("signaldb_writer_kafka_partitions") != 2:
            assert time.monotonic() < deadline, writer.log_tail()
            time.sleep(0.1)

    with Writer(tmp_path / "one", **shared, **{"kafka.0.group_instance_id": "one"}) as one, \
            Writer(tmp_path / "two", **shared, **{"kafka.0.group_instance_id": "two"}) as two:
        for writer in (one, two):
            wait_for_partitions(writer)
        send_to_every_partition()
        assert_same(stored(one, sent.total()), sent)
        before = rebalances(one)
        for end in (two.kill, two.stop):
            end()
            send_to_every_partition()
            two.start()
            wait_for_partitions(two)
            two.flush()
            assert_same(stored(one, sent.total()), sent)
            assert rebalances(two) == [1, 0, 0]
        assert rebalances(one) == before
        two.stop()
        one.stop()
