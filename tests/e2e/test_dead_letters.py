"""Messages that can never be written, beside those that can: kept, listed, shown, replayed once, dropped."""

import json
import random
import subprocess
import time
from collections import Counter

import pytest
from nats_process import NatsClient, NatsProcess
from postgres_process import BINARIES, PostgresProcess
from pyiceberg.catalog.sql import SqlCatalog
from writer_process import BINARY, Writer

STREAM, DURABLE, SUBJECT = "OTEL", "signaldb-writer", "otel.logs"
POISON = b"\xff\xff\xff"
DEPTH = {"ingest.depth_max": "8"}


@pytest.fixture
def client():
    with NatsProcess() as server, NatsClient(server.url) as connected:
        connected.url = server.url
        connected.create(STREAM, DURABLE, ["otel.>"])
        yield connected


def nats_writer(folder, client, **settings):
    return Writer(folder, commit__interval="200ms", **{"nats.0.url": client.url, "nats.0.stream": STREAM, **DEPTH, **settings})


def logs(*records):
    return json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": list(records)}]}]}).encode()


def good(name):
    return {"body": {"stringValue": name}}


def deep(name):
    value = {"stringValue": "x"}
    for _ in range(12):
        value = {"arrayValue": {"values": [value]}}
    return {"body": {"stringValue": name}, "attributes": [{"key": "deep", "value": value}]}


def publish(client, *bodies):
    client.publish([(SUBJECT, body, {} if body == POISON else {"Content-Type": "application/json"}) for body in bodies])


def caught_up(client):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        info = client.consumer(STREAM, DURABLE)
        if info.num_pending == 0 and info.num_ack_pending == 0:
            return
        time.sleep(0.1)
    raise AssertionError("not all was acknowledged")


def words(writer, *arguments, **settings):
    line = [str(BINARY), "dlq", *arguments]
    for key, value in {**writer.settings, **settings}.items():
        line += ["--set", f"{key}={value}"]
    return line


def dlq(writer, *arguments, expect=0, given=None, **settings):
    done = subprocess.run(words(writer, *arguments, **settings), cwd=writer.folder, input=given, capture_output=True, timeout=120)
    assert done.returncode == expect, (done.returncode, done.stdout, done.stderr)
    return done.stdout


def bodies(writer):
    return Counter(row["body"] for row in writer.rows("logs", "body"))


def commit_ids(writer, table):
    return [snapshot.summary["signaldb.commit-id"] for snapshot in writer.table(table).snapshots()]


def test_a_rejected_record_and_a_poisoned_message_are_kept_with_their_neighbours(tmp_path, client):
    publish(client, logs(good("a"), deep("b")), POISON, logs(good("c")))
    with nats_writer(tmp_path, client) as writer:
        caught_up(client)
        assert bodies(writer) == Counter("ac")
        letters = {row["position"]: row for row in writer.rows("dead_letters")}
        assert letters[1]["content"] == "records" and letters[1]["rejected_records"] == 1
        assert b"a" not in letters[1]["message"]
        assert letters[2]["content"] == "unfit" and letters[2]["message"] == POISON

        first = writer.table("dead_letters").snapshots()[0]
        assert first.summary["signaldb.commit-id"] in commit_ids(writer, "logs"), "one commit over both tables"

        (listed,) = json.loads(dlq(writer, "list", "--json"))
        assert listed["letters"] == 2 and listed["messages"] == 2 and listed["replayable"] == 1
        assert len(listed["reasons"]) == 2
        assert json.loads(dlq(writer, "list", "--json", "--reason", "deeply"))[0]["letters"] == 1
        assert json.loads(dlq(writer, "list", "--json", "--tenant", "nobody")) == []
        assert json.loads(dlq(writer, "list", "--json", "--since", "2100-01-01T00:00:00Z")) == []
        assert b"2 letters for 2 messages" in dlq(writer, "list")

        source = letters[2]["source"]
        assert dlq(writer, "show", "--source", source, "--position", "2", "--raw") == POISON
        assert b"ff ff ff" in dlq(writer, "show", "--position", "2")
        assert json.loads(dlq(writer, "show", "--position", "2", "--json"))["message_hex"] == POISON.hex()
        dlq(writer, "show", "--position", "99", expect=3)
        dlq(writer, "show", expect=2)
        writer.stop()


def test_replay_adds_rows_once_beside_a_running_writer(tmp_path, client):
    publish(client, logs(good("a"), deep("b")), POISON)
    with nats_writer(tmp_path, client) as writer:
        caught_up(client)
        today = {"ingest.depth_max": "32"}
        still = json.loads(dlq(writer, "replay", "--json", expect=3))
        assert still["removed"] == 0 and still["left"] == 2 and bodies(writer) == Counter("a")
        replayed = json.loads(dlq(writer, "replay", "--json", expect=3, **today))
        assert (replayed["matched"], replayed["removed"], replayed["left"], replayed["rows"]) == (2, 1, 1, 1)
        assert bodies(writer) == Counter("ab")
        assert commit_ids(writer, "logs")[-1] == commit_ids(writer, "dead_letters")[-1], "rows in and letter out are one commit"
        again = json.loads(dlq(writer, "replay", "--json", expect=3, **today))
        assert again["matched"] == 1 and again["rows"] == 0
        assert bodies(writer) == Counter("ab")
        publish(client, logs(good("c"), deep("d")))
        caught_up(client)
        assert json.loads(dlq(writer, "replay", "--json", "--reason", "deeply", **today))["rows"] == 1
        assert bodies(writer) == Counter("abcd")

        dlq(writer, "drop", expect=3, given=b"no\n")
        assert json.loads(dlq(writer, "list", "--json"))[0]["letters"] == 1
        dlq(writer, "drop", given=b"yes\n")
        assert json.loads(dlq(writer, "list", "--json")) == []
        assert bodies(writer) == Counter("abcd")
        writer.stop()


