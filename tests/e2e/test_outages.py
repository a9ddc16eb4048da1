"""Disks, catalogs and tables that go away for a while: nothing acknowledged is lost, and the service recovers by itself."""

import contextlib
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import time
from collections import Counter

import grpc
import pytest
import requests
from opentelemetry.proto.collector.logs.v1.logs_service_pb2_grpc import LogsServiceStub
from telemetry_requests import Requests
from writer_process import BINARY, Writer, wait_for


def alive(writer):
    return writer.process.poll() is None and requests.get(f"http://{writer.admin}/livez", timeout=5).status_code == 200


@contextlib.contextmanager
def locked_catalog(writer):
    """As a foreign process that holds a transaction open for long."""
    connection = sqlite3.connect(writer.data / "catalog.db", isolation_level=None, timeout=30)
    connection.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
        connection.close()


@contextlib.contextmanager
def small_disk(folder, size):
    folder.mkdir(parents=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=False).returncode != 0:
        pytest.skip("mounting a small tmpfs is not permitted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def test_a_locked_catalog_is_waited_for(tmp_path):
    with Writer(tmp_path, commit__interval="100ms", catalog_pool__connection_timeout_ms="200") as writer:
        supply = Requests("locked")
        sent = writer.send(supply)
        writer.flush()
        with locked_catalog(writer):
            for _ in range(20):
                sent += writer.send(supply)
            status, why = wait_for(lambda: writer.readiness() if writer.readiness()[0] == 503 else None,
                                   message="the outage was never reported")
            assert "commits" in why and "locked" in why
            assert alive(writer)
            sent += writer.send(supply)
        writer.flush_at_last()
        assert writer.readiness()[0] == 200
        assert writer.record_ids() == Counter(sent)
        writer.stop()


def test_a_stop_during_a_catalog_outage_is_quick_and_loses_nothing(tmp_path):
    with Writer(tmp_path, commit__interval="50ms", shutdown__deadline="2s") as writer:
        supply = Requests("stopped")
        sent = writer.send(supply)
        writer.flush()
        with locked_catalog(writer):
            for _ in range(10):
                sent += writer.send(supply)
            time.sleep(0.3)
            begun = time.monotonic()
            writer.stop()
            # One wait for the catalog's lock may be under way when the deadline comes.
            assert time.monotonic() - begun < 2 + 5 + 3
        writer.start()
        writer.flush()
        assert writer.record_ids() == Counter(sent)
        writer.stop()


def test_a_flush_that_waits_does_not_hold_up_a_stop(tmp_path):
    with Writer(tmp_path, commit__interval="50ms", shutdown__deadline="1s",
                catalog_pool__connection_timeout_ms="200") as writer:
        sent = writer.send(Requests("flush"))
        with locked_catalog(writer):
            flush = subprocess.Popen(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-X", "POST",
                                      f"http://{writer.admin}/flush?timeout=300s"], stdout=subprocess.PIPE)
            time.sleep(1)
            begun = time.monotonic()
            writer.stop()
            assert time.monotonic() - begun < 10
            assert flush.communicate(timeout=10)[0] == b"503"
        writer.start()
        writer.flush()
        assert writer.record_ids() == Counter(sent)
        writer.stop()


def test_a_stop_during_recovery_exits_0(tmp_path):
    with Writer(tmp_path, commit__interval="1h", catalog_pool__connection_timeout_ms="300") as writer:
        supply = Requests("recovery")
        sent = writer.send(supply)
        writer.kill()
        with locked_catalog(writer):
            writer.start(wait=False)
            wait_for(lambda: writer.process.poll() is not None or writer.readiness()[0] == 503)
            if writer.process.poll() is None:
                writer.stop()
            else:
                writer._gone()
        for pause in (0, 0.02, 0.05, 0.1):
            writer.start(wait=False)
            time.sleep(pause)
            writer.process.send_signal(signal.SIGTERM)
            # Before the program has blocked the signal, the kernel ends it.
            writer.wait_exit(0, -signal.SIGTERM)
        writer.start()
        writer.flush()
        assert writer.record_ids() == Counter(sent)
        writer.stop()


def send_until_refused(writer, supply, records, requests_max, otherwise):
    """Sends until more than five requests were refused; what was acknowledged."""
    sent, refused = [], 0
    for _ in range(requests_max):
        ids = writer.send(supply, records)
        sent += ids or []
        refused += ids is None
        if refused > 5:
            break
    assert refused > 5, otherwise
    return sent


