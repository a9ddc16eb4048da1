"""A NATS server with JetStream of one's own: a free loopback port, its store in one folder; and a client for it."""

import asyncio
import contextlib
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import nats
from writer_process import free_port

SERVER = pathlib.Path(sys.prefix) / "bin" / "nats-server"
READY_SECONDS = 30
IN_FLIGHT = 256


class NatsProcess:
    def __init__(self, *arguments):
        self.port = free_port()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="signaldb-nats-"))
        self.arguments = arguments
        self.log = open(self.folder / "server.log", "ab")
        self.process = None

    @property
    def url(self):
        return f"nats://127.0.0.1:{self.port}"

    def start(self):
        self.process = subprocess.Popen([SERVER, "-a", "127.0.0.1", "-p", str(self.port), "-js", "-sd", self.folder / "store",
                                         *self.arguments], stdout=self.log, stderr=self.log)
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return self
            time.sleep(0.01)
        raise AssertionError((self.folder / "server.log").read_text()[-3000:])

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.kill()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class NatsCluster:
    """Three servers that keep streams together. With a killed one the other two go on."""

    SIZE = 3

    def __init__(self):
        routes = [f"nats://127.0.0.1:{free_port()}" for _ in range(self.SIZE)]
        self.servers = {f"n{number}": NatsProcess("--name", f"n{number}", "--cluster_name", "test", "--cluster", route,
                                                  "--routes", ",".join(routes))
                        for number, route in enumerate(routes)}

    @property
    def url(self):
        return ",".join(server.url for server in self.servers.values())

    def __enter__(self):
        for server in self.servers.values():
            server.start()
        return self

    def __exit__(self, *_):
        for server in self.servers.values():
            server.__exit__()


class NatsClient:
    """nats-py for tests that are not asynchronous: a loop on a thread of its own."""

    def __init__(self, url, **options):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.connection = self.run(nats.connect(url.split(","), max_reconnect_attempts=-1, reconnect_time_wait=0.05,
                                                error_cb=self.ignore, **options))
        self.jetstream = self.connection.jetstream(timeout=10)

    @staticmethod
    async def ignore(_):
        """By default nats-py logs every attempt to reconnect to a server that a test has killed."""

    def run(self, coroutine, timeout=60):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(timeout)

    def create(self, stream, durable, subjects, replicas=1, **consumer):
        self.run(self.jetstream.add_stream(name=stream, subjects=subjects, num_replicas=replicas))
        self.add_consumer(stream, durable, **consumer)

    def leader(self, stream):
        """The name of the server that leads the stream; empty while nobody does."""
        try:
            cluster = self.run(self.jetstream.stream_info(stream)).cluster
        except nats.errors.Error:
            return ""
        return (cluster and cluster.leader) or ""

    def add_consumer(self, stream, durable, ack_wait=30, max_ack_pending=50_000, **consumer):
        config = nats.js.api.ConsumerConfig(durable_name=durable, ack_policy="explicit", ack_wait=ack_wait,
                                            max_ack_pending=max_ack_pending, **consumer)
        self.run(self.jetstream.add_consumer(stream, config))

    def publish(self, messages):
        """Publishes (subject, body, headers) and returns when the stream has acknowledged each of them."""
        async def one(gate, message, number):
            subject, body, headers = message
            # The stream drops a second try of ours by this header.
            headers = {**headers, "Nats-Msg-Id": number}
            async with gate:
                for _ in range(300):  # An election of a leader may take a while.
                    try:
                        return await self.jetstream.publish(subject, body, headers=headers)
                    except (nats.errors.Error, OSError):
                        await asyncio.sleep(0.2)
                raise AssertionError("the stream does not take a message")

        async def all_of_them():
            gate = asyncio.Semaphore(IN_FLIGHT)
            stamp = time.monotonic_ns()
            await asyncio.gather(*(one(gate, message, f"{stamp}-{n}") for n, message in enumerate(messages)))

        self.run(all_of_them(), timeout=600)

    def consumer(self, stream, durable):
        return self.run(self.jetstream.consumer_info(stream, durable))

    def close(self):
        self.run(self.connection.close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
