"""PyIceberg's SqlCatalog and ours on one SQLite file: each sees, reads and builds on what the other did."""

import os
import sqlite3
import subprocess
from concurrent.futures import ThreadPoolExecutor

import duckdb
import pyarrow
import pytest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.schema import Schema
from pyiceberg.types import LongType, NestedField, StringType

V0 = """
CREATE TABLE iceberg_tables(catalog_name VARCHAR(255) NOT NULL,table_namespace VARCHAR(255) NOT NULL,
  table_name VARCHAR(255) NOT NULL,metadata_location VARCHAR(1000),
  previous_metadata_location VARCHAR(1000),
  PRIMARY KEY (catalog_name, table_namespace, table_name));
CREATE TABLE iceberg_namespace_properties(catalog_name VARCHAR(255) NOT NULL,
  namespace VARCHAR(255) NOT NULL,property_key VARCHAR(255),property_value VARCHAR(1000),
  PRIMARY KEY (catalog_name, namespace, property_key));
"""
SCHEMA = Schema(NestedField(1, "id", LongType(), required=True),
                NestedField(2, "body", StringType(), required=False))


class Shared:
    """One catalog file and warehouse, seen by both sides."""

    def __init__(self, folder):
        self.file = folder / "catalog.db"
        self.warehouse = folder / "warehouse"
        self.warehouse.mkdir()

    def ours(self, *words):
        run = subprocess.run(
            [os.environ["CATALOG_TOOL"], f"sqlite://{self.file}", str(self.warehouse),
             *map(str, words)], capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
        return run.stdout.strip()

    def theirs(self, **properties):
        return SqlCatalog("signaldb", uri=f"sqlite:///{self.file}",
                          warehouse=f"file://{self.warehouse}", **properties)

    def sql(self, statement):
        with sqlite3.connect(self.file) as database:
            return database.execute(statement).fetchall()


@pytest.fixture
def shared(tmp_path):
    return Shared(tmp_path)


def batch(first, count):
    ids = range(first, first + count)
    return pyarrow.table(
        {"id": pyarrow.array(ids, pyarrow.int64()), "body": [f"body {i}" for i in ids]},
        schema=pyarrow.schema([pyarrow.field("id", pyarrow.int64(), nullable=False),
                               pyarrow.field("body", pyarrow.string())]))


def ids(table):
    rows = table.scan().to_arrow()
    for row in rows.to_pylist():
        assert row["body"] == f"body {row['id']}"
    return sorted(rows["id"].to_pylist())


def check_chain(table):
    parent, number = None, 0
    for snapshot in table.metadata.snapshots:
        assert snapshot.parent_snapshot_id == parent
        assert snapshot.sequence_number == number + 1
        parent, number = snapshot.snapshot_id, snapshot.sequence_number
    assert table.current_snapshot().snapshot_id == parent
    total = table.current_snapshot().summary["total-records"]
    assert int(total) == len(ids(table))


def test_pyiceberg_lists_and_reads_what_we_wrote(shared):
    shared.ours("create", "acme.prod.logs")
    for first in (0, 10, 20):
        shared.ours("append", first, 10, "acme.prod.logs")
    catalog = shared.theirs()
    assert catalog.list_tables("acme.prod") == [("acme", "prod", "logs")]
    assert ("acme",) in [ns[:1] for ns in catalog.list_namespaces()]
    table = catalog.load_table("acme.prod.logs")
    assert ids(table) == list(range(30))
    assert table.properties["last-appended"] == "29"
    check_chain(table)
    assert ids_where(table, "id >= 25") == [25, 26, 27, 28, 29]


def ids_where(table, condition):
    return sorted(table.scan(row_filter=condition).to_arrow()["id"].to_pylist())


def test_both_append_in_turn(shared):
    shared.ours("create", "acme.prod.logs")
    table = shared.theirs().load_table("acme.prod.logs")
    for first in range(0, 60, 20):
        shared.ours("append", first, 10, "acme.prod.logs")
        table.refresh()
        table.append(batch(first + 10, 10))
    table.refresh()
    assert ids(table) == list(range(60))
    check_chain(table)
    assert shared.ours("load", "acme.prod.logs") == "6 60"


def test_both_append_at_once(shared):
    shared.ours("create", "acme.prod.logs")

    def ours(i):
        shared.ours("append", 1000 + i * 10, 10, "acme.prod.logs")

    def theirs(i):
        for _ in range(50):
            table = shared.theirs().load_table("acme.prod.logs")
            try:
                table.append(batch(i * 10, 10))
                return
            except Exception as error:  # Its own retries are few; lost races are not our matter.
                if "Commit" not in type(error).__name__ and "locked" not in str(error):
                    raise
        raise AssertionError("never won")

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(f, i) for i in range(5) for f in (ours, theirs)]:
            done.result()
    table = shared.theirs().load_table("acme.prod.logs")
    assert ids(table) == [*range(50), *range(1000, 1050)]
    check_chain(table)


def test_we_append_to_tables_of_pyiceberg(shared):
    catalog = shared.theirs()
    catalog.create_namespace("acme")
    table = catalog.create_table("acme.logs", schema=SCHEMA)
    table.append(batch(0, 5))
    shared.ours("append", 5, 5, "acme.logs")
    table.refresh()
    with table.update_schema() as update:
        update.add_column("more", StringType())
    shared.ours("append", 10, 5, "acme.logs")
    table.refresh()
    assert ids(table) == list(range(15))
    assert table.scan().to_arrow()["more"].null_count == 15
    check_chain(table)


