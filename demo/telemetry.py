"""Sets up the OpenTelemetry SDK for the demo's programs, and keeps a ledger of what was really sent.

The ledger is a file of JSON lines, one for every record that an exporter reported as delivered. The demo compares it with the
tables at the end: every line must be there exactly once.
"""

import json
import logging
import threading
import time
import uuid

from opentelemetry import metrics, trace
from opentelemetry._logs import SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExportResult
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricExportResult, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult

RECORD_ID = "demo.record_id"


class Ledger:
    def __init__(self, path):
        self._file = open(path, "a", encoding="utf-8")
        self._lock = threading.Lock()

    def note(self, entries):
        with self._lock:
            for entry in entries:
                self._file.write(json.dumps(entry) + "\n")
            self._file.flush()


class Noted:
    """An exporter that notes in the ledger what the wrapped exporter delivered."""

    def __init__(self, exporter, ledger, success, keys):
        self._exporter, self._ledger, self._success, self._keys = exporter, ledger, success, keys

    def export(self, batch, *args, **kwargs):
        keys = self._keys(batch)
        result = self._exporter.export(batch, *args, **kwargs)
        if result == self._success:
            self._ledger.note(keys)
        return result

    def __getattr__(self, name):
        return getattr(self._exporter, name)


def span_keys(spans):
    return [{"signal": "span", "key": format(s.context.span_id, "016x")} for s in spans]


def log_keys(batch):
    return [{"signal": "log", "key": r.log_record.attributes[RECORD_ID]} for r in batch]


def point_keys(data):
    return [
        {"signal": "point", "key": f"{resource.resource.attributes['service.name']}/{metric.name}/{point.time_unix_nano}"}
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
    ]


def exporters(transport, endpoint):
    if transport == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

        options = {"endpoint": endpoint, "insecure": True}
        return OTLPSpanExporter(**options), OTLPLogExporter(**options), OTLPMetricExporter(**options)
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    def at(path):
        return {"endpoint": f"http://{endpoint}/v1/{path}", "compression": Compression.Gzip}

    return OTLPSpanExporter(**at("traces")), OTLPLogExporter(**at("logs")), OTLPMetricExporter(**at("metrics"))


class OtlpLogs(logging.Handler):
    """Sends Python's log records over OTLP, each with an id of its own so that it can be found again."""

    SEVERITY = {"DEBUG": SeverityNumber.DEBUG, "INFO": SeverityNumber.INFO, "WARNING": SeverityNumber.WARN,
                "ERROR": SeverityNumber.ERROR}

    def __init__(self, logger):
        super().__init__()
        self._logger = logger

    def emit(self, record):
        attributes = {RECORD_ID: str(uuid.uuid4()), "code.function": record.funcName, **getattr(record, "attributes", {})}
        self._logger.emit(
            timestamp=int(record.created * 1e9),
            observed_timestamp=time.time_ns(),
            severity_number=self.SEVERITY[record.levelname],
            severity_text=record.levelname,
            body=record.getMessage(),
            attributes=attributes,
        )


class Telemetry:
    """Tracer, meter and logger of one program. `shutdown` sends what is left."""

    def __init__(self, service, transport, endpoint, ledger_path, metric_interval_s=2):
        ledger = Ledger(ledger_path)
        resource = Resource.create({"service.name": service, "service.version": "1.4.2", "deployment.environment": "demo"})
        spans, logs, points = exporters(transport, endpoint)
        self._tracers = TracerProvider(resource=resource)
        self._tracers.add_span_processor(
            BatchSpanProcessor(Noted(spans, ledger, SpanExportResult.SUCCESS, span_keys), schedule_delay_millis=500))
        self._loggers = LoggerProvider(resource=resource)
        self._loggers.add_log_record_processor(
            BatchLogRecordProcessor(Noted(logs, ledger, LogRecordExportResult.SUCCESS, log_keys), schedule_delay_millis=500))
        reader = PeriodicExportingMetricReader(
            Noted(points, ledger, MetricExportResult.SUCCESS, point_keys), export_interval_millis=metric_interval_s * 1000)
        self._meters = MeterProvider(resource=resource, metric_readers=[reader])
        trace.set_tracer_provider(self._tracers)
        metrics.set_meter_provider(self._meters)
        self.tracer = self._tracers.get_tracer("demo.shop", "1.0")
        self.meter = self._meters.get_meter("demo.shop", "1.0")
        self.log = logging.getLogger(service)
        self.log.setLevel(logging.DEBUG)
        self.log.propagate = False
        self.log.addHandler(OtlpLogs(self._loggers.get_logger("demo.shop", "1.0")))

    def shutdown(self):
        self._tracers.shutdown()
        self._loggers.shutdown()
        self._meters.shutdown()
