"""A catalog or a tables folder that is taken away, replaced, or put in a wrong place: refused or said aloud, nothing lost."""

import shutil

import pytest
import requests
from telemetry_requests import Requests
from test_log_folder import send, start_fails
from writer_process import Writer


def flush_fails(writer, *texts):
    reply = requests.post(f"http://{writer.admin}/flush?timeout=2s", timeout=30)
    assert reply.status_code == 503, reply.text
    status, why = writer.readiness()
    assert status == 503
    for text in texts:
        assert text in reply.text and text in why


@pytest.mark.parametrize("replaced", [False, True])
def test_a_catalog_file_removed_or_replaced_while_running_is_named_and_loses_nothing(tmp_path, replaced):
    writer = Writer(tmp_path, commit__interval="1h")
    catalog, away, supply = writer.data / "catalog.db", tmp_path / "away.db", Requests("catalog")
    with writer:
        sent = send(writer, supply)
        writer.flush()
        shutil.copy(catalog, tmp_path / "older.db")
        sent += send(writer, supply)
        writer.flush()
        catalog.rename(away)
        if replaced:
            shutil.copy(tmp_path / "older.db", catalog)
        sent += send(writer, supply)
        flush_fails(writer, "removed or replaced while in use", str(catalog))
        away.rename(catalog)
        writer.flush()
        assert writer.record_ids() == sent
        writer.stop()


def test_a_catalog_put_back_in_place_from_an_older_copy_is_noticed(tmp_path):
    writer = Writer(tmp_path, commit__interval="1h")
    catalog, supply = writer.data / "catalog.db", Requests("older-catalog")
    with writer:
        sent = send(writer, supply)
        writer.flush()
        older = catalog.read_bytes()
        sent += send(writer, supply)
        writer.flush()
        newer = catalog.read_bytes()
        catalog.write_bytes(older)
        sent += send(writer, supply)
        flush_fails(writer, "shows an older state of the table", "default.default.")
        catalog.write_bytes(newer)
        writer.flush()
        assert writer.record_ids() == sent
        writer.stop()
        catalog.write_bytes(older)
        writer.start()
        writer.stop()
        assert "the tables know less of the log than was committed" in writer.log_tail()


@pytest.mark.parametrize("part", ["", "default/default/logs"])
def test_tables_moved_away_while_running_are_named_and_lose_nothing(tmp_path, part):
    writer = Writer(tmp_path, commit__interval="1h")
    folder, away, supply = writer.data / "tables" / part, tmp_path / "away", Requests("tables")
    with writer:
        sent = send(writer, supply)
        writer.flush()
        folder.rename(away)
        sent += send(writer, supply)
        flush_fails(writer, "metadata file is missing", str(writer.data / "tables"))
        assert not folder.exists(), "nothing is begun anew in its place"
        away.rename(folder)
        writer.flush()
        assert writer.record_ids() == sent
        writer.stop()


def test_places_in_one_another_are_refused_and_harm_nothing(tmp_path):
    writer = Writer(tmp_path, commit__interval="1h")
    supply = Requests("places")
    writer.start()
    sent = send(writer, supply)
    writer.kill()
    own = dict(writer.settings)
    log, tables = writer.data / "log", writer.data / "tables"
    (tmp_path / "link").symlink_to(log)
    no_database = tmp_path / "notes.txt"
    no_database.write_text("not a database " * 100)
    for wrong, code, texts in (
            ({"schema.catalog_uri": f"sqlite://{log}/lock"}, 2, ["catalog must not be in the folder of the log", "/lock"]),
            ({"schema.catalog_uri": f"sqlite://{tmp_path}/link/x.db"}, 2, ["catalog must not be in the folder of the log"]),
            ({"storage.dsn": f"file://{log}"}, 2, ["must not be in one another's folder", str(log)]),
            ({"storage.dsn": f"file://{log}/tables"}, 2, ["must not be in one another's folder"]),
            ({"log.dir": f"{tables}/log"}, 2, ["must not be in one another's folder", str(tables)]),
            ({"schema.catalog_uri": f"sqlite://{no_database}"}, 1, ["no database", str(no_database)])):
        writer.settings = own | wrong
        start_fails(writer, code)
        for text in texts:
            assert text in writer.log_tail(1500), (wrong, text)
    assert no_database.read_text() == "not a database " * 100
    writer.settings = own
    writer.start()
    writer.stop()
    assert writer.record_ids() == sent
