"""OTLP requests whose every record carries an id of its own, made with the official protobuf classes."""

import itertools
import os
import time

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

SIGNALS = ("logs", "traces", "metrics")


def attribute(target, key, value):
    pair = target.add()
    pair.key = key
    pair.value.string_value = value


def describe(resource, service):
    attribute(resource.attributes, "service.name", service)
    attribute(resource.attributes, "host.name", "test-host")


class Requests:
    """An endless, unique supply: `next(signal, records)` gives (path, body, ids)."""

    def __init__(self, name):
        self._name = name
        self._numbers = itertools.count()

    def next(self, signal, records=20):
        ids = [f"{self._name}-{next(self._numbers)}" for _ in range(records)]
        return f"/v1/{signal}", getattr(self, f"_{signal}")(ids).SerializeToString(), ids

    def _logs(self, ids):
        request = ExportLogsServiceRequest()
        resource = request.resource_logs.add()
        describe(resource.resource, self._name)
        scope = resource.scope_logs.add()
        for identity in ids:
            record = scope.log_records.add()
            record.time_unix_nano = time.time_ns()
            record.severity_number = 9
            record.body.string_value = identity
            attribute(record.attributes, "http.route", "/checkout")
            attribute(record.attributes, "http.request.method", "GET")
        return request

    def _traces(self, ids):
        request = ExportTraceServiceRequest()
        resource = request.resource_spans.add()
        describe(resource.resource, self._name)
        scope = resource.scope_spans.add()
        for identity in ids:
            span = scope.spans.add()
            span.trace_id, span.span_id = os.urandom(16), os.urandom(8)
            span.name = identity
            span.start_time_unix_nano = time.time_ns()
            span.end_time_unix_nano = span.start_time_unix_nano + 1000
        return request

    def _metrics(self, ids):
        # Half gauges, half sums: one request that feeds two tables.
        request = ExportMetricsServiceRequest()
        resource = request.resource_metrics.add()
        describe(resource.resource, self._name)
        scope = resource.scope_metrics.add()
        for number, identity in enumerate(ids):
            metric = scope.metrics.add()
            metric.name, metric.description = "test.metric", identity
            data = metric.gauge if number % 2 else metric.sum
            point = data.data_points.add()
            point.time_unix_nano = time.time_ns()
            point.as_int = number
        return request
