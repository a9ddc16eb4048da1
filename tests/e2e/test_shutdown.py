"""SIGTERM and SIGINT drain within the deadline and lose nothing."""

import contextlib
import signal
import threading
from collections import Counter

import pytest
import requests
from telemetry_requests import SIGNALS, Requests
from writer_process import Writer, wait_for


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_commits_what_was_acknowledged_and_exits_0(tmp_path, number):
    writer = Writer(tmp_path, commit__interval="1h")
    supply = Requests("stop")
    sent = []
    with writer:
        for name in SIGNALS:
            sent += writer.send(supply, signal=name)
        writer.stop(number=number)
        assert writer.record_ids() == Counter(sent)


def test_a_stop_in_the_middle_of_a_flush_loses_nothing(tmp_path):
    tenants, supply, sent = [f"tenant-{n}" for n in range(20)], Requests("flushed"), {}
    with Writer(tmp_path, commit__interval="1h") as writer:
        for tenant in tenants:
            sent[tenant] = Counter(writer.send(supply, **{"X-Tenant-Id": tenant}))
        answers = []

        def flush():
            with contextlib.suppress(requests.RequestException):
                answers.append(requests.post(f"http://{writer.admin}/flush", timeout=60).status_code)

        flushing = threading.Thread(target=flush)
        flushing.start()
        wait_for(lambda: any(writer.data.glob("tables/tenant-*")))  # The first of twenty commits is under way.
        writer.stop()
        flushing.join()
        assert answers in ([], [200], [503])
        assert {tenant: writer.record_ids(f"{tenant}.default") for tenant in tenants} == sent
        writer.start()
        writer.stop()
        assert {tenant: writer.record_ids(f"{tenant}.default") for tenant in tenants} == sent


def test_a_second_process_on_the_same_folder_is_refused(tmp_path):
    with Writer(tmp_path) as first:
        second = Writer(tmp_path)
        second.start(wait=False)
        second.wait_exit(1)
        assert "log" in first.log_tail()
