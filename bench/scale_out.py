"""Several writers on one source and one PostgreSQL catalog: what a row costs, how often commits meet, when rows are visible.

    bench/scale_out.py [--source nats] [--processes 1,2,4,8] [--records 400000] [--rate 20000] [--seconds 10]
    bench/scale_out.py --compare [--sources otlp,flight,nats,kafka] [--records 400000]

For each number of processes: a backlog is read from an empty start, and then records come at a steady rate. `--compare`: one process,
every source, the same records, beside Arrow's own Parquet writer on the rows that came of it (zstd 1, else defaults, one thread).
CPU is that of the writers' processes. Needs build/release/signaldb-writer; prints tables for bench/RESULTS.md.
"""

import argparse
import contextlib
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
os.environ.setdefault("SIGNALDB_WRITER_BINARY", str(ROOT / "build" / "release" / "signaldb-writer"))

import pyarrow.parquet as parquet  # noqa: E402
import requests  # noqa: E402
from kafka_process import KafkaProcess  # noqa: E402
from nats_process import NatsClient, NatsProcess  # noqa: E402
from postgres_process import PostgresProcess  # noqa: E402
from pyiceberg.catalog.sql import SqlCatalog  # noqa: E402
from telemetry_requests import Requests  # noqa: E402
from wire_puts import Client, Puts  # noqa: E402
from writer_process import Writer  # noqa: E402

RECORDS_A_MESSAGE = 500
STREAM, DURABLE, SUBJECT = "OTEL", "signaldb-writer", "otel.logs"
TOPIC, GROUP, PARTITIONS = "otlp_logs", "signaldb-writer", 16
INTERVAL = "1s"
BUDGET = "256MiB"
TICKS = os.sysconf("SC_CLK_TCK")
TIMEOUT_SECONDS = 600
DELAY = "signaldb_writer_end_to_end_delay_seconds"


class Nats:
    name = "nats"

    def __init__(self, stack):
        self.server = stack.enter_context(NatsProcess())
        self.client = stack.enter_context(NatsClient(self.server.url))
        self.client.create(STREAM, DURABLE, [SUBJECT])
        self.settings = {"nats.0.url": self.server.url, "nats.0.stream": STREAM}

    def send(self, bodies):
        self.client.publish([(SUBJECT, body, {}) for body in bodies])

    def left(self):
        info = self.client.consumer(STREAM, DURABLE)
        return info.num_pending + info.num_ack_pending


class Kafka:
    name = "kafka"

    def __init__(self, stack):
        self.server = stack.enter_context(KafkaProcess())
        self.server.create_topic(TOPIC, PARTITIONS)
        self.settings = {"kafka.0.brokers": self.server.brokers, "kafka.0.topics.0.topic": TOPIC, "kafka.0.topics.0.signal": "logs",
                         "kafka.0.session_timeout": "6s"}
        self.producer, self.sent = self.server.producer(), 0

    def send(self, bodies):
        for body in bodies:
            self.producer.produce(TOPIC, body, partition=self.sent % PARTITIONS)
            self.producer.poll(0)
            self.sent += 1
        assert self.producer.flush(60) == 0

    def left(self):
        return self.sent - sum(max(offset, 0) for offset in self.server.committed(GROUP, TOPIC, PARTITIONS))