def test_a_full_log_asks_to_retry_and_empties_itself(tmp_path):
    with Writer(tmp_path, commit__interval="50ms", catalog_pool__connection_timeout_ms="100",
                log__bytes_max="1MiB", log__segment_bytes="64KiB") as writer:
        supply = Requests("full")
        sent = writer.send(supply)
        writer.flush()
        with locked_catalog(writer):
            sent += send_until_refused(writer, supply, 100, 2000, "the log never became full")
            with grpc.insecure_channel(writer.grpc) as channel:
                with pytest.raises(grpc.RpcError) as error:
                    LogsServiceStub(channel).Export(supply._logs(["never, larger than what may still fit"] * 400), timeout=10)
                assert error.value.code() == grpc.StatusCode.UNAVAILABLE
            status, why = writer.readiness()
            assert status == 503
            writer.kill()  # The harder way out: the next process finds a log that is full.
        writer.start()
        wait_for(lambda: writer.send(supply), message="the log did not become free again")
        writer.flush_at_last()
        stored = writer.record_ids()
        assert not (Counter(sent) - stored), "acknowledged records are lost"
        assert max(stored.values()) == 1
        writer.stop()


def test_an_exhausted_memory_budget_asks_to_retry(tmp_path):
    with Writer(tmp_path, commit__interval="50ms", catalog_pool__connection_timeout_ms="100",
                memory__budget="4MiB", otlp__max_request_bytes="256KiB",
                commit__max_uncommitted_bytes="1MiB") as writer:
        supply = Requests("memory")
        sent = writer.send(supply)
        writer.flush()
        with locked_catalog(writer):
            sent += send_until_refused(writer, supply, 200, 1000, "the budget was never exhausted")
            status, why = writer.readiness()
            assert status == 503
            assert "memory" in why or "commits" in why
        wait_for(lambda: writer.send(supply, 1) and None or writer.readiness()[0] == 200)
        writer.flush_at_last()
        stored = writer.record_ids()
        assert not (Counter(sent) - stored), "acknowledged records are lost"
        assert max(stored.values()) == 1
        writer.stop()


def test_tables_that_go_away_and_come_back(tmp_path):
    with Writer(tmp_path, commit__interval="50ms") as writer:
        supply = Requests("tables")
        sent = writer.send(supply)
        writer.flush()
        tables, aside = writer.data / "tables", writer.data / "aside"
        tables.rename(aside)
        tables.write_text("a file in place of the folder")
        for _ in range(10):
            sent += writer.send(supply)
        wait_for(lambda: writer.readiness()[0] == 503)
        assert alive(writer)
        tables.unlink()
        aside.rename(tables)
        writer.flush_at_last()
        assert writer.record_ids() == Counter(sent)
        writer.stop()


def test_a_full_disk_of_tables(tmp_path):
    with small_disk(tmp_path / "disk", "4m"):
        with Writer(tmp_path, commit__interval="50ms", storage__dsn=f"file://{tmp_path}/disk/tables") as writer:
            supply = Requests("tables-full")
            sent = writer.send(supply)
            writer.flush()
            filler = tmp_path / "disk" / "filler"
            with contextlib.suppress(OSError), open(filler, "wb") as file:
                while True:
                    file.write(os.urandom(4096))
                    file.flush()
            for _ in range(10):
                sent += writer.send(supply)
            assert wait_for(lambda: writer.readiness()[1] if writer.readiness()[0] == 503 else None)
            filler.unlink()
            writer.flush_at_last()
            assert writer.record_ids() == Counter(sent)
            leftovers = [f for f in (tmp_path / "disk").rglob("*.parquet") if f.stat().st_size == 0]
            assert not leftovers
            writer.stop()


def test_a_full_disk_of_the_log(tmp_path):
    with small_disk(tmp_path / "disk", "2m"):
        with Writer(tmp_path, commit__interval="50ms", log__dir=f"{tmp_path}/disk/log",
                    log__segment_bytes="128KiB") as writer:
            supply = Requests("log-full")
            sent = writer.send(supply)
            filler = tmp_path / "disk" / "filler"
            with contextlib.suppress(OSError), open(filler, "wb") as file:
                while True:
                    file.write(os.urandom(4096))
                    file.flush()
            sent += send_until_refused(writer, supply, 100, 300, "the disk never became full")
            status, why = writer.readiness()
            assert status == 503 and "log" in why
            filler.unlink()
            sent += wait_for(lambda: writer.send(supply))
            assert wait_for(lambda: writer.readiness()[0] == 200)
            writer.flush_at_last()
            stored = writer.record_ids()
            assert not (Counter(sent) - stored), "acknowledged records are lost"
            assert max(stored.values()) == 1
            writer.stop()


