"""An OpenTelemetry Collector of one's own: OTLP over HTTP in, and whatever its configuration says out."""

import json
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import time

import requests
from writer_process import ROOT, free_port

BINARY = ROOT / "build" / "collector" / "otelcol"
READY_SECONDS = 60
STOP_SECONDS = 60
SIGNALS = ("traces", "metrics", "logs")


def why_missing():
    """Why there is no Collector here; empty if there is one."""
    if BINARY.exists():
        return ""
    reason = BINARY.with_name("missing.txt")
    return reason.read_text().strip() if reason.exists() else f"the Collector is not in {BINARY}: run tools/collector"


def documented(path, exporter):
    """The block of YAML in a document that has this exporter."""
    blocks = re.findall(r"^```yaml\n(.*?)^```$", (ROOT / path).read_text(), flags=re.DOTALL | re.MULTILINE)
    return next(block for block in blocks if f"  {exporter}:\n" in block)


class CollectorProcess:
    """Runs `configuration`, a text of YAML without receivers; `more` is laid over it."""

    def __init__(self, configuration, more=None):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="signaldb-collector-"))
        self.address = f"127.0.0.1:{free_port()}"
        (self.folder / "exporters.yaml").write_text(configuration)
        own = {"receivers": {"otlp": {"protocols": {"http": {"endpoint": self.address}}}},
               "service": {"telemetry": {"metrics": {"level": "none"}}}}
        (self.folder / "receivers.yaml").write_text(json.dumps(own))
        (self.folder / "more.yaml").write_text(json.dumps(more or {}))
        self.log = open(self.folder / "collector.log", "ab")
        self.process = None

    def start(self):
        files = [f"--config={self.folder / name}.yaml" for name in ("exporters", "receivers", "more")]
        self.process = subprocess.Popen([BINARY, *files], stdout=self.log, stderr=self.log)
        deadline = time.monotonic() + READY_SECONDS
        host, port = self.address.split(":")
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log_tail()
            try:
                socket.create_connection((host, int(port)), timeout=1).close()
                return self
            except OSError:
                time.sleep(0.02)
        raise AssertionError(self.log_tail())

    def send(self, path, body):
        """Sends an OTLP request, again for as long as its queue is full."""
        deadline = time.monotonic() + READY_SECONDS
        while True:
            reply = requests.post(f"http://{self.address}{path}", data=body, timeout=30,
                                  headers={"Content-Type": "application/x-protobuf"})
            if reply.status_code == 200:
                return
            assert reply.status_code in (429, 503) and time.monotonic() < deadline, (reply.text, self.log_tail())
            time.sleep(0.1)

    def stop(self):
        """Ends it in order: what it took in has been exported then."""
        self.process.terminate()
        assert self.process.wait(STOP_SECONDS) == 0, self.log_tail()

    def log_tail(self, characters=3000):
        return (self.folder / "collector.log").read_text(errors="replace")[-characters:]

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)
