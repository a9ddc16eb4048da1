"""Arrow Flight: the wire schemas from a pyarrow client into tables that PyIceberg reads."""

import json
import os
import random
import subprocess
import threading
import time
from collections import Counter

import grpc
import pyarrow as pa
import pyarrow.flight as flight
import pytest
from wire_puts import SCHEMAS, TEXT, Client, Puts, flight_messages, raw_put, required, zstd_put
from writer_process import Writer, assert_exactly_once

ROUNDS = int(os.environ.get("SIGNALDB_CRASH_ROUNDS", "25")) // 2
SEED = int(os.environ.get("SIGNALDB_SEED", time.time_ns() % 1_000_000))


@pytest.fixture
def writer(tmp_path):
    with Writer(tmp_path) as running:
        yield running


@pytest.fixture
def client(writer):
    client = Client(writer.flight)
    yield client
    client.close()


def test_every_signal_comes_back_as_it_was_sent(writer, client):
    puts, sent = Puts("shop"), {}
    for signal in SCHEMAS:
        sent[signal], _ = puts.next(signal, 50)
        client.put(signal, sent[signal], batches_of=20, tenant_id="acme", dataset_id="prod")
    assert client.flush("acme") == []

    rows = {row["body"]: row for row in writer.rows("logs", dataset="acme.prod")}
    assert len(rows) == 50
    for row in sent["logs"].to_pylist():
        stored = rows[json.loads(row["body"])]
        assert stored["time_unix_nano"] == row["time_unix_nano"]
        assert stored["trace_id"] == row["trace_id"].hex()
        assert dict(stored["log_attributes"]) == {"http.route": "/checkout", "http.status": "200"}
        assert stored["scope_name"] == "scope" and stored["service_name"] == "shop"
        assert stored["severity_number"] == 9 and stored["trace_flags"] is None

    rows = {row["span_name"]: row for row in writer.rows("traces", dataset="acme.prod")}
    assert len(rows) == 50
    for row in sent["traces"].to_pylist():
        stored = rows[row["name"]]
        for wire, column in (("trace_id", "trace_id"), ("span_id", "span_id"), ("span_kind", "span_kind"),
                             ("duration_nano", "duration_nanos"), ("span_kind_number", "span_kind_number"),
                             ("status_code", "status_code"), ("start_time_unix_nano", "start_time_unix_nano")):
            assert stored[column] == row[wire], column
        assert dict(stored["resource_attributes"]) == {"service.name": "shop", "host.name": "test-host"}
        assert json.loads(stored["events"])[0]["attributes_json"] == '{"k":"v"}'
        assert stored["links"] == "[]" and stored["flags"] is None

    rows = {row["metric_description"]: row for row in writer.rows("metrics_gauge", dataset="acme.prod")}
    assert len(rows) == 50
    assert all(row["value_int"] == 7 and dict(row["attributes"]) == {"i": i} for i, row in rows.items())
    assert writer.metric("signaldb_writer_requests_total", source="flight", outcome="accepted") == 3


def test_dictionaries_are_decoded(writer, client):
    table, ids = Puts("d").next("logs", 10)
    at = table.schema.get_field_index("service_name")
    table = table.set_column(at, "service_name", table["service_name"].dictionary_encode())
    client.put("logs", table, batches_of=3)
    client.flush()
    assert Counter(row["body"] for row in writer.rows("logs", "body")) == Counter(ids)


def test_an_entry_is_stored_once(writer, client):
    table, ids = Puts("e").next("logs", 5)
    for _ in range(3):
        client.put("logs", table, wal_entry_id="0193-entry")
    client.flush()
    assert Counter(row["body"] for row in writer.rows("logs", "body")) == Counter(ids)


