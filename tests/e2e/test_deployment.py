"""What is in deploy/ works: its configurations are valid and run as three writers; its units and its list of packages are right.

There is no container runtime here, so the images are not built.
"""

import os
import pathlib
import re
import shutil
import subprocess
from collections import Counter

import pytest
import strictyaml
from kafka_process import LIBRARIES, KafkaProcess
from nats_process import NatsClient, NatsProcess
from postgres_process import BINARIES, PostgresProcess
from telemetry_requests import SIGNALS, Requests
from test_nats import Publisher, caught_up, wait_until
from test_postgres import PostgresWriter
from writer_process import BINARY, ROOT, free_port

DEPLOY = ROOT / "deploy"
UNIT = DEPLOY / "systemd" / "signaldb-writer@.service"
CONFIGURATIONS = sorted(path for path in ROOT.rglob("*.toml") if not {".venv", "build"} & set(path.relative_to(ROOT).parts))
KAFKA_TOPICS = {"traces": "otlp_spans", "metrics": "otlp_metrics", "logs": "otlp_logs"}
RECORDS = 1200

needs_postgres = pytest.mark.skipif(not BINARIES.exists(), reason=f"postgresql-15 is not installed in {BINARIES}")


def compose_services():
    # strictyaml takes no anchors: the merged keys are those of writer-1.
    text = re.sub(r" &writer$|^    <<: \*writer\n", "", (DEPLOY / "compose.yaml").read_text(), flags=re.M)
    text = re.sub(r"\{\}$", "", text, flags=re.M)
    return strictyaml.load(text).data["services"]