class Fleet:
    def __init__(self, folder, catalog, processes, settings):
        self.catalog = SqlCatalog("signaldb", uri=catalog.python_uri)
        self.writers = [Writer(folder / str(n), **{"schema.catalog_uri": catalog.uri, "storage.dsn": f"file://{folder}/tables",
                                                   "commit.interval": INTERVAL, "memory.budget": BUDGET, "retry.max_attempts": 6,
                                                   "retry.initial_delay": "20ms", **settings}) for n in range(processes)]

    def start(self):
        for writer in self.writers:
            writer.start(wait=False)
        for writer in self.writers:
            writer.wait_ready()

    def stop(self):
        for writer in self.writers:
            writer.stop()

    def kill(self):
        for writer in self.writers:
            if writer.process is not None:
                writer.kill()

    def cpu_seconds(self):
        total = 0.0
        for writer in self.writers:
            fields = pathlib.Path(f"/proc/{writer.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
            total += (int(fields[11]) + int(fields[12])) / TICKS
        return total

    def peak_rss_mib(self):
        peaks = [pathlib.Path(f"/proc/{writer.process.pid}/status").read_text().split("VmHWM:")[1].split()[0] for writer in self.writers]
        return max(int(peak) for peak in peaks) / 1024

    def total(self, metric, **labels):
        return sum(writer.metric(metric, **labels) for writer in self.writers)

    def conflicts(self):
        """Attempts that another writer's commit made vain."""
        return (self.total("signaldb_writer_commit_retries_total", reason="conflict")
                + self.total("signaldb_writer_commits_total", outcome="conflict"))

    def commits(self):
        return self.total("signaldb_writer_commits_total", outcome="applied")

    def delays(self):
        """The histogram's cumulative counts, by upper bound."""
        counts = {}
        for writer in self.writers:
            for line in requests.get(f"http://{writer.admin}/metrics", timeout=10).text.splitlines():
                if line.startswith(f"{DELAY}_bucket"):
                    bound = float(line.split('le="')[1].split('"')[0].replace("+Inf", "inf"))
                    counts[bound] = counts.get(bound, 0) + float(line.rsplit(" ", 1)[1])
        return counts

    def rows(self):
        return self.catalog.load_table("default.default.logs").scan().to_arrow()


def quantile(before, after, part):
    """As histogram_quantile of Prometheus: linear within the bucket."""
    below, low = 0.0, 0.0
    counts = {bound: count - before.get(bound, 0) for bound, count in sorted(after.items())}
    wanted = part * max(counts.values(), default=0)
    for bound, count in counts.items():
        if count >= wanted and count > below:
            return low if bound == float("inf") else low + (bound - low) * (wanted - below) / (count - below)
        below, low = count, bound
    return float("nan")


def wait_until(holds):
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def made(records):
    supply = Requests("bench")
    return [supply.next("logs", RECORDS_A_MESSAGE)[1] for _ in range(records // RECORDS_A_MESSAGE)]


def measure(kind, processes, options, bodies):
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="signaldb-bench-")))
        catalog = stack.enter_context(PostgresProcess())
        queue = kind(stack)
        fleet = Fleet(folder, catalog, processes, queue.settings)
        stack.callback(fleet.kill)
        queue.send(bodies)
        begun = time.monotonic()
        fleet.start()
        wait_until(lambda: queue.left() == 0)
        seconds, cpu = time.monotonic() - begun, fleet.cpu_seconds()
        result = {"rate": options.records / seconds, "cpu": cpu / options.records * 1e6}

        commits, conflicts, delays = fleet.commits(), fleet.conflicts(), fleet.delays()
        cpu, paced = fleet.cpu_seconds(), 0
        ends = time.monotonic() + options.seconds
        while time.monotonic() < ends:
            due = time.monotonic() + 0.1
            part = bodies[:max(options.rate // RECORDS_A_MESSAGE // 10, 1)]
            queue.send(part)
            paced += len(part) * RECORDS_A_MESSAGE
            time.sleep(max(0.0, due - time.monotonic()))
        wait_until(lambda: queue.left() == 0)
        done = fleet.commits() - commits
        result |= {"paced_rate": paced / options.seconds, "paced_cpu": (fleet.cpu_seconds() - cpu) / paced * 1e6,
                   "commits": done / options.seconds, "conflicts": (fleet.conflicts() - conflicts) / max(done, 1),
                   "p50": quantile(delays, fleet.delays(), 0.5), "p99": quantile(delays, fleet.delays(), 0.99), "rss": fleet.peak_rss_mib()}
        fleet.stop()
        rows = fleet.rows().num_rows
        assert rows == options.records + paced, f"stored={rows} sent={options.records + paced}"
        return result


def arrow_cpu(rows, folder):
    begun = time.process_time()
    parquet.write_table(rows, folder / "arrow.parquet", compression="zstd", compression_level=1)
    return (time.process_time() - begun) / rows.num_rows * 1e6


def send_over_http(writer, bodies, lanes=4):
    def some(part):
        with requests.Session() as session:
            for body in part:
                reply = session.post(f"http://{writer.http}/v1/logs", data=body, headers={"Content-Type": "application/x-protobuf"})
                while reply.status_code == 503:
                    time.sleep(0.05)
                    reply = session.post(f"http://{writer.http}/v1/logs", data=body, headers={"Content-Type": "application/x-protobuf"})
                assert reply.status_code == 200, reply.text

    threads = [threading.Thread(target=some, args=(bodies[n::lanes],)) for n in range(lanes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def put_over_flight(writer, records):
    client, supply = Client(writer.flight), Puts("bench")
    for _ in range(records // RECORDS_A_MESSAGE):
        client.put("logs", supply.next("logs", RECORDS_A_MESSAGE)[0], batches_of=RECORDS_A_MESSAGE)
    client.close()


def compare(source, options, bodies):
    """One writer, all records of one source; CPU of the writer and of Arrow's on the rows that it made."""
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="signaldb-bench-")))
        catalog = stack.enter_context(PostgresProcess())
        queue = {"nats": Nats, "kafka": Kafka}[source](stack) if source in ("nats", "kafka") else None
        fleet = Fleet(folder, catalog, 1, queue.settings if queue else {})
        stack.callback(fleet.kill)
        if queue:
            queue.send(bodies)
        begun = time.monotonic()
        fleet.start()
        if source == "otlp":
            send_over_http(fleet.writers[0], bodies)
        elif source == "flight":
            put_over_flight(fleet.writers[0], options.records)
        else:
            wait_until(lambda: queue.left() == 0)
        fleet.writers[0].flush()
        seconds, cpu, peak = time.monotonic() - begun, fleet.cpu_seconds() / options.records * 1e6, fleet.peak_rss_mib()
        fleet.stop()
        rows = fleet.rows()
        assert rows.num_rows == options.records, rows.num_rows
        arrow = arrow_cpu(rows, folder)
        print(f"| {source} | {cpu:.2f} | {arrow:.2f} | {cpu / arrow:.2f} | {options.records / seconds:,.0f} | {peak:.0f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", choices=["nats", "kafka"], default="nats")
    parser.add_argument("--processes", default="1,2,4,8")
    parser.add_argument("--records", type=int, default=400_000)
    parser.add_argument("--rate", type=int, default=20_000, help="records a second in the steady part")
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--compare", action="store_true")
    parser.add_argument("--sources", default="otlp,flight,nats,kafka", help="of --compare")
    options = parser.parse_args()
    bodies = made(options.records)
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    print(f"commit {commit}, {os.cpu_count()} cores, load {' '.join(f'{load:.0f}' for load in os.getloadavg())}, "
          f"{options.records:,} records, {len(bodies[0]) / RECORDS_A_MESSAGE:.0f} B each, {RECORDS_A_MESSAGE} a message, "
          f"commit.interval={INTERVAL}, memory.budget={BUDGET}", flush=True)
    if options.compare:
        print("| source | writer, CPU s per million | Arrow's writer alone | ratio | records/s | peak RSS, MiB |")
        print("|---|---|---|---|---|---|")
        for source in options.sources.split(","):
            compare(source, options, bodies)
        return
    print("| processes | backlog, records/s | CPU s per million | steady, records/s | CPU s per million | commits/s "
          "| lost tries per commit | visible after p50 / p99, s | peak RSS of one, MiB |\n|---|---|---|---|---|---|---|---|---|")
    for processes in map(int, options.processes.split(",")):
        m = measure({"nats": Nats, "kafka": Kafka}[options.source], processes, options, bodies)
        print(f"| {processes} | {m['rate']:,.0f} | {m['cpu']:.2f} | {m['paced_rate']:,.0f} | {m['paced_cpu']:.2f} | {m['commits']:.1f} | "
              f"{m['conflicts']:.2f} | {m['p50']:.2g} / {m['p99']:.2g} | {m['rss']:.0f} |", flush=True)


if __name__ == "__main__":
    main()
