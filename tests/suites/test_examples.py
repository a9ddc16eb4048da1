"""What the examples do in memory they do on a PostgreSQL server and real files as well."""

import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from postgres_process import PostgresProcess  # noqa: E402


def test_from_environment(tmp_path):
    with PostgresProcess() as server:
        environment = {**os.environ, "SIGNALDB_SCHEMA_CATALOG_URI": server.uri, "SIGNALDB_STORAGE_DSN": f"file://{tmp_path}/tables",
                       "SIGNALDB__CATALOG_POOL__MIN_CONNECTIONS": "3"}
        done = subprocess.run([pathlib.Path(os.environ["EXAMPLES"]) / "example_from_environment"], env=environment,
                              capture_output=True, text=True, check=True, timeout=60)
        assert "signaldb_writer_catalog_pool_created_total 3" in done.stdout
        assert f"my_tenant.my_dataset.metrics_gauge: 1000 rows under file://{tmp_path}/tables" in done.stdout
        assert "purged 1 data files" in done.stdout
        assert server.ask("SELECT count(*) FROM iceberg_tables") == [(0,)]
        assert not [path for path in tmp_path.rglob("*") if path.is_file()]
