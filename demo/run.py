"""Shows the whole job on this machine: real programs send telemetry, the writer commits it to Iceberg tables, engines answer.

    demo/run.py --binary build/release/signaldb-writer [--seconds 10] [--folder build/demo]

Everything runs on loopback, on free ports, in a folder of its own, and is stopped at the end. Exit code 0 if every record that was
acknowledged is in the tables exactly once.
"""

import argparse
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import questions

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
PAGES = ["/", "/", "/cart", "/checkout", "/checkout", *[f"/product/{i}" for i in (3, 7, 12, 31, 49, 77)]]
MARK = "signaldb-demo"  # A file that says: this folder is the demo's, the next run may replace it.


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def fetch(url, method="GET", timeout=60):
    with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=timeout) as reply:
        return reply.read().decode()


def say(text="", end="\n"):
    print(text, end=end, flush=True)


def fresh_folder(folder):
    folder = folder.resolve()
    if folder.exists() and any(folder.iterdir()):
        if not (folder / MARK).exists():
            sys.exit(f"demo: {folder} is not empty and not from a demo; choose another with --folder")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).touch()
    return folder


class Demo:
    def __init__(self, binary, folder):
        self.binary, self.folder = binary, folder
        self.processes = {}
        self.grpc, self.http, self.admin, self.web, self.stock = (free_port() for _ in range(5))
        self.ledger = folder / "sent.jsonl"

    def start(self, name, command):
        with open(self.folder / f"{name}.log", "ab") as log:
            self.processes[name] = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=subprocess.STDOUT)

    def fail(self, name, what):
        log = self.folder / f"{name}.log"
        tail = "".join(f"   {line}\n" for line in log.read_text(errors="replace").splitlines()[-10:])
        sys.exit(f"\ndemo: {name} {what}. The end of {log}:\n{tail}")

    def wait_for(self, name, url, seconds=30):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.processes[name].poll() is not None:
                self.fail(name, f"ended with code {self.processes[name].returncode}")
            try:
                return fetch(url, timeout=2)
            except OSError:
                time.sleep(0.02)
        self.fail(name, f"did not answer at {url} within {seconds} s")

    def start_writer(self):
        # The defaults, but for free ports and a shorter wait than 5 s.
        settings = [f"otlp.grpc_listen=127.0.0.1:{self.grpc}", "flight.listen=", f"otlp.http_listen=127.0.0.1:{self.http}",
                    f"admin.listen=127.0.0.1:{self.admin}", "commit.interval=2s"]
        self.start("writer", [self.binary, "run", *(word for setting in settings for word in ("--set", setting))])
        self.wait_for("writer", f"http://127.0.0.1:{self.admin}/readyz")

    def start_programs(self):
        def python(script, *arguments):
            return [sys.executable, HERE / script, *map(str, arguments), "--ledger", self.ledger]

        self.start("stock", python("shop.py", "stock", "--port", self.stock, "--otlp", f"127.0.0.1:{self.http}"))
        self.start("web", python("shop.py", "web", "--port", self.web, "--stock", f"http://127.0.0.1:{self.stock}",
                                 "--otlp", f"127.0.0.1:{self.grpc}"))
        self.start("host", python("host_metrics.py", "--otlp", f"127.0.0.1:{self.http}"))
        self.wait_for("stock", f"http://127.0.0.1:{self.stock}/item/1")
        self.wait_for("web", f"http://127.0.0.1:{self.web}/")

    def visit(self, until, counts):
        choice = random.Random()
        while time.monotonic() < until:
            try:
                fetch(f"http://127.0.0.1:{self.web}{choice.choice(PAGES)}", timeout=10)
            except urllib.error.HTTPError:
                counts["errors"] += 1
            counts["pages"] += 1

    def load(self, seconds, customers=6):
        counts = {"pages": 0, "errors": 0}
        until = time.monotonic() + seconds
        threads = [threading.Thread(target=self.visit, args=(until, counts)) for _ in range(customers)]
        for thread in threads:
            thread.start()
        # A terminal shows one line that moves, a file one line every few seconds.
        pause, end = (0.5, "\r") if sys.stdout.isatty() else (max(1, seconds / 3), "\n")
        while (left := until - time.monotonic()) > 0:
            say(f"   {counts['pages']:6} pages served, {left:2.0f} s to go ", end=end)
            time.sleep(min(pause, left))
        for thread in threads:
            thread.join()
        say(f"   {counts['pages']:6} pages served; {counts['errors']} of them errors, as the shop is built to make some")

    def stop(self, *names):
        for name in names:
            self.processes[name].send_signal(signal.SIGTERM)
        for name in names:
            if self.processes[name].wait(timeout=60) != 0:
                self.fail(name, f"ended with code {self.processes[name].returncode}")

    def pull_the_plug(self):
        self.processes["writer"].kill()
        self.processes["writer"].wait()
        say("   killed: what it had acknowledged since its last commit is in its log only")
        begun = time.monotonic()
        self.start_writer()
        replayed = re.findall(r"log replayed messages=(\d+)", (self.folder / "writer.log").read_text(errors="replace"))[-1]
        say(f"   started again: ready after {time.monotonic() - begun:.1f} s, {replayed} requests read back from the log")

    def stop_all(self):
        for process in self.processes.values():
            if process.poll() is None:
                process.kill()
                process.wait()


