"""Hostile bytes through the real binary: the right answer, bounded memory, and good neighbours unharmed."""

import concurrent.futures
import gzip
import hashlib
import json
import os
import pathlib
import random
import socket
import sqlite3
import time
from collections import Counter

import grpc
import pytest
import requests
import zstandard
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from telemetry_requests import SIGNALS, Requests, attribute
from writer_process import Writer, wait_for

SEED = int(os.environ.get("SIGNALDB_SEED", time.time_ns() % 1_000_000))
PROTOBUF, JSON = "application/x-protobuf", "application/json"
MIB = 1 << 20
LIMIT = 64 * MIB
# 512 MiB is the budget of everything in flight; the rest is the program, its libraries and what the allocator keeps.
RSS_MAX = (512 + 256) * MIB
GRPC_LOGS = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"


class Watched:
    """A writer that good requests keep reaching while the test does its worst."""

    def __init__(self, folder, rss_max=RSS_MAX, **settings):
        self.rss_max = rss_max
        self.writer = Writer(folder, commit__interval="200ms", **settings)
        self.supply, self.sent = Requests("good"), Counter()

    def __enter__(self):
        self.writer.start()
        self.good()
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.check()
            self.writer.stop()
        else:
            self.writer.__exit__()

    def good(self):
        path, body, ids = self.supply.next("logs")
        assert self.post(body, path=path).status_code == 200
        self.sent.update(ids)

    def post(self, body, content_type=PROTOBUF, path="/v1/logs", timeout=60, **headers):
        headers = {k.replace("_", "-"): v for k, v in headers.items()}
        return requests.post(f"http://{self.writer.http}{path}", data=body, timeout=timeout,
                             headers={"Content-Type": content_type, **headers})

    def status(self, body, *args, **headers):
        return self.post(body, *args, **headers).status_code

    def rss(self):
        lines = pathlib.Path(f"/proc/{self.writer.process.pid}/status").read_text().splitlines()
        return int(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) * 1024

    def check(self):
        """Alive, small, and every good record there once."""
        assert self.writer.process.poll() is None, self.writer.log_tail()
        self.good()
        self.writer.flush()
        stored = self.writer.record_ids()
        assert {i: stored[i] for i in self.sent} == self.sent
        assert self.rss() < self.rss_max


def logs(body="x", **fields):
    request = ExportLogsServiceRequest()
    record = request.resource_logs.add().scope_logs.add().log_records.add()
    record.body.string_value = body
    for name, value in fields.items():
        setattr(record, name, value)
    return request


def of_size(size):
    """A valid request of exactly `size` bytes."""
    text = size
    while True:
        body = logs("x" * text).SerializeToString()
        if len(body) == size:
            return body
        text -= len(body) - size


def partial(reply):
    answer = ExportLogsServiceResponse()
    answer.ParseFromString(reply.content)
    return answer.partial_success


def test_damaged_bodies(tmp_path):
    print(f"SIGNALDB_SEED={SEED}")
    chance = random.Random(SEED)
    with Watched(tmp_path) as watched:
        answers = Counter()
        for number in range(300):
            signal = chance.choice(SIGNALS)
            path, body, _ = Requests(f"damaged-{number}").next(signal, chance.randint(1, 5))
            damaged = bytearray(body)
            if chance.random() < 0.4:
                del damaged[chance.randrange(len(damaged)):]
            for _ in range(chance.randint(0, 8)):
                if damaged:
                    damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
            status = watched.status(bytes(damaged), PROTOBUF, path)
            answers[status] += 1
            if number % 50 == 0:
                watched.good()
        assert set(answers) <= {200, 400}, answers
        assert answers[400] > 50, answers