def test_a_letter_of_nobody_known_stays_until_told_where_to(tmp_path, client):
    client.publish([(SUBJECT, logs(good("evil")), {"x-tenant-id": "acme.corp", "Content-Type": "application/json"})])
    publish(client, logs(good("a")))
    with nats_writer(tmp_path, client) as writer:
        caught_up(client)
        left = json.loads(dlq(writer, "replay", "--json", expect=3))
        assert left["left"] == 1 and left["rows"] == 0
        assert "whose rows they are is not known" in left["reasons"][0]["reason"]
        assert bodies(writer) == Counter("a")
        dlq(writer, "replay", "--to-tenant", "a/b", "--to-dataset", "x", expect=2)
        moved = json.loads(dlq(writer, "replay", "--json", "--to-tenant", "acme", "--to-dataset", "prod"))
        assert moved["removed"] == 1 and moved["rows"] == 1
        assert bodies(writer) == Counter("a"), "its tenant is another one"
        assert [row["body"] for row in writer.rows("logs", "body", dataset="acme.prod")] == ["evil"]
        writer.stop()


def test_looking_where_no_catalog_is_makes_none(tmp_path):
    for command in (["list"], ["replay"], ["drop", "--yes"]):
        done = subprocess.run([str(BINARY), "dlq", *command], cwd=tmp_path, capture_output=True, timeout=120)
        assert done.returncode == 1 and b"there is no catalog at" in done.stderr, done
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not BINARIES.exists(), reason=f"postgresql-15 is not installed in {BINARIES}")
def test_the_commands_work_on_postgresql_too(tmp_path, client):
    publish(client, logs(good("a"), deep("b")), POISON)
    with PostgresProcess() as server, nats_writer(tmp_path, client, schema__catalog_uri=server.uri) as writer:
        writer.catalog = lambda: SqlCatalog("signaldb", uri=server.python_uri)
        caught_up(client)
        assert json.loads(dlq(writer, "list", "--json"))[0]["letters"] == 2
        dlq(writer, "replay", "--reason", "deeply", **{"ingest.depth_max": "32"})
        assert bodies(writer) == Counter("ab")
        assert commit_ids(writer, "logs")[-1] == commit_ids(writer, "dead_letters")[-1]
        dlq(writer, "drop", "--yes")
        assert json.loads(dlq(writer, "list", "--json")) == []
        writer.stop()


def test_kills_of_a_replay_double_and_lose_nothing(tmp_path, client):
    expected = Counter()
    with nats_writer(tmp_path, client) as writer:
        for batch in range(8):
            names = [f"{batch}-{number}" for number in range(50)]
            publish(client, *(logs(good("good " + name), deep("deep " + name)) for name in names))
            caught_up(client)
            expected.update(kind + name for name in names for kind in ("good ", "deep "))
        writer.stop()
        assert bodies(writer) == Counter(name for name in expected.elements() if name.startswith("good"))
        chance, kills = random.Random(7), 0
        for _ in range(100):
            process = subprocess.Popen(words(writer, "replay", **{"ingest.depth_max": "32"}), cwd=writer.folder,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            try:
                process.wait(timeout=chance.uniform(0.02, 0.4))
            except subprocess.TimeoutExpired:
                process.kill()
                kills += 1
            _, trouble = process.communicate()
            if process.returncode == 0:
                break
            assert process.returncode == -9, trouble
        assert kills > 0
        dlq(writer, "replay", **{"ingest.depth_max": "32"})
        assert bodies(writer) == expected
        assert json.loads(dlq(writer, "list", "--json")) == []


def test_a_flood_takes_bounded_room_and_stops_nobody(tmp_path, client):
    limit = 20 * (4096 + 1000)
    poison, count = b"\xff" * 1000, 3000
    with nats_writer(tmp_path, client, **{"dead_letters.bytes_max_per_hour": str(limit)}) as writer:
        for batch in range(10):
            client.publish([(SUBJECT, poison, {})] * (count // 10))
            publish(client, logs(good(f"good {batch}")))
        caught_up(client)
        assert bodies(writer) == Counter(f"good {batch}" for batch in range(10))
        letters = writer.rows("dead_letters")
        assert sum(letter["messages"] for letter in letters) == count
        assert sum(len(letter["message"]) for letter in letters) == 20 * len(poison)
        assert len(letters) < count / 10
        assert writer.metric("signaldb_writer_dead_letters_total") == count
        assert writer.metric("signaldb_writer_dead_letters_shortened_total", content="none") == count - 20
        writer.stop()
        assert writer.log_tail(10**7).count("can never be rows") < 20
        dlq(writer, "drop", "--yes")
        assert json.loads(dlq(writer, "list", "--json")) == []