def test_an_entry_is_stored_once_across_kills(tmp_path):
    with Writer(tmp_path, commit__interval="1h") as writer:
        table, ids = Puts("k").next("logs", 5)

        def put():
            client = Client(writer.flight)
            client.put("logs", table, wal_entry_id="0193-entry")
            client.close()

        put()
        for _ in range(2):
            writer.kill()
            writer.start()
            put()
            assert writer.metric("signaldb_writer_dedupe_hits_total") == 1
        writer.flush()
        assert Counter(row["body"] for row in writer.rows("logs", "body")) == Counter(ids)


@pytest.mark.parametrize("keys, says", [
    ({"schema_version": "v2"}, "schema_version"),
    ({"signal_type": "spans"}, "signal_type"),
    ({"tenant_id": "a/b"}, "tenant_id"),
    ({"signal_type": "traces"}, "column=trace_id"),
    ({"signal_type": "metrics", "target_table": "logs"}, "target_table"),
])
def test_wrong_metadata_is_invalid_and_stores_nothing(writer, client, keys, says):
    table, _ = Puts("w").next("logs", 5)
    with pytest.raises(pa.ArrowInvalid, match=says):
        client.put("logs", table, **keys)
    client.flush()
    assert writer.rows("logs") == []


def test_a_wrong_path_is_invalid(client):
    table, _ = Puts("p").next("logs", 5)
    client.put("logs", table, descriptor=flight.FlightDescriptor.for_path("default", "default", "logs"))
    with pytest.raises(pa.ArrowInvalid, match="contradict"):
        client.put("logs", table, descriptor=flight.FlightDescriptor.for_path("default", "default", "traces"))


def test_an_empty_or_broken_put_is_invalid(client):
    table, _ = Puts("x").next("logs", 5)
    writer, reader = client.begin(table.schema)
    writer.done_writing()
    assert reader.read() is None
    with pytest.raises(pa.ArrowInvalid, match="app_metadata"):
        writer.close()
    broken = table.set_column(4, "body", pa.array(["no json"] * 5))
    with pytest.raises(pa.ArrowInvalid, match="column=body row=0"):
        client.put("logs", broken)
    with pytest.raises(NotImplementedError, match="profiles"):
        client.put("profiles", table)


def test_plain_rows_go_into_a_table_that_exists(writer, client):
    catalog = writer.catalog()
    catalog.create_namespace_if_not_exists("acme.prod")
    schema = pa.schema([required("id", pa.int64()), ("item", TEXT), ("price", pa.float64())])
    catalog.create_table("acme.prod.orders", schema, location=f"file://{writer.data}/tables/acme/prod/orders")
    path = flight.FlightDescriptor.for_path("acme", "prod", "orders")

    def put(table):
        stream, reader = client.begin(table.schema, path)
        with stream:
            stream.write_table(table)
            stream.done_writing()
            assert reader.read() is not None

    # In another order, narrower, without an optional column, as a dictionary; some beside telemetry in one commit.
    put(pa.table({"item": pa.array(["a", "b"]).dictionary_encode(), "id": pa.array([1, 2], pa.int32())}))
    put(pa.table({"id": [3], "item": ["c"], "price": [0.5]}))
    client.put("logs", Puts("l").next("logs", 5)[0], tenant_id="acme", dataset_id="prod")
    for wrong, says in ((pa.table({"id": [4], "color": ["x"]}), "column=color"), (pa.table({"item": ["d"]}), "column=id"),
                        (pa.table({"id": ["x"]}), "column=id"), (pa.table({"id": [[1]]}), "column=id")):
        with pytest.raises(pa.ArrowInvalid, match=says):
            put(wrong)
    path = flight.FlightDescriptor.for_path("acme", "prod", "nothing")
    with pytest.raises(pa.ArrowInvalid, match="nothing"):
        put(pa.table({"id": [1]}))
    path = flight.FlightDescriptor.for_path("acme", "prod", "orders")
    put(pa.table({"id": [5], "item": ["e"]}))
    # What is only in the log by now comes back by its name.
    writer.kill()
    writer.start()
    writer.flush()
    rows = sorted((row["id"], row["item"], row["price"]) for row in writer.rows("orders", dataset="acme.prod"))
    assert rows == [(1, "a", None), (2, "b", None), (3, "c", 0.5), (5, "e", None)]
    assert len(writer.rows("logs", dataset="acme.prod")) == 5


