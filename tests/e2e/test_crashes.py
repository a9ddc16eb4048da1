"""Exactly once under kill -9: a client that retries what was not acknowledged, and a writer that dies at random moments."""

import os
import random
import threading
import time
from collections import Counter

import requests
from telemetry_requests import SIGNALS, Requests
from writer_process import Writer, assert_exactly_once

ROUNDS = int(os.environ.get("SIGNALDB_CRASH_ROUNDS", "25"))
SEED = int(os.environ.get("SIGNALDB_SEED", time.time_ns() % 1_000_000))
CLIENTS = 4


class Client(threading.Thread):
    """Sends requests one after another; repeats each until it is acknowledged."""

    def __init__(self, writer, name, stop):
        super().__init__()
        self.writer, self.stop = writer, stop
        self.supply, self.random = Requests(name), random.Random(f"{SEED}-{name}")
        self.attempts, self.acknowledged = Counter(), set()

    def run(self):
        while not self.stop.is_set():
            path, body, ids = self.supply.next(self.random.choice(SIGNALS), self.random.randint(1, 60))
            while not self.send(path, body, ids) and not self.stop.is_set():
                time.sleep(0.01)

    def send(self, path, body, ids):
        self.attempts.update(ids)
        try:
            reply = self.writer.post(path, body, timeout=10)
        except requests.RequestException:
            return False
        assert reply.status_code in (200, 503), reply.text
        if reply.status_code == 200:
            self.acknowledged.update(ids)
        return reply.status_code == 200


def test_every_acknowledged_record_is_there_once_after_random_kills(tmp_path):
    print(f"SIGNALDB_SEED={SEED} SIGNALDB_CRASH_ROUNDS={ROUNDS}")
    chance = random.Random(SEED)
    writer = Writer(tmp_path, commit__interval="100ms")
    stop = threading.Event()
    writer.start()
    clients = [Client(writer, f"client{n}", stop) for n in range(CLIENTS)]
    for client in clients:
        client.start()
    try:
        for _ in range(ROUNDS):
            time.sleep(chance.uniform(0.02, 0.5))
            writer.kill()
            # Often during recovery too: not every round waits until the writer is ready.
            writer.start(wait=chance.random() < 0.8)
    finally:
        stop.set()
        for client in clients:
            client.join()
    writer.wait_ready()
    writer.flush()
    stored = writer.record_ids()
    writer.stop()
    assert_exactly_once(clients, stored)


def test_a_kill_between_acknowledgement_and_commit_loses_nothing(tmp_path):
    writer = Writer(tmp_path, commit__interval="1h")
    supply = Requests("before-the-kill")
    sent = []
    with writer:
        for signal in SIGNALS:
            sent += writer.send(supply, signal=signal)
        assert writer.record_ids() == Counter()
        writer.kill()
        writer.start()
        writer.flush()
        assert writer.record_ids() == Counter(sent)
        writer.kill()
        writer.start()
        writer.flush()
        assert writer.record_ids() == Counter(sent), "a second recovery must not write the rows again"
        writer.stop()


def test_a_limit_lowered_after_a_crash_rejects_nothing_that_was_acknowledged(tmp_path):
    writer = Writer(tmp_path, commit__interval="1h")
    with writer:
        sent = writer.send(Requests("before-the-limit"))
        writer.kill()
        writer.settings |= {"ingest.attributes_max": 1, "ingest.records_max": 1, "ingest.depth_max": 1}
        writer.start()
        writer.flush()
        assert writer.record_ids() == Counter(sent)
        writer.stop()
