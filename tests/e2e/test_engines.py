"""Other engines as judges: PyIceberg, DuckDB and DataFusion read the same rows from all seven tables, and skip what they can."""

import datetime
import math
import re
import sys
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import requests
from all_signals import HOUR_NS, AllSignals, canonical, multiset, with_parsed_json
from datafusion import SessionContext
from writer_process import ROOT, Writer

sys.path.insert(0, str(ROOT / "demo"))
import questions  # noqa: E402

TABLES = list(AllSignals().expected)
SERVICES = ["billing", "checkout", "поиск"]
METRICS = ["http.duration", "jvm.memory", "queue.depth"]
HOURS = 4
COMMITS = len(SERVICES) + 1
RECORDS = 12  # A request's, over two hours.


class World:
    """What was sent, and the tables it became: a commit for each service, whose files hold one service, then one for all."""

    def __init__(self, folder):
        self.writer = Writer(folder, commit__interval="1h")
        self.sent = AllSignals()
        self.first_hour = (time.time_ns() // HOUR_NS - HOURS) * HOUR_NS

    def times(self, hour):
        """Ascending and descending, unaligned to microseconds, in `hour` and the next."""
        start = self.first_hour + hour * HOUR_NS
        step = 2 * HOUR_NS // RECORDS
        return [start + (n if n % 2 else RECORDS - 1 - n) * step + 1_000_003 * n + 1 for n in range(RECORDS)]

    def send(self, request):
        path, body = request
        reply = requests.post(f"http://{self.writer.http}{path}", data=body, timeout=30,
                              headers={"Content-Type": "application/x-protobuf"})
        assert (reply.status_code, reply.content) == (200, b"")

    def send_hours(self, service, metric):
        for hour in range(0, HOURS, 2):
            self.send(self.sent.traces(service, self.times(hour)))
            self.send(self.sent.logs(service, self.times(hour)))
            self.send(self.sent.metrics(service, metric, self.times(hour)))

    def fill(self):
        for service, metric in zip(SERVICES, METRICS):
            self.send_hours(service, metric)
            self.writer.flush()
        for service, metric in zip(reversed(SERVICES), METRICS):
            self.send_hours(service, metric)
        self.writer.stop()

    def table(self, name):
        return self.writer.table(name)

    def data_files(self, name):
        return [task.file for task in self.table(name).scan().plan_files()]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    world = World(tmp_path_factory.mktemp("engines"))
    with world.writer:
        world.fill()
        yield world


@pytest.fixture(scope="module")
def duck(world):
    return questions.open_duckdb(world.writer.catalog())


def rows_by(engine, world, duck, name):
    if engine == "pyiceberg":
        found = world.table(name).scan().to_arrow()
    elif engine == "duckdb":
        found = duck.sql(f"SELECT * FROM {name}").to_arrow_table()
    else:
        context = SessionContext()
        context.register_table(name, world.table(name))
        found = pa.Table.from_batches(context.sql(f"SELECT * FROM {name}").collect())
    return found.to_pylist()


@pytest.mark.parametrize("name", TABLES)
def test_engines_agree_on_every_column_of_every_row(world, duck, name):
    columns = [field.name for field in world.table(name).schema().fields]
    found = {engine: rows_by(engine, world, duck, name) for engine in ("pyiceberg", "duckdb", "datafusion")}
    for engine, rows in found.items():
        assert len(rows) == len(world.sent.expected[name]), engine
        assert list(rows[0]) == columns, engine
        for column in columns:  # First by column, for a message that a person can read.
            assert multiset(rows, [column]) == multiset(found["pyiceberg"], [column]), (engine, column)
        assert multiset(rows, columns) == multiset(found["pyiceberg"], columns), engine


@pytest.mark.parametrize("name", TABLES)
def test_the_tables_hold_what_was_sent(world, duck, name):
    expected = world.sent.expected[name]
    found = [with_parsed_json(row) for row in rows_by("duckdb", world, duck, name)]
    assert multiset(found, list(expected[0])) == multiset(expected, list(expected[0]))


@pytest.mark.parametrize("name", TABLES)
def test_times_repeat_in_all_their_columns(world, duck, name):
    for row in rows_by("duckdb", world, duck, name):
        assert row["date_day"] == row["timestamp"].date()
        assert row["hour"] == row["timestamp"].hour
        nanos = row["start_time_unix_nano"] if name == "traces" else row["time_unix_nano"]
        assert canonical(row["timestamp"]) == nanos // 1000


def test_absent_values_are_null_and_empty_ones_are_not(world, duck):
    def count(condition):
        return duck.sql(f"SELECT count(*) FROM logs WHERE {condition}").fetchone()[0]

    total = len(world.sent.expected["logs"])
    assert count("body IS NULL") == count("body = ''") == total / 6
    assert count("log_attributes IS NULL") == 0
    assert count("cardinality(log_attributes) = 0") == total / 3
    assert count("map_contains(log_attributes, 'unset') AND log_attributes['unset'] IS NULL") == total / 3
    assert count("trace_id IS NULL") == total / 2


@pytest.mark.parametrize("name", TABLES)
def test_pyiceberg_skips_other_hours_services_and_metrics(world, name):
    table = world.table(name)

    def files(row_filter="true"):
        return len(list(table.scan(row_filter=row_filter).plan_files()))

    def at(hour):
        return datetime.datetime.fromtimestamp(world.first_hour // 10**9 + hour * 3600, datetime.timezone.utc).isoformat()

    everything = files()
    assert everything == HOURS * COMMITS
    assert files(f"timestamp >= '{at(1)}' and timestamp < '{at(2)}'") == COMMITS
    assert files(f"timestamp >= '{at(HOURS)}'") == 0
    assert files("service_name = 'checkout'") == 2 * HOURS
    assert files("service_name = 'absent'") == 0
    assert files("service_name is null") == 0
    if name.startswith("metrics"):
        assert files("metric_name = 'jvm.memory'") == 2 * HOURS


@pytest.mark.parametrize("condition, files", [
    ("service_name = 'checkout'", 2 * HOURS),
    ("timestamp >= make_timestamptz({second_hour}) AND timestamp < make_timestamptz({third_hour})", COMMITS),
])
def test_duckdb_skips_files(world, duck, condition, files):
    hours = {name: (world.first_hour + n * HOUR_NS) // 1000 for n, name in ((1, "second_hour"), (2, "third_hour"))}
    plan = duck.sql(f"EXPLAIN ANALYZE SELECT count(body) FROM logs WHERE {condition.format(**hours)}").fetchall()[0][1]
    assert re.search(r"Total Files Read: (\d+)", plan).group(1) == str(files), plan


@pytest.mark.parametrize("name", TABLES)
def test_files_are_sorted_as_the_table_declares(world, name):
    table = world.table(name)
    order = [(table.schema().find_field(field.source_id).name, str(field.direction), str(field.null_order))
             for field in table.sort_order().fields]
    keys = [column for column, _, _ in order]
    assert keys == (["metric_name"] if name.startswith("metrics") else []) + ["service_name", "timestamp"]
    assert {(direction, nulls) for _, direction, nulls in order} == {("ASC", "NULLS FIRST")}
    for file in world.data_files(name):
        assert file.sort_order_id == table.sort_order().order_id
        parquet = pq.ParquetFile(file.file_path.removeprefix("file://"))
        rows = [tuple(row[key] for key in keys) for row in parquet.read(columns=keys).to_pylist()]
        assert rows == sorted(rows)
        names = [parquet.schema.column(c.column_index).name for c in parquet.metadata.row_group(0).sorting_columns]
        assert names == keys


@pytest.mark.parametrize("name", ["traces", "logs"])
def test_a_trace_is_found_by_bloom_filter(world, duck, name):
    row = next(row for row in world.sent.expected[name] if row["trace_id"])
    for file in world.data_files(name):
        path = file.file_path.removeprefix("file://")
        ids = set(pq.read_table(path, columns=["trace_id"])["trace_id"].to_pylist())
        (excluded,), = set(duck.sql(
            f"SELECT bloom_filter_excludes FROM parquet_bloom_probe('{path}', 'trace_id', '{row['trace_id']}')").fetchall())
        assert not (excluded and row["trace_id"] in ids)
        absent, = set(duck.sql(
            f"SELECT bloom_filter_excludes FROM parquet_bloom_probe('{path}', 'trace_id', 'no such trace')").fetchall())
        assert absent == (True,)


def test_row_groups_have_statistics(world, duck):
    for file in world.data_files("logs"):
        path = file.file_path.removeprefix("file://")
        low, high, nulls = duck.sql(
            f"SELECT stats_min_value, stats_max_value, stats_null_count FROM parquet_metadata('{path}') "
            "WHERE path_in_schema = 'service_name'").fetchone()
        assert (low, high) in {*zip(SERVICES, SERVICES), (min(SERVICES), max(SERVICES))} and nulls == 0


def test_counts_and_bounds_in_manifests_are_true(world):
    for name in TABLES:
        table = world.table(name)
        ids = {field.name: field.field_id for field in table.schema().fields}
        for file in world.data_files(name):
            rows = pq.read_table(file.file_path.removeprefix("file://"))
            assert file.record_count == rows.num_rows
            for column, field_id in ids.items():
                if pa.types.is_map(rows.schema.field(column).type):
                    continue
                assert file.null_value_counts.get(field_id) == rows[column].null_count, (name, column)
                if pa.types.is_float64(rows.schema.field(column).type):
                    nans = sum(value is not None and math.isnan(value) for value in rows[column].to_pylist())
                    assert file.nan_value_counts.get(field_id) == nans, (name, column)
            services = [service.encode() for service in rows["service_name"].to_pylist()]
            assert file.lower_bounds[ids["service_name"]] == min(services)
            assert file.upper_bounds[ids["service_name"]] == max(services)


def test_every_commit_is_a_snapshot_that_can_be_read_again(world):
    table = world.table("logs")
    snapshots = table.snapshots()
    assert len(snapshots) == COMMITS
    for number, snapshot in enumerate(snapshots, 1):
        rows = table.scan(snapshot_id=snapshot.snapshot_id, selected_fields=("service_name",)).to_arrow()
        assert set(rows["service_name"].to_pylist()) == set(SERVICES[:number])
        assert snapshot.summary["total-records"] == str(rows.num_rows)


@pytest.mark.parametrize("name", TABLES)
def test_the_reference_lists_the_columns_as_they_are(world, name):
    section = re.search(rf"^## {name}$(.*?)(?=^## |\Z)", (ROOT / "docs/reference/tables.md").read_text(), re.DOTALL | re.MULTILINE)[1]
    listed = [tuple(cell.strip() for cell in line.split("|")[1:5]) for line in section.splitlines() if re.match(r"\| \d", line)]

    def type_name(kind):
        return str(kind) if kind.is_primitive else f"map ({kind.key_id}, {kind.value_id})"

    fields = world.table(name).schema().fields
    assert listed == [(str(f.field_id), f"`{f.name}`", type_name(f.field_type), "required" if f.required else "") for f in fields]
