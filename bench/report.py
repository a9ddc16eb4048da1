"""Turns the results of run_benchmarks.sh into report.html, with plots, and summary.txt.

    bench/report.py FOLDER [--commit ID] [--load TEXT]

FOLDER holds what the benchmark programs and compare_with_pyiceberg.py have written; what is missing is left out.
"""

import argparse
import html
import json
import os
import pathlib
import platform

BAR, GAP, LABEL, WIDTH = 18, 8, 380, 420


def load(path):
    return json.loads(path.read_text()) if path.exists() and path.stat().st_size else {}


def benchmarks(folder, program):
    runs = load(folder / f"{program}.json").get("benchmarks", [])
    return [{**run, "name": run["name"].split("/iterations:")[0]} for run in runs]


def bars(rows, unit, mark=None):
    """Horizontal bars as SVG. A row: label, value, low, high; low and high may be None. `mark` is a line to compare with."""
    most = max([high or value for _, value, _, high in rows] + [mark or 0]) or 1

    def at(value):
        return LABEL + value / most * WIDTH

    height = len(rows) * (BAR + GAP) + GAP
    parts = [f'<svg viewBox="0 0 {LABEL + WIDTH + 110} {height}" width="{LABEL + WIDTH + 110}" height="{height}" role="img">']
    for i, (label, value, low, high) in enumerate(rows):
        y = GAP + i * (BAR + GAP)
        fill = "#2a78b8" if mark is None or value >= mark else "#c8641e"
        parts.append(f'<text x="{LABEL - 8}" y="{y + 13}" text-anchor="end">{html.escape(label)}</text>'
                     f'<rect x="{LABEL}" y="{y}" width="{at(value) - LABEL:.1f}" height="{BAR}" fill="{fill}"/>'
                     f'<text x="{at(max(value, high or 0)) + 6:.1f}" y="{y + 13}">{value:,.2f} {unit}</text>')
        if low is not None:
            ends = f"M{at(low):.1f} {y + 5}v8M{at(high):.1f} {y + 5}v8"
            parts.append(f'<path d="M{at(low):.1f} {y + 9}H{at(high):.1f}{ends}" stroke="#111"/>')
    if mark is not None:
        parts.append(f'<path d="M{at(mark):.1f} 0V{height}" stroke="#111" stroke-dasharray="4 3"/>')
    return "".join(parts) + "</svg>"


def table(head, rows):
    cells = "".join(f"<th>{html.escape(h)}</th>" for h in head)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(str(c))}</td>" for c in row) + "</tr>" for row in rows)
    return f"<table><tr>{cells}</tr>{body}</table>"


class Report:
    def __init__(self):
        self.html, self.text = [], []

    def section(self, title, note, head, rows, plot=None):
        if not rows:
            return
        self.html.append(f"<h2>{html.escape(title)}</h2><p>{html.escape(note)}</p>{plot or ''}{table(head, rows)}")
        widths = [max(len(str(row[i])) for row in [head, *rows]) for i in range(len(head))]
        self.text.append(f"\n{title}\n{note}\n")
        for row in [head, *rows]:
            self.text.append("  ".join(str(c).ljust(w) if i == 0 else str(c).rjust(w) for i, (c, w) in enumerate(zip(row, widths))))


def contests(report, runs, prefix, title, note, mark=1.0):
    found = [run for run in runs if run["name"].startswith(prefix) and "speed" in run]
    rows = [(run["name"].removeprefix(prefix), f"{run['ours_ms']:.2f}", f"{run['theirs_ms']:.2f}", f"{run['ours_cpu_ms']:.1f}",
             f"{run['theirs_cpu_ms']:.1f}", f"{run['rows_per_s']:,.0f}",
             f"{run['speed']:.2f} ({run['speed_p25']:.2f} to {run['speed_p75']:.2f})", f"{run['cpu_speed']:.2f}") for run in found]
    speeds = [(run["name"].removeprefix(prefix), run["speed"], run["speed_p25"], run["speed_p75"]) for run in found]
    head = ("benchmark", "ours, ms", "theirs, ms", "ours, CPU ms", "theirs, CPU ms", "our rows/s", "speed (quartiles)", "speed by CPU")
    report.section(title, note, head, rows, found and bars(speeds, "", mark))


def of_library(report, runs):
    contests(report, runs, "single_batch/", "A batch in one commit, beside a plain Parquet file",
             "Arrow's own writer, on the same rows, by turns, is 1. With store:disk both sync their files, in memory neither pays.")
    contests(report, runs, "multi_batch/", "Several batches of 50,000 rows in one commit, beside one plain Parquet file",
             "Speed as above.")
    contests(report, runs, "transaction_overhead/one_for_all/", "One transaction for all batches, beside one for each",
             "Speed: how many times as fast the batches are in one transaction.")
    steps = [run for run in runs if "commit_share" in run]
    report.section("Steps of a transaction with one batch", "Medians in ms.",
                   ("rows", "begin", "write", "commit", "roll back", "commit / all"),
                   [(run["name"].rsplit(":", 1)[1], f"{run['begin_ms']:.3f}", f"{run['write_ms']:.2f}", f"{run['commit_ms']:.2f}",
                     f"{run['rollback_ms']:.2f}", f"{run['commit_share']:.0%}") for run in steps])
    each = [run for run in runs if "overhead_per_batch_ms" in run]
    report.section("What a transaction adds to a batch", "Batches with a transaction each less the same batches in one, by the batch.",
                   ("batches", "ms a batch"), [(run["name"].split("/", 2)[2], f"{run['overhead_per_batch_ms']:.2f}") for run in each])
    nth = [run for run in runs if "growth" in run]
    report.section("A commit of 100 rows as the Nth of a table", "Data file, manifest, metadata and catalog, each durable. Growth: "
                   "beside the 10th to 50th commit of another table, by turns.",
                   ("commit", "ms", "10th to 50th, ms", "growth", "CPU ms", "growth by CPU"),
                   [(run["name"].split("nth_commit/")[1], f"{run['ours_ms']:.2f}", f"{run['young_ms']:.2f}", f"{run['growth']:.2f}",
                     f"{run['ours_cpu_ms']:.2f}", f"{run['cpu_growth']:.2f}") for run in nth],
                   nth and bars([(run["name"].split("nth_commit/")[1], run["ours_ms"], None, None) for run in nth], "ms"))
    contests(report, runs, "concurrent/writers", "Writers of one table, beside as many threads with plain files",
             "Two commits of 50,000 rows a writer and turn; conflicts are tried again after 5 ms and more.")
    contests(report, runs, "concurrent/encoders", "A million rows with several encoders, beside one", "target_concurrent_batches.")
    contests(report, runs, "batch_splitting/", "200,000 rows cut into slices, beside one piece", "By rows and by bytes a slice.")