def test_a_broken_table_of_one_tenant_stops_nobody_else(tmp_path):
    with Writer(tmp_path, commit__interval="50ms") as writer:
        ours, theirs = Requests("ours"), Requests("broken")
        sent, held = writer.send(ours), writer.send(theirs, **{"X-Tenant-Id": "broken"})
        writer.flush()
        table = writer.table("logs", "broken.default")
        metadata = pathlib.Path(table.metadata_location.removeprefix("file://"))
        aside = tmp_path / "metadata.json"
        # The writer may know the newest version by heart: a foreign commit makes it look.
        with table.transaction() as transaction:
            transaction.set_properties({"by": "hand"})
        metadata = pathlib.Path(table.metadata_location.removeprefix("file://"))
        shutil.move(metadata, aside)
        held += writer.send(theirs, **{"X-Tenant-Id": "broken"})
        for _ in range(5):
            sent += writer.send(ours)
        wait_for(lambda: writer.record_ids() == Counter(sent), message="the other tenant was held up")
        status, why = writer.readiness()
        assert status == 503 and "tenant=broken" in why
        writer.kill()
        writer.start(wait=False)
        wait_for(lambda: "tenant=broken" in writer.readiness()[1] and "startup" not in writer.readiness()[1],
                 message=f"a broken table kept the service from starting: {writer.log_tail()}")
        sent += wait_for(lambda: writer.send(ours))
        wait_for(lambda: writer.record_ids() == Counter(sent))
        shutil.move(aside, metadata)
        writer.flush_at_last()
        assert writer.record_ids("broken.default") == Counter(held)
        assert writer.readiness()[0] == 200
        writer.stop()


def test_a_table_that_stays_broken_does_not_fill_the_log(tmp_path):
    limits = {"log__bytes_max": "4MiB", "log__segment_bytes": "128KiB", "commit__interval": "50ms"}
    with Writer(tmp_path, **limits) as writer:
        ours, theirs = Requests("ours"), Requests("broken")
        held = writer.send(theirs, **{"X-Tenant-Id": "broken"})
        writer.flush()
        table = writer.table("logs", "broken.default")
        with table.transaction() as transaction:
            transaction.set_properties({"by": "hand"})
        metadata = pathlib.Path(table.metadata_location.removeprefix("file://"))
        aside = tmp_path / "metadata.json"
        shutil.move(metadata, aside)
        held += writer.send(theirs, **{"X-Tenant-Id": "broken"})
        sent, bytes_sent = [], 0
        while bytes_sent < 3 * (4 << 20):  # Three times what the log may hold.
            path, body, ids = ours.next("logs", 500)
            wait_for(lambda body=body, path=path: writer.post(path, body).status_code == 200,
                     message="the log is full of what is committed")
            sent += ids
            bytes_sent += len(body)
        wait_for(lambda: writer.record_ids() == Counter(sent))
        writer.kill()
        shutil.move(aside, metadata)
        writer.start()
        writer.flush_at_last()
        assert writer.record_ids() == Counter(sent)
        assert writer.record_ids("broken.default") == Counter(held)
        writer.stop()


def test_a_table_with_a_foreign_schema_stops_nobody_else(tmp_path):
    import pyarrow as pa
    with Writer(tmp_path, commit__interval="50ms") as writer:
        ours, theirs = Requests("ours"), Requests("foreign")
        catalog = None
        sent = writer.send(ours)
        writer.flush()
        catalog = writer.catalog()
        catalog.create_namespace(("foreign", "default"))
        catalog.create_table("foreign.default.logs", pa.schema([pa.field("something", pa.int64())]),
                             location=f"file://{writer.data}/tables/foreign/default/logs")
        held = writer.send(theirs, **{"X-Tenant-Id": "foreign"})
        for _ in range(5):
            sent += writer.send(ours)
        wait_for(lambda: writer.record_ids() == Counter(sent), message="the other tenant was held up")
        wait_for(lambda: "tenant=foreign" in writer.readiness()[1])
        catalog.drop_table("foreign.default.logs")
        writer.flush_at_last()
        assert writer.record_ids("foreign.default") == Counter(held)
        writer.stop()


