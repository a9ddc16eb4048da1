"""SIGTERM and SIGINT drain within the deadline and lose nothing."""

import signal
from collections import Counter

import pytest
from telemetry_requests import SIGNALS, Requests
from writer_process import Writer


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


def test_a_second_process_on_the_same_folder_is_refused(tmp_path):
    with Writer(tmp_path) as first:
        second = Writer(tmp_path)
        second.start(wait=False)
        second.wait_exit(1)
        assert "log" in first.log_tail()