def show(demo, seconds):
    """The whole show; true if every record is in the tables once."""
    data = demo.folder / "signaldb-data"
    say(f"1. Start the writer with its embedded defaults, in {os.path.relpath(demo.folder)}")
    demo.start_writer()
    say(f"   OTLP/gRPC on port {demo.grpc}, OTLP/HTTP on port {demo.http}, metrics and health on port {demo.admin}")
    say("2. Start a web shop (OpenTelemetry SDK, gRPC), its stock service (HTTP), and metrics of this machine (HTTP)")
    demo.start_programs()
    say(f"3. Six customers shop for {seconds} s")
    demo.load(seconds)
    say("4. Stop shop and metrics: each sends what it still has, and notes what was acknowledged")
    demo.stop("web", "stock", "host")
    say("5. Pull the plug: kill -9 the writer")
    demo.pull_the_plug()
    say("6. Flush: everything accepted becomes visible")
    fetch(f"http://127.0.0.1:{demo.admin}/flush", method="POST")
    say("7. Ask DuckDB")
    questions.ask_duckdb(data)
    say("\n8. Ask PyIceberg")
    questions.ask_pyiceberg(data)
    say("\n9. Is every acknowledged record in the tables, once?")
    exact = questions.compare(data, [json.loads(line) for line in demo.ledger.read_text().splitlines()])
    demo.stop("writer")
    return exact


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True, type=pathlib.Path)
    parser.add_argument("--seconds", type=int, default=10, help="how long customers shop")
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "build/demo", help="where it runs; replaced by the next run")
    options = parser.parse_args()
    demo = Demo(options.binary.resolve(), fresh_folder(options.folder))
    begun = time.monotonic()
    try:
        exact = show(demo, options.seconds)
    except KeyboardInterrupt:
        sys.exit("\ndemo: interrupted")
    finally:
        demo.stop_all()
    if not exact:
        sys.exit("\ndemo: FAILED: records are missing or double, see above")
    folder, here = os.path.relpath(demo.folder), os.path.relpath(HERE)
    say(f"\nDone in {time.monotonic() - begun:.0f} s; everything is stopped. What to try next:")
    say(f"   ask your own questions     .venv/bin/python -i {here}/questions.py {folder}/signaldb-data")
    say("   run the writer for real    make run     then point an OpenTelemetry SDK or Collector at 127.0.0.1:4317")
    say("   read on                    docs/getting-started.md, docs/querying.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
