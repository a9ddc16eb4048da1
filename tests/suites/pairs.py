"""Processes that commit to two tables at once, what becomes of them, and what PyIceberg then reads."""

import contextlib
import os
import pathlib
import sqlite3
import subprocess
import sys
import threading
import time

from pyiceberg.catalog.sql import SqlCatalog

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from postgres_process import PostgresProcess  # noqa: E402

TOOL = os.environ["PAIRS_TOOL"]


class World:
    """A store and a catalog, and the numbers that writers said they had committed."""

    def __init__(self, folder, server=None):
        self.folder = folder
        self.tables = folder / "tables"
        self.environment = dict(os.environ)
        self.python_properties = {}
        self.server = server
        self.database = folder / "catalog.db"
        self.uri = server.uri if server else f"sqlite://{self.database}"
        self.python_uri = server.python_uri if server else f"sqlite:///{self.database}"
        self.told = []

    @property
    def dsn(self):
        return f"file://{self.tables}"

    def start(self, first, count, threads):
        return Pairs(self, first, count, threads)

    def read(self):
        catalog = SqlCatalog("signaldb", uri=self.python_uri, **self.python_properties)
        return [catalog.load_table(f"acme.prod.{name}") for name in ("orders", "lines")]

    def check(self):
        """Both tables hold the same transactions, each once, in one chain; returns their numbers."""
        orders, lines = self.read()
        numbers = sorted(orders.scan().to_arrow()["id"].to_pylist())
        parts = sorted(lines.scan().to_arrow()["id"].to_pylist())
        assert len(set(numbers)) == len(numbers), "a transaction is there twice"
        assert parts == [3 * n + i for n in numbers for i in range(3)], "a transaction is torn"
        assert not set(self.told) - set(numbers), "a transaction that was committed is lost"
        for table in (orders, lines):
            parent = None
            for snapshot in table.metadata.snapshots:
                assert snapshot.parent_snapshot_id == parent, "the snapshots are no chain"
                parent = snapshot.snapshot_id
            assert len(table.metadata.snapshots) == len(numbers)
        print(f"orders={len(numbers)} lines={len(parts)} told={len(self.told)} snapshots={len(numbers)} each")
        return numbers

    def files_of_nobody(self):
        named = {task.file.file_path for table in self.read() for task in table.scan().plan_files()}
        return self.data_files() - named

    def metadata_of_nobody(self):
        """Manifests, lists and metadata files, begun ones too, that no version of a table's log refers to."""
        named, there = set(), set()
        for table in self.read():
            named |= {entry.metadata_file for entry in table.metadata.metadata_log} | {table.metadata_location}
            for snapshot in table.metadata.snapshots:
                named |= {snapshot.manifest_list} | {m.manifest_path for m in snapshot.manifests(table.io)}
            folder = table.metadata_location.removeprefix("file://").rsplit("/", 1)[0]
            there |= {f"file://{path}" for path in pathlib.Path(folder).iterdir()}
        return there - named

    def data_files(self):
        return {f"file://{path}" for path in self.tables.rglob("*.parquet")}

    @contextlib.contextmanager
    def locked(self):
        """What another program does that takes its time with the SQLite file."""
        connection = sqlite3.connect(self.database, timeout=60, isolation_level=None)
        try:
            connection.execute("BEGIN EXCLUSIVE")
            yield
        finally:
            connection.execute("ROLLBACK")
            connection.close()


class Pairs:
    """One process of the tool."""

    def __init__(self, world, first, count, threads):
        self.world = world
        self.errors = open(world.folder / f"errors-{first}.txt", "w+", encoding="utf-8")
        self.process = subprocess.Popen([TOOL, world.uri, world.dsn, str(first), str(count), str(threads)],
                                        env=world.environment, stdout=subprocess.PIPE, stderr=self.errors, text=True)
        self.told = []
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            if line.endswith("\n"):
                self.told.append(int(line))

    def wait_for(self, count, seconds=60):
        deadline = time.monotonic() + seconds
        while len(self.told) < count:
            assert time.monotonic() < deadline, f"only {len(self.told)} of {count}\n{self.trouble()}"
            assert self.process.poll() in (None, 0), self.trouble()
            time.sleep(0.002)

    def kill(self):
        self.process.kill()
        self.end()

    def finish(self, seconds):
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        self.end()
        assert code == 0, self.trouble()

    def end(self):
        self.process.wait()
        self.reader.join()
        self.world.told += self.told
        self.errors.flush()

    def trouble(self):
        self.errors.seek(0)
        return self.errors.read()[-3000:]


@contextlib.contextmanager
def world_on(catalog, folder):
    if catalog == "sqlite":
        yield World(folder)
        return
    with PostgresProcess() as server:
        yield World(folder, server)
