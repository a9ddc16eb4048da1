#!/usr/bin/env python3
"""House rules that the compiler cannot check, over every tracked file.

    tools/tidy.py              checks the project; prints `file:line: rule: what to do`
    tools/tidy.py --self-test  shows that each rule fires on a bad sample and not on a good one

A rule enters only with its samples in SAMPLES.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# src/README.md: a row knows nothing of the rows under it, nothing includes sideways.
ROWS = {
    "base": 0,
    "iceberg": 1,
    "telemetry": 1,
    "log": 2,
    "rpc": 2,
    "writer": 2,
    "pipeline": 3,
    "upkeep": 3,
    "adapters": 3,
    "service": 4,
    "library": 4,
}

# The rooms of src/iceberg, each of which may include only those before it; the ports and what lies
# beside them at the top of the folder stand between `metadata` and `manifest`.
ICEBERG_ROOMS = {"json": 0, "avro": 0, "schema": 1, "metadata": 2, "": 3, "manifest": 4,
                 "data_file": 5, "commit": 5, "scan": 5}

# Public headers that are plain values, for every row; the others are for the rows from writer on.
PUBLIC_FOR_ALL = ("signaldb/result.h", "signaldb/retry_config.h", "signaldb/row_filter.h")

# What may not be called outside base/ and adapters/local/, and what to use instead.
BANNED_CALLS = {
    r"\b(system|steady|high_resolution)_clock::now\b": "the Clock of base/clock.h",
    r"\bstd::(random_device|mt19937)": "the Random of base/random.h",
    r"\bsleep_(for|until)\b": "Clock::SleepFor, which a stop request ends",
    r"(?<![\w:])::(open|openat|fsync|fdatasync|rename|unlink|pwrite|pread|ftruncate|mkdir)\(":
        "the FileSystem of base/file_system.h",
    r"\b(fsync|fdatasync)\(": "the FileSystem of base/file_system.h",
    r"\bstd::[io]?fstream\b": "the FileSystem of base/file_system.h",
    r"\bstd::filesystem::(rename|remove|create_director|resize_file|copy)":
        "the FileSystem of base/file_system.h",
    r"\b(strto(d|f|ld)|atof|sto(d|f|ld)|setlocale)\(":
        "std::from_chars or base/decimal_text.h, which no locale changes",
    r"\.detach\(\)": "a std::jthread that is joined by destruction",
}
CALLS_ALLOWED_IN = ("src/base/", "src/adapters/local/")

CATCH_ALL_NAMES = re.compile(r"(^|_)(utils?|helpers?|managers?|misc|common)(_|\.)")
UNFINISHED = re.compile(r"\b(FIX" + r"ME|TO" + r"DO|XX" + r"X|HA" + r"CK)\b")
# Paths that exist on one machine only.
MACHINE_PATH = re.compile(r"(?<![\w.:$}/-])/(home|root|work)/\w")

COLUMNS_MAX = 100
PYTHON_COLUMNS_MAX = 140  # Scripts hold SQL and tables that only get harder to read when wrapped.
LINES_MAX = {"src/": 800, "include/": 800, "apps/": 100, "tests/": 1200}
TEXT_SUFFIXES = {".h", ".cc", ".py", ".md", ".txt", ".cmake", ".json", ".toml", ".sh", ""}
COLUMN_SUFFIXES = {".h", ".cc", ".py", ".sh"}


def without_comments(text):
    """The C++ text with comments and string contents blanked, line numbers kept."""
    pattern = r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"'

    def blank(match):
        body = match.group(0)
        if body.startswith(("//", "/*")):
            return "\n" * body.count("\n")
        return '""' + "\n" * body.count("\n")

    return re.sub(pattern, blank, text, flags=re.DOTALL)


def lines_matching(pattern, text):
    for number, line in enumerate(text.splitlines(), 1):
        match = re.search(pattern, line)
        if match:
            yield number, match


def module_of(path):
    """("adapters", "sqlite") for src/adapters/sqlite/x.cc, ("log", "") for src/log/x.cc."""
    parts = path.split("/")
    if len(parts) > 3 and parts[1] == "adapters":
        return "adapters", parts[2]
    return parts[1], ""


def iceberg_room(path):
    """"schema" for src/iceberg/schema/x.cc, "" for src/iceberg/x.cc, nothing for other modules."""
    parts = path.split("/")
    if parts[1] != "iceberg":
        return None
    return parts[2] if len(parts) > 3 else ""


def check_iceberg_rooms(path, text):
    room = iceberg_room(path) if path.startswith("src/") and path.count("/") >= 2 else None
    if room is None:
        return
    if room not in ICEBERG_ROOMS:
        yield 1, f"src/iceberg/{room} has no place in tools/tidy.py"
        return
    for number, match in lines_matching(r'^\s*#\s*include\s+"(iceberg/[^"]+)"', text):
        other = iceberg_room("src/" + match.group(1))
        if other != room and ICEBERG_ROOMS.get(other, 9) >= ICEBERG_ROOMS[room]:
            yield number, f"iceberg/{room} must not include iceberg/{other}: it is not above"


def check_layers(path, text):
    if not path.startswith("src/") or path.count("/") < 2:
        return
    module, part = module_of(path)
    if module not in ROWS:
        yield 1, f"module {module} has no row in src/README.md and tools/tidy.py"
        return
    for number, match in lines_matching(r'^\s*#\s*include\s+"([^"]+)"', text):
        included = match.group(1)
        if included.startswith("signaldb/"):
            if included not in PUBLIC_FOR_ALL and ROWS[module] < 2:
                yield number, f"{module} may include only {', '.join(PUBLIC_FOR_ALL)}"
            continue
        if included.startswith("apps/"):
            yield number, "nothing includes apps"
            continue
        if "/" not in included:
            yield number, f'"{included}" must name its module: "module/{included}"'
            continue
        other, other_part = module_of("src/" + included)
        if other not in ROWS:
            yield number, f'"{included}" belongs to no module of src/README.md'
        elif other == module:
            if part != other_part:
                yield number, f"adapters/{part} must not include adapters/{other_part}"
        elif ROWS[other] >= ROWS[module]:
            yield number, f"{module} must not include {other}: its row is not above"
    if module == "base":
        for number, match in lines_matching(r"^\s*#\s*include\s+<(\w+)/", text):
            if match.group(1) != "sys":
                yield number, "base depends on the standard library only"


def check_banned_calls(path, text):
    if not path.startswith(("src/", "include/", "apps/")) or path.startswith(CALLS_ALLOWED_IN):
        return
    code = without_comments(text)
    for pattern, instead in BANNED_CALLS.items():
        for number, match in lines_matching(pattern, code):
            yield number, f"{match.group(0)} is banned here: use {instead}"


def check_nodiscard(path, text):
    if not path.endswith(".h"):
        return
    code = re.sub(r"^\s*#.*?(?<!\\)$", "", without_comments(text), flags=re.MULTILINE)
    start = 0
    fallible = re.compile(
        r"^\s*(?:(?:public|private|protected)\s*:\s*)*"
        r"(?:template\s*<[^{};]*>\s*)?(?:\[\[\w+\]\]\s*)?"
        r"(?:(?:static|virtual|inline|constexpr|friend)\s+)*"
        r"(?:signaldb::)?(?:Result\s*<.*>|Status)\s+([\w:]+)\s*\(", re.DOTALL)
    for end in [m.start() for m in re.finditer(r"[;{}]", code)] + [len(code)]:
        statement = code[start:end]
        match = fallible.match(statement)
        if match and "[[nodiscard]]" not in statement[:match.start(1)]:
            yield code.count("\n", 0, start + match.start(1)) + 1, \
                f"{match.group(1)} can fail: declare it [[nodiscard]]"
        start = end + 1


def check_columns(path, text):
    if Path(path).suffix not in COLUMN_SUFFIXES and not path.startswith("tools/"):
        return
    most = PYTHON_COLUMNS_MAX if path.endswith(".py") else COLUMNS_MAX
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > most:
            yield number, f"{len(line)} columns, {most} are allowed"


def check_length(path, text):
    count = text.count("\n")
    for prefix, most in LINES_MAX.items():
        if path.startswith(prefix) and path.endswith((".h", ".cc")) and count > most:
            yield 1, f"{count} lines, {most} are allowed: split the file"


def check_unfinished(path, text):
    for number, match in lines_matching(UNFINISHED, text):
        yield number, f"{match.group(0)}: finish it or take it out"


def check_machine_paths(path, text):
    for number, match in lines_matching(MACHINE_PATH, text):
        yield number, f"{match.group(0)} exists on one machine only"


def check_file_name(path, text):
    name = path.rsplit("/", 1)[-1]
    if CATCH_ALL_NAMES.search(name):
        yield 1, "a name that says nothing: name the file for what is in it"
    if path.endswith((".h", ".cc")) and not re.fullmatch(r"[a-z0-9_]+\.(h|cc)", name):
        yield 1, "C++ files are snake_case.h and snake_case.cc"


def check_one_title(path, text):
    if not path.endswith(".md"):
        return
    prose = re.sub(r"^(```|~~~).*?^\1", lambda m: "\n" * m.group(0).count("\n"), text,
                   flags=re.DOTALL | re.MULTILINE)
    titles = [number for number, _ in lines_matching(r"^# ", prose)]
    if len(titles) != 1:
        yield (titles + [1, 1])[1], f"{len(titles)} titles, one is needed"


def check_pragma_once(path, text):
    if path.endswith(".h") and "#pragma once" not in text:
        yield 1, "a header starts with #pragma once"


def check_disabled_tests(path, text):
    for number, _ in lines_matching(r"\b(DIS" + r"ABLED_\w+)\b", text):
        if path.startswith("tests/") and path.endswith(".cc"):
            yield number, "a test that does not run: repair it or take it out"


RULES = {
    "layers": check_layers,
    "iceberg-rooms": check_iceberg_rooms,
    "banned-calls": check_banned_calls,
    "nodiscard": check_nodiscard,
    "columns": check_columns,
    "length": check_length,
    "unfinished": check_unfinished,
    "machine-paths": check_machine_paths,
    "file-name": check_file_name,
    "one-title": check_one_title,
    "pragma-once": check_pragma_once,
    "disabled-tests": check_disabled_tests,
}

# rule, path, text that must be found, text that must not.
SAMPLES = [
    ("layers", "src/log/x.cc", '#include "writer/y.h"\n', '#include "base/y.h"\n'),
    ("layers", "src/iceberg/x.cc", '#include "telemetry/y.h"\n', '#include "iceberg/y.h"\n'),
    ("iceberg-rooms", "src/iceberg/schema/x.cc", '#include "iceberg/manifest/manifest.h"\n',
     '#include "iceberg/schema/type.h"\n'),
    ("iceberg-rooms", "src/iceberg/scan/x.cc", '#include "iceberg/commit/table_commit.h"\n',
     '#include "iceberg/file_io.h"\n'),
    ("layers", "src/adapters/otlp/x.cc", '#include "adapters/http/y.h"\n',
     '#include "adapters/otlp/y.h"\n'),
    ("layers", "src/adapters/otlp/x.cc", '#include "pipeline/y.h"\n',
     '#include "telemetry/y.h"\n'),
    ("layers", "src/base/x.cc", "#include <fmt/format.h>\n", "#include <sys/random.h>\n"),
    ("layers", "src/base/x.cc", '#include "signaldb/table_writer.h"\n',
     '#include "signaldb/result.h"\n'),
    ("layers", "src/stray/x.cc", "int x;\n", None),
    ("layers", "src/log/x.cc", '#include "frame.h"\n', '#include "log/frame.h"\n'),
    ("banned-calls", "src/log/x.cc", "auto t = std::chrono::system_clock::now();\n",
     "// system_clock::now() is banned\n"),
    ("banned-calls", "src/log/x.cc", "std::random_device d;\n", 'x = "std::random_device";\n'),
    ("banned-calls", "src/log/x.cc", "std::this_thread::sleep_for(1s);\n", "clock.SleepFor(1s);\n"),
    ("banned-calls", "src/log/x.cc", "int fd = ::open(p, 0);\n", "auto f = files.Open(p);\n"),
    ("banned-calls", "src/log/x.cc", "fsync(fd);\n", "file.Sync();\n"),
    ("banned-calls", "src/log/x.cc", "std::ifstream in(path);\n", "std::istringstream in(s);\n"),
    ("banned-calls", "src/log/x.cc", "double d = std::strtod(s, nullptr);\n", "d = ReadDouble(s, value);\n"),
    ("nodiscard", "src/log/x.h", "#pragma once\nStatus Trim(int x);\n",
     "#pragma once\n[[nodiscard]] Status Trim(int x);\n"),
    ("nodiscard", "src/log/x.h",
     "struct A {\n public:\n  static Result<std::vector<int>> B();\n};\n",
     "struct A {\n  Status status;\n  using F = std::function<Status(int)>;\n};\n"),
    ("nodiscard", "src/log/x.h", "struct A {\n  virtual Status\n  B() = 0;\n};\n",
     "struct A {\n  [[nodiscard]] virtual Status\n  B() = 0;\n};\n"),
    ("columns", "src/log/x.h", "x" * 101 + "\n", "x" * 100 + "\n"),
    ("length", "src/log/x.cc", "\n" * 801, "\n" * 800),
    ("length", "apps/a/x.cc", "\n" * 101, "\n" * 100),
    ("unfinished", "src/log/x.cc", "// TO" + "DO later\n", "// later\n"),
    ("machine-paths", "docs/x.md", "see /ho" + "me/me/x\n", "see https://a.b/ho" + "me/x\n"),
    ("file-name", "src/log/string_util.cc", "", None),
    ("file-name", "src/log/manager.h", "", None),
    ("file-name", "src/log/FrameWriter.h", "", None),
    ("one-title", "docs/x.md", "# A\n# B\n", "# A\n```\n# not a title\n```\n"),
    ("one-title", "docs/x.md", "text\n", "# A\n## B\n"),
    ("pragma-once", "src/log/x.h", "int x;\n", "#pragma once\n"),
    ("disabled-tests", "tests/unit/x.cc", "TEST(A, DIS" + "ABLED_B) {}\n", "TEST(A, B) {}\n"),
]


def self_test():
    failures = []
    for rule, path, bad, good in SAMPLES:
        if not list(RULES[rule](path, bad)):
            failures.append(f"{rule} does not fire on {path}: {bad!r}")
        if good is not None and (found := list(RULES[rule](path, good))):
            failures.append(f"{rule} fires on {path}: {good!r}: {found}")
    failures += [f"{rule} has no sample" for rule in RULES if rule not in {s[0] for s in SAMPLES}]
    for failure in failures:
        print(failure)
    if not failures:
        print(f"tidy: {len(RULES)} rules, {len(SAMPLES)} samples, each as it should be")
    return 1 if failures else 0


def tracked_files():
    out = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True)
    return [name for name in out.stdout.decode().split("\0") if name]


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    found = 0
    for path in tracked_files():
        file = ROOT / path
        if file.suffix not in TEXT_SUFFIXES or not file.is_file() or file.is_symlink():
            continue
        try:
            text = file.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # Binary data of a test.
        for rule, check in RULES.items():
            if rule in ("unfinished", "machine-paths") and path == "LICENSE":
                continue
            for number, message in check(path, text):
                print(f"{path}:{number}: {rule}: {message}")
                found += 1
    if found:
        print(f"tidy: {found} broken rules")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
