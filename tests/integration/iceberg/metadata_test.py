"""Our metadata.json against PyIceberg's reader and writer, in both directions."""

import gzip
import json
import os
import subprocess
import uuid

import pyarrow as pa
import pytest
from pyiceberg import transforms, types
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.conversions import to_bytes
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table.metadata import TableMetadataUtil, new_table_metadata
from pyiceberg.table.sorting import NullOrder, SortDirection, SortField, SortOrder

FILTER = os.environ["ICEBERG_METADATA_FILTER"]


def run(*arguments, stdin=b""):
    done = subprocess.run([FILTER, *arguments], input=stdin, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def copied(text):
    """What we make of a metadata file of PyIceberg's; ours must be a fixpoint."""
    ours = run("copy", stdin=text.encode())
    assert run("copy", stdin=ours) == ours
    return ours.decode()


NESTED = types.NestedField(
    20, "nested",
    types.MapType(21, types.StringType(), 22, types.StructType(
        types.NestedField(23, "x", types.LongType(), required=True),
        types.NestedField(24, "y", types.ListType(25, types.IntegerType(), True), required=False),
    ), False), required=False)

PRIMITIVES = [
    types.BooleanType(), types.IntegerType(), types.LongType(), types.FloatType(),
    types.DoubleType(), types.DecimalType(9, 2), types.DecimalType(38, 10), types.DateType(),
    types.TimeType(), types.TimestampType(), types.TimestamptzType(), types.StringType(),
    types.UUIDType(), types.FixedType(5), types.BinaryType(),
]


def every_type():
    fields = [types.NestedField(i, f"c{i}", t, required=i == 3, doc='a "doc"' if i == 1 else None)
              for i, t in enumerate(PRIMITIVES, start=1)]
    return Schema(*fields, NESTED, schema_id=0, identifier_field_ids=[3])


def test_pyiceberg_reads_what_we_make():
    text = run("make")
    packed = json.loads(gzip.decompress(run("make", "gzip")))
    assert packed["properties"].pop("write.metadata.compression-codec") == "gzip"
    assert packed == json.loads(text)
    metadata = TableMetadataUtil.parse_raw(text.decode())
    assert metadata.format_version == 2
    assert metadata.location == "file:///wh/every"
    assert metadata.last_column_id == 106
    assert metadata.last_sequence_number == 2
    assert metadata.properties == {"owner": 'us "and" them'}
    assert [s.snapshot_id for s in metadata.snapshots] == [3 * 10**18 + 1, 3 * 10**18 + 2]
    assert metadata.current_snapshot().parent_snapshot_id == 3 * 10**18 + 1
    assert metadata.current_snapshot().summary["total-records"] == "2"
    assert metadata.refs["main"].snapshot_id == metadata.current_snapshot_id
    assert [entry.snapshot_id for entry in metadata.snapshot_log] == [
        3 * 10**18 + 1, 3 * 10**18 + 2]
    assert len(metadata.metadata_log) == 2

    first, second = metadata.schemas
    assert [str(f.field_type) for f in first.fields[:-1]] == [str(t) for t in PRIMITIVES]
    assert first.find_field("nested.value.y.element").field_id == 105
    assert first.identifier_field_ids == [3]
    assert first.find_field("c1").doc == 'true or "false"'
    assert metadata.schema() == second
    assert second.find_field("c2").field_type == types.LongType()
    assert second.find_field("late").field_id == 106

    spec = metadata.spec()
    assert [str(f.transform) for f in spec.fields] == [
        "identity", "bucket[16]", "truncate[10]", "year", "month", "day", "hour", "void",
        "truncate[4]"]
    assert [f.field_id for f in spec.fields] == list(range(1000, 1009))
    assert metadata.last_partition_id == 1008
    order = metadata.sort_orders[0]
    assert order.order_id == 1 == metadata.default_sort_order_id
    assert order.fields[0].direction == SortDirection.DESC
    assert order.fields[0].null_order == NullOrder.NULLS_LAST
    assert str(order.fields[1].transform) == "bucket[4]"


def table_with_everything(version):
    fields = [(1, "identity"), (2, "bucket[16]"), (3, "truncate[10]"), (8, "year"), (10, "month"),
              (11, "day"), (11, "hour"), (12, "void"), (12, "truncate[4]")]
    spec = PartitionSpec(*[
        PartitionField(source, 1000 + i, transforms.parse_transform(text), f"p{i}")
        for i, (source, text) in enumerate(fields)])
    order = SortOrder(
        SortField(11, transforms.IdentityTransform(), SortDirection.DESC, NullOrder.NULLS_LAST),
        SortField(12, transforms.BucketTransform(4), SortDirection.ASC, NullOrder.NULLS_FIRST),
        order_id=1)
    return new_table_metadata(every_type(), spec, order, "file:///wh/t",
                              {"a": 'b "c"', "format-version": version},
                              uuid.UUID("5f8b14d8-0a14-4e6a-8b04-6b1b7d6d9f10"))


@pytest.mark.parametrize("version", ["1", "2"])
def test_we_read_every_type_transform_and_order_of_pyiceberg(version):
    theirs = table_with_everything(version)
    assert theirs.format_version == int(version)
    ours = copied(theirs.model_dump_json())
    assert TableMetadataUtil.parse_raw(ours) == theirs


def test_we_agree_on_version_3():
    """PyIceberg 0.12 reads metadata of version 3 but does not write it."""
    document = json.loads(table_with_everything("2").model_dump_json())
    document |= {"format-version": 3, "next-row-id": 0, "last-column-id": 28}
    for number, name in enumerate(["timestamp_ns", "timestamptz_ns", "unknown"], start=26):
        document["schemas"][0]["fields"].append(
            {"id": number, "name": name, "required": False, "type": name})
    theirs = TableMetadataUtil.parse_raw(json.dumps(document))
    assert theirs.format_version == 3
    assert TableMetadataUtil.parse_raw(copied(json.dumps(document))) == theirs


def test_we_read_the_history_of_a_table_of_pyiceberg(tmp_path):
    catalog = SqlCatalog("c", uri=f"sqlite:///{tmp_path}/c.db", warehouse=f"file://{tmp_path}")
    catalog.create_namespace("n")
    rows = pa.table({"id": pa.array([1, 2], pa.int64()), "name": ["a", "b"]})
    table = catalog.create_table("n.t", rows.schema, properties={
        "write.metadata.previous-versions-max": "3"})
    for _ in range(3):
        table.append(rows)
    with table.update_schema() as update:
        update.add_column("late", types.DoubleType(), doc="added later")
        update.rename_column("name", "who")
    with table.update_spec() as update:
        update.add_field("id", transforms.BucketTransform(8), "id_bucket")
    table.overwrite(pa.table({"id": pa.array([7], pa.int64()), "who": ["x"],
                              "late": pa.array([0.5])}))
    with table.manage_snapshots() as manage:
        manage.create_tag(table.snapshots()[0].snapshot_id, "first", max_ref_age_ms=1000)
        manage.create_branch(table.snapshots()[1].snapshot_id, "side", min_snapshots_to_keep=2)
    with open(table.metadata_location.removeprefix("file://"), encoding="utf-8") as file:
        text = file.read()
    ours = copied(text)
    assert TableMetadataUtil.parse_raw(ours) == TableMetadataUtil.parse_raw(text)
    assert json.loads(ours)["snapshots"] == json.loads(text)["snapshots"]


VALUES = {
    types.IntegerType(): [0, 1, -1, 34, 2**31 - 1, -(2**31) + 20],
    types.LongType(): [0, 1, -1, 34, 2**63 - 1, -(2**63) + 20],
    types.DateType(): [0, -1, 1, 364, 365, -365, -366, 17486, 11016, 11017],
    types.TimestampType(): [0, -1, 1, 3_599_999_999, 3_600_000_000, -3_600_000_000,
                            -3_600_000_001, 1_510_871_468_000_001, -86_400_000_001],
    types.TimestamptzType(): [0, -1, 1_510_871_468_000_000],
    types.StringType(): ["iceberg", "\u00e4\U0001f600z", "a b"],
}


@pytest.mark.parametrize("transform", ["bucket[16]", "bucket[7]", "truncate[3]", "year", "month",
                                       "day", "hour", "identity"])
def test_we_transform_values_as_pyiceberg_does(transform):
    theirs = transforms.parse_transform(transform)
    lines, expected = [], []
    for source, values in VALUES.items():
        if not theirs.can_transform(source):
            continue
        for value in values:
            lines.append(f"{source} {to_bytes(source, value).hex()}")
            expected.append(theirs.to_human_string(source, theirs.transform(source)(value)))
    ours = run("apply", transform, stdin="\n".join(lines).encode()).decode().splitlines()
    assert ours == expected
