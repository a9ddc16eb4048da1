"""Threads of several processes race on the same tables while things go wrong: every commit is there once.

SIGNALDB_RACE_COMMITS says how many each thread makes.
"""

import contextlib
import os
import pathlib
import sys
import threading
import time

import pytest
from pairs import world_on

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from test_outages import small_disk  # noqa: E402

PROCESSES, THREADS = 4, 16
COMMITS = int(os.environ.get("SIGNALDB_RACE_COMMITS", "1"))
SECONDS = 300 + 60 * COMMITS


@contextlib.contextmanager
def again_and_again(trouble):
    """Does `trouble` in a thread until the end; there is some at least."""
    over, count, errors = threading.Event(), [], []

    def run():
        try:
            while not over.is_set():
                trouble()
                count.append(1)
                time.sleep(0.3)
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    assert not errors, errors
    print(f"troubles={len(count)}")
    assert count


def race(world, trouble):
    world.start(first=1_000_000, count=1, threads=1).finish(60)
    with again_and_again(trouble):
        racers = [world.start(first=n * THREADS * COMMITS, count=COMMITS, threads=THREADS) for n in range(PROCESSES)]
        for racer in racers:
            racer.finish(SECONDS)
    assert world.check() == [*range(PROCESSES * THREADS * COMMITS), 1_000_000]
    assert not world.files_of_nobody()


def test_sqlite_that_is_busy(tmp_path):
    with world_on("sqlite", tmp_path) as world:
        def lock():
            with world.locked():
                time.sleep(0.4)
        race(world, lock)


def test_postgres_that_restarts(tmp_path):
    with world_on("postgres", tmp_path) as world:
        def restart():
            time.sleep(1)
            world.server.crash()
            world.server.start()
        race(world, restart)


@pytest.mark.parametrize("catalog", ["sqlite", "postgres"])
def test_a_disk_that_fills_up(catalog, tmp_path):
    with small_disk(tmp_path / "disk", "64m"), world_on(catalog, tmp_path) as world:
        world.tables = tmp_path / "disk" / "tables"

        def fill():
            filler = tmp_path / "disk" / "filler"
            with contextlib.suppress(OSError), open(filler, "wb") as file:
                while True:
                    file.write(bytes(1 << 16))
                    file.flush()
            time.sleep(0.3)
            filler.unlink()
            time.sleep(0.5)
        race(world, fill)