def test_damaged_json(tmp_path):
    print(f"SIGNALDB_SEED={SEED}")
    chance = random.Random(SEED)
    good = json.dumps({"resourceLogs": [{"resource": {"attributes": [{"key": "a", "value": {"intValue": "1"}}]}, "scopeLogs": [
        {"logRecords": [{"timeUnixNano": str(time.time_ns()), "body": {"stringValue": "damaged"}}]}]}]}).encode()
    with Watched(tmp_path) as watched:
        answers = Counter()
        for number in range(300):
            damaged = bytearray(good)
            if chance.random() < 0.4:
                del damaged[chance.randrange(len(damaged)):]
            for _ in range(chance.randint(1, 6)):
                if damaged:
                    damaged[chance.randrange(len(damaged))] = chance.randrange(256)
            answers[watched.status(bytes(damaged), JSON)] += 1
        for text in (b"", b"null", b"[]", b"1e400", b'{"resourceLogs":1e400}', b'"\\ud800"', b'{"resourceLogs":[', b"\xef\xbb\xbf{}",
                     b'{"a":1,"a":2}', b"\x00", b"{" * 100_000, b"[" * 1_000_000, b'{"resourceLogs":' + b"9" * 100_000 + b"}"):
            answers[watched.status(text, JSON)] += 1
        assert set(answers) <= {200, 400}, answers
        assert answers[400] > 50, answers


def test_bombs(tmp_path):
    zeros = bytes(MIB)
    bomb = gzip.compress(zeros * 512, 9)
    zstd_bomb = zstandard.ZstdCompressor(level=1).compress(zeros * 512)
    wide = zstandard.ZstdCompressor(compression_params=zstandard.ZstdCompressionParameters.from_level(3, window_log=27))
    with Watched(tmp_path) as watched:
        for _ in range(3):
            assert watched.status(bomb, Content_Encoding="gzip") == 413
            assert watched.status(zstd_bomb, Content_Encoding="zstd") == 413
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            answers = Counter(pool.map(lambda _: watched.status(bomb, Content_Encoding="gzip"), range(32)))
        assert set(answers) <= {413, 503}, answers
        assert watched.status(bomb[:1000], Content_Encoding="gzip") == 400
        assert watched.status(b"not gzip", Content_Encoding="gzip") == 400
        assert watched.status(b"not zstd", Content_Encoding="zstd") == 400
        assert watched.status(wide.compress(os.urandom(9 * MIB)), Content_Encoding="zstd") in (400, 413)
        good = logs("twice").SerializeToString()
        assert watched.status(gzip.compress(gzip.compress(good)), Content_Encoding="gzip") == 400
        # Two members are one body (RFC 1952): half of a request in each.
        halves = gzip.compress(good[:10]) + gzip.compress(good[10:])
        assert watched.status(halves, Content_Encoding="gzip") == 200
        with grpc.insecure_channel(watched.writer.grpc) as channel:
            with pytest.raises(grpc.RpcError) as error:
                channel.unary_unary(GRPC_LOGS)(bomb, timeout=60)
            assert error.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_content_types_and_encodings(tmp_path):
    good = logs().SerializeToString()
    with Watched(tmp_path) as watched:
        assert watched.status(good, "text/plain") == 415
        assert watched.status(good, "") == 415
        assert watched.status(good, "application/x-protobuf; charset=utf-8") == 200
        assert watched.status(good, JSON) == 400
        for coding in ("br", "deflate", "gzip, gzip", "x" * 1000):
            assert watched.status(good, Content_Encoding=coding) == 415
        for method, status in (("GET", 405), ("PUT", 405), ("DELETE", 405)):
            assert requests.request(method, f"http://{watched.writer.http}/v1/logs", timeout=10).status_code == status
        assert watched.status(good, path="/v1/nothing") == 404
        assert watched.status(good, path="/v1/logs/../../etc/passwd") == 404
        with grpc.insecure_channel(watched.writer.grpc) as channel:
            with pytest.raises(grpc.RpcError) as error:
                channel.unary_unary("/no.such.Service/Method")(good, timeout=10)
            assert error.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_the_limit_of_a_request_to_the_byte(tmp_path):
    # A single value of 64 MiB is copied on its way into a column, a page and a file, each with room to grow.
    with Watched(tmp_path, rss_max=2 * 512 * MIB) as watched:
        options = [("grpc.max_send_message_length", -1)]
        for size, status, code in ((LIMIT - 1, 200, None), (LIMIT, 200, None),
                                   (LIMIT + 1, 413, grpc.StatusCode.RESOURCE_EXHAUSTED)):
            body = of_size(size)
            assert watched.status(body) == status, size
            packed = watched.status(gzip.compress(body, 1), Content_Encoding="gzip")
            assert packed == status, size
            watched.writer.flush()
            with grpc.insecure_channel(watched.writer.grpc, options=options) as channel:
                if code is None:
                    channel.unary_unary(GRPC_LOGS)(body, timeout=60)
                else:
                    with pytest.raises(grpc.RpcError) as error:
                        channel.unary_unary(GRPC_LOGS)(body, timeout=60)
                    assert error.value.code() == code
            watched.writer.flush()
            watched.good()


