"""Sends the metrics of this machine over OTLP until it is told to stop: host_metrics.py --otlp HOST:PORT --ledger FILE"""

import argparse
import signal
import threading

import psutil
from opentelemetry.metrics import Observation

from telemetry import Telemetry


def cpu_utilization():
    yield  # The SDK starts the generator.
    psutil.cpu_percent()  # The first call in a thread measures nothing yet.
    yield []
    while True:
        yield [Observation(psutil.cpu_percent() / 100)]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--otlp", required=True)
    parser.add_argument("--ledger", required=True)
    options = parser.parse_args()

    telemetry = Telemetry("host", "http", options.otlp, options.ledger, metric_interval_s=1)
    meter = telemetry.meter
    meter.create_observable_gauge(
        "system.cpu.utilization", [cpu_utilization()], "1", "Share of CPU time in use")
    meter.create_observable_gauge(
        "system.memory.usage", [lambda _: [Observation(psutil.virtual_memory().used)]], "By", "Memory in use")
    meter.create_observable_counter(
        "system.disk.io", [lambda _: [Observation(psutil.disk_io_counters().write_bytes)]], "By", "Bytes written to disks")
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    stop.wait()
    telemetry.shutdown()


if __name__ == "__main__":
    main()
