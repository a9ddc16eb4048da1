"""Tables in an object store: exactly once, whoever of the two is killed."""

import time
from collections import Counter

import pytest
import requests
from object_store_process import BUCKET, KEY, SECRET, ObjectStoreProcess
from pyiceberg.catalog.sql import SqlCatalog
from telemetry_requests import Requests
from writer_process import Writer, wait_for


@pytest.fixture(scope="module")
def store():
    with ObjectStoreProcess() as process:
        yield process


class StoreWriter(Writer):
    def __init__(self, folder, store, prefix, **settings):
        super().__init__(folder, storage__dsn=f"s3://{BUCKET}/{prefix}/?endpoint={store.endpoint}&region=us-east-1",
                         storage__access_key_id=KEY, storage__secret_access_key=SECRET, **settings)
        self.store = store

    def catalog(self):
        return SqlCatalog("signaldb", uri=f"sqlite:///{self.data}/catalog.db", **self.store.python_properties)


def test_rows_arrive_under_locations_that_every_engine_reads(tmp_path, store):
    with StoreWriter(tmp_path, store, "plain/tables") as writer:
        supply, sent = Requests("plain"), []
        for _ in range(5):
            sent += writer.send(supply)
        writer.flush()
        table = writer.table("logs")
        assert table.metadata_location.startswith(f"s3://{BUCKET}/plain/tables/default/default/logs/metadata/")
        assert writer.record_ids() == Counter(sent)
        shown = requests.get(f"http://{writer.admin}/config", timeout=10).text
        assert SECRET not in shown and KEY not in shown
        writer.stop()
    assert SECRET not in (tmp_path / "writer.log").read_text()


def test_a_killed_writer_loses_and_doubles_nothing(tmp_path, store):
    with StoreWriter(tmp_path, store, "killed", commit__interval="50ms") as writer:
        supply, sent = Requests("killed"), []
        for round_ in range(6):
            for _ in range(5):
                sent += writer.send(supply)
            time.sleep(0.03 * round_)
            writer.kill()
            writer.start()
        writer.flush_at_last()
        assert writer.record_ids() == Counter(sent)
        writer.stop()


def test_a_store_that_goes_away_is_waited_for(tmp_path):
    with ObjectStoreProcess() as own, StoreWriter(tmp_path, own, "away", commit__interval="50ms") as writer:
        supply = Requests("away")
        sent = writer.send(supply)
        writer.flush_at_last()
        own.kill()
        for _ in range(5):
            sent += writer.send(supply)  # Into the log: no request waits for the store.
        wait_for(lambda: writer.readiness()[0] == 503, message="ready without a store")
        own.start()
        writer.flush_at_last()
        assert writer.record_ids() == Counter(sent)
        writer.stop()


def test_a_wrong_key_is_said_and_loses_nothing(tmp_path, store):
    with StoreWriter(tmp_path, store, "wrong", commit__interval="50ms") as writer:
        supply = Requests("wrong")
        writer.kill()
        writer.settings["storage.secret_access_key"] = "no-such-secret"
        writer.start(wait=False)
        sent = wait_for(lambda: writer.send(supply))
        wait_for(lambda: "tenant=default" in writer.readiness()[1])
        assert "no-such-secret" not in writer.log_tail(100_000)
        writer.kill()
        writer.settings["storage.secret_access_key"] = SECRET
        writer.start()
        writer.flush_at_last()
        assert writer.record_ids() == Counter(sent)
        writer.stop()
