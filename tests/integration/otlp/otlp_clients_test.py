"""Clients that others wrote, against both receivers: OpenTelemetry SDK exporters, grpcio, requests.

Every body and every answer is parsed with the official message classes: the second opinion on bytes
that the receivers write by hand.
"""

import gzip
import json
import os
import queue
import socket
import ssl
import subprocess
import threading

import grpc
import pytest
import requests
import zstandard
from google.protobuf import json_format
from google.rpc import error_details_pb2, status_pb2
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpans
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpMetrics
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpans
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2, logs_service_pb2_grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

REQUESTS = {
    "traces": trace_service_pb2.ExportTraceServiceRequest,
    "logs": logs_service_pb2.ExportLogsServiceRequest,
    "metrics": metrics_service_pb2.ExportMetricsServiceRequest,
}
RESPONSES = {
    "traces": trace_service_pb2.ExportTraceServiceResponse,
    "logs": logs_service_pb2.ExportLogsServiceResponse,
    "metrics": metrics_service_pb2.ExportMetricsServiceResponse,
}
REJECTED = {
    "traces": "rejected_spans",
    "logs": "rejected_log_records",
    "metrics": "rejected_data_points",
}


class Receiver:
    """The program under test; `next` gives what it received."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen(
            [os.environ["OTLP_FAKE_RECEIVER"], *map(str, arguments)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.http, self.grpc = map(int, self.process.stdout.readline().split())
        self.lines = queue.Queue()
        # Read at once: a full pipe would hold back the answer.
        self.reader = threading.Thread(
            target=lambda: [self.lines.put(line) for line in self.process.stdout])
        self.reader.start()

    def next(self):
        return json.loads(self.lines.get(timeout=20))

    def stop(self):
        self.process.stdin.close()
        assert self.process.wait(timeout=20) == 0
        self.reader.join()


@pytest.fixture
def receiver():
    server = Receiver()
    yield server
    server.stop()


@pytest.fixture
def tls(tmp_path):
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", tmp_path / "key.pem",
         "-out", tmp_path / "cert.pem"], check=True, capture_output=True)
    server = Receiver(tmp_path / "cert.pem", tmp_path / "key.pem")
    server.certificate = tmp_path / "cert.pem"
    yield server
    server.stop()


def logs_request(count=1):
    request = logs_service_pb2.ExportLogsServiceRequest()
    scope = request.resource_logs.add().scope_logs.add()
    for i in range(count):
        scope.log_records.add(time_unix_nano=i).body.string_value = f"line {i}"
    return request


def logs_stub(channel):
    return logs_service_pb2_grpc.LogsServiceStub(channel)


def received(seen):
    return REQUESTS[seen["signal"]].FromString(bytes.fromhex(seen["body"]))


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
def test_sdk_exports_spans_over_http(receiver, compression):
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(HttpSpans(
        f"http://127.0.0.1:{receiver.http}/v1/traces", headers={"x-tenant-id": "acme"},
        compression=compression)))
    with provider.get_tracer("t").start_as_current_span("work"):
        pass
    seen = receiver.next()
    assert (seen["tenant"], seen["signal"]) == ("acme", "traces")
    assert received(seen).resource_spans[0].scope_spans[0].spans[0].name == "work"


def test_sdk_exports_metrics_over_http(receiver):
    reader = PeriodicExportingMetricReader(
        HttpMetrics(f"http://127.0.0.1:{receiver.http}/v1/metrics"))
    provider = MeterProvider([reader])
    provider.get_meter("m").create_counter("c").add(5)
    provider.force_flush()
    names = {m.name for m in received(receiver.next()).resource_metrics[0].scope_metrics[0].metrics}
    assert "c" in names
    provider.shutdown()


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_sdk_exports_spans_over_grpc(receiver, compression):
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(GrpcSpans(
        f"127.0.0.1:{receiver.grpc}", insecure=True, compression=compression,
        headers={"x-tenant-id": "acme", "x-dataset-id": "d"})))
    with provider.get_tracer("t").start_as_current_span("work"):
        pass
    seen = receiver.next()
    assert (seen["tenant"], seen["dataset"], seen["signal"]) == ("acme", "d", "traces")
    assert received(seen).resource_spans[0].scope_spans[0].spans[0].name == "work"


@pytest.mark.parametrize("transport", ["http", "grpc"])
def test_sdk_retries_what_was_unavailable(receiver, transport):
    headers = {"x-dataset-id": f"once-{transport}"}
    exporter = (HttpSpans(f"http://127.0.0.1:{receiver.http}/v1/traces", headers=headers)
                if transport == "http" else
                GrpcSpans(f"127.0.0.1:{receiver.grpc}", insecure=True, headers=headers))
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with provider.get_tracer("t").start_as_current_span("work"):
        pass
    first, second = receiver.next(), receiver.next()
    assert first["body"] == second["body"]
    assert first["id"] != second["id"]


@pytest.mark.parametrize("signal", list(REQUESTS))
@pytest.mark.parametrize("kind", ["protobuf", "json"])
@pytest.mark.parametrize("coding", [None, "gzip", "zstd"])
def test_http_answers_parse_as_the_official_messages(receiver, signal, kind, coding):
    body = {"protobuf": REQUESTS[signal]().SerializeToString(), "json": b"{}"}[kind]
    body = {None: lambda b: b, "gzip": gzip.compress, "zstd": zstandard.compress}[coding](body)
    headers = {"content-type": {"protobuf": "application/x-protobuf",
                                "json": "application/json; charset=utf-8"}[kind]}
    if coding:
        headers["content-encoding"] = coding

    def post(dataset):
        answer = requests.post(f"http://127.0.0.1:{receiver.http}/v1/{signal}", data=body,
                               headers={**headers, "x-dataset-id": dataset}, timeout=20)
        assert answer.headers["content-type"] == headers["content-type"].split(";")[0]
        assert answer.headers["x-request-id"] == receiver.next()["id"]
        return answer

    def parse(message, answer):
        if kind == "json":
            return json_format.Parse(answer.text, message())
        return message.FromString(answer.content)

    answer = post("default")
    assert answer.status_code == 200
    assert not parse(RESPONSES[signal], answer).HasField("partial_success")
    partial = parse(RESPONSES[signal], post("partial")).partial_success
    assert getattr(partial, REJECTED[signal]) == 2
    assert partial.error_message == "two were bad"
    answer = post("unavailable")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "3")
    status = parse(status_pb2.Status, answer)
    assert (status.code, status.message) == (14, "full on request")
    info = error_details_pb2.RetryInfo()
    assert status.details[0].Unpack(info)
    assert info.retry_delay.seconds == 3
    answer = post("invalid")
    assert answer.status_code == 400
    assert parse(status_pb2.Status, answer).code == 3
    answer = post("internal")
    assert answer.status_code == 500
    assert parse(status_pb2.Status, answer).code == 13


def test_grpc_errors_carry_retry_info_only_if_a_retry_helps(receiver):
    stub = logs_stub(grpc.insecure_channel(f"127.0.0.1:{receiver.grpc}"))
    response = stub.Export(logs_request(), metadata=[("x-dataset-id", "partial")])
    assert response.partial_success.rejected_log_records == 2
    for dataset, code, retry in [("unavailable", grpc.StatusCode.UNAVAILABLE, 3),
                                 ("invalid", grpc.StatusCode.INVALID_ARGUMENT, None),
                                 ("internal", grpc.StatusCode.INTERNAL, None)]:
        with pytest.raises(grpc.RpcError) as error:
            stub.Export(logs_request(), metadata=[("x-dataset-id", dataset)])
        assert error.value.code() == code
        details = dict(error.value.trailing_metadata()).get("grpc-status-details-bin")
        assert (details is not None) == (retry is not None)
        if retry:
            info = error_details_pb2.RetryInfo()
            assert status_pb2.Status.FromString(details).details[0].Unpack(info)
            assert info.retry_delay.seconds == retry


def test_grpc_takes_a_large_gzipped_request(receiver):
    stub = logs_stub(grpc.insecure_channel(f"127.0.0.1:{receiver.grpc}"))
    request = logs_request(20_000)
    stub.Export(request, compression=grpc.Compression.Gzip, timeout=20)
    assert received(receiver.next()) == request


def test_http_takes_chunks_and_expects_continue(receiver):
    request = logs_request(2_000)
    body = request.SerializeToString()
    pieces = (body[i:i + 1000] for i in range(0, len(body), 1000))
    answer = requests.post(f"http://127.0.0.1:{receiver.http}/v1/logs", data=pieces, timeout=20,
                           headers={"content-type": "application/x-protobuf"})
    assert answer.status_code == 200
    assert received(receiver.next()) == request
    result = subprocess.run(
        ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}",
         "-H", "Content-Type: application/x-protobuf", "-H", "Expect: 100-continue",
         "--data-binary", "@-", f"http://127.0.0.1:{receiver.http}/v1/logs"],
        input=body, capture_output=True, check=True)
    assert result.stdout == b"200"
    assert received(receiver.next()) == request


def test_tls_serves_http_and_grpc(tls):
    answer = requests.post(f"https://localhost:{tls.http}/v1/logs", timeout=20,
                           data=logs_request(500).SerializeToString(), verify=tls.certificate,
                           headers={"content-type": "application/x-protobuf"})
    assert answer.status_code == 200
    assert received(tls.next()) == logs_request(500)
    credentials = grpc.ssl_channel_credentials(tls.certificate.read_bytes())
    stub = logs_stub(grpc.secure_channel(f"localhost:{tls.grpc}", credentials))
    stub.Export(logs_request(500))
    assert received(tls.next()) == logs_request(500)


def test_tls_refuses_plain_text_and_old_versions(tls):
    for port in (tls.http, tls.grpc):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
            plain.sendall(b"POST /v1/logs HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
            assert b"200" not in plain.recv(100)
        context = ssl.create_default_context(cafile=tls.certificate)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("ALL:@SECLEVEL=0")
        with socket.create_connection(("127.0.0.1", port), timeout=10) as old:
            with pytest.raises(ssl.SSLError):
                context.wrap_socket(old, server_hostname="localhost")
