"""Rows that SQL engines make land beside ours in the same table, and everybody reads all of them.

The catalogs are SQLite and PostgreSQL, which DuckDB and DataFusion cannot commit to by themselves:
their SQL makes the rows, PyIceberg commits them.
"""

import os
import pathlib
import subprocess
import sys

import duckdb
import pyarrow as pa
import pytest
from datafusion import SessionContext
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.types import LongType

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from postgres_process import PostgresProcess  # noqa: E402

TOOL = os.environ["APPEND_TOOL"]
SCHEMA = pa.schema([pa.field("id", pa.int64(), nullable=False), pa.field("body", pa.string())])
TABLE = "acme.prod.events"


class World:
    def __init__(self, folder, uri, python_uri):
        self.folder, self.uri, self.python_uri = folder, uri, python_uri

    def ours(self, first, count):
        subprocess.run([TOOL, str(self.folder), str(first), str(count), self.uri], check=True, timeout=60)

    def table(self):
        catalog = SqlCatalog("signaldb", uri=self.python_uri)
        return catalog.load_table(TABLE)

    def insert_by_duckdb(self, select):
        rows = duckdb.sql(select).to_arrow_table().cast(SCHEMA)
        self.table().append(rows)

    def insert_by_datafusion(self, select):
        rows = pa.Table.from_batches(SessionContext().sql(select).collect()).cast(SCHEMA)
        self.table().append(rows)

    def rows(self):
        table = self.table().scan().to_arrow()
        return sorted(zip(table["id"].to_pylist(), table["body"].to_pylist()))


@pytest.fixture(scope="module")
def server():
    with PostgresProcess() as process:
        yield process


@pytest.fixture(params=["sqlite", "postgres"])
def world(tmp_path, request):
    if request.param == "sqlite":
        return World(tmp_path, f"sqlite://{tmp_path}/catalog.db", f"sqlite:///{tmp_path}/catalog.db")
    server = request.getfixturevalue("server")
    name = f"test_{abs(hash(request.node.name))}"  # A database of its own.
    server.ask(f"CREATE DATABASE {name}")
    uri, python_uri = (whole.removesuffix("/postgres") + f"/{name}" for whole in (server.uri, server.python_uri))
    return World(tmp_path, uri, python_uri)


def body(first, count):
    return [(i, f"b{i}") for i in range(first, first + count)]


def test_rows_of_a_duckdb_query_land_beside_ours(world):
    world.ours(0, 10)
    world.insert_by_duckdb("SELECT i AS id, 'b' || i AS body FROM range(10, 20) AS t(i)")
    world.ours(20, 10)
    assert world.rows() == body(0, 30)


def test_rows_of_a_datafusion_query_land_beside_ours(world):
    world.ours(0, 10)
    world.insert_by_datafusion(
        "SELECT value AS id, concat('b', cast(value AS varchar)) AS body FROM generate_series(10, 19)")
    world.ours(20, 10)
    assert world.rows() == body(0, 30)


def test_many_turns_lose_nothing(world):
    for turn in range(0, 40, 4):
        world.ours(turn, 2)
        world.insert_by_duckdb(f"SELECT i AS id, 'b' || i AS body FROM range({turn + 2}, {turn + 4}) AS t(i)")
    assert world.rows() == body(0, 40)
    assert len(world.table().snapshots()) == 20


def test_sql_reads_what_both_wrote(world):
    world.ours(0, 1000)
    world.insert_by_duckdb("SELECT i AS id, NULL AS body FROM range(1000, 1500) AS t(i)")
    events = world.table().scan().to_arrow()
    assert duckdb.sql("SELECT count(*), sum(id), count(body) FROM events").fetchall() == [
        (1500, 1500 * 1499 // 2, 1000)]
    context = SessionContext()
    context.register_record_batches("events", [events.to_batches()])
    counted = context.sql("SELECT count(*) AS n FROM events WHERE id >= 900 AND body IS NOT NULL").collect()
    assert counted[0]["n"].to_pylist() == [100]


def test_insert_from_the_table_itself(world):
    world.ours(0, 10)
    events = world.table().scan().to_arrow()
    rows = duckdb.sql("SELECT id + 10 AS id, 'b' || (id + 10) AS body FROM events").to_arrow_table()
    world.table().append(rows.cast(SCHEMA))
    assert world.rows() == body(0, 20)
    assert events.num_rows == 10


def test_deletes_by_another_engine_stay(world):
    world.ours(0, 10)
    world.table().delete("id >= 5")
    world.ours(10, 5)
    assert world.rows() == body(0, 5) + body(10, 5)


def test_columns_added_by_another_engine_are_null_in_our_rows(world):
    world.ours(0, 3)
    table = world.table()
    with table.update_schema() as update:
        update.add_column("extra", LongType())
    world.ours(3, 3)
    table = world.table().scan().to_arrow()
    assert sorted(table["id"].to_pylist()) == list(range(6))
    assert table["extra"].null_count == 6
