"""Log folders that are copied, put back, run twice, taken away, or given to another catalog: nothing acknowledged is lost or doubled."""

import shutil
from collections import Counter

import pytest
from telemetry_requests import SIGNALS, Requests
from writer_process import Writer, wait_for


def send(writer, supply, rounds=3):
    """Acknowledged record ids."""
    sent = Counter()
    for _ in range(rounds):
        for name in SIGNALS:
            sent.update(writer.send(supply, signal=name))
    return sent


def put_back_as_new_files(copy, log):
    shutil.rmtree(log)
    shutil.copytree(copy, log)


def put_back_in_place(copy, log):
    """The same inodes with the old contents, as a file system's snapshot has them."""
    for path in log.iterdir():
        if not (copy / path.name).exists():
            path.unlink()
    for path in copy.iterdir():
        (log / path.name).write_bytes(path.read_bytes())


def put_back_over_newer_files(copy, log):
    for path in copy.iterdir():
        (log / path.name).write_bytes(path.read_bytes())


@pytest.mark.parametrize("put_back", [put_back_as_new_files, put_back_in_place, put_back_over_newer_files])
@pytest.mark.parametrize("copied_after", ["a stop", "a kill"])
def test_a_log_put_back_from_an_older_copy_loses_and_doubles_nothing(tmp_path, put_back, copied_after):
    writer = Writer(tmp_path, commit__interval="1h")
    log, copy, supply = writer.data / "log", tmp_path / "copy", Requests("put-back")
    writer.start()
    sent = send(writer, supply)
    writer.stop() if copied_after == "a stop" else writer.kill()
    shutil.copytree(log, copy)
    for life in range(2):
        # More than once, and each time the tables are further ahead of the copy.
        writer.start()
        sent += send(writer, supply, rounds=4)
        writer.stop()
        put_back(copy, log)
    writer.start()
    sent += send(writer, supply, rounds=6)
    # Uncommitted records of old and new identities are found again after a crash, too.
    writer.kill()
    writer.start()
    sent += send(writer, supply)
    writer.stop()
    assert writer.record_ids() == sent
    assert "the log begins a new identity" in writer.log_tail(1_000_000) or put_back is put_back_over_newer_files


def test_plain_restarts_and_a_move_keep_the_identity(tmp_path):
    writer = Writer(tmp_path, commit__interval="100ms")
    supply, sent = Requests("moved"), Counter()
    for _ in range(2):
        writer.start()
        sent += send(writer, supply)
        writer.kill()
    (writer.data / "log").rename(tmp_path / "moved-log")
    writer.settings["log.dir"] = str(tmp_path / "moved-log")
    writer.start()
    sent += send(writer, supply)
    writer.stop()
    assert writer.record_ids() == sent
    assert "new identity" not in writer.log_tail(1_000_000)
    marks = [key for key in writer.table("logs").properties if key.startswith("signaldb.watermark.")]
    assert len(marks) == 1


def test_a_log_and_its_copy_that_run_at_once_lose_and_double_nothing(tmp_path):
    original = Writer(tmp_path / "original", commit__interval="1h")
    original.start()
    shared = send(original, Requests("before-the-copy"))
    original.kill()
    twin = Writer(tmp_path / "twin", commit__interval="200ms",
                  schema__catalog_uri=f"sqlite://{original.data}/catalog.db",
                  storage__dsn=f"file://{original.data}/tables")
    shutil.copytree(original.data / "log", twin.data / "log")
    original.settings["commit.interval"] = "200ms"
    original.start(wait=False)
    twin.start(wait=False)
    original.wait_ready()
    twin.wait_ready()
    sent, supplies = shared, {original: Requests("original"), twin: Requests("twin")}
    for _ in range(8):
        for writer, supply in supplies.items():
            sent = sent + send(writer, supply, rounds=1)
    twin.kill()
    twin.start()
    sent = sent + send(twin, supplies[twin], rounds=1)
    twin.stop()
    original.stop()
    assert original.record_ids() == sent
    assert "a copy" in twin.log_tail(1_000_000)
    assert "new identity" not in original.log_tail(1_000_000)


@pytest.mark.parametrize("fate", ["removed", "moved away", "replaced by a copy"])
def test_a_log_folder_taken_away_while_running_is_noticed_and_loses_nothing(tmp_path, fate):
    writer = Writer(tmp_path, commit__interval="1h")
    log, supply = writer.data / "log", Requests("taken-away")
    with writer:
        sent = send(writer, supply)
        if fate == "replaced by a copy":
            shutil.copytree(log, tmp_path / "copy")
        log.rename(tmp_path / "away")
        if fate == "removed":
            shutil.rmtree(tmp_path / "away")
        elif fate == "replaced by a copy":
            shutil.copytree(tmp_path / "copy", log)
        path, body, ids = supply.next("logs")
        reply = writer.post(path, body)
        assert reply.status_code == 503, "an acknowledgement would be worth nothing"
        wait_for(lambda: writer.readiness()[0] == 503, message="still ready")
        assert "removed or replaced" in writer.readiness()[1]
        assert f"{log}/lock" in writer.log_tail()
        # What it had taken in is in its memory, and goes to the tables.
        writer.stop()
        assert writer.record_ids() == sent
        writer.start()
        assert writer.post(path, body).status_code == 200
        writer.stop()
        assert writer.record_ids() == sent + Counter(ids)


def test_a_log_folder_put_back_while_running_is_used_again(tmp_path):
    writer = Writer(tmp_path, commit__interval="100ms")
    log, supply = writer.data / "log", Requests("away-and-back")
    with writer:
        sent = send(writer, supply)
        log.rename(tmp_path / "away")
        wait_for(lambda: writer.readiness()[0] == 503, message="still ready")
        (tmp_path / "away").rename(log)
        writer.wait_ready()
        sent += send(writer, supply)
        writer.stop()
        assert writer.record_ids() == sent


def start_fails(writer, code):
    writer.start(wait=False)
    writer.wait_exit(code)


def test_a_log_with_records_is_not_committed_into_another_catalog(tmp_path):
    writer = Writer(tmp_path, commit__interval="1h")
    supply = Requests("wrong-catalog")
    writer.start()
    sent = send(writer, supply)
    writer.kill()
    own = dict(writer.settings)
    for wrong in ({"schema.catalog_type": "memory"}, {"schema.catalog_uri": f"sqlite://{tmp_path}/other.db"},
                  {"schema.catalog_name": "other"}, {"storage.dsn": f"file://{tmp_path}/other"},
                  {"schema.catalog_uri": "sqlite::memory:"}):
        writer.settings = own | wrong
        start_fails(writer, 2)
        text = writer.log_tail()
        assert "holds records for other tables" in text
        assert f"sqlite://{writer.data}/catalog.db" in text, "the old one"
        assert list(wrong.values())[0] in text, "the new one"
    writer.settings = own
    writer.start()
    writer.stop()
    assert writer.record_ids() == sent
    # Emptied, it may go elsewhere.
    other = tmp_path / "other.db"
    writer.settings = own | {"schema.catalog_uri": f"sqlite://{other}", "storage.dsn": f"file://{tmp_path}/other"}
    writer.start()
    more = send(writer, supply)
    writer.stop()
    assert writer.record_ids() == sent
    shutil.copy(other, writer.data / "catalog.db")
    assert writer.record_ids() == more