def test_a_table_that_somebody_drops_is_made_anew(tmp_path):
    with Writer(tmp_path, commit__interval="50ms") as writer:
        supply = Requests("dropped")
        writer.send(supply)
        writer.flush()
        writer.catalog().drop_table("default.default.logs")
        sent = writer.send(supply)
        writer.flush_at_last()
        assert writer.record_ids() == Counter(sent), "what was dropped stays dropped, what came later is there once"
        writer.stop()


def test_a_process_that_is_stopped_for_a_while_goes_on(tmp_path):
    with Writer(tmp_path, commit__interval="50ms") as writer:
        supply = Requests("paused")
        sent = []
        for _ in range(5):
            sent += writer.send(supply)
            writer.process.send_signal(signal.SIGSTOP)
            time.sleep(0.7)
            writer.process.send_signal(signal.SIGCONT)
        sent += writer.send(supply)
        writer.flush_at_last()
        assert writer.record_ids() == Counter(sent)
        writer.stop()


def test_a_log_folder_full_of_garbage(tmp_path):
    writer = Writer(tmp_path)
    folder = writer.data / "log"
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("not ours")
    (folder / "0000.log").write_bytes(os.urandom(5000))
    (folder / "segment").write_bytes(b"")
    with writer:
        sent = writer.send(Requests("garbage"))
        writer.flush()
        assert writer.record_ids() == Counter(sent)
        writer.stop()
    assert (folder / "notes.txt").read_text() == "not ours"


def test_a_failing_fsync_never_becomes_an_acknowledgement(tmp_path):
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    wrapper = tmp_path / "faulty"
    wrapper.write_text("#!/bin/sh\nexec strace -f -qq -o /dev/null -e trace=fsync,fdatasync "
                       f"-e inject=fsync,fdatasync:error=EIO:when=40+7 {BINARY} \"$@\"\n")
    wrapper.chmod(0o755)
    writer = Writer(tmp_path, commit__interval="100ms")
    supply, sent, refused = Requests("fsync"), [], 0
    writer.start(wait=False, binary=wrapper)
    try:
        writer.wait_ready()
    except AssertionError:
        pytest.skip(f"strace cannot inject here: {writer.log_tail(500)}")
    with contextlib.suppress(requests.RequestException):
        for _ in range(150):
            ids = writer.send(supply)
            sent += ids or []
            refused += ids is None
    # The tracer first, and its child would live on.
    for child in pathlib.Path(f"/proc/{writer.process.pid}/task/{writer.process.pid}/children").read_text().split():
        os.kill(int(child), signal.SIGKILL)
    writer.kill()
    writer.start()
    writer.flush()
    stored = writer.record_ids()
    writer.stop()
    assert sent and not (Counter(sent) - stored), "acknowledged records are lost"
    assert max(stored.values()) == 1


def test_secrets_of_requests_and_configuration_are_never_logged(tmp_path):
    canary = "canary-7e1f-secret"
    with Writer(tmp_path, logging__level="debug", commit__interval="50ms") as writer:
        supply = Requests(canary)
        writer.send(supply)
        writer.post("/v1/logs", b"\xff" * 30 + canary.encode(), Authorization=f"Bearer {canary}")
        writer.post("/v1/logs", supply.next("logs")[1], **{"X-Tenant-Id": f"../{canary}"})
        requests.post(f"http://{writer.http}/v1/logs?token={canary}", data=f'{{"{canary}":', timeout=10,
                      headers={"Content-Type": "application/json", "X-Api-Key": canary})
        with locked_catalog(writer):
            writer.send(supply)
            time.sleep(0.5)
        writer.flush_at_last()
        metrics = requests.get(f"http://{writer.admin}/metrics", timeout=10).text
        configuration = requests.get(f"http://{writer.admin}/config", timeout=10).text
        writer.stop()
    log = (tmp_path / "writer.log").read_text(errors="replace")
    assert "request is durable" in log, "the level was not what the test needs"
    for name, text in (("log", log), ("metrics", metrics), ("configuration", configuration)):
        assert canary not in text, name
