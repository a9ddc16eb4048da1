"""The demo works, and its last step really finds what is missing or double."""

import json
import os
import re
import subprocess
import sys

import pytest
from writer_process import BINARY, ROOT

sys.path.insert(0, str(ROOT / "demo"))
import questions  # noqa: E402

SECONDS = 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("demo") / "run"


@pytest.fixture(scope="module")
def output(folder):
    command = [sys.executable, ROOT / "demo/run.py", "--binary", BINARY, "--seconds", str(SECONDS), "--folder", folder]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=ROOT)
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout + ended.stderr
    return ended.stdout


@pytest.fixture
def sent(folder, output):
    return [json.loads(line) for line in (folder / "sent.jsonl").read_text().splitlines()]


def test_every_question_has_an_answer(output):
    for answer in ("shop-web   │ /checkout", "shop-stock │ INFO", "(trace ", "traces  ", "Done in"):
        assert answer in output
    assert " 0 rows" not in output


def test_the_programs_have_nothing_to_complain_about(folder, output):
    for name in ("web", "stock", "host"):
        assert (folder / f"{name}.log").read_text() == ""


def test_the_comparison_accepts_what_was_sent(folder, sent):
    assert questions.compare(folder / "signaldb-data", sent)


@pytest.mark.parametrize("signal", ["span", "log", "point"])
def test_the_comparison_sees_a_record_that_is_missing_or_double(folder, sent, signal, capsys):
    one = next(entry for entry in sent if entry["signal"] == signal)
    lost = {"signal": signal, "key": "never stored"}
    assert not questions.compare(folder / "signaldb-data", [*sent, lost])
    assert f"missing: {signal} never stored, 1 times" in capsys.readouterr().out
    less = list(sent)
    less.remove(one)
    assert not questions.compare(folder / "signaldb-data", less)
    assert f"double or never acknowledged: {signal} {one['key']}, 1 times" in capsys.readouterr().out


def blocks(document, language):
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / document).read_text(), flags=re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("document", ["README.md", "docs/querying.md"])
def test_python_in_the_documents_runs(folder, output, document):
    questions.open_duckdb(questions.open_catalog(folder / "signaldb-data"))  # Puts DuckDB's extensions where it finds them.
    ended = subprocess.run([sys.executable, "-c", "\n".join(blocks(document, "python"))], cwd=folder,
                           capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout


def test_sql_in_the_documents_has_answers(folder, output):
    db = questions.open_duckdb(questions.open_catalog(folder / "signaldb-data"))
    recipes = blocks("docs/querying.md", "sql")
    assert recipes
    for recipe in recipes:
        assert db.sql(recipe).fetchall(), recipe


def test_the_question_in_the_readme_has_an_answer(folder, output):
    command, = (block for block in blocks("README.md", "sh") if "questions.py" in block)
    ended = subprocess.run(command.replace(" signaldb-data ", f" {folder}/signaldb-data "), shell=True, cwd=ROOT,
                           capture_output=True, text=True, timeout=120)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "/checkout" in ended.stdout


def test_the_demo_spares_a_folder_that_is_not_its_own(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    ended = subprocess.run([sys.executable, ROOT / "demo/run.py", "--binary", BINARY, "--folder", tmp_path],
                           capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert "not from a demo" in ended.stderr
    assert os.listdir(tmp_path) == ["thesis.txt"]