def test_a_put_without_a_descriptor_is_taken(writer, client):
    # What pyarrow cannot send, and the senders of the contract always do.
    keys = {"schema_version": "v1", "signal_type": "logs", "tenant_id": "default", "dataset_id": "default"}
    sent = Counter()
    with grpc.insecure_channel(writer.flight) as channel:
        for compression in (grpc.Compression.NoCompression, grpc.Compression.Gzip):
            table, ids = Puts(f"raw{compression}").next("logs", 50)
            sent.update(ids)
            assert list(raw_put(channel, flight_messages(table, keys), compression)) == [b""]
    client.flush()
    assert Counter(row["body"] for row in writer.rows("logs", "body")) == sent


def test_messages_compressed_with_zstd_are_taken(writer, client):
    table, ids = Puts("z").next("logs", 50)
    answer = zstd_put(writer.flight, flight_messages(table, {"schema_version": "v1", "signal_type": "logs"}))
    assert b"grpc-status" in answer, answer
    client.flush()
    assert Counter(row["body"] for row in writer.rows("logs", "body")) == Counter(ids), answer


def test_a_cancelled_put_stores_nothing(writer, client):
    keys = {"schema_version": "v1", "signal_type": "logs"}
    table, _ = Puts("c").next("logs", 5)
    messages = flight_messages(table, keys)
    with grpc.insecure_channel(writer.flight) as channel:
        for number in range(100):
            sent = threading.Event()

            def stream():
                yield from messages
                sent.set()
                time.sleep(10)

            call = raw_put(channel, stream())
            sent.wait()
            time.sleep(0.002 * (number % 5))
            call.cancel()
    client.flush()
    assert writer.rows("logs") == []


def test_a_put_over_the_limit_is_refused_for_good(tmp_path):
    with Writer(tmp_path, flight__max_put_bytes="64KiB") as writer:
        client = Client(writer.flight)
        table, _ = Puts("b").next("traces", 2_000)
        with pytest.raises(pa.ArrowInvalid, match="too large"):
            client.put("traces", table, batches_of=100)
        client.close()


def test_only_what_the_contract_names_is_there(client):
    assert [action.type for action in client.raw.list_actions()] == ["flush"]
    assert list(client.raw.list_flights()) == []
    for call in (lambda: client.raw.get_flight_info(flight.FlightDescriptor.for_command(b"x")),
                 lambda: client.raw.do_get(flight.Ticket(b"x")).read_all(),
                 lambda: list(client.raw.do_action(flight.Action("compact", b""), client.options()))):
        with pytest.raises(NotImplementedError):
            call()
    with pytest.raises(pa.ArrowInvalid, match="x-tenant-id"):
        list(client.raw.do_action(flight.Action("flush", b""), client.options()))


def test_the_key_is_asked_for(tmp_path):
    with Writer(tmp_path, auth__internal_service_key="hush") as writer:
        table, _ = Puts("k").next("logs", 5)
        for key, refusal in ((None, flight.FlightUnauthenticatedError), ("husk", flight.FlightUnauthorizedError)):
            client = Client(writer.flight, key)
            with pytest.raises(refusal):
                client.put("logs", table)
            with pytest.raises(refusal):
                client.flush()
            client.close()
        client = Client(writer.flight, "hush")
        client.put("logs", table)
        client.flush()
        client.close()
        assert len(writer.rows("logs", "body")) == 5
        assert "hush" not in writer.log_tail(100_000)
        assert "auth.internal_service_key is not set" not in writer.log_tail(100_000)


