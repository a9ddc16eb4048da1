"""Shows the whole job on this machine: real programs send telemetry, the writer commits it to Iceberg tables, engines answer.

    demo/run.py --binary build/release/signaldb-writer [--seconds 15] [--keep DIR]

Everything runs on loopback, on free ports, in a folder of its own, and is stopped at the end.
"""

import argparse
import json
import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

import questions

HERE = pathlib.Path(__file__).parent
PAGES = ["/", "/", "/cart", "/checkout", "/checkout", *[f"/product/{i}" for i in (3, 7, 12, 31, 49, 77)]]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def fetch(url, method="GET", timeout=60):
    with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=timeout) as reply:
        return reply.read().decode()


def wait_for(what, url, process, seconds=30):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            sys.exit(f"demo: {what} ended with code {process.returncode}; its log is beside the data")
        try:
            return fetch(url, timeout=2)
        except OSError:
            time.sleep(0.05)
    sys.exit(f"demo: {what} did not answer at {url} within {seconds} s")


class Demo:
    def __init__(self, binary, folder):
        self.binary, self.folder = binary, folder
        self.processes = []
        self.grpc, self.http, self.admin, self.web, self.stock = (free_port() for _ in range(5))
        self.ledger = folder / "sent.jsonl"

    def start(self, name, command):
        log = open(self.folder / f"{name}.log", "wb")
        process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=subprocess.STDOUT)
        self.processes.append((name, process))
        return process

    def start_writer(self):
        listen = [f"otlp.grpc_listen=127.0.0.1:{self.grpc}", f"otlp.http_listen=127.0.0.1:{self.http}",
                  f"admin.listen=127.0.0.1:{self.admin}", "commit.interval=2s"]
        settings = [word for setting in listen for word in ("--set", setting)]
        writer = self.start("writer", [self.binary, "run", *settings])
        wait_for("the writer", f"http://127.0.0.1:{self.admin}/readyz", writer)
        return writer

    def start_programs(self):
        def python(script, *arguments):
            return [sys.executable, HERE / script, *map(str, arguments), "--ledger", self.ledger]

        stock = self.start("stock", python("shop.py", "stock", "--port", self.stock, "--otlp", f"127.0.0.1:{self.http}"))
        web = self.start("web", python("shop.py", "web", "--port", self.web, "--stock", f"http://127.0.0.1:{self.stock}",
                                       "--otlp", f"127.0.0.1:{self.grpc}"))
        self.start("host", python("host_metrics.py", "--otlp", f"127.0.0.1:{self.http}"))
        wait_for("the stock service", f"http://127.0.0.1:{self.stock}/item/1", stock)
        wait_for("the web service", f"http://127.0.0.1:{self.web}/", web)

    def visit(self, until, counts):
        choice = random.Random()
        while time.monotonic() < until:
            try:
                fetch(f"http://127.0.0.1:{self.web}{choice.choice(PAGES)}", timeout=10)
                counts["answered"] += 1
            except urllib.error.HTTPError:
                counts["failed"] += 1

    def load(self, seconds, customers=6):
        counts = {"answered": 0, "failed": 0}
        until = time.monotonic() + seconds
        threads = [threading.Thread(target=self.visit, args=(until, counts)) for _ in range(customers)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            time.sleep(1)
            left = max(0, until - time.monotonic())
            say(f"  {counts['answered']} pages served, {counts['failed']} failed, {left:.0f} s to go", end="\r")
        say("")

    def stop(self, name):
        for known, process in self.processes:
            if known == name and process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.wait(timeout=60)
                if process.returncode != 0:
                    sys.exit(f"demo: {name} ended with code {process.returncode}; see {self.folder / name}.log")

    def stop_all(self):
        for _, process in self.processes:
            if process.poll() is None:
                process.kill()
                process.wait()


def say(text, end="\n"):
    print(text, end=end, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True, type=pathlib.Path)
    parser.add_argument("--seconds", type=int, default=12, help="how long customers shop")
    parser.add_argument("--keep", type=pathlib.Path, help="folder for the data, instead of a temporary one")
    options = parser.parse_args()
    folder = (options.keep or pathlib.Path(tempfile.mkdtemp(prefix="signaldb-demo-"))).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    demo = Demo(options.binary.resolve(), folder)
    begun = time.monotonic()
    try:
        say(f"1. Starting the writer with its embedded defaults in {folder}")
        demo.start_writer()
        say(f"   OTLP/gRPC on 127.0.0.1:{demo.grpc}, OTLP/HTTP on 127.0.0.1:{demo.http}, admin on 127.0.0.1:{demo.admin}")
        say("2. Starting a web shop (OpenTelemetry SDK over gRPC), its stock service (over HTTP), and host metrics")
        demo.start_programs()
        say(f"3. Six customers shop for {options.seconds} s")
        demo.load(options.seconds)
        say("4. Stopping the programs; each sends what it still has")
        for name in ("web", "stock", "host"):
            demo.stop(name)
        say("5. POST /flush: everything received becomes visible")
        fetch(f"http://127.0.0.1:{demo.admin}/flush", method="POST")
        data = folder / "signaldb-data"
        say("6. Asking DuckDB")
        questions.ask_duckdb(data)
        say("7. Asking PyIceberg")
        questions.ask_pyiceberg(data)
        say("8. Is every record there, once?")
        exact = questions.compare(data, [json.loads(line) for line in demo.ledger.read_text().splitlines()])
        say("9. Stopping the writer")
        demo.stop("writer")
    finally:
        demo.stop_all()
    say(f"\nDone in {time.monotonic() - begun:.0f} s. The tables stay in {folder}/signaldb-data. What to try next:")
    say(f"  look at them yourself:   {sys.executable} -i {os.path.relpath(HERE / 'questions.py')} {folder}/signaldb-data")
    say("  run the writer for real: make run   (then point any OpenTelemetry SDK or Collector at 127.0.0.1:4317)")
    say("  read on:                 README.md, docs/reference/configuration.md")
    return 0 if exact else 1


if __name__ == "__main__":
    sys.exit(main())