def instance_environment(number):
    lines = (DEPLOY / "systemd" / f"{number}.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)


class DeployedWriter(PostgresWriter):
    """Reads the shipped file; only what stands in `settings` is other, by the names of its keys."""

    def __init__(self, folder, catalog, configuration, environment, tables, **settings):
        super().__init__(folder, catalog)
        shutil.copy(DEPLOY / configuration, self.folder / "signaldb.toml")
        (self.folder / "catalog-uri").write_text(catalog.uri)
        environment = {**environment, "SIGNALDB__SCHEMA__CATALOG_URI_FILE": str(self.folder / "catalog-uri")}
        self.environment = {**os.environ, **environment}
        addresses = {f"{section}.{key}": f"127.0.0.1:{free_port()}" for section, key in (
            ("otlp", "grpc_listen"), ("otlp", "http_listen"), ("admin", "listen"))}
        self.admin = addresses["admin.listen"]
        self.settings = {**addresses, "storage.dsn": f"file://{tables}", **settings}


def run_three(writers, monkeypatch):
    for writer in writers:
        for key, value in writer.environment.items():
            monkeypatch.setenv(key, value)
        writer.start(wait=False)
    for writer in writers:
        writer.wait_ready()


def stop_all(writers):
    for writer in writers:
        writer.stop()


@needs_postgres
def test_the_writers_of_the_compose_file_share_a_consumer(tmp_path, monkeypatch):
    services = {name: service for name, service in compose_services().items() if name.startswith("writer-")}
    assert len(services) == 3
    # The addresses are the container's, the server is another one: the rest is as shipped.
    environment = services["writer-1"]["environment"]
    assert {key for key in environment if key.startswith("SIGNALDB__NATS")} == {"SIGNALDB__NATS__0__URL", "SIGNALDB__NATS__0__CREATE"}
    with PostgresProcess() as catalog, NatsProcess("-c", str(nats_configuration(tmp_path))) as server:
        writers = [DeployedWriter(tmp_path / name, catalog, "writer.toml", environment, tmp_path / "tables",
                                  **{"nats.0.url": server.url}) for name in services]
        try:
            run_three(writers, monkeypatch)
            with NatsClient(server.url) as client:
                publisher = Publisher(client, "compose")

                def all_take_part():
                    publisher.publish(RECORDS // 10)
                    return all(writer.metric("signaldb_writer_nats_messages_total") for writer in writers)

                wait_until(all_take_part)

                def committed():
                    for writer in writers:
                        writer.flush()
                    return caught_up(client)

                wait_until(committed)
            assert writers[0].record_ids() == publisher.expected
            stop_all(writers)
        finally:
            end(writers)


def nats_configuration(folder):
    """The shipped one but for the folder, which NatsProcess gives on the command line."""
    text = (DEPLOY / "nats.conf").read_text()
    assert "sync_interval: always" in text
    path = folder / "nats.conf"
    path.write_text(re.sub(r'store_dir: ".*"', "", text))
    return path


@needs_postgres
@pytest.mark.skipif(not LIBRARIES.exists(), reason=f"Kafka is not in {LIBRARIES}: run tools/setup")
def test_the_units_instances_share_a_kafka_group(tmp_path, monkeypatch):
    listening = [address for number in (1, 2, 3) for address in instance_environment(number).values()]
    assert len(set(listening)) == 9, "three instances on one machine"
    with PostgresProcess() as catalog, KafkaProcess() as kafka:
        for topic in KAFKA_TOPICS.values():
            kafka.create_topic(topic, 3)
        writers = [DeployedWriter(tmp_path / str(number), catalog, "writer-kafka.toml", instance_environment(number),
                                  tmp_path / "tables", **{"kafka.0.brokers": kafka.brokers}) for number in (1, 2, 3)]
        try:
            run_three(writers, monkeypatch)
            supply, sent, producer = Requests("units"), Counter(), kafka.producer()
            for number in range(RECORDS // 20):
                kind = SIGNALS[number % 3]
                _, body, ids = supply.next(kind, 20)
                producer.produce(KAFKA_TOPICS[kind], body, partition=number % 9 // 3)
                sent.update(ids)
            assert producer.flush(30) == 0

            def stored():
                for writer in writers:
                    writer.flush()
                return writers[0].record_ids().total() >= sent.total()

            wait_until(stored)
            assert writers[0].record_ids() == sent
            stop_all(writers)
            assert writers[0].record_ids() == sent
        finally:
            end(writers)


def end(writers):
    for writer in writers:
        if writer.process is not None:
            writer.kill()


@pytest.mark.parametrize("configuration", CONFIGURATIONS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_shipped_configuration_is_valid(tmp_path, configuration):
    ended = subprocess.run([BINARY, "validate-config", "--config", configuration], cwd=tmp_path, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "configuration is valid\n", "")


def test_configurations_are_found():
    assert {DEPLOY / "writer.toml", DEPLOY / "writer-kafka.toml"} <= set(CONFIGURATIONS)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_takes_the_unit(tmp_path):
    text = UNIT.read_text()
    unit = tmp_path / UNIT.name
    unit.write_text(text.replace("ExecStart=/usr/bin/signaldb-writer", f"ExecStart={BINARY}"))
    ended = subprocess.run(["systemd-analyze", "verify", "--man=no", tmp_path / "signaldb-writer@1.service"], capture_output=True,
                           text=True)
    said = [line for line in ended.stderr.splitlines() if "signaldb" in line]
    assert ended.returncode == 0 and not said, ended.stderr
    exposure = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=20", unit], capture_output=True, text=True)
    assert exposure.returncode == 0, exposure.stdout
    deadline = subprocess.run([BINARY, "config", "--config", DEPLOY / "writer.toml"], cwd=tmp_path, capture_output=True, text=True)
    assert 'deadline = "25s"' in deadline.stdout and "TimeoutStopSec=30" in text, "systemd must wait longer than the writer"


@pytest.mark.skipif(shutil.which("systemd-sysusers") is None, reason="systemd is not installed")
def test_systemd_makes_the_user_and_the_folder(tmp_path):
    (tmp_path / "etc").mkdir()
    for command in (["systemd-sysusers"], ["systemd-tmpfiles", "--create"]):
        made = DEPLOY / "systemd" / f"{command[0].removeprefix('systemd-')}.conf"
        subprocess.run([*command, f"--root={tmp_path}", made], check=True, capture_output=True)
    assert "signaldb:" in (tmp_path / "etc" / "passwd").read_text()
    assert (tmp_path / "var/lib/signaldb-tables").is_dir()


@pytest.mark.skipif(shutil.which("dpkg") is None, reason="not Debian")
def test_the_image_has_the_libraries_that_the_binary_needs():
    second_stage = (DEPLOY / "Containerfile").read_text().split("FROM ")[2]
    listed = set(second_stage.split())
    dynamic = subprocess.run(["readelf", "-d", BINARY], check=True, capture_output=True, text=True).stdout
    needed = set(re.findall(r"NEEDED.*\[(.*)\]", dynamic))
    found = subprocess.run(["ldd", BINARY], check=True, capture_output=True, text=True).stdout
    packages = set()
    for name, path in re.findall(r"^\s*(\S+) => (\S+)", found, flags=re.M):
        real = pathlib.Path(path).resolve()
        if name not in needed or "pyarrow" in real.parts:
            continue
        # Packages from before /usr was merged have it under /lib.
        owner = subprocess.run(["dpkg", "-S", real, str(real).removeprefix("/usr")], capture_output=True, text=True).stdout
        assert owner, f"no package has {real}"
        packages.add(owner.split(":")[0])
    assert len(packages) > 10
    assert packages - {"libc6", "libgcc-s1"} <= listed, packages - listed
    wheel = {name for name in needed if name.startswith(("libarrow", "libparquet"))}
    assert wheel and all(name in (DEPLOY / "Containerfile").read_text() for name in wheel), wheel
    for_units = re.search(r"pyarrow/lib\{(.*)\}\.so\.2600", (DEPLOY / "README.md").read_text())[1].split(",")
    assert wheel == {f"lib{name}.so.2600" for name in for_units}
