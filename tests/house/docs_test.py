#!/usr/bin/env python3
"""The documents hold together: links lead somewhere, lists agree with what they list.

    docs_test.py               checks the project; prints what to change
    docs_test.py --self-test   shows that each check fires on a bad sample
"""

import re
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def without_code(text):
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))


def anchors(text):
    """The anchors of a document's headings, as code hosts make them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(path, text, root):
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(text)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (root / path).parent / name if name else root / path
        if not file.exists():
            yield f"{path}: the link to {target} leads nowhere"
        elif anchor and anchor not in anchors(text if not name else file.read_text()):
            yield f"{path}: there is no heading for the link to {target}"


def metric_rows(source):
    """The rows of docs/reference/metrics.md, made from src/base/metric_names.h."""
    for name, kind, texts in re.findall(r'\{"(signaldb_writer_\w+)", MetricType::k(\w+),\s*((?:"[^"]*"\s*)+)\}', source):
        meaning = "".join(re.findall('"([^"]*)"', texts))
        yield f"| `{name}` | {kind.lower()} | {meaning} |"


def unlisted_metrics(document, source):
    want, have = list(metric_rows(source)), [line for line in document.splitlines() if line.startswith("| `")]
    assert want
    yield from (f"docs/reference/metrics.md: add the line {row}" for row in want if row not in have)
    yield from (f"docs/reference/metrics.md: remove the line {row}" for row in have if row not in want)


def snippet(source, name):
    """The lines of an example between `// snippet: NAME` and `// end of snippet`, shifted to the left."""
    found = re.search(rf"^ *// snippet: {name}\n(.*?)^ *// end of snippet$", source, flags=re.DOTALL | re.MULTILINE)
    return textwrap.dedent(found[1]) if found else None


def wrong_quotes(path, text, root):
    """Blocks of C++ stand behind `<!-- FILE NAME -->` and repeat that snippet of the file."""
    for before, code in re.findall(r"([^\n]*)\n```cpp\n(.*?)```", text, flags=re.DOTALL):
        named = re.fullmatch(r"<!-- (\S+) (\S+) -->", before)
        if not named:
            yield f"{path}: name the file and the snippet that this is from, as <!-- FILE NAME -->: {code.splitlines()[0]}"
        elif not (root / named[1]).exists():
            yield f"{path}: there is no {named[1]}"
        elif snippet((root / named[1]).read_text(), named[2]) != code:
            yield f"{path}: the text is not the snippet {named[2]} of {named[1]}"


def wrong_defaults(readme, reference):
    """Rows `| `section.key` | variable | `default` |` of README.md that the configuration reference does not know so."""
    defaults, section = {}, ""
    for line in reference.splitlines():
        if line.startswith("## "):
            section = line[3:]
        elif row := re.match(r"\| `(\w+)` \| [^|]+ \| `?([^|`]+?)`? \|", line):
            defaults[f"{section}.{row[1]}"] = row[2]
    for key, default in re.findall(r"^\| `(\w+\.\w+)` \| [^|]* \| `([^`]+)`", readme, flags=re.MULTILINE):
        if defaults.get(key) != default:
            yield f"README.md: the default of {key} is {defaults.get(key)}, not {default}"


def check():
    names = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    for name in names:
        yield from broken_links(name, (ROOT / name).read_text(), ROOT)
        yield from wrong_quotes(name, (ROOT / name).read_text(), ROOT)
    reference = ROOT / "docs/reference"
    yield from unlisted_metrics((reference / "metrics.md").read_text(), (ROOT / "src/base/metric_names.h").read_text())
    yield from wrong_defaults((ROOT / "README.md").read_text(), (reference / "configuration.md").read_text())


def self_test():
    metric = '{"signaldb_writer_a", MetricType::kGauge,\n "One "\n "thing."}'
    row = "| `signaldb_writer_a` | gauge | One thing. |"
    quote = "<!-- examples/basic_usage.cc basic -->\n```cpp\n{}```\n"
    basic = snippet((ROOT / "examples/basic_usage.cc").read_text(), "basic")
    reference = "## log\n| `dir` | path | `here` | Where. |"
    samples = [
        (broken_links, ("README.md", "[a](STYLE.md) [b](#part) `[c](no.md)`\n# Part", ROOT), 0),
        (broken_links, ("README.md", "[a](nowhere.md)", ROOT), 1),
        (broken_links, ("docs/x.md", "[a](STYLE.md)", ROOT), 1),
        (broken_links, ("README.md", "[b](#parts)\n# Part", ROOT), 1),
        (broken_links, ("README.md", "[b](STYLE.md#no-such-heading)", ROOT), 1),
        (unlisted_metrics, (row, metric), 0),
        (unlisted_metrics, ("", metric), 1),
        (unlisted_metrics, (row + "\n| `signaldb_writer_b` | gauge | Gone. |", metric), 1),
        (wrong_quotes, ("README.md", quote.format(basic), ROOT), 0),
        (wrong_quotes, ("README.md", quote.format(basic.replace("config", "c")), ROOT), 1),
        (wrong_quotes, ("README.md", quote.format(basic).replace(" basic ", " other "), ROOT), 1),
        (wrong_quotes, ("README.md", quote.format(basic).replace("basic_usage", "none"), ROOT), 1),
        (wrong_quotes, ("README.md", "Text\n```cpp\nint x;\n```\n", ROOT), 1),
        (wrong_defaults, ("| `log.dir` | `X` | `here` |", reference), 0),
        (wrong_defaults, ("| `log.dir` | `X` | `there` |", reference), 1),
    ]
    for function, arguments, findings in samples:
        found = list(function(*arguments))
        if len(found) != findings:
            yield f"{function.__name__}{arguments}: {findings} findings expected, got {found}"


if __name__ == "__main__":
    problems = list(self_test() if "--self-test" in sys.argv else check())
    if problems:
        print("\n".join(problems))
    sys.exit(1 if problems else 0)
