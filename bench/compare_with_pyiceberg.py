"""The library beside PyIceberg's `append` and pyarrow's plain Parquet writer, on the same rows, by turns, in one run.

    bench/compare_with_pyiceberg.py --build build/release [--rounds 10] [--nth 300] [--quick] [--json FILE]

Each has its own table in its own SQLite catalog on the same disk. The library syncs every file, PyIceberg and the plain
writer here do not; with "memory" (tmpfs) syncing costs nobody anything, which is the fair one. CPU is user and system time
of all threads.
"""

import argparse
import json
import pathlib
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
import uuid

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.catalog.sql import SqlCatalog

BATCH = 50_000


def make_rows(count):
    """Nine columns, a text and a unique id among them, as those of iceberg_benchmarks."""
    import random

    rng = random.Random(1)
    first = 1_795_305_600_000_000
    times, time_us = [], first
    for _ in range(count):
        time_us += rng.randrange(2_000)
        times.append(time_us)

    def words(stem, n):
        choice = [f"{stem}-{i:03}" for i in range(n)]
        return [choice[rng.randrange(n)] for _ in range(count)]

    schema = pa.schema([
        pa.field("timestamp", pa.timestamp("us", "UTC"), nullable=False), pa.field("service_name", pa.string(), nullable=False),
        pa.field("host", pa.string(), nullable=False), pa.field("method", pa.string()), pa.field("path", pa.string()),
        pa.field("status", pa.int32()), pa.field("duration_ms", pa.float64()), pa.field("response_bytes", pa.int64()),
        pa.field("request_id", pa.string(), nullable=False)])
    columns = [times, words("service", 20), words("host-eu-central", 200), words("GET", 4), words("/api/v1/customers/orders", 500),
               [rng.choice([200, 200, 200, 404, 503]) for _ in range(count)], [rng.randrange(1_000_000) / 1e3 for _ in range(count)],
               [None if rng.randrange(10) == 0 else rng.randrange(100_000) for _ in range(count)],
               [f"{rng.getrandbits(64):016x}" for _ in range(count)]]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema)]
    return pa.Table.from_arrays(arrays, schema=schema)


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def cost_of(work):
    cpu, begun = cpu_seconds(), time.perf_counter()
    work()
    return {"wall_s": time.perf_counter() - begun, "cpu_s": cpu_seconds() - cpu}


class Ours:
    def __init__(self, build, folder, table, codec):
        (folder / "ours").mkdir()
        rows = folder / "rows.arrow"
        with pa.ipc.new_file(rows, table.schema) as out:
            out.write_table(table, max_chunksize=len(table))
        command = [build / "bench" / "append_peer", "--rows", rows, "--folder", folder / "ours"]
        self.process = subprocess.Popen(command + (["--codec", codec] if codec else []), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)

    def append(self):
        self.process.stdin.write("append\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(timeout=60) == 0


class PyIceberg:
    def __init__(self, folder, table, codec):
        (folder / "py").mkdir()
        catalog = SqlCatalog("bench", uri=f"sqlite:///{folder}/py/catalog.db", warehouse=f"file://{folder}/py/warehouse")
        catalog.create_namespace("bench")
        properties = {"write.parquet.compression-codec": codec} if codec else {}
        self.rows = table
        self.table = catalog.create_table("bench.requests", schema=table.schema, properties=properties)

    def append(self):
        return cost_of(lambda: self.table.append(self.rows))


class Plain:
    def __init__(self, folder, table, codec):
        self.folder, self.table, self.codec = folder / "plain", table, codec or "snappy"
        self.folder.mkdir()

    def append(self):
        path = self.folder / f"{uuid.uuid4()}.parquet"
        cost = cost_of(lambda: pq.write_table(self.table, path, compression=self.codec))
        path.unlink()
        return cost


def median(costs, key):
    return statistics.median(cost[key] for cost in costs)


def speed(ours, theirs, key):
    """How many times as fast as theirs, pair by pair: median and quartiles."""
    ratios = [their[key] / our[key] for our, their in zip(ours, theirs)]
    quartiles = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
    return {"speed": statistics.median(ratios), "p25": quartiles[0], "p75": quartiles[2]}


def in_folder(medium, body):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="signaldb-bench-", dir="/dev/shm" if medium == "memory" else None))
    try:
        return body(folder)
    finally:
        shutil.rmtree(folder)


