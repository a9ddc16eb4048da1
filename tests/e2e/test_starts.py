"""Starts with little memory, and starts that cannot be."""

import re
import sqlite3

import pytest
import requests
from telemetry_requests import Requests
from writer_process import Writer

LINE = re.compile(r"^\d{4}-\d\d-\d\dT[\d:.]+Z (debug|info|warn|error) ")


@pytest.mark.parametrize("budget", [16, 32, 64, 128])
def test_a_smaller_budget_needs_no_other_key(tmp_path, budget):
    with Writer(tmp_path, memory__budget=f"{budget}MiB") as writer:
        assert writer.send(Requests("small"))
        assert f" budget={budget << 20}" in requests.get(f"http://{writer.admin}/readyz?verbose", timeout=10).text
        writer.flush()
        writer.stop()


def failed_start(writer):
    writer.start(wait=False)
    writer.wait_exit(1)
    lines = writer.log_tail().splitlines()
    assert all(LINE.match(line) for line in lines), lines
    assert "again" not in lines[-1], "the process has ended"
    return lines


def test_a_taken_grpc_address_is_told_in_lines_of_the_log(tmp_path):
    with Writer(tmp_path / "first") as first:
        second = Writer(tmp_path / "second", otlp__grpc_listen=first.grpc)
        lines = failed_start(second)
        assert any('grpc says text="' in line for line in lines), lines
        assert f"address={first.grpc}" in lines[-1]


def test_a_locked_catalog_at_the_start_is_no_promise_to_try_again(tmp_path):
    writer = Writer(tmp_path, catalog_pool__connection_timeout_ms="200")
    writer.start()
    writer.stop()
    (tmp_path / "writer.log").unlink()
    held = sqlite3.connect(writer.data / "catalog.db", isolation_level=None)
    held.execute("BEGIN EXCLUSIVE")
    assert "catalog is not available" in failed_start(writer)[-1]
    held.close()
