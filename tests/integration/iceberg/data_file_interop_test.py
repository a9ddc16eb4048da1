"""Other engines read the Parquet files we write: every value, the statistics, the bloom filter."""

import datetime
import decimal
import os
import subprocess

import duckdb
import pyarrow.parquet as pq
import pytest
from datafusion import SessionContext

ROWS = 30_000
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    out = tmp_path_factory.mktemp("data") / "one.parquet"
    tool = subprocess.run([os.environ["DATA_FILE_TOOL"]], check=True, capture_output=True)
    out.write_bytes(tool.stdout)
    return str(out)


def row(i):
    attributes = None
    if i % 7 != 0:
        attributes = [(f"key-{a}", None if a == 1 else f"value-{i % 50}") for a in range(i % 3)]
    micros = 1_764_000_000_000_000 + i * 997
    return {
        "timestamp": EPOCH + datetime.timedelta(microseconds=micros),
        "service_name": f"service-{i // 10_000}",
        "trace_id": None if i % 10 == 3 else f"{i * 2654435761:032x}",
        "body": f"request {i} handled ä",
        "severity_number": 17 if i % 4 == 0 else 9,
        "time_unix_nano": 1_764_000_000_000_000_000 + i * 997_001,
        "value": i * 0.25,
        "flag": None if i % 5 == 0 else i % 2 == 0,
        "price": decimal.Decimal(i * 7 - 100).scaleb(-2),
        "day": datetime.date(1970, 1, 1) + datetime.timedelta(days=20_416),
        "attributes": attributes,
        "numbers": [i * n for n in range(i % 4)],
    }


def check(table):
    assert table.num_rows == ROWS
    rows = table.to_pylist()
    for i in range(ROWS):
        check_row(rows[i], i)


def check_row(found, i):
    expected = row(i)
    if isinstance(found["attributes"], dict):
        found["attributes"] = list(found["attributes"].items())
    assert found == expected


def test_pyarrow_reads_every_value(path):
    check(pq.read_table(path, page_checksum_verification=True))


def test_duckdb_reads_every_value(path):
    duckdb.sql("SET TimeZone = 'UTC'")
    rows = duckdb.sql(f"SELECT * FROM read_parquet('{path}') ORDER BY time_unix_nano")
    check(rows.to_arrow_table())


def test_datafusion_reads_every_value(path):
    context = SessionContext()
    context.register_parquet("t", path)
    check(context.sql("SELECT * FROM t ORDER BY time_unix_nano").to_arrow_table())


def test_encodings_are_those_that_every_reader_has(path):
    group = pq.ParquetFile(path).metadata.row_group(0)
    columns = [group.column(i) for i in range(group.num_columns)]
    encodings = {column.path_in_schema: set(column.encodings) - {"RLE"} for column in columns}
    assert encodings["timestamp"] == {"DELTA_BINARY_PACKED"}
    assert encodings["time_unix_nano"] == {"DELTA_BINARY_PACKED"}
    assert encodings["service_name"] == {"PLAIN", "RLE_DICTIONARY"}
    assert encodings["trace_id"] == {"PLAIN"}
    assert encodings["flag"] == {"PLAIN"}
    assert encodings["attributes.key_value.key"] == {"PLAIN", "RLE_DICTIONARY"}


def test_field_ids_are_at_every_level(path):
    schema = pq.ParquetFile(path).schema_arrow
    found = {field.name: int(field.metadata[b"PARQUET:field_id"]) for field in schema}
    assert found == {name: i + 1 for i, name in enumerate(row(0))}
    attributes = schema.field("attributes").type
    assert attributes.key_field.metadata[b"PARQUET:field_id"] == b"13"
    assert attributes.item_field.metadata[b"PARQUET:field_id"] == b"14"
    assert schema.field("numbers").type.value_field.metadata[b"PARQUET:field_id"] == b"15"


def test_statistics_and_page_index_are_seen(path):
    group = pq.ParquetFile(path).metadata.row_group(0)
    service = group.column(1)
    assert (service.statistics.min, service.statistics.max) == ("service-0", "service-2")
    assert service.has_column_index and service.has_offset_index
    assert group.column(10).statistics is None
    order = [(c.column_index, c.descending, c.nulls_first) for c in group.sorting_columns]
    assert order == [(1, False, True), (0, False, True)]
    stats = duckdb.sql(
        f"SELECT stats_min_value, stats_max_value FROM parquet_metadata('{path}') "
        "WHERE path_in_schema = 'service_name'"
    )
    assert stats.fetchall() == [("service-0", "service-2")]


def test_duckdb_uses_the_bloom_filter(path):
    present = row(5)["trace_id"]
    for value, excluded in ((present, False), ("f" * 16 + "0" * 16, True), ("z" * 32, True)):
        found = duckdb.sql(
            "SELECT bloom_filter_excludes "
            f"FROM parquet_bloom_probe('{path}', 'trace_id', '{value}')"
        )
        assert found.fetchall() == [(excluded,)]


def test_engines_prune_and_count_right(path):
    present = row(5)["trace_id"]
    context = SessionContext()
    context.register_parquet("t", path)
    for query, expected in (
        (f"SELECT count(*) FROM t WHERE trace_id = '{present}'", 1),
        ("SELECT count(*) FROM t WHERE service_name = 'service-1'", 10_000),
        ("SELECT count(*) FROM t WHERE service_name > 'service-2'", 0),
        ("SELECT count(*) FROM t WHERE trace_id IS NULL", 3_000),
        ("SELECT count(*) FROM t WHERE value >= 7499.75", 1),
    ):
        assert context.sql(query).to_arrow_table().column(0)[0].as_py() == expected
        from_file = query.replace("FROM t", f"FROM read_parquet('{path}')")
        assert duckdb.sql(from_file).fetchall() == [(expected,)]
