"""PyIceberg and fastavro read our manifests and lists, and we theirs, with equal values.

Every reader's view is brought into one shape, that of `manifest_tool`: bytes as hex, partition
values as stored (days as numbers, decimals as the shortest two's complement).
"""

import datetime
import decimal
import json
import os
import struct
import subprocess
import uuid

import fastavro
import pyarrow
import pytest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.expressions import EqualTo, GreaterThan
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.manifest import read_manifest_list
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import (
    BucketTransform,
    DayTransform,
    HourTransform,
    IdentityTransform,
    MonthTransform,
    TruncateTransform,
    YearTransform,
)
from pyiceberg.types import (
    BinaryType,
    DateType,
    DecimalType,
    DoubleType,
    LongType,
    NestedField,
    StringType,
    TimestampType,
    TimestamptzType,
)

TOOL = os.environ["MANIFEST_TOOL"]
SEEDS = range(6)

MAPS = [
    "column_sizes",
    "value_counts",
    "null_value_counts",
    "nan_value_counts",
    "lower_bounds",
    "upper_bounds",
]
ROW_NUMBERS = [
    "manifest_length",
    "partition_spec_id",
    "sequence_number",
    "min_sequence_number",
    "added_snapshot_id",
    "added_files_count",
    "existing_files_count",
    "deleted_files_count",
    "added_rows_count",
    "existing_rows_count",
    "deleted_rows_count",
]


