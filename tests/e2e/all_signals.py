"""OTLP requests that fill all seven tables, with the odd values that engines trip over, and the rows they should become."""

import datetime
import json
import math
import os
import struct
from collections import Counter

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

HOUR_NS = 3_600_000_000_000
BODIES = ["plain", "", "ünïcödé 日本語 🦆", 'quotes " and \\ and \n line', "x" * 3000, None]
DOUBLES = [0.1, -0.0, 1e300, 5e-324, math.nan, math.inf, -math.inf]
NO_VALUE = 1  # The flag FLAG_NO_RECORDED_VALUE.


def set_attributes(target, attributes):
    """Adds attributes; an absent value stays an unset AnyValue, which becomes a null in the map."""
    for key, value in attributes.items():
        pair = target.add()
        pair.key = key
        if isinstance(value, str):
            pair.value.string_value = value
        elif value is not None:
            pair.value.int_value = value


def as_map(attributes):
    return {key: None if value is None else str(value) for key, value in attributes.items()}


class AllSignals:
    """Makes requests for one service at one time after another; `expected` holds a row of key columns for every record."""

    def __init__(self):
        self.expected = {name: [] for name in (
            "traces", "logs", "metrics_gauge", "metrics_sum", "metrics_histogram", "metrics_exponential_histogram",
            "metrics_summary")}

    def _expect(self, table, service, time, **columns):
        self.expected[table].append({"service_name": service, "timestamp": time // 1000, **columns})

    @staticmethod
    def _describe(resource, service):
        set_attributes(resource.attributes, {"service.name": service, "host.name": "h1", "odd": None})

    @staticmethod
    def _attributes(number):
        return [{}, {"n": number}, {"http.route": "/a", "ключ": "значение", "unset": None}][number % 3]

    def traces(self, service, times):
        request = ExportTraceServiceRequest()
        resource = request.resource_spans.add()
        self._describe(resource.resource, service)
        scope = resource.scope_spans.add()
        for number, time in enumerate(times):
            span = scope.spans.add()
            span.trace_id, span.span_id = os.urandom(16), os.urandom(8)
            span.parent_span_id = os.urandom(8) if number % 2 else b""
            span.name, span.kind = f"span {number % 5}", number % 6
            span.start_time_unix_nano, span.end_time_unix_nano = time, time + number * 1001
            attributes = self._attributes(number)
            set_attributes(span.attributes, attributes)
            events = [f"event {e} 🦆" for e in range(number % 3)]
            for name in events:
                event = span.events.add()
                event.name, event.time_unix_nano = name, time + 1
            links = [os.urandom(16) for _ in range(number % 2)]
            for trace_id in links:
                link = span.links.add()
                link.trace_id, link.span_id = trace_id, os.urandom(8)
            self._expect(
                "traces", service, time, trace_id=span.trace_id.hex(), span_id=span.span_id.hex(), span_name=span.name,
                parent_span_id=span.parent_span_id.hex() or None, is_root=number % 2 == 0, start_time_unix_nano=time,
                duration_nanos=number * 1001, span_attributes=as_map(attributes), span_kind_number=number % 6,
                event_names=events, link_trace_ids=[trace_id.hex() for trace_id in links])
        return "/v1/traces", request.SerializeToString()

    def logs(self, service, times):
        request = ExportLogsServiceRequest()
        resource = request.resource_logs.add()
        self._describe(resource.resource, service)
        scope = resource.scope_logs.add()
        for number, time in enumerate(times):
            record = scope.log_records.add()
            record.time_unix_nano = time
            body = BODIES[number % len(BODIES)]
            if body is not None:
                record.body.string_value = body
            record.trace_id = os.urandom(16) if number % 2 else b""
            attributes = self._attributes(number)
            set_attributes(record.attributes, attributes)
            self._expect("logs", service, time, body=body, trace_id=record.trace_id.hex() or None, time_unix_nano=time,
                         log_attributes=as_map(attributes))
        return "/v1/logs", request.SerializeToString()

    def metrics(self, service, metric_name, times):
        request = ExportMetricsServiceRequest()
        resource = request.resource_metrics.add()
        self._describe(resource.resource, service)
        scope = resource.scope_metrics.add()
        kinds = {kind: scope.metrics.add() for kind in ("gauge", "sum", "histogram", "exponential_histogram", "summary")}
        for kind, metric in kinds.items():
            metric.name, metric.unit = metric_name, "s" if kind == "gauge" else ""
            if kind in ("sum", "histogram", "exponential_histogram"):
                getattr(metric, kind).aggregation_temporality = 2
        for number, time in enumerate(times):
            for kind, metric in kinds.items():
                point = getattr(metric, kind).data_points.add()
                point.time_unix_nano = time
                attributes = self._attributes(number)
                set_attributes(point.attributes, attributes)
                values = getattr(self, f"_{kind}")(point, number)
                self._expect(f"metrics_{kind}", service, time, metric_name=metric_name, time_unix_nano=time,
                             attributes=as_map(attributes), **values)
        return "/v1/metrics", request.SerializeToString()

    @staticmethod
    def _number(point, number):
        if number % 10 == 9:
            point.flags = NO_VALUE
            return {"value": math.nan, "value_int": None, "flags": NO_VALUE}
        if number % 2:
            point.as_int = 2**53 + number
            return {"value": float(2**53 + number), "value_int": 2**53 + number, "flags": 0}
        point.as_double = DOUBLES[number // 2 % len(DOUBLES)]
        return {"value": point.as_double, "value_int": None, "flags": 0}

    def _gauge(self, point, number):
        if number % 4 == 0:
            exemplar = point.exemplars.add()
            exemplar.as_double, exemplar.time_unix_nano, exemplar.trace_id = 0.5, 7, b"\x01" * 16
        return {**self._number(point, number), "exemplar_traces": ["01" * 16] if number % 4 == 0 else []}

    def _sum(self, point, number):
        return self._number(point, number)

    @staticmethod
    def _histogram(point, number):
        point.count = number
        point.bucket_counts.extend([number, 0])
        point.explicit_bounds.extend([0.25])
        if number % 2:
            point.sum, point.min, point.max = DOUBLES[number % len(DOUBLES)], -1.5, 2.5
        return {"count": number, "sum": point.sum if number % 2 else None, "min": -1.5 if number % 2 else None,
                "bucket_counts": f"[{number},0]", "explicit_bounds": "[0.25]"}

    @staticmethod
    def _exponential_histogram(point, number):
        point.count, point.scale, point.zero_count = number, -3, 2
        if number % 2:
            point.positive.offset = -5
            point.positive.bucket_counts.extend([1, 2**63 + 1])
        return {"count": number, "scale": -3, "positive_offset": -5 if number % 2 else None,
                "positive_bucket_counts": f"[1,{2**63 + 1}]" if number % 2 else None, "negative_offset": None}

    @staticmethod
    def _summary(point, number):
        point.count, point.sum = number, number / 8
        value = point.quantile_values.add()
        value.quantile, value.value = 0.5, math.nan
        return {"count": number, "sum": number / 8, "quantile_values": '[{"quantile":0.5,"value":"NaN"}]'}


def with_parsed_json(row):
    """The row of a table, with what `expected` says of its JSON columns."""
    row = dict(row)
    if "events" in row:
        row["event_names"] = [event["name"] for event in json.loads(row["events"])]
        row["link_trace_ids"] = [link["trace_id"] for link in json.loads(row["links"])]
    if "exemplars" in row:
        row["exemplar_traces"] = [exemplar["trace_id"] for exemplar in json.loads(row["exemplars"] or "[]")]
    return row


def canonical(value):
    """Hashable, equal only if the bits are (but for NaN), and the same for every engine's types."""
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else struct.pack("<d", value)
    if isinstance(value, datetime.datetime):
        return (value - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)) // datetime.timedelta(microseconds=1)
    if isinstance(value, dict):
        value = list(value.items())
    if isinstance(value, list):
        return tuple(sorted(map(canonical, value), key=repr)) if value and isinstance(value[0], tuple) else tuple(map(canonical, value))
    return tuple(map(canonical, value)) if isinstance(value, tuple) else value


def multiset(rows, columns):
    return Counter(tuple(canonical(row[column]) for column in columns) for row in rows)
