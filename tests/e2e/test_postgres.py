"""The service on a PostgreSQL catalog: exactly once while sessions are cut and the server crashes, and PyIceberg beside it."""

import os
import random
import threading
import time
from collections import Counter

import pytest
import requests
from postgres_process import BINARIES, PostgresProcess
from pyiceberg.catalog.sql import SqlCatalog
from telemetry_requests import Requests
from test_crashes import CLIENTS, SEED, Client
from test_foreign_writers import append_between_commits
from writer_process import Writer, assert_exactly_once, wait_for

FAULTS = int(os.environ.get("SIGNALDB_POSTGRES_FAULTS", "60"))

pytestmark = pytest.mark.skipif(not BINARIES.exists(), reason=f"postgresql-15 is not installed in {BINARIES}")


class PostgresWriter(Writer):
    def __init__(self, folder, server, **settings):
        super().__init__(folder, schema__catalog_uri=server.uri, **settings)
        self.server = server

    def catalog(self):
        return SqlCatalog("signaldb", uri=self.server.python_uri)


def test_cut_sessions_and_server_crashes_during_commits_lose_and_double_nothing(tmp_path):
    print(f"SIGNALDB_SEED={SEED} SIGNALDB_POSTGRES_FAULTS={FAULTS}")
    chance = random.Random(SEED)
    with PostgresProcess() as server, PostgresWriter(
            tmp_path, server, commit__interval="20ms", retry__initial_delay="5ms", retry__max_delay="50ms") as writer:
        stop = threading.Event()
        clients = [Client(writer, f"client{n}", stop) for n in range(CLIENTS)]
        for client in clients:
            client.start()
        cut = 0
        try:
            for fault in range(FAULTS):
                time.sleep(chance.uniform(0.02, 0.4))
                if fault % 12 == 11:
                    server.crash()
                    time.sleep(chance.uniform(0, 0.3))
                    server.start()
                else:
                    cut += server.cut_sessions()
        finally:
            stop.set()
            for client in clients:
                client.join()
        writer.flush()
        commits = {o: writer.metric("signaldb_writer_commits_total", outcome=o) for o in ("applied", "unknown", "failed")}
        retries = writer.metric("signaldb_writer_commit_retries_total")
        print(f"cut={cut} commits={commits} retries={retries} "
              f"reconciled={writer.metric('signaldb_writer_commit_reconciled_total')}")
        assert cut > 0 and retries > 0, "no fault ever met a commit"
        assert_exactly_once(clients, writer.record_ids())
        writer.stop()


def test_pyiceberg_reads_and_appends_beside_us_in_the_same_database(tmp_path):
    with PostgresProcess() as server, PostgresWriter(tmp_path, server) as writer:
        sent = append_between_commits(writer)
        assert writer.record_ids() == Counter(sent)
        catalog = writer.catalog()
        assert ("default", "default", "logs") in catalog.list_tables("default.default")
        catalog.create_namespace("theirs")
        catalog.rename_table("default.default.logs", "theirs.logs")
        assert catalog.load_table("theirs.logs").scan().to_arrow().num_rows == len(sent)
        writer.stop()


def test_the_pool_is_what_the_configuration_says(tmp_path):
    with PostgresProcess() as server:
        with PostgresWriter(tmp_path, server, catalog_pool__min_connections=3, catalog_pool__max_connections=4) as writer:
            sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'signaldb-writer'"
            assert server.ask(sessions) == [(3,)]
            assert writer.metric("signaldb_writer_catalog_pool_connections_max") == 4
            assert writer.metric("signaldb_writer_catalog_pool_created_total") >= 3
            writer.stop()
            assert server.ask(sessions) == [(0,)]


def test_requests_go_on_while_the_database_is_away(tmp_path):
    with PostgresProcess() as server, PostgresWriter(tmp_path, server, commit__interval="100ms") as writer:
        supply = Requests("ours")
        sent = writer.send(supply)
        writer.flush()
        server.crash()
        sent += writer.send(supply)
        wait_for(lambda: writer.metric("signaldb_writer_stalled_datasets") > 0, message="the outage is not reported")
        assert "commits" in requests.get(f"http://{writer.admin}/readyz?verbose", timeout=5).text
        server.start()
        writer.flush()
        assert writer.record_ids() == Counter(sent)
        writer.stop()


def test_does_not_start_without_the_database_and_shows_no_password(tmp_path):
    with PostgresProcess() as server:
        uri = server.uri.replace("postgres@", "postgres:hunter2@")
    writer = Writer(tmp_path, schema__catalog_uri=uri)
    writer.start(wait=False)
    assert writer.process.wait(timeout=30) != 0
    assert "the catalog server cannot be reached" in writer.log_tail()
    assert "hunter2" not in writer.log_tail()
