"""From socket to committed table: what a million records cost the service, beside Arrow's own Parquet writer on the same rows.

    bench/end_to_end.py --build build/release [--records 600000] [--rounds 3] [--signals logs,traces,metrics] [--sources otlp,flight]

Each round measures, one after the other: the service (CPU seconds of its process, from the first request until every row is
visible) and the yardstick (CPU seconds of Arrow's writer with default settings, zstd 1, one thread). Their ratio is what
counts: machines differ and are shared. Prints a table for bench/RESULTS.md.
"""

import argparse
import json
import os
import pathlib
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
import urllib.request

RECORDS_PER_REQUEST = 1000
TICKS = os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Service:
    def __init__(self, binary, folder, settings):
        self.grpc, self.flight, http, self.admin = (f"127.0.0.1:{free_port()}" for _ in range(4))
        self.folder = folder
        words = [binary, "run"]
        for setting in (f"otlp.grpc_listen={self.grpc}", f"flight.listen={self.flight}", f"otlp.http_listen={http}",
                        f"admin.listen={self.admin}", *settings):
            words += ["--set", setting]
        self.process = subprocess.Popen(words, cwd=folder, stdout=subprocess.DEVNULL, stderr=open(folder / "log", "wb"))
        while True:
            try:
                self.get("/readyz")
                return
            except OSError:
                assert self.process.poll() is None, (folder / "log").read_text()
                time.sleep(0.05)

    def get(self, path, method="GET"):
        return urllib.request.urlopen(urllib.request.Request(f"http://{self.admin}{path}", method=method), timeout=120).read().decode()

    def flush(self):
        self.get("/flush", "POST")

    def cpu_seconds(self):
        fields = open(f"/proc/{self.process.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def peak_rss_mib(self):
        for line in open(f"/proc/{self.process.pid}/status"):
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024

    def mean_of(self, histogram):
        values = {line.split(" ")[0]: float(line.split(" ")[1]) for line in self.get("/metrics").splitlines() if line.startswith(histogram)}
        return values[f"{histogram}_sum"] / max(1, values[f"{histogram}_count"])

    def data_bytes(self):
        return sum(f.stat().st_size for f in self.folder.rglob("*.parquet"))

    def stop(self):
        self.process.terminate()
        assert self.process.wait(timeout=60) == 0


def run(*command):
    return json.loads(subprocess.run([str(c) for c in command], check=True, capture_output=True, text=True).stdout)


def measure(options, source, signal, folder):
    service = Service(options.service or options.build / "signaldb-writer", folder, options.set)
    target = ["--flight", "--target", service.flight] if source == "flight" else ["--target", service.grpc]
    load = [options.build / "bench" / "otlp_load", *target, "--signal", signal]
    run(*load, "--requests", 20)  # Tables exist, pages are warm.
    service.flush()
    cpu, bytes_before = service.cpu_seconds(), service.data_bytes()
    result = run(*load, "--requests", options.records // RECORDS_PER_REQUEST)
    service.flush()
    result["cpu"] = (service.cpu_seconds() - cpu) / result["accepted_records"] * 1e6
    result["bytes"] = (service.data_bytes() - bytes_before) / result["accepted_records"]
    result["rate"] = result["accepted_records"] / result["seconds"]
    half = run(*load, "--requests", 400, "--rate", result["accepted"] / result["seconds"] / 2)
    result["p50"], result["p99"] = half["p50_ms"], half["p99_ms"]
    result["visible"] = service.mean_of("signaldb_writer_end_to_end_delay_seconds")
    result["rss"] = service.peak_rss_mib()
    service.stop()
    return result


def middle(results, key):
    return statistics.median(result[key] for result in results)


def report(signal, source, ours, arrow):
    ratios = [o["cpu"] / a["cpu_seconds_per_million"] for o, a in zip(ours, arrow)]
    print(f"| {signal} | {source} | {middle(ours, 'cpu'):.2f} | {middle(arrow, 'cpu_seconds_per_million'):.2f} | "
          f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) | {middle(ours, 'rate'):,.0f} | "
          f"{middle(ours, 'p50'):.1f} / {middle(ours, 'p99'):.1f} | {middle(ours, 'visible'):.1f} | {middle(ours, 'rss'):.0f} | "
          f"{middle(ours, 'bytes'):.0f} ({middle(arrow, 'bytes_per_row'):.0f}) |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--records", type=int, default=600_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--signals", default="logs,traces,metrics")
    parser.add_argument("--sources", default="otlp", help="otlp, flight: the same records over each, by turns")
    parser.add_argument("--service", type=pathlib.Path, help="another signaldb-writer than the build's")
    parser.add_argument("--set", action="append", default=["memory.budget=256MiB"], help="setting of the service")
    options = parser.parse_args()
    options.build = options.build.resolve()
    sources = options.sources.split(",")
    print("| signal | source | service, CPU s per million | Arrow's writer alone | ratio | records/s | ack p50 / p99 at half load, ms "
          "| visible after, s | peak RSS, MiB | bytes a row (Arrow) |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for signal in options.signals.split(","):
        rounds = {source: ([], []) for source in sources}
        for source in sources * options.rounds:
            ours, arrow = rounds[source]
            folder = pathlib.Path(tempfile.mkdtemp(prefix="signaldb-bench-", dir=options.build))
            try:
                ours.append(measure(options, source, signal, folder))
                arrow.append(run(options.build / "bench" / "arrow_writer", "--signal", signal, "--rows", options.records, "--out", folder))
            finally:
                shutil.rmtree(folder)

        for source, (ours, arrow) in rounds.items():
            report(signal, source, ours, arrow)


if __name__ == "__main__":
    main()
