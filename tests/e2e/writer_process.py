"""Starts, kills and stops the real signaldb-writer binary, and reads its tables with PyIceberg."""

import contextlib
import fcntl
import os
import pathlib
import random
import signal
import socket
import subprocess
import tempfile
import time
from collections import Counter

import requests
from pyiceberg.catalog.sql import SqlCatalog

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ["SIGNALDB_WRITER_BINARY"])
READY_SECONDS = 60
STOP_SECONDS = 60
WAIT_SECONDS = 60
PROTOBUF = {"Content-Type": "application/x-protobuf"}


def wait_for(what, seconds=WAIT_SECONDS, message="it did not happen"):
    """What `what` returns once that is true; meanwhile the writer may be out of reach."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(requests.RequestException):
            if result := what():
                return result
        time.sleep(0.05)
    raise AssertionError(f"{message} within {seconds} s")


def assert_exactly_once(clients, stored):
    """Of clients that repeat what was not acknowledged, and so may have stored it twice themselves."""
    attempts, acknowledged = Counter(), set()
    for client in clients:
        attempts.update(client.attempts)
        acknowledged |= client.acknowledged
    print(f"acknowledged={len(acknowledged)} stored={stored.total()} resent={sum(n > 1 for n in attempts.values())}")
    assert acknowledged
    assert not [i for i in acknowledged if stored[i] == 0], "acknowledged records are lost"
    assert not [i for i in stored if i not in attempts], "records appeared that nobody sent"
    doubled = {i: n for i, n in stored.items() if n > attempts[i]}
    assert not doubled, f"records doubled that were sent once: {list(doubled.items())[:5]}"


PORT_LOCKS = pathlib.Path(tempfile.gettempdir()) / "signaldb-test-ports"
_held_ports = []


def hold_port(port):
    """Whether the port is free, and ours until this process ends: what listens on it may be restarted meanwhile."""
    PORT_LOCKS.mkdir(exist_ok=True)
    lock = open(PORT_LOCKS / str(port), "w")
    with contextlib.suppress(OSError), socket.socket() as probe:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        probe.bind(("127.0.0.1", port))
        _held_ports.append(lock)
        return True
    lock.close()
    return False


def free_port():
    """Below those that the system gives to outgoing connections: else one of them may take it before it is listened on."""
    while True:
        port = random.SystemRandom().randint(10_000, 32_000)
        if hold_port(port):
            return port


class Writer:
    """One data folder, and at most one writer process on it at a time."""

    def __init__(self, folder, **settings):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.grpc, self.http, self.flight, self.admin = (f"127.0.0.1:{free_port()}" for _ in range(4))
        self.settings = {"otlp.grpc_listen": self.grpc, "otlp.http_listen": self.http,
                         "flight.listen": self.flight, "admin.listen": self.admin,
                         "commit.interval": "500ms", **{k.replace("__", "."): v for k, v in settings.items()}}
        self.process = None

    @property
    def data(self):
        return self.folder / "signaldb-data"

    def start(self, wait=True, binary=BINARY):
        assert self.process is None
        words = [str(binary), "run"]
        for key, value in self.settings.items():
            words += ["--set", f"{key}={value}"]
        self.log = open(self.folder / "writer.log", "ab")
        self.process = subprocess.Popen(words, cwd=self.folder, stdout=self.log, stderr=self.log)
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self):
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            assert self.process.poll() is None, f"the writer ended: {self.log_tail()}"
            with contextlib.suppress(requests.RequestException):
                if requests.get(f"http://{self.admin}/readyz", timeout=2).status_code == 200:
                    return
            time.sleep(0.01)
        raise AssertionError(f"the writer was not ready in {READY_SECONDS} s: {self.log_tail()}")

    def log_tail(self, characters=3000):
        return (self.folder / "writer.log").read_text(errors="replace")[-characters:]

    def kill(self):
        self.process.kill()
        self.process.wait()
        self._gone()

    def stop(self, expect=0, number=signal.SIGTERM):
        self.process.send_signal(number)
        self.wait_exit(expect)

    def wait_exit(self, *expect):
        code = self.process.wait(timeout=STOP_SECONDS)
        self._gone()
        assert code in expect, f"exit code {code}: {self.log_tail()}"

    def _gone(self):
        self.process = None
        self.log.close()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        if self.process is not None:
            self.kill()

    def post(self, path, body, timeout=20, **headers):
        return requests.post(f"http://{self.http}{path}", data=body, headers={**PROTOBUF, **headers}, timeout=timeout)

    def send(self, supply, records=20, signal="logs", **headers):
        """The ids of a request that was acknowledged; None if the writer asked to retry."""
        path, body, ids = supply.next(signal, records)
        reply = self.post(path, body, **headers)
        if reply.status_code == 200:
            return ids
        assert reply.status_code == 503, reply.text
        assert int(reply.headers["Retry-After"]) >= 1
        return None

    def readiness(self):
        reply = requests.get(f"http://{self.admin}/readyz", timeout=10)
        return reply.status_code, reply.text

    def flush(self):
        reply = requests.post(f"http://{self.admin}/flush", timeout=60)
        assert reply.status_code == 200, reply.text

    def flush_at_last(self):
        """For as long as what the commits need is coming back."""
        wait_for(lambda: requests.post(f"http://{self.admin}/flush?timeout=10s", timeout=30).status_code == 200,
                 message=f"no flush succeeded: {self.log_tail()}")

    def metric(self, name, **labels):
        """The sum of a metric's samples that carry these labels."""
        total = 0.0
        for line in requests.get(f"http://{self.admin}/metrics", timeout=10).text.splitlines():
            if line.startswith(name) and line[len(name)] in " {" and all(f'{k}="{v}"' in line for k, v in labels.items()):
                total += float(line.rsplit(" ", 1)[1])
        return total

    def catalog(self):
        return SqlCatalog("signaldb", uri=f"sqlite:///{self.data}/catalog.db")

    def table(self, name, dataset="default.default"):
        return self.catalog().load_table(f"{dataset}.{name}")

    def rows(self, name, *fields, dataset="default.default"):
        catalog = self.catalog()
        if not catalog.table_exists(f"{dataset}.{name}"):
            return []
        scan = catalog.load_table(f"{dataset}.{name}").scan(selected_fields=fields or ("*",))
        return scan.to_arrow().to_pylist()

    def record_ids(self, dataset="default.default"):
        """How often each record of telemetry_requests.py is in the tables."""
        ids = Counter(row["body"] for row in self.rows("logs", "body", dataset=dataset))
        ids.update(row["span_name"] for row in self.rows("traces", "span_name", dataset=dataset))
        for name in ("metrics_gauge", "metrics_sum"):
            ids.update(row["metric_description"] for row in self.rows(name, "metric_description", dataset=dataset))
        return ids