def nested(depth):
    request = logs()
    value = request.resource_logs[0].scope_logs[0].log_records[0].body
    for _ in range(depth):
        value = value.array_value.values.add()
    value.int_value = 1
    return request.SerializeToString()


def varint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def deeper_than_any_library_writes(depth):
    """AnyValue in AnyValue without limit; lengths written by hand."""
    value = b"\x18\x01"
    for _ in range(depth):
        inner = b"\x0a" + varint(len(value)) + value
        value = b"\x2a" + varint(len(inner)) + inner
    for tag in (b"\x2a", b"\x12", b"\x12", b"\x0a"):
        value = tag + varint(len(value)) + value
    return value


def test_deep_nesting(tmp_path):
    with Watched(tmp_path) as watched:
        for depth in (1, 31, 33, 60):
            reply = watched.post(nested(depth))
            assert reply.status_code in (200, 400)
            if depth > 32 and reply.status_code == 200:
                assert partial(reply).rejected_log_records == 1
        for depth in (1000, 10_000):
            reply = watched.post(deeper_than_any_library_writes(depth))
            assert reply.status_code == 400 or partial(reply).rejected_log_records == 1
        value = {"intValue": "1"}
        for _ in range(200):
            value = {"arrayValue": {"values": [value]}}
        reply = watched.post(json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": value}]}]}]}), JSON)
        assert reply.status_code == 400 or b"rejected" in reply.content


def test_absurd_timestamps(tmp_path):
    now = time.time_ns()
    times = [0, 1, 10**9, 2**63 - 1, 2**63, 2**64 - 1, now + 10 * 365 * 86_400 * 10**9, now]
    with Watched(tmp_path) as watched:
        for number, at in enumerate(times):
            assert watched.status(logs(f"time-{number}", time_unix_nano=at).SerializeToString()) == 200
        watched.writer.flush()
        rows = {row["body"]: row["timestamp"] for row in watched.writer.rows("logs", "body", "timestamp")}
        for number in range(len(times)):
            assert abs(rows[f"time-{number}"].timestamp() - now / 1e9) < 3600, "not replaced by the time of receipt"
        assert watched.writer.metric("signaldb_writer_clamped_timestamps_total") > 0


def over_hours(hours):
    now = time.time_ns()
    request = ExportLogsServiceRequest()
    scope = request.resource_logs.add().scope_logs.add()
    for hour in range(hours):
        record = scope.log_records.add()
        record.time_unix_nano = now - hour * 3600 * 10**9
        record.body.string_value = "hours"
    return request.SerializeToString()


def test_one_request_over_very_many_hours(tmp_path):
    with Watched(tmp_path) as watched:
        assert watched.status(over_hours(500)) == 200
        reply = watched.post(over_hours(366 * 24 + 1))
        assert reply.status_code == 400 and b"hours" in reply.content, "it would become a file for every record"
        watched.writer.flush()
        assert watched.writer.record_ids()["hours"] == 500


def test_invalid_utf8_and_zero_bytes(tmp_path):
    with Watched(tmp_path) as watched:
        for text in (b"\xff\xfe", b"\xc0\x80", b"\xed\xa0\x80", b"a\x00b", b"\xf4\x90\x80\x80", b"\xe2\x82"):
            body = logs("@" * len(text)).SerializeToString().replace(b"@" * len(text), text)
            assert watched.status(body) in (200, 400), text
        watched.writer.flush()
        for row in watched.writer.rows("logs", "body"):
            row["body"].encode()


EVIL_NAMES = [
    "..", ".", "../..", "../../../../tmp/evil", "/etc", "a/b", "a\\b", "%2e%2e", "%2f", "..%2f", "a%00b", "~", "~root", "a.b",
    "a b", "-", "--", "'; DROP TABLE iceberg_tables; --", '"', "`id`", "$(id)", "${HOME}", "{}", "a|b", "a;b", "a&b", "*", "?",
    "CON", "NUL", "con", "aux.txt", "a:b", "a\tb", "\u202eevil".encode().decode("latin-1"), "é".encode().decode("latin-1"),
    "x" * 64, "x" * 65, "x" * 255, "x" * 5000, "_", "__", "default", "DEFAULT", "metadata", "data", "logs", "tables", "signaldb",
    "catalog", "0", "a=b", "hour=1", "a#b", "a@b", "a+b", "a,b", "<script>", "%s%n", "\\x00", "null", "None", "true",
]


def test_evil_names(tmp_path):
    body = logs("evil").SerializeToString()
    with Watched(tmp_path) as watched:
        before = {p for p in tmp_path.rglob("*") if "signaldb-data" not in p.parts}
        accepted = 0
        for name in EVIL_NAMES:
            for header in ("X-Tenant-Id", "X-Dataset-Id", "X-Scope-OrgID"):
                status = watched.status(body, **{header.replace("-", "_"): name.encode("latin-1")})
                well_formed = 0 < len(name) <= 64 and all(c.isascii() and (c.isalnum() or c in "_-") for c in name)
                assert status == (200 if well_formed else 400), (name, status) if len(name) < 1000 else len(name)
                accepted += status == 200
        assert accepted > 0
        # Longer than the header of any request may be.
        assert watched.status(body, X_Tenant_Id="x" * 100_000) in (400, 413, 414, 431, 500)
        watched.writer.flush()
        assert {p for p in tmp_path.rglob("*") if "signaldb-data" not in p.parts} == before, "a file outside the data folder"
        root = (watched.writer.data / "tables").resolve()
        for file in root.rglob("*"):
            assert file.resolve().is_relative_to(root) and not file.is_symlink()
        with sqlite3.connect(watched.writer.data / "catalog.db") as catalog:
            assert catalog.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            assert catalog.execute("SELECT count(*) FROM iceberg_tables").fetchone()[0] > 0


def test_huge_attributes(tmp_path):
    with Watched(tmp_path) as watched:
        for count, size in ((1_000, 10), (1_025, 10), (100_000, 1), (3, 70_000), (3, MIB)):
            request = logs("attributes")
            record = request.resource_logs[0].scope_logs[0].log_records[0]
            for number in range(count):
                attribute(record.attributes, f"key-{number}", "v" * size)
            reply = watched.post(request.SerializeToString())
            assert reply.status_code in (200, 400), (count, size)
        request = logs("key")
        attribute(request.resource_logs[0].resource.attributes, "k" * MIB, "v")
        assert watched.status(request.SerializeToString()) in (200, 400)
        # The same key, again and again.
        request = logs("same")
        for _ in range(2_000):
            attribute(request.resource_logs[0].scope_logs[0].log_records[0].attributes, "same", "v")
        assert watched.status(request.SerializeToString()) in (200, 400)


def test_requests_without_anything(tmp_path):
    with Watched(tmp_path) as watched:
        empty = ExportLogsServiceRequest()
        scopes = ExportLogsServiceRequest()
        for _ in range(1000):
            scopes.resource_logs.add().scope_logs.add()
        for signal in SIGNALS:
            assert watched.status(b"", path=f"/v1/{signal}") == 200
        assert watched.status(empty.SerializeToString()) == 200
        assert watched.status(scopes.SerializeToString()) == 200
        assert watched.status(b"{}", JSON) == 200
        assert watched.status(b'{"resourceLogs":[]}', JSON) == 200
        with grpc.insecure_channel(watched.writer.grpc) as channel:
            channel.unary_unary(GRPC_LOGS)(b"", timeout=10)


def records_of_tenants(writer):
    """How many log records each namespace `tenant-...` has, by the newest snapshot of its table."""
    with sqlite3.connect(writer.data / "catalog.db") as catalog:
        tables = catalog.execute("SELECT table_namespace, metadata_location FROM iceberg_tables "
                                 "WHERE table_namespace LIKE 'tenant-%' AND table_name = 'logs'").fetchall()
    counts = {}
    for namespace, location in tables:
        metadata = json.loads(pathlib.Path(location.removeprefix("file://")).read_text())
        newest, = (s for s in metadata["snapshots"] if s["snapshot-id"] == metadata["current-snapshot-id"])
        counts[namespace] = int(newest["summary"]["total-records"])
    return counts


def test_more_tenants_than_the_limit(tmp_path):
    body = logs("many").SerializeToString()
    with Watched(tmp_path) as watched:
        # Names alone take no room: garbage first.
        for number in range(1_100):
            assert watched.status(b"\xff", X_Tenant_Id=f"garbage-{number}") == 400
        with requests.Session() as session:
            answers = [session.post(f"http://{watched.writer.http}/v1/logs", data=body, timeout=60,
                                    headers={"Content-Type": PROTOBUF, "X-Tenant-Id": f"tenant-{number}"})
                       for number in range(2_000)]
        taken = [answer.status_code for answer in answers].count(200)
        assert taken == 999, "the good requests' dataset is one of the thousand"
        assert {answer.status_code for answer in answers[:taken]} == {200}
        assert all(answer.status_code == 400 and b"commit.datasets_max" in answer.content for answer in answers[taken:])
        wait_for(lambda: requests.post(f"http://{watched.writer.admin}/flush?timeout=60s", timeout=90).status_code == 200, seconds=240)
        assert records_of_tenants(watched.writer) == {f"tenant-{n}.default": 1 for n in range(taken)}


def test_slow_and_silent_clients(tmp_path):
    with Watched(tmp_path) as watched:
        host, port = watched.writer.http.split(":")
        slow = []
        for start in (b"", b"POST /v1/logs HTTP/1.1\r\nHost: x\r\n", b"POST /v1/logs HTTP/1.1\r\nHost: x\r\nContent-Type: "
                      b"application/x-protobuf\r\nContent-Length: 60000000\r\n\r\nabc", b"GARBAGE\r\n\r\n", b"\x16\x03\x01\x02\x00"):
            for _ in range(20):
                connection = socket.create_connection((host, int(port)))
                connection.sendall(start)
                slow.append(connection)
        for _ in range(20):
            watched.good()
        for connection in slow[::2]:
            connection.close()
        watched.good()
        assert watched.rss() < 400 * MIB, "announced bytes must cost nothing until they come"
        for connection in slow[1::2]:
            connection.close()


def test_smuggled_requests(tmp_path):
    good = logs("smuggled").SerializeToString()
    head = b"POST /v1/logs HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n"
    with Watched(tmp_path) as watched:
        host, port = watched.writer.http.split(":")
        for headers in (b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n" % len(good),
                        b"Content-Length: %d\r\nContent-Length: 5\r\n" % len(good),
                        b"Content-Length: -1\r\n", b"Content-Length: 99999999999999999999\r\n", b"Transfer-Encoding: xchunked\r\n"):
            with socket.create_connection((host, int(port)), timeout=20) as connection:
                connection.sendall(head + headers + b"\r\n" + good)
                answer = connection.recv(100)
                assert answer == b"" or answer.split()[1][:1] in (b"4", b"5"), (headers, answer)
        watched.writer.flush()
        assert watched.writer.record_ids()["smuggled"] == 0


def test_many_connections_at_once(tmp_path):
    with Watched(tmp_path) as watched:
        supplies = [Requests(f"crowd-{n}") for n in range(200)]

        def one(supply):
            sent = []
            for _ in range(5):
                path, body, ids = supply.next("logs")
                for _ in range(200):
                    try:
                        status = watched.status(body, path=path)
                    except requests.ConnectionError:
                        status = 503  # Over the limit of connections of one address: closed before anything was read.
                    if status == 200:
                        sent += ids
                        break
                    assert status == 503
                    time.sleep(0.05)
            return sent

        with concurrent.futures.ThreadPoolExecutor(200) as pool:
            for sent in pool.map(one, supplies):
                assert len(sent) == 100
                watched.sent.update(sent)


def test_answers_are_the_same_for_the_same_damage(tmp_path):
    """Nothing of one request shows in the answer to another."""
    bad = hashlib.sha512(b"seed").digest() * 20
    with Watched(tmp_path) as watched:
        answers = {watched.post(bad).content for _ in range(20)}
        assert len(answers) == 1