def test_others_read_what_we_deleted_and_overwrote(shared):
    shared.ours("create", "acme.prod.logs")
    for first in (0, 10, 20):
        shared.ours("append", first, 10, "acme.prod.logs")
    assert shared.ours("delete", "acme.prod.logs", 10, 10) == "10 0"
    assert shared.ours("delete", "acme.prod.logs", 5, 2) == "2 1"
    assert shared.ours("overwrite", "acme.prod.logs", 25, 5, 100) == "5 1"
    table = shared.theirs().load_table("acme.prod.logs")
    left = [*range(5), 7, 8, 9, *range(20, 25), *range(100, 105)]
    assert ids(table) == left
    operations = [snapshot.summary.operation.value for snapshot in table.metadata.snapshots]
    assert operations == ["append"] * 3 + ["delete", "overwrite", "overwrite"]
    check_chain(table)
    # The snapshot before still reads what it had.
    before = table.scan(snapshot_id=table.metadata.snapshots[2].snapshot_id).to_arrow()
    assert sorted(before["id"].to_pylist()) == list(range(30))
    # DuckDB, by the files that are live.
    files = [task.file.file_path.removeprefix("file://") for task in table.scan().plan_files()]
    rows = duckdb.sql(f"SELECT id FROM read_parquet({files}) ORDER BY id").fetchall()
    assert [row[0] for row in rows] == left


def test_both_delete_and_overwrite_in_turn(shared):
    shared.ours("create", "acme.prod.logs")
    table = shared.theirs().load_table("acme.prod.logs")
    left = set()
    for first in range(0, 90, 30):
        shared.ours("append", first, 10, "acme.prod.logs")
        table.refresh()
        table.append(batch(first + 10, 10))
        table.overwrite(batch(first + 20, 5), overwrite_filter=f"id = {first + 3}")
        left |= {*range(first, first + 25)} - {first + 3}
        shared.ours("delete", "acme.prod.logs", first + 8, 4)
        left -= {*range(first + 8, first + 12)}
        table.refresh()
        assert ids(table) == sorted(left)
        table.delete(f"id >= {first + 13} and id < {first + 15}")
        left -= {first + 13, first + 14}
        shared.ours("overwrite", "acme.prod.logs", first, 2, 1000 + first)
        left = left - {first, first + 1} | {1000 + first, 1001 + first}
        table.refresh()
        assert ids(table) == sorted(left)
        check_chain(table)


def test_we_edit_tables_whose_columns_pyiceberg_changed(shared):
    catalog = shared.theirs()
    catalog.create_namespace("acme")
    table = catalog.create_table("acme.logs", schema=SCHEMA)
    table.append(batch(0, 10))
    with table.update_schema() as update:
        update.add_column("more", StringType())
    shared.ours("delete", "acme.logs", 4, 2)
    table.refresh()
    with table.update_schema() as update:
        update.delete_column("more")
        update.rename_column("body", "text")
    assert shared.ours("delete", "acme.logs", 0, 1) == "1 1"
    table.refresh()
    rows = table.scan().to_arrow().to_pylist()
    assert sorted((row["id"], row["text"]) for row in rows) == [
        (i, f"body {i}") for i in (1, 2, 3, 6, 7, 8, 9)]


def test_tables_of_one_commit_change_together(shared):
    for name in ("logs", "spans"):
        shared.ours("create", f"acme.prod.{name}")
    shared.ours("append", 0, 7, "acme.prod.logs", "acme.prod.spans")
    catalog = shared.theirs()
    tables = [catalog.load_table(f"acme.prod.{name}") for name in ("logs", "spans")]
    assert [ids(table) for table in tables] == [list(range(7))] * 2
    commits = {table.current_snapshot().summary["signaldb.commit-id"] for table in tables}
    assert len(commits) == 1


@pytest.mark.parametrize("layout", ["v0", "v1"])
def test_catalogs_of_both_layouts_are_shared(shared, layout):
    if layout == "v0":
        with sqlite3.connect(shared.file) as database:
            database.executescript(V0)
    else:
        shared.theirs(schema_version="v1")
    catalog = shared.theirs(schema_version=layout)
    catalog.create_namespace("acme")
    table = catalog.create_table("acme.logs", schema=SCHEMA)
    shared.ours("append", 0, 5, "acme.logs")
    shared.ours("create", "acme.spans")
    table.refresh()
    assert ids(table) == list(range(5))
    assert sorted(catalog.list_tables("acme")) == [("acme", "logs"), ("acme", "spans")]
    columns = [row[1] for row in shared.sql("PRAGMA table_info(iceberg_tables)")]
    assert ("iceberg_type" in columns) == (layout == "v1")
    if layout == "v1":
        assert shared.sql("SELECT DISTINCT iceberg_type FROM iceberg_tables") == [("TABLE",)]


def test_rows_of_old_pyiceberg_without_a_type_are_ours_too(shared):
    shared.ours("create", "acme.logs")
    shared.sql("UPDATE iceberg_tables SET iceberg_type = NULL")
    shared.ours("append", 0, 5, "acme.logs")
    assert shared.sql("SELECT iceberg_type FROM iceberg_tables") == [("TABLE",)]
    assert ids(shared.theirs().load_table("acme.logs")) == list(range(5))