def of_pool(report, runs):
    made = [run for run in runs if run["name"].startswith("creation/")]
    report.section("Opening a pool to PostgreSQL", "Server on the same machine.", ("what", "ms"),
                   [(run["name"].removeprefix("creation/"), f"{run['real_time'] / 1e3:.2f}") for run in made])
    lent = [run for run in runs if "acquire_p99_us" in run]
    report.section("Borrowing a connection under contention", "Ten connections. postgres: with its health check, a round trip, and another "
                   "while it is held; pool: without a server.", ("benchmark", "acquires/s", "p50, us", "p99, us", "longest, us"),
                   [(run["name"].removeprefix("concurrent/"), f"{run['acquires_per_s']:,.0f}", f"{run['acquire_p50_us']:,.1f}",
                     f"{run['acquire_p99_us']:,.1f}", f"{run['acquire_max_us']:,.1f}") for run in lent],
                   lent and bars([(run["name"].removeprefix("concurrent/"), run["acquire_p99_us"] / 1e3, None, None) for run in lent],
                                 "ms p99"))
    late = [run for run in runs if "late_p99_us" in run]
    report.section("Hearing that no connection became free", "Time beyond the timeout.", ("benchmark", "p50, us", "p99, us"),
                   [(run["name"].removeprefix("timeouts/"), f"{run['late_p50_us']:,.0f}", f"{run['late_p99_us']:,.0f}") for run in late])


def of_pyiceberg(report, results):
    rows, plot = [], []
    for run in results.get("appends", []):
        wall, cpu = run["against_pyiceberg"]["wall"], run["against_pyiceberg"]["cpu"]
        name = run["name"].removeprefix("append/")
        rows.append((name, f"{run['ours']['wall_ms']:.1f}", f"{run['pyiceberg']['wall_ms']:.1f}", f"{run['plain']['wall_ms']:.1f}",
                     f"{wall['speed']:.2f} ({wall['p25']:.2f} to {wall['p75']:.2f})", f"{cpu['speed']:.2f}",
                     f"{run['against_plain']['wall']['speed']:.2f} / {run['against_plain']['cpu']['speed']:.2f}",
                     f"{run['pyiceberg_against_plain']['wall']['speed']:.2f} / {run['pyiceberg_against_plain']['cpu']['speed']:.2f}"))
        plot.append((name, wall["speed"], wall["p25"], wall["p75"]))
    report.section("Beside PyIceberg's append", "Same rows, SQLite catalogs, by turns; only ours syncs its files (free with "
                   "store:memory). The plain writer is pyarrow's, unsynced; it and PyIceberg encode with several threads.",
                   ("append", "ours, ms", "PyIceberg, ms", "plain, ms", "times as fast as PyIceberg", "by CPU", "ours of plain, wall / CPU",
                    "PyIceberg of plain, wall / CPU"), rows, plot and bars(plot, "times", 1.0))
    report.section("Commits of 100 rows, beside PyIceberg", "One after the other on both.", ("N", "ours, ms", "PyIceberg, ms"),
                   [(point["nth"], f"{point['ours_ms']:.1f}", f"{point['pyiceberg_ms']:.1f}") for point in results.get("growth", [])])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--commit", default="unknown")
    parser.add_argument("--load", default="unknown")
    options = parser.parse_args()
    report = Report()
    of_library(report, benchmarks(options.folder, "iceberg_benchmarks"))
    of_pool(report, benchmarks(options.folder, "connection_pool_benchmarks"))
    of_pyiceberg(report, load(options.folder / "pyiceberg.json"))
    about = f"Commit {options.commit}, {os.cpu_count()} cores ({platform.machine()}), load average {options.load}."
    style = "body{font:14px sans-serif;margin:2em;max-width:1100px}table{border-collapse:collapse;margin:1em 0}" \
            "td,th{border:1px solid #ccc;padding:3px 8px;text-align:right}" \
            "td:first-child,th:first-child{text-align:left}svg{font:12px sans-serif}"
    (options.folder / "report.html").write_text(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Benchmarks</title><style>{style}</style>'
        f"<h1>Benchmarks of the library</h1><p>{html.escape(about)}</p>"
        f"{''.join(report.html)}</html>\n")
    text = "\n".join([about, *report.text]) + "\n"
    (options.folder / "summary.txt").write_text(text)
    print(f"\n{text}\nreport: {options.folder / 'report.html'}")


if __name__ == "__main__":
    main()
