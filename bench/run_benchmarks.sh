#!/usr/bin/env bash
# Builds the library's benchmarks, runs them, and writes a report with plots: about half an hour on
# two idle cores.
#
#   bench/run_benchmarks.sh [--quick] [FILTER]
#
# FILTER is a regular expression on names: single_batch, multi_batch, transaction_overhead,
# concurrent, batch_splitting, creation, timeouts, append (beside PyIceberg). --quick does
# everything once with few rows: to see that it works.
# Report: build/bench-report/report.html, and summary.txt beside it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
quick=()
if [[ ${1:-} == --quick ]]; then
  quick=(--quick)
  shift
fi
filter=${1:-}
build=build/release
report=build/bench-report
rm -rf "$report"
mkdir -p "$report"
cmake --preset release >/dev/null
cmake --build --preset release --target iceberg_benchmarks connection_pool_benchmarks append_peer

load() { cut -d' ' -f1-3 /proc/loadavg; }
begun=$(load)
for program in iceberg_benchmarks connection_pool_benchmarks; do
  echo "== $program"
  status=0
  "$build/bench/$program" "${quick[@]}" --benchmark_filter="${filter:-.}" \
    --benchmark_counters_tabular=true --benchmark_out="$report/$program.json" \
    --benchmark_out_format=json || status=$?
  # 77: there is no PostgreSQL here; the program has said so.
  [[ $status == 0 || $status == 77 ]] || exit "$status"
done
if [[ -z $filter || append =~ $filter ]]; then
  echo "== append, beside PyIceberg"
  .venv/bin/python bench/compare_with_pyiceberg.py --build "$build" "${quick[@]}" \
    --json "$report/pyiceberg.json"
fi
.venv/bin/python bench/report.py "$report" --commit "$(git rev-parse --short HEAD)" \
  --load "$begun to $(load)"
