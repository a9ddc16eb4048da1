"""PyIceberg's SqlCatalog and ours on one SQLite file: each sees, reads and builds on what the other did."""

import os
import sqlite3
import subprocess
from concurrent.futures import ThreadPoolExecutor

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