def test_a_flush_commits_what_it_names_and_nothing_else(tmp_path):
    with Writer(tmp_path, commit__interval="1h") as writer:
        client, sent = Client(writer.flight), {}
        for tenant, dataset in (("acme", "prod"), ("acme", "test"), ("other", "prod")):
            table, ids = Puts(f"{tenant}-{dataset}").next("logs", 5)
            client.put("logs", table, tenant_id=tenant, dataset_id=dataset)
            sent[f"{tenant}.{dataset}"] = Counter(ids)

        def stored():
            bodies = {name: Counter(row["body"] for row in writer.rows("logs", "body", dataset=name)) for name in sent}
            return {name: ids for name, ids in bodies.items() if ids}

        def only(*names):
            return {name: sent[name] for name in names}

        assert stored() == {}
        client.flush("acme", "prod")
        assert stored() == only("acme.prod")
        client.flush("nobody")
        assert stored() == only("acme.prod")
        client.flush("acme")
        assert stored() == only("acme.prod", "acme.test")
        client.flush("other")
        assert stored() == sent
        client.close()


def test_it_speaks_tls_with_a_certificate(tmp_path):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", tmp_path / "key.pem",
                    "-out", tmp_path / "cert.pem"], check=True, capture_output=True)
    certificate = (tmp_path / "cert.pem").read_bytes()
    with Writer(tmp_path, flight__tls_cert_file="cert.pem", flight__tls_key_file="key.pem") as writer:
        table, ids = Puts("t").next("logs", 5)
        client = Client(writer.flight, tls_root_certs=certificate)
        client.put("logs", table)
        client.flush()
        client.close()
        assert Counter(row["body"] for row in writer.rows("logs", "body")) == Counter(ids)
        plain = Client(writer.flight)
        with pytest.raises(flight.FlightUnavailableError):
            plain.put("logs", table)
        plain.close()


def test_it_can_be_switched_off(tmp_path):
    with Writer(tmp_path, flight__listen="") as writer:
        assert "flight=off" in writer.log_tail()


class Sender(threading.Thread):
    """Puts one after another; repeats each, under its entry id, until it is acknowledged."""

    def __init__(self, writer, name, stop, records=60):
        super().__init__()
        self.writer, self.stop, self.records = writer, stop, records
        self.puts, self.random = Puts(name), random.Random(f"{SEED}-{name}")
        self.attempts, self.acknowledged = Counter(), set()

    def run(self):
        number = 0
        while not self.stop.is_set():
            number += 1
            signal = self.random.choice(list(SCHEMAS))
            table, ids = self.puts.next(signal, self.random.randint(1, self.records))
            while not self.send(signal, table, ids, f"{self.name}-{number}") and not self.stop.is_set():
                time.sleep(0.01)

    def send(self, signal, table, ids, entry):
        self.attempts.update(ids)
        client = Client(self.writer.flight)
        try:
            client.put(signal, table, batches_of=20, wal_entry_id=entry)
        except (flight.FlightUnavailableError, flight.FlightTimedOutError, flight.FlightInternalError, pa.ArrowCancelled):
            return False
        finally:
            client.close()
        self.acknowledged.update(ids)
        return True


def test_every_acknowledged_record_is_there_once_after_random_kills(tmp_path):
    print(f"SIGNALDB_SEED={SEED} rounds={ROUNDS}")
    chance = random.Random(SEED)
    writer = Writer(tmp_path, commit__interval="100ms").start()
    stop = threading.Event()
    senders = [Sender(writer, f"sender{n}", stop) for n in range(3)]
    for sender in senders:
        sender.start()
    try:
        for _ in range(ROUNDS):
            time.sleep(chance.uniform(0.1, 0.8))
            writer.kill()
            writer.start()
    finally:
        stop.set()
        for sender in senders:
            sender.join()
    writer.flush()
    stored = writer.record_ids()
    writer.stop()
    assert_exactly_once(senders, stored)