def run_tool(*arguments):
    done = subprocess.run([TOOL, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def hex_of(value):
    return None if value is None else bytes(value).hex()


def shortest(number_bytes):
    number = int.from_bytes(number_bytes, "big", signed=True)
    return number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True)


def plain_partition_value(value):
    if isinstance(value, uuid.UUID):
        return value.bytes.hex()
    if isinstance(value, decimal.Decimal):
        sign, digits, _ = value.as_tuple()
        unscaled = int("".join(map(str, digits)) or "0") * (-1 if sign else 1)
        return unscaled.to_bytes(unscaled.bit_length() // 8 + 1, "big", signed=True).hex()
    if isinstance(value, bytes):
        return value.hex()
    assert not isinstance(value, (datetime.date, datetime.datetime))
    return value


def plain_map(items):
    out = {}
    for key, value in items:
        out[str(key)] = hex_of(value) if isinstance(value, (bytes, bytearray)) else value
    return out


def plain_summaries(summaries):
    if summaries is None:
        return None
    return [
        {
            "contains_null": summary["contains_null"],
            "contains_nan": summary["contains_nan"],
            "lower_bound": hex_of(summary["lower_bound"]),
            "upper_bound": hex_of(summary["upper_bound"]),
        }
        for summary in summaries
    ]


# fastavro: knows nothing of Iceberg.


def read_avro(path):
    with open(path, "rb") as file:
        reader = fastavro.reader(file)
        return reader.writer_schema, list(reader)


@pytest.fixture
def raw_avro_values(monkeypatch):
    """Logical types as stored: random numbers are mostly no dates that Python could hold."""
    for name in list(fastavro.read.LOGICAL_READERS):
        monkeypatch.delitem(fastavro.read.LOGICAL_READERS, name)


def fastavro_entry(row, entry):
    file = entry["data_file"]
    added = entry["status"] == 1
    return {
        "status": entry["status"],
        "snapshot_id": entry["snapshot_id"],
        "sequence_number": row["sequence_number"]
        if added and entry["sequence_number"] is None
        else entry["sequence_number"],
        "file_sequence_number": row["sequence_number"]
        if added and entry["file_sequence_number"] is None
        else entry["file_sequence_number"],
        "content": file["content"],
        "file_path": file["file_path"],
        "file_format": file["file_format"],
        "partition": [
            shortest(value).hex()
            if name.startswith("money") and value is not None
            else plain_partition_value(value)
            for name, value in file["partition"].items()
        ],
        "record_count": file["record_count"],
        "file_size_in_bytes": file["file_size_in_bytes"],
        **{
            name: plain_map((pair["key"], pair["value"]) for pair in file[name] or [])
            for name in MAPS
        },
        "key_metadata": hex_of(file["key_metadata"]),
        "split_offsets": file["split_offsets"] or [],
        "equality_ids": file["equality_ids"] or [],
        "sort_order_id": file["sort_order_id"],
        "referenced_data_file": None
        if file["referenced_data_file"] is None
        else file["referenced_data_file"].encode().hex(),
    }


def fastavro_row(row):
    return {
        "manifest_path": row["manifest_path"],
        "content": row["content"],
        **{name: row[name] for name in ROW_NUMBERS},
        "key_metadata": hex_of(row["key_metadata"]),
        "partitions": plain_summaries(row["partitions"]),
    }


@pytest.mark.parametrize("seed", SEEDS)
def test_fastavro_reads_our_manifests(tmp_path, raw_avro_values, seed):
    ours = run_tool("make", tmp_path, seed)
    _, rows = read_avro(tmp_path / "list.avro")
    theirs = []
    for row in rows:
        _, entries = read_avro(row["manifest_path"].removeprefix("file://"))
        theirs.append(
            {**fastavro_row(row), "entries": [fastavro_entry(row, entry) for entry in entries]}
        )
    assert theirs == ours


# PyIceberg.


def pyiceberg_entry(entry):
    file = entry.data_file
    return {
        "status": int(entry.status),
        "snapshot_id": entry.snapshot_id,
        "sequence_number": entry.sequence_number,
        "file_sequence_number": entry.file_sequence_number,
        "content": int(file.content),
        "file_path": file.file_path,
        "file_format": file.file_format.value,
        "partition": [plain_partition_value(value) for value in file.partition._data],
        "record_count": file.record_count,
        "file_size_in_bytes": file.file_size_in_bytes,
        **{name: plain_map((getattr(file, name) or {}).items()) for name in MAPS},
        "key_metadata": hex_of(file.key_metadata),
        "split_offsets": list(file.split_offsets or []),
        "equality_ids": list(file.equality_ids or []),
        "sort_order_id": file.sort_order_id,
    }


def pyiceberg_manifests(io, location):
    manifests = []
    for row in read_manifest_list(io.new_input(location)):
        summaries = None
        if row.partitions is not None:
            summaries = plain_summaries(
                {
                    "contains_null": summary.contains_null,
                    "contains_nan": summary.contains_nan,
                    "lower_bound": summary.lower_bound,
                    "upper_bound": summary.upper_bound,
                }
                for summary in row.partitions
            )
        manifests.append(
            {
                "manifest_path": row.manifest_path,
                "content": int(row.content),
                **{name: getattr(row, name) for name in ROW_NUMBERS},
                "key_metadata": hex_of(row.key_metadata),
                "partitions": summaries,
                "entries": [
                    pyiceberg_entry(entry)
                    for entry in row.fetch_manifest_entry(io, discard_deleted=False)
                ],
            }
        )
    return manifests


def without_references(manifests):
    """PyIceberg's manifests have no field for the data file that deletes refer to."""
    for manifest in manifests:
        for entry in manifest["entries"]:
            entry.pop("referenced_data_file")
    return manifests


def as_pyiceberg_rounds(manifests):
    """PyIceberg's compiled decoder reads a double into a float (fastavro, above, sees it whole)."""
    double_column = 4
    for manifest in manifests:
        for entry in manifest["entries"]:
            if manifest["partition_spec_id"] == 0 and entry["partition"][double_column] is not None:
                value = entry["partition"][double_column]
                entry["partition"][double_column] = struct.unpack("<f", struct.pack("<f", value))[0]
    return manifests


@pytest.mark.parametrize("seed", SEEDS)
def test_pyiceberg_reads_our_manifests(tmp_path, seed):
    ours = as_pyiceberg_rounds(without_references(run_tool("make", tmp_path, seed)))
    assert pyiceberg_manifests(PyArrowFileIO(), f"file://{tmp_path}/list.avro") == ours


SCHEMA = Schema(
    NestedField(1, "id", LongType(), required=False),
    NestedField(2, "name", StringType(), required=False),
    NestedField(3, "amount", DecimalType(12, 2), required=False),
    NestedField(4, "ts", TimestampType(), required=False),
    NestedField(5, "tstz", TimestamptzType(), required=False),
    NestedField(6, "day", DateType(), required=False),
    NestedField(7, "score", DoubleType(), required=False),
    NestedField(8, "blob", BinaryType(), required=False),
)

SPECS = {
    "none": PartitionSpec(),
    "identity": PartitionSpec(
        PartitionField(2, 1000, IdentityTransform(), "name"),
        PartitionField(3, 1001, IdentityTransform(), "amount"),
        PartitionField(6, 1002, IdentityTransform(), "day"),
    ),
    "times": PartitionSpec(
        PartitionField(4, 1000, HourTransform(), "ts_hour"),
        PartitionField(5, 1001, DayTransform(), "tstz_day"),
        PartitionField(6, 1002, MonthTransform(), "day_month"),
    ),
    "others": PartitionSpec(
        PartitionField(1, 1000, BucketTransform(4), "id_bucket"),
        PartitionField(2, 1001, TruncateTransform(2), "name.cut"),
        PartitionField(4, 1002, YearTransform(), "ts_year"),
    ),
}


def rows(start, count):
    at = datetime.datetime(2026, 11, 22, 13, 30)
    numbers = range(start, start + count)
    return pyarrow.table(
        {
            "id": pyarrow.array(numbers, pyarrow.int64()),
            "name": pyarrow.array([None if i % 5 == 0 else f"näme{i % 3}" for i in numbers]),
            "amount": pyarrow.array(
                [decimal.Decimal(i * 7 - 20) / 100 for i in numbers], pyarrow.decimal128(12, 2)
            ),
            "ts": pyarrow.array(
                [at + datetime.timedelta(hours=i % 3) for i in numbers], pyarrow.timestamp("us")
            ),
            "tstz": pyarrow.array(
                [at - datetime.timedelta(days=i % 2) for i in numbers],
                pyarrow.timestamp("us", "UTC"),
            ),
            "day": pyarrow.array(
                [at.date() - datetime.timedelta(days=20 * (i % 3)) for i in numbers]
            ),
            "score": pyarrow.array([float("nan") if i % 4 == 0 else i / 8 for i in numbers]),
            "blob": pyarrow.array([bytes([i % 256, 255]) for i in numbers]),
        }
    )


@pytest.mark.parametrize("merge", ["false", "true"])
@pytest.mark.parametrize("spec", SPECS)
def test_we_read_the_manifests_of_pyiceberg(tmp_path, spec, merge):
    catalog = SqlCatalog(
        "c", uri=f"sqlite:///{tmp_path}/catalog.db", warehouse=f"file://{tmp_path}"
    )
    catalog.create_namespace("n")
    table = catalog.create_table(
        "n.t",
        SCHEMA,
        partition_spec=SPECS[spec],
        properties={
            "commit.manifest-merge.enabled": merge,
            "commit.manifest.min-count-to-merge": "2",
        },
    )
    for start in range(0, 40, 10):
        table.append(rows(start, 10))
    table.delete(GreaterThan("id", 33))
    table.overwrite(rows(100, 5), overwrite_filter=EqualTo("name", "näme1"))
    with table.update_schema() as update:
        update.add_column("later", LongType())
    table.append(rows(200, 3).append_column("later", pyarrow.array([1, 2, 3], pyarrow.int64())))

    theirs = {
        str(snapshot.snapshot_id): pyiceberg_manifests(table.io, snapshot.manifest_list)
        for snapshot in table.metadata.snapshots
    }
    ours = {
        snapshot_id: without_references(manifests)
        for snapshot_id, manifests in run_tool("dump", table.metadata_location).items()
    }
    assert (
        sum(
            len(manifest["entries"]) for manifest in ours[str(table.current_snapshot().snapshot_id)]
        )
        > 0
    )
    assert ours == theirs
