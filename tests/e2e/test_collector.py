"""The real OpenTelemetry Collector as the sender: every row that went into it is in the tables once, by each of its ways to us."""

import time
from collections import Counter

import pytest
from all_signals import HOUR_NS, AllSignals, multiset, with_parsed_json
from collector_process import SIGNALS, CollectorProcess, documented, why_missing
from kafka_process import LIBRARIES, KafkaProcess
from telemetry_requests import Requests
from writer_process import Writer

MESSAGES = 60  # Of each signal, with ids of their own, while the writer is killed.
WAIT_SECONDS = 120
TOPICS = {"traces": "otlp_spans", "metrics": "otlp_metrics", "logs": "otlp_logs"}

pytestmark = pytest.mark.skipif(bool(why_missing()), reason=why_missing())


def wait_until(holds, writer):
    deadline = time.monotonic() + WAIT_SECONDS
    while not holds():
        assert time.monotonic() < deadline, writer.log_tail()
        time.sleep(0.02)


def send_all_signals(collector):
    """Rows for all seven tables, with the values that encodings trip over."""
    sent, start = AllSignals(), (time.time_ns() // HOUR_NS - 1) * HOUR_NS
    times = [start + number * 1_000_003 for number in range(12)]
    for path, body in (sent.traces("checkout", times), sent.logs("поиск", times), sent.metrics("billing", "http.duration", times)):
        collector.send(path, body)
    return sent


def as_the_collector_writes(row):
    """The Collector writes the buckets of an exponential histogram even where there were none."""
    empty = {"positive_offset": 0, "positive_bucket_counts": "[]", "negative_offset": 0}
    return row | {column: value for column, value in empty.items() if column in row and row[column] is None}


def assert_all_there(writer, sent, dataset):
    """Waits for the rows of all seven tables, and compares what is in them with what was sent."""
    for name, rows_sent in sent.expected.items():
        expected = [as_the_collector_writes(row) for row in rows_sent]
        columns = list(expected[0])
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            writer.flush()
            rows = [with_parsed_json(row) for row in writer.rows(name, dataset=dataset) if row["service_name"] != "ids"]
            if len(rows) >= len(expected) or time.monotonic() > deadline:
                break
            time.sleep(0.2)
        assert multiset(rows, columns) == multiset(expected, columns), f"{name}: {writer.log_tail()}"


def assert_ids(writer, sent, dataset="default.default"):
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        writer.flush()
        found = writer.record_ids(dataset)
        found = Counter({name: count for name, count in found.items() if str(name).startswith("ids-")})
        if found.total() >= sent.total() or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    missing, extra = sent - found, found - sent
    assert not missing and not extra, f"missing={missing.total()} extra={extra.total()} {writer.log_tail()}"


@pytest.mark.parametrize("exporter", ["otlp/signaldb", "otlphttp/signaldb"])
def test_the_exporters_of_the_readme(tmp_path, exporter):
    with Writer(tmp_path) as writer:
        text = documented("README.md", exporter).replace("127.0.0.1:4317", writer.grpc).replace("127.0.0.1:4318", writer.http)
        pipelines = {"service": {"pipelines": {name: {"exporters": [exporter]} for name in SIGNALS}}}
        with CollectorProcess(text, pipelines) as collector:
            sent = send_all_signals(collector)
            supply, ids = Requests("ids"), Counter()
            for signal in SIGNALS:
                path, body, added = supply.next(signal)
                collector.send(path, body)
                ids.update(added)
            collector.stop()
        assert_all_there(writer, sent, "acme.production")
        assert_ids(writer, ids, "acme.production")
        assert writer.rows("dead_letters", dataset="acme.production") == []
        writer.stop()


@pytest.fixture(scope="module")
def kafka():
    with KafkaProcess() as process:
        yield process


@pytest.mark.skipif(not LIBRARIES.exists(), reason=f"Kafka is not in {LIBRARIES}: run tools/setup")
@pytest.mark.parametrize("encoding", ["otlp_proto", "otlp_json"])
def test_the_kafka_exporter_while_the_writer_is_killed(tmp_path, kafka, encoding):
    suffix = "" if encoding == "otlp_proto" else "_json"
    for topic in TOPICS.values():
        kafka.create_topic(topic + suffix, 2)
    text = documented("docs/reference/kafka.md", "kafka").replace("kafka-1:9092, kafka-2:9092", kafka.brokers)
    more = {"exporters": {"kafka": {name: {"topic": topic + suffix, "encoding": encoding} for name, topic in TOPICS.items()}}}
    settings = {"kafka.0.brokers": kafka.brokers, "kafka.0.group_id": encoding, "kafka.0.session_timeout": "1500ms",
                "commit.interval": "100ms"}
    for number, (name, topic) in enumerate(TOPICS.items()):
        settings |= {f"kafka.0.topics.{number}.topic": topic + suffix, f"kafka.0.topics.{number}.signal": name,
                     f"kafka.0.topics.{number}.encoding": encoding}
    supply, ids = Requests("ids"), Counter()
    with Writer(tmp_path, **settings) as writer, CollectorProcess(text, more if suffix else None) as collector:
        sent = send_all_signals(collector)
        for number in range(MESSAGES):
            for signal in SIGNALS:
                path, body, added = supply.next(signal)
                collector.send(path, body)
                ids.update(added)
            if number == MESSAGES // 3:
                wait_until(lambda: writer.metric("signaldb_writer_kafka_messages_total") > 0, writer)
                writer.kill()
            if number == MESSAGES // 2:
                writer.start()
            time.sleep(0.03)
        collector.stop()
        assert_ids(writer, ids)
        assert_all_there(writer, sent, "default.default")
        assert writer.rows("dead_letters") == []
        writer.stop()
