"""docs/getting-started.md does what it says: its requests are taken, and its questions and those of the README have answers."""

import re
import subprocess
import sys

import pytest
from test_demo import blocks
from writer_process import ROOT, Writer

STEPS = blocks("docs/getting-started.md", "sh")


@pytest.fixture(scope="module")
def writer(tmp_path_factory):
    with Writer(tmp_path_factory.mktemp("hello"), commit__interval="1h") as running:
        yield running


def run(step, writer):
    for written, here in (("127.0.0.1:4318", writer.http), ("127.0.0.1:9464", writer.admin),
                          (" signaldb-data ", f" {writer.data} ")):
        step = step.replace(written, here)
    ended = subprocess.run(step, shell=True, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (ended.returncode, ended.stderr) == (0, ""), step
    return ended.stdout


@pytest.fixture(scope="module")
def sent(writer):
    answers = [run(step, writer) for step in STEPS if "/v1/" in step]
    assert answers == ["{}"] * 3
    flush, = (step for step in STEPS if "/flush" in step)
    assert "visible" in run(flush, writer)


def test_the_questions_have_answers(writer, sent):
    questions, = (step for step in STEPS if "questions.py" in step)
    answers = run(questions, writer)
    for answer in ("first light", "first smoke", "GET /hello", "45000000", "queue.length"):
        assert answer in answers


def test_the_questions_of_the_readme_have_answers(writer, sent):
    question, = (step for step in blocks("README.md", "sh") if "questions.py" in step)
    assert "/hello" in run(question, writer)
    ended = subprocess.run([sys.executable, "-c", "\n".join(blocks("README.md", "python"))], cwd=writer.folder,
                           capture_output=True, text=True, timeout=120)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "first smoke" in ended.stdout and "first light" not in ended.stdout


def test_it_says_that_it_is_ready_as_printed(writer, sent):
    shown, = (line for line in (ROOT / "docs/getting-started.md").read_text().splitlines() if " service  ready " in line)
    printed, = (line for line in writer.log_tail(100_000).splitlines() if " service  ready " in line)
    assert re.findall(r" (\w+)=", shown) == re.findall(r" (\w+)=", printed)
