"""PyIceberg reads a table of several hundred commits: all rows, a bounded history, and what a tag keeps."""

import collections
import os
import pathlib
import subprocess

import pyarrow
from pyiceberg.catalog.sql import SqlCatalog

SNAPSHOTS_MAX = 100  # signaldb.expire-on-commit.max-snapshots of a table made by the library


def commit(folder, first, count):
    subprocess.run([os.environ["HISTORY_TOOL"], str(folder), str(first), str(count)], check=True, timeout=300)


def load(folder):
    return SqlCatalog("signaldb", uri=f"sqlite:///{folder}/catalog.db").load_table("acme.prod.events")


def rows(arrow_table):
    return collections.Counter((row["id"], row["body"]) for row in arrow_table.to_pylist())


def expected(count):
    return collections.Counter((i, f"b{i}") for i in range(count))


def files_under(folder, pattern):
    return {path.name for path in pathlib.Path(folder).rglob(pattern)}


def test_several_hundred_commits(tmp_path):
    commit(tmp_path, 0, 80)
    table = load(tmp_path)
    assert len(table.metadata.snapshots) == 80, "nothing goes before there are too many"
    tagged = table.current_snapshot().snapshot_id
    table.manage_snapshots().create_tag(tagged, "release").commit()

    commit(tmp_path, 80, 420)
    table = load(tmp_path)
    assert rows(table.scan().to_arrow()) == expected(500)
    snapshots = table.metadata.snapshots
    assert len(snapshots) == SNAPSHOTS_MAX + 1, "the newest, and the tagged one"
    assert snapshots[0].snapshot_id == tagged
    assert rows(table.scan(snapshot_id=tagged).to_arrow()) == expected(80)
    # Several merges lie between the oldest and the newest: each of them reads as it was.
    for place, snapshot in enumerate(snapshots[1:], 500 - SNAPSHOTS_MAX + 1):
        if place % 25 in (1, 0):
            assert rows(table.scan(snapshot_id=snapshot.snapshot_id).to_arrow()) == expected(place)

    # What is written by PyIceberg lies on top, and our next commit on top of that.
    table.append(pyarrow.table({"id": [500], "body": ["b500"]}, schema=table.schema().as_arrow()))
    commit(tmp_path, 501, 1)
    table = load(tmp_path)
    assert rows(table.scan().to_arrow()) == expected(502)

    snapshots = table.metadata.snapshots
    assert len(snapshots) == SNAPSHOTS_MAX + 1
    named = {pathlib.Path(snapshot.manifest_list).name for snapshot in snapshots}
    assert files_under(tmp_path, "snap-*.avro") == named, "lists of snapshots that are gone"
    manifests = {pathlib.Path(m.manifest_path).name for s in snapshots for m in s.manifests(table.io)}
    assert files_under(tmp_path, "*-m*.avro") == manifests, "manifests of snapshots that are gone"
    assert len(table.current_snapshot().manifests(table.io)) < 100
    assert len(files_under(tmp_path, "*.metadata.json")) <= 22
