"""The library's tables in an object store: whole, each commit once, whoever of writer and store is killed."""

import os
import pathlib
import random
import subprocess
import sys
import time

import pyarrow.fs
import pytest
from pairs import World, world_on
from pyiceberg.catalog.sql import SqlCatalog

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from object_store_process import BUCKET, KEY, SECRET, ObjectStoreProcess  # noqa: E402


@pytest.fixture(scope="module")
def store():
    with ObjectStoreProcess() as process:
        yield process


class BucketWorld(World):
    def __init__(self, folder, store, prefix, server=None):
        super().__init__(folder, server)
        self.store, self.prefix = store, prefix
        secret = folder / "secret"
        secret.write_text(SECRET + "\n")
        self.environment |= {"SIGNALDB__STORAGE__REGION": "us-east-1", "SIGNALDB__STORAGE__ACCESS_KEY_ID": KEY,
                             "SIGNALDB__STORAGE__SECRET_ACCESS_KEY_FILE": str(secret),
                             "SIGNALDB__STORAGE__JOURNAL_FOLDER": str(folder / "journals")}
        self.python_properties = store.python_properties

    @property
    def dsn(self):
        return f"s3://{BUCKET}/{self.prefix}?endpoint={self.store.endpoint}"

    def data_files(self):
        files = pyarrow.fs.S3FileSystem(access_key=KEY, secret_key=SECRET, endpoint_override=self.store.endpoint, region="us-east-1")
        found = files.get_file_info(pyarrow.fs.FileSelector(f"{BUCKET}/{self.prefix}", recursive=True))
        return {f"s3://{file.path}" for file in found if file.path.endswith(".parquet")}


@pytest.mark.parametrize("catalog", ["sqlite", "postgres"])
def test_transactions_over_two_tables(catalog, tmp_path, store):
    with world_on(catalog, tmp_path) as local:
        world = BucketWorld(tmp_path, store, f"plain/{catalog}", local.server)
        racers = [world.start(first=1000 * n, count=3, threads=2) for n in range(2)]
        for racer in racers:
            racer.finish(120)
        numbers = world.check()
        assert len(numbers) == 12
        for table in world.read():
            assert table.metadata_location.startswith(f"s3://{BUCKET}/plain/{catalog}/acme/prod/")
        assert not world.files_of_nobody()


def test_a_writer_that_is_killed(tmp_path, store):
    chance = random.Random(7)
    world = BucketWorld(tmp_path, store, "killed")
    for number in range(4):
        pairs = world.start(first=1000 * number, count=500, threads=2)
        pairs.wait_for(2)
        time.sleep(chance.uniform(0, 0.3))
        pairs.kill()
        world.check()
    world.start(first=100_000, count=1, threads=1).finish(60)
    world.check()
    assert not world.files_of_nobody(), "what the killed left is still there"


def test_a_store_that_crashes(tmp_path):
    with ObjectStoreProcess() as own:
        world = BucketWorld(tmp_path, own, "crashes")
        pairs = world.start(first=0, count=10, threads=2)
        pairs.wait_for(4)
        own.kill()
        time.sleep(0.5)
        own.start()
        pairs.finish(180)
        assert len(world.check()) == 20


def test_the_example_of_the_documentation(tmp_path, store):
    environment = {**os.environ, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
    done = subprocess.run([pathlib.Path(os.environ["EXAMPLES"]) / "example_tables_in_s3", store.endpoint, BUCKET, tmp_path],
                          env=environment, capture_output=True, text=True, check=True, timeout=60)
    locations = done.stdout.splitlines()
    assert all(location.startswith(f"s3://{BUCKET}/warehouse/my_tenant/my_dataset/metrics_gauge/") for location in locations)
    assert len([location for location in locations if location.endswith(".parquet")]) == 1
    catalog = SqlCatalog("signaldb", uri=f"sqlite:///{tmp_path}/catalog.db", **store.python_properties)
    assert catalog.load_table("my_tenant.my_dataset.metrics_gauge").scan().count() == 1000


def test_an_example_runs_on_it(tmp_path, store):
    world = BucketWorld(tmp_path, store, "example")
    environment = {**world.environment, "SIGNALDB_SCHEMA_CATALOG_URI": world.uri, "SIGNALDB_STORAGE_DSN": world.dsn}
    done = subprocess.run([pathlib.Path(os.environ["EXAMPLES"]) / "example_from_environment"], env=environment,
                          capture_output=True, text=True, check=True, timeout=60)
    assert f"my_tenant.my_dataset.metrics_gauge: 1000 rows under s3://{BUCKET}/example/" in done.stdout
    assert "purged 1 data files" in done.stdout
    assert not world.data_files()
    assert SECRET not in done.stdout + done.stderr


def test_a_wrong_key_is_an_error_that_repeats_no_secret(tmp_path, store):
    world = BucketWorld(tmp_path, store, "wrong")
    environment = {**world.environment, "SIGNALDB_SCHEMA_CATALOG_URI": world.uri, "SIGNALDB_STORAGE_DSN": world.dsn,
                   "SIGNALDB__STORAGE__SECRET_ACCESS_KEY": "no-such-secret"}
    del environment["SIGNALDB__STORAGE__SECRET_ACCESS_KEY_FILE"]
    done = subprocess.run([pathlib.Path(os.environ["EXAMPLES"]) / "example_from_environment"], env=environment,
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "location=s3://" in done.stderr
    assert "no-such-secret" not in done.stdout + done.stderr
