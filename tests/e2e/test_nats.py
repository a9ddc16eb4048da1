"""JetStream in, tables out: each published record is there once, whatever dies in between."""

import base64
import contextlib
import gzip
import json
import os
import signal
import threading
import time
from collections import Counter

import nats
import pytest
import requests
from google.protobuf.json_format import MessageToDict
from nats_process import NatsClient, NatsCluster, NatsProcess
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from telemetry_requests import SIGNALS, Requests, attribute
from writer_process import Writer

RECORDS = int(os.environ.get("SIGNALDB_NATS_RECORDS", "20000"))
RECORDS_A_MESSAGE = 20
STREAM, DURABLE = "OTEL", "signaldb-writer"
SUBJECTS = {"logs": "otel.logs", "traces": "otel.spans", "metrics": "otel.metrics"}
CAUGHT_UP_SECONDS = 60 + RECORDS / 500


@pytest.fixture
def server():
    with NatsProcess() as process:
        yield process


@pytest.fixture
def client(server):
    with NatsClient(server.url) as connected:
        yield connected


def nats_writer(folder, server, **settings):
    blocks = {"nats.0.url": server.url, "nats.0.stream": STREAM}
    return Writer(folder, commit__interval="200ms", **{**blocks, **settings})


def shared_tables(first, folder, server, **settings):
    """A second writer on the tables of the first."""
    return nats_writer(folder, server, **{"schema.catalog_uri": f"sqlite://{first.data}/catalog.db",
                                          "storage.dsn": f"file://{first.data}/tables", **settings})


