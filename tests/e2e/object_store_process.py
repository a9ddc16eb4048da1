"""An object store that speaks S3, of one's own: free loopback ports, everything in one folder."""

import contextlib
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time

import pyarrow.fs
from writer_process import hold_port

BUCKET = "warehouse"
KEY, SECRET = "testkey", "testsecret"
READY_SECONDS = 60
GRPC_OFFSET = 10_000  # Each of the server's ports has a second one this far above.


def free_port_pair():
    while True:
        port = random.randrange(10_000, 22_000)
        if hold_port(port) and hold_port(port + GRPC_OFFSET):
            return port


class ObjectStoreProcess:
    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="signaldb-objects-"))
        self.ports = {name: free_port_pair() for name in ("master", "volume", "filer", "s3", "s3.iceberg", "admin")}
        self.log = open(self.folder / "weed.log", "ab")
        self.process = None

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.ports['s3']}"

    @property
    def python_properties(self):
        return {"s3.endpoint": self.endpoint, "s3.access-key-id": KEY, "s3.secret-access-key": SECRET,
                "s3.region": "us-east-1"}

    def start(self):
        weed = pathlib.Path(sys.executable).parent / "weed"
        words = [weed, "-logtostderr", "mini", f"-dir={self.folder / 'data'}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
                 "-master.telemetry=false", "-s3.port.lance=0", "-webdav=false", "-admin.ui=false", f"-bucket={BUCKET}"]
        for name, port in self.ports.items():
            words.append(f"-{name.replace('s3.iceberg', 's3.port.iceberg') if '.' in name else name + '.port'}={port}")
        (self.folder / "data").mkdir(exist_ok=True)
        environment = {**os.environ, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "TMPDIR": str(self.folder)}
        self.process = subprocess.Popen(words, cwd=self.folder, env=environment, stdout=self.log, stderr=self.log)
        self.wait_ready()

    def wait_ready(self):
        """Until an object can be written and read: the server's own health comes too early."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            assert self.process.poll() is None, (self.folder / "weed.log").read_text()[-3000:]
            with contextlib.suppress(OSError):
                store = pyarrow.fs.S3FileSystem(access_key=KEY, secret_key=SECRET, endpoint_override=self.endpoint,
                                                region="us-east-1", request_timeout=3, connect_timeout=3)
                with store.open_output_stream(f"{BUCKET}/probe") as stream:
                    stream.write(b"there")
                with store.open_input_stream(f"{BUCKET}/probe") as stream:
                    assert stream.read() == b"there"
                return
            time.sleep(0.1)
        raise AssertionError((self.folder / "weed.log").read_text()[-3000:])

    def kill(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.kill()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)
