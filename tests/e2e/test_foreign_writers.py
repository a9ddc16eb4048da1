"""Not alone: PyIceberg appends to our tables between our commits and while we run."""

import threading
from collections import Counter

import pyarrow as pa
from telemetry_requests import Requests
from writer_process import Writer


def foreign_rows(table, bodies):
    """Rows as another program would append them: the required columns and a body."""
    pattern = table.scan(limit=1).to_arrow()
    row = pattern.slice(0, 1).to_pylist()[0]
    return pa.Table.from_pylist([{**row, "body": body} for body in bodies], schema=table.schema().as_arrow())


def append_between_commits(writer):
    """The ids of what both wrote into `logs`, each after the other."""
    supply = Requests("ours")
    sent = writer.send(supply)
    writer.flush()
    for number in range(3):
        table = writer.table("logs")
        theirs = [f"theirs-{number}-{i}" for i in range(5)]
        table.append(foreign_rows(table, theirs))
        sent += theirs
        sent += writer.send(supply)
        writer.flush()
    return sent


def test_a_foreign_append_between_two_commits_harms_neither(tmp_path):
    with Writer(tmp_path) as writer:
        sent = append_between_commits(writer)
        assert writer.record_ids() == Counter(sent)
        writer.stop()


def test_foreign_appends_while_we_commit_wedge_nobody(tmp_path):
    with Writer(tmp_path, commit__interval="50ms") as writer:
        supply = Requests("ours")
        sent = writer.send(supply)
        writer.flush()
        theirs, stop = [], threading.Event()

        def append_for_ever():
            number = 0
            while not stop.is_set():
                table = writer.table("logs")
                bodies = [f"theirs-{number}"]
                table.append(foreign_rows(table, bodies))
                theirs.extend(bodies)
                number += 1

        foreigner = threading.Thread(target=append_for_ever)
        foreigner.start()
        for _ in range(40):
            sent += writer.send(supply)
        stop.set()
        foreigner.join()
        writer.flush()
        assert theirs
        assert writer.record_ids() == Counter(sent + theirs)
        writer.stop()
