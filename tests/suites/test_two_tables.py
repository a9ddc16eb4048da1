"""Transactions over two tables are never torn, whoever dies: the writer's process or the server of the catalog."""

import random
import time

import pytest
from pairs import world_on


@pytest.mark.parametrize("catalog", ["sqlite", "postgres"])
def test_a_writer_that_is_killed(catalog, tmp_path):
    chance = random.Random(7)
    with world_on(catalog, tmp_path) as world:
        for number in range(6):
            pairs = world.start(first=1000 * number, count=500, threads=2)
            pairs.wait_for(2)
            time.sleep(chance.uniform(0, 0.3))
            pairs.kill()
            world.check()
        world.start(first=100_000, count=1, threads=1).finish(60)
        world.check()
        assert not world.files_of_nobody(), "what the killed left is still there"
        assert not world.metadata_of_nobody(), "what the killed left is still there"


def test_a_server_that_crashes(tmp_path):
    with world_on("postgres", tmp_path) as world:
        pairs = world.start(first=0, count=60, threads=2)
        for crash in range(4):
            pairs.wait_for(20 * crash + 5)
            world.server.crash()
            time.sleep(0.2)
            world.server.start()
        pairs.finish(120)
        assert world.check() == list(range(120))
        assert not world.files_of_nobody()


def test_a_writer_and_a_server_that_die_together(tmp_path):
    with world_on("postgres", tmp_path) as world:
        for number in range(3):
            pairs = world.start(first=1000 * number, count=500, threads=2)
            pairs.wait_for(3)
            world.server.crash()
            pairs.kill()
            world.server.start()
            world.check()
        world.start(first=100_000, count=1, threads=1).finish(60)
        world.check()
        assert not world.files_of_nobody()
        assert not world.metadata_of_nobody()
