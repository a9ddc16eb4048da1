"""SIGTERM and SIGINT drain within the deadline and lose nothing."""

import signal
from collections import Counter

import pytest
import requests
from telemetry_requests import SIGNALS, Requests
from writer_process import Writer

HEADERS = {"Content-Type": "application/x-protobuf"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_commits_what_was_acknowledged_and_exits_0(tmp_path, number):
    writer = Writer(tmp_path, commit__interval="1h")
    supply = Requests("stop")
    sent = []
    with writer:
        for name in SIGNALS:
            path, body, ids = supply.next(name)
            assert requests.post(f"http://{writer.http}{path}", data=body, headers=HEADERS, timeout=10).status_code == 200
            sent += ids
        writer.process.send_signal(number)
        assert writer.process.wait(timeout=30) == 0, writer.log_tail()
        writer._gone()
        assert writer.record_ids() == Counter(sent)


def test_a_second_process_on_the_same_folder_is_refused(tmp_path):
    with Writer(tmp_path) as first:
        second = Writer(tmp_path)
        second.start(wait=False)
        assert second.process.wait(timeout=30) != 0
        second._gone()
        assert "log" in first.log_tail()
