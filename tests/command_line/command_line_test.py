"""The commands of signaldb-writer that need no running service: what they print, and exit codes."""

import json
import os
import subprocess
import tomllib

import pytest

WRITER = os.environ["SIGNALDB_WRITER"]


@pytest.fixture
def writer(tmp_path):
    """Runs signaldb-writer in an empty folder, with an environment of its own."""

    def run(*arguments, **environment):
        return subprocess.run([WRITER, *arguments], cwd=tmp_path, env=environment, text=True,
                              capture_output=True, timeout=60)

    run.folder = tmp_path
    return run


def test_prints_its_version(writer):
    plain = writer("version")
    assert plain.returncode == 0
    as_json = json.loads(writer("version", "--json").stdout)
    assert as_json["version"] == plain.stdout.strip()
    as_option = writer("--version")
    assert (as_option.returncode, as_option.stdout) == (0, plain.stdout)
    assert as_json["name"] == "signaldb-writer"


@pytest.mark.parametrize("arguments", [[], ["no-such-command"], ["version", "--no-such-flag"],
                                       ["config", "--set"]])
def test_wrong_usage_ends_with_2(writer, arguments):
    ended = writer(*arguments)
    assert ended.returncode == 2
    assert "--help" in ended.stderr
    assert ended.stdout == ""


@pytest.mark.parametrize(("argument", "said"), [
    ("no-such-command", 'There is no command "no-such-command"\n'),
    ("runn", 'There is no command "runn", did you mean run?\n'),
    ("validate", 'There is no command "validate", did you mean validate-config?\n'),
    ("--config", 'There is no option "--config" in front of a command\n')])
def test_names_what_it_does_not_know(writer, argument, said):
    ended = writer(argument)
    assert ended.returncode == 2
    assert ended.stderr.startswith(said)


def test_help_ends_with_0_and_documents_exit_codes(writer):
    ended = writer("--help")
    assert ended.returncode == 0
    assert "Exit codes: 0 done" in ended.stdout


def test_needs_no_configuration(writer):
    ended = writer("validate-config")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "configuration is valid\n", "")
    assert list(writer.folder.iterdir()) == []


def test_prints_the_configuration_in_force_from_all_sources(writer):
    (writer.folder / "signaldb.toml").write_text(
        '[commit]\ninterval = "1s"\n[retry]\nmax_attempts = 7\n')
    ended = writer("config", "--set", "commit.partitions_max=9",
                   SIGNALDB__RETRY__MAX_ATTEMPTS="8")
    assert ended.returncode == 0
    shown = tomllib.loads(ended.stdout)
    assert shown["commit"]["interval"] == "1s"
    assert shown["retry"]["max_attempts"] == 8
    assert shown["commit"]["partitions_max"] == 9
    assert shown["catalog_pool"]["max_connections"] == 10


def test_a_wrong_configuration_is_one_line_and_ends_with_2(writer):
    (writer.folder / "my.toml").write_text('[commit]\nintervall = "1s"\n')
    for command in ("config", "validate-config"):
        ended = writer(command, "--config", "my.toml")
        assert ended.returncode == 2
        assert ended.stderr == ("my.toml:2: unknown key, did you mean commit.interval? "
                                "key=commit.intervall\n")


@pytest.mark.parametrize("command", ["run", "validate-config", "config"])
def test_every_mistake_has_its_line(writer, command):
    (writer.folder / "signaldb.toml").write_text(
        '[commit]\nintervall = "1s"\n[memory]\nbudget = "16MiB"\n')
    ended = writer(command, "--set", "otlp.max_request_bytes=16MiB",
                   "--set", "admin.listen=127.0.0.1:4317", SIGNALDB__RETRY__MAX_ATTEMPTS="0")
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert [line.rsplit("key=")[-1] for line in ended.stderr.splitlines()] == [
        "commit.intervall", "retry.max_attempts", "otlp.max_request_bytes", "admin.listen"]


def test_warns_of_a_variable_that_is_not_read(writer):
    ended = writer("validate-config", SIGNALDB_COMMIT_INTERVAL="1s")
    assert ended.returncode == 0
    assert "use SIGNALDB__COMMIT__INTERVAL" in ended.stderr


def test_a_missing_file_ends_with_2(writer):
    ended = writer("validate-config", "--config", "none.toml")
    assert ended.returncode == 2
    assert ended.stderr.startswith("none.toml: ")


def test_warns_of_memory_storage_and_shows_no_password(writer):
    ended = writer("config", SIGNALDB_SCHEMA_CATALOG_TYPE="memory",
                   SIGNALDB_SCHEMA_CATALOG_URI="postgres://u:hunter2@h/d",
                   SIGNALDB_STORAGE_DSN="memory://")
    assert ended.returncode == 0
    assert "warning: the catalog is in memory" in ended.stderr
    assert "hunter2" not in ended.stdout + ended.stderr