def appends(options, medium, rows, codec, rounds):
    table = make_rows(rows)

    def body(folder):
        ours, peer, plain = Ours(options.build, folder, table, codec), PyIceberg(folder, table, codec), Plain(folder, table, codec)
        costs = {"ours": [], "pyiceberg": [], "plain": []}
        runners = [("ours", ours), ("pyiceberg", peer), ("plain", plain)]
        for turn in range(rounds + 1):
            for name, runner in runners[turn % 3:] + runners[:turn % 3]:
                cost = runner.append()
                if turn:  # The first warms up.
                    costs[name].append(cost)
        ours.close()
        return costs

    costs = in_folder(medium, body)
    result = {"name": f"append/rows:{rows}/codec:{codec or 'default'}/store:{medium}", "rows": rows}
    for name, values in costs.items():
        result[name] = {"wall_ms": median(values, "wall_s") * 1e3, "cpu_ms": median(values, "cpu_s") * 1e3}
    for other in ("pyiceberg", "plain"):
        result[f"against_{other}"] = {"wall": speed(costs["ours"], costs[other], "wall_s"),
                                      "cpu": speed(costs["ours"], costs[other], "cpu_s")}
    result["pyiceberg_against_plain"] = {"wall": speed(costs["pyiceberg"], costs["plain"], "wall_s"),
                                         "cpu": speed(costs["pyiceberg"], costs["plain"], "cpu_s")}
    return result


def growth(options, nth):
    """Commits of 100 rows, one after the other on both."""
    table = make_rows(100)
    window = max(1, min(20, nth // 4))

    def body(folder):
        ours, peer = Ours(options.build, folder, table, None), PyIceberg(folder, table, None)
        points, results = [10, nth], []
        mine, theirs = [], []
        for number in range(1, nth + window):
            a, b = ours.append(), peer.append()
            for point in points:
                if point <= number < point + window:
                    mine.append(a["wall_s"] * 1e3)
                    theirs.append(b["wall_s"] * 1e3)
                if number == point + window - 1:
                    results.append({"nth": point, "ours_ms": statistics.median(mine), "pyiceberg_ms": statistics.median(theirs)})
                    mine, theirs = [], []
        ours.close()
        return results

    return in_folder("disk", body)


def show(result):
    wall, cpu = result["against_pyiceberg"]["wall"], result["against_pyiceberg"]["cpu"]
    plain, other = result["against_plain"]["wall"], result["pyiceberg_against_plain"]["wall"]
    print(f"{result['name']:52} ours {result['ours']['wall_ms']:8.1f} ms, PyIceberg {result['pyiceberg']['wall_ms']:8.1f} ms: "
          f"{wall['speed']:.2f} times as fast ({wall['p25']:.2f} to {wall['p75']:.2f}), by CPU {cpu['speed']:.2f}; "
          f"of pyarrow's plain writer: ours {plain['speed']:.2f}, PyIceberg {other['speed']:.2f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--nth", type=int, default=300, help="the commit of 100 rows up to which tables grow")
    parser.add_argument("--quick", action="store_true", help="once, with few rows: to see that it works")
    parser.add_argument("--json", type=pathlib.Path, help="a file for the figures")
    options = parser.parse_args()
    options.build = options.build.resolve()
    results = []
    plan = [(BATCH, None, "disk"), (BATCH, None, "memory"), (BATCH, "snappy", "memory"), (20 * BATCH, None, "disk"),
            (20 * BATCH, None, "memory"), (20 * BATCH, "snappy", "memory")]
    if options.quick:
        options.rounds, options.nth, plan = 1, 12, [(1_000, None, "disk"), (1_000, "snappy", "memory")]
    for rows, codec, medium in plan:
        results.append(appends(options, medium, rows, codec, options.rounds))
        show(results[-1])
    grown = growth(options, options.nth)
    for point in grown:
        print(f"commit of 100 rows as the {point['nth']}th: ours {point['ours_ms']:.1f} ms, "
              f"PyIceberg {point['pyiceberg_ms']:.1f} ms", flush=True)
    if options.json:
        options.json.write_text(json.dumps({"appends": results, "growth": grown}, indent=1))


if __name__ == "__main__":
    main()