class Publisher:
    """Makes messages and remembers what must come of them."""

    def __init__(self, client, name="nats"):
        self.client, self.supply, self.expected = client, Requests(name), Counter()

    def messages(self, records):
        made = []
        for number in range(max(records // RECORDS_A_MESSAGE, 1)):
            kind = SIGNALS[number % len(SIGNALS)]
            _, body, ids = self.supply.next(kind, RECORDS_A_MESSAGE)
            self.expected.update(ids)
            made.append((SUBJECTS[kind], body, {}))
        return made

    def publish(self, records):
        self.client.publish(self.messages(records))

    def feed(self, records, seconds=2.0):
        """The same, spread over a while on a thread of its own."""
        slices = 20

        def run():
            for _ in range(slices):
                self.publish(records // slices)
                time.sleep(seconds / slices)

        thread = threading.Thread(target=run)
        thread.start()
        return thread


def as_json(kind, body):
    """The same request in OTLP/JSON, where ids are hexadecimal."""
    classes = {"logs": ExportLogsServiceRequest, "traces": ExportTraceServiceRequest, "metrics": ExportMetricsServiceRequest}
    request = MessageToDict(classes[kind].FromString(body), use_integers_for_enums=True)
    for resource in request.get("resourceSpans", []):
        for span in resource["scopeSpans"][0]["spans"]:
            for name in ("traceId", "spanId"):
                span[name] = base64.b64decode(span[name]).hex()
    return json.dumps(request).encode()


def caught_up(client):
    try:
        info = client.consumer(STREAM, DURABLE)
    except nats.errors.Error:  # Nobody leads the consumer.
        return False
    return info.num_pending == 0 and info.num_ack_pending == 0


def wait_until(holds, seconds=CAUGHT_UP_SECONDS):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if holds():
            return
        time.sleep(0.1)
    raise AssertionError("it did not happen in time")


def assert_each_is_there_once(writer, publisher):
    stored = writer.record_ids()
    missing = publisher.expected - stored
    more = stored - publisher.expected
    assert not missing and not more, f"missing={missing.total()} doubled={more.total()} e.g. {list((missing + more).items())[:5]}"


def test_all_signals_in_every_form(tmp_path, server, client):
    client.create(STREAM, DURABLE, ["otel.>", "otel_logs"])
    publisher, messages = Publisher(client), []
    forms = {"plain": lambda b: (b, {}),
             "named": lambda b: (b, {"Content-Type": "application/x-protobuf"}),
             "gzip": lambda b: (gzip.compress(b), {"Content-Encoding": "gzip"})}
    for kind in SIGNALS:
        for shape in forms.values():
            _, body, ids = publisher.supply.next(kind, 3)
            publisher.expected.update(ids)
            messages.append((SUBJECTS[kind], *shape(body)))
        for headers in ({"Content-Type": "application/json"}, {}):
            _, body, ids = publisher.supply.next(kind, 3)
            publisher.expected.update(ids)
            messages.append((SUBJECTS[kind], as_json(kind, body), headers))
    client.publish(messages)
    with nats_writer(tmp_path, server) as writer:
        wait_until(lambda: caught_up(client))
        assert_each_is_there_once(writer, publisher)
        assert writer.metric("signaldb_writer_nats_messages_total", source="nats") == len(messages)
        writer.stop()


def test_headers_name_tenant_and_dataset_and_evil_ones_are_set_aside(tmp_path, server, client):
    client.create(STREAM, DURABLE, ["otel.>"])
    supply, expected = Requests("tenants"), {}
    messages = []
    for headers, dataset in (({}, "default.default"), ({"x-tenant-id": "acme"}, "acme.default"),
                             ({"X-Scope-OrgID": "blue", "X-Dataset-Id": "prod"}, "blue.prod")):
        _, body, ids = supply.next("logs", 5)
        expected[dataset] = Counter(ids)
        messages.append(("otel.logs", body, headers))
    _, body, _ = supply.next("logs", 5)
    messages += [("otel.logs", body, {"x-tenant-id": "../etc"}), ("otel.logs", b"\xff not telemetry", {})]
    client.publish(messages)
    with nats_writer(tmp_path, server) as writer:
        wait_until(lambda: caught_up(client))
        for dataset, ids in expected.items():
            assert writer.record_ids(dataset) == ids
        letters = writer.rows("dead_letters")
        assert len(letters) == 2, "in the default dataset, whatever the evil one asked for"
        writer.stop()


def test_resources_name_tenants(tmp_path, server, client):
    client.create(STREAM, DURABLE, ["otel.>"])
    supply, expected, request = Requests("resources"), {}, ExportLogsServiceRequest()
    for tenant in ("acme", "blue", "", "acme"):
        _, body, ids = supply.next("logs", 5)
        part = ExportLogsServiceRequest.FromString(body)
        if tenant:
            attribute(part.resource_logs[0].resource.attributes, "team", tenant)
        request.resource_logs.extend(part.resource_logs)
        expected.setdefault(f"{tenant or 'other'}.default", Counter()).update(ids)
    messages = [("otel.logs", request.SerializeToString(), {"x-tenant-id": "nobody"}),
                ("otel.logs", as_json("logs", request.SerializeToString()), {})]
    client.publish(messages)
    with nats_writer(tmp_path, server, **{"nats.0.subjects.0.subject": "otel.logs", "nats.0.subjects.0.signal": "logs",
                                          "nats.0.subjects.0.tenant": "other",
                                          "nats.0.subjects.0.tenant_from": "resource:team"}) as writer:
        wait_until(lambda: caught_up(client))
        for dataset, ids in expected.items():
            assert writer.record_ids(dataset) == ids + ids, dataset
        writer.stop()


def test_kills_of_the_writer_double_and_lose_nothing(tmp_path, server, client):
    client.create(STREAM, DURABLE, ["otel.>"], ack_wait=2)
    publisher = Publisher(client)
    with nats_writer(tmp_path, server) as writer:
        feeder = publisher.feed(RECORDS)
        for pause in (0.3, 0.5, 0.2, 0.4):
            time.sleep(pause)
            writer.kill()
            writer.start()
        feeder.join()
        wait_until(lambda: caught_up(client))
        assert_each_is_there_once(writer, publisher)
        writer.stop()


def test_kills_of_the_server_double_and_lose_nothing(tmp_path, server, client):
    client.create(STREAM, DURABLE, ["otel.>"], ack_wait=2)
    publisher = Publisher(client)
    with nats_writer(tmp_path, server) as writer:
        feeder = publisher.feed(RECORDS)
        for pause in (0.3, 0.5):
            time.sleep(pause)
            server.kill()
            wait_until(lambda: requests.get(f"http://{writer.admin}/readyz", timeout=5).status_code == 503)
            server.start()
        feeder.join()
        wait_until(lambda: caught_up(client))
        assert_each_is_there_once(writer, publisher)
        assert requests.get(f"http://{writer.admin}/readyz", timeout=5).status_code == 200
        writer.stop()


def test_two_writers_share_a_consumer(tmp_path, server, client):
    client.create(STREAM, DURABLE, ["otel.>"], ack_wait=2)
    publisher = Publisher(client)
    with nats_writer(tmp_path / "a", server) as first, shared_tables(first, tmp_path / "b", server) as second:
        feeder = publisher.feed(RECORDS)
        time.sleep(0.5)
        second.kill()
        time.sleep(0.5)
        second.start()
        feeder.join()
        wait_until(lambda: caught_up(client))
        assert_each_is_there_once(first, publisher)
        assert first.metric("signaldb_writer_nats_messages_total") > 0
        assert second.metric("signaldb_writer_nats_messages_total") > 0
        second.stop()
        first.stop()


def test_a_writer_that_slept_past_ack_wait_adds_nothing_again(tmp_path, server, client):
    client.create(STREAM, DURABLE, ["otel.>"], ack_wait=1)
    publisher = Publisher(client)
    # It takes everything and commits late, so that it sleeps with messages in its hands.
    with nats_writer(tmp_path / "a", server, **{"commit.interval": "2s"}) as zombie:
        publisher.publish(RECORDS // 10)
        wait_until(lambda: client.consumer(STREAM, DURABLE).num_ack_pending > 0)
        zombie.process.send_signal(signal.SIGSTOP)
        with shared_tables(zombie, tmp_path / "b", server) as other:
            wait_until(lambda: caught_up(client))
            assert client.consumer(STREAM, DURABLE).ack_floor.stream_seq > 0
            assert_each_is_there_once(zombie, publisher)
            zombie.process.send_signal(signal.SIGCONT)
            publisher.publish(RECORDS // 10)
            wait_until(lambda: caught_up(client))
            zombie.flush()
            other.flush()
            assert_each_is_there_once(zombie, publisher)
            other.stop()
        zombie.stop()


def test_redelivery_is_recognised(tmp_path, server, client):
    # Acknowledgements of the first run never arrive: the server dies while the writer commits.
    client.create(STREAM, DURABLE, ["otel.>"], ack_wait=1)
    publisher = Publisher(client)
    publisher.publish(RECORDS // 10)
    with nats_writer(tmp_path, server) as writer:
        wait_until(lambda: caught_up(client))
        writer.stop()
        # A consumer of the same name, from the first message on: everything comes again.
        client.run(client.jetstream.delete_consumer(STREAM, DURABLE))
        client.add_consumer(STREAM, DURABLE, ack_wait=1)
        writer.start()
        wait_until(lambda: caught_up(client))
        assert writer.metric("signaldb_writer_nats_messages_total") == len(publisher.expected) / RECORDS_A_MESSAGE
        assert_each_is_there_once(writer, publisher)
        writer.stop()


def test_a_stream_created_anew_stops_the_source_until_it_is_accepted(tmp_path, server, client):
    client.create(STREAM, DURABLE, ["otel.>"])
    publisher = Publisher(client)
    publisher.publish(200)
    with nats_writer(tmp_path, server) as writer:
        wait_until(lambda: caught_up(client))
        client.run(client.jetstream.delete_stream(STREAM))
        client.create(STREAM, DURABLE, ["otel.>"])
        publisher.publish(200)
        wait_until(lambda: "accept_new_incarnation" in requests.get(f"http://{writer.admin}/readyz", timeout=5).text)
        writer.stop()
        writer.start(wait=False)
        wait_until(lambda: "accept_new_incarnation" in writer.log_tail())
        created = client.run(client.connection.request(f"$JS.API.STREAM.INFO.{STREAM}", b"")).data
        writer.kill()
        writer.settings["nats.0.accept_new_incarnation"] = json.loads(created)["created"]
        writer.start()
        wait_until(lambda: caught_up(client))
        assert_each_is_there_once(writer, publisher)
        writer.stop()


def test_a_stop_in_the_middle_hands_the_rest_to_another_writer(tmp_path, server, client):
    client.create(STREAM, DURABLE, ["otel.>"], ack_wait=600)
    publisher = Publisher(client)
    with nats_writer(tmp_path / "a", server) as first:
        feeder = publisher.feed(RECORDS)
        time.sleep(0.5)
        first.stop()
        with shared_tables(first, tmp_path / "b", server) as second:
            feeder.join()
            # ack_wait is longer than this waits: what the first one did not commit was given back.
            wait_until(lambda: caught_up(client))
            assert_each_is_there_once(first, publisher)
            second.stop()


def test_a_cluster_goes_on_without_the_server_that_led(tmp_path):
    with NatsCluster() as cluster, NatsClient(cluster.url) as client:
        def is_created():
            with contextlib.suppress(nats.errors.Error):  # It answers once the servers have found each other.
                client.create(STREAM, DURABLE, ["otel.>"], replicas=3, ack_wait=2)
                return True

        wait_until(is_created)
        publisher = Publisher(client)
        with nats_writer(tmp_path, cluster) as writer:
            feeder = publisher.feed(RECORDS // 4, seconds=3)
            wait_until(lambda: writer.metric("signaldb_writer_nats_messages_total") > 0)
            wait_until(lambda: client.leader(STREAM))
            dead = cluster.servers[client.leader(STREAM)]
            dead.kill()
            feeder.join()
            wait_until(lambda: caught_up(client))
            assert_each_is_there_once(writer, publisher)
            assert requests.get(f"http://{writer.admin}/readyz", timeout=5).status_code == 200
            writer.stop()
