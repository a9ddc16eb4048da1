"""Questions a person would ask of the demo's tables, put to DuckDB and PyIceberg.

    demo/questions.py DATA_FOLDER 'SELECT count(*) FROM logs'     answers one question; every table is a DuckDB view
    python -i demo/questions.py DATA_FOLDER                       gives you `catalog` (PyIceberg) and `db` (DuckDB)
"""

import importlib.util
import pathlib
import sys
from collections import Counter

import duckdb
from pyiceberg.catalog.sql import SqlCatalog

NAMESPACE = "default.default"


def open_catalog(data):
    return SqlCatalog("signaldb", uri=f"sqlite:///{pathlib.Path(data).resolve()}/catalog.db")


def open_duckdb(catalog):
    """A DuckDB session with a view for every table of the catalog, each reading the table's current metadata file."""
    db = duckdb.connect(config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"})
    for name in ("avro", "httpfs", "iceberg"):
        package = importlib.util.find_spec(f"duckdb_extension_{name}").submodule_search_locations[0]
        file = next(pathlib.Path(package).rglob(f"{name}.duckdb_extension"))
        db.execute(f"INSTALL '{file}'")
        db.execute(f"LOAD {name}")
    db.execute("SET TimeZone = 'UTC'")
    for identifier in catalog.list_tables(NAMESPACE):
        location = catalog.load_table(identifier).metadata_location
        db.execute(f"CREATE VIEW {identifier[-1]} AS SELECT * FROM iceberg_scan('{location}')")
    return db


def show(title, relation):
    print(f"\n   {title}")
    for line in str(relation).splitlines():
        print(f"   {line}")


def ask_duckdb(data):
    db = open_duckdb(open_catalog(data))
    show("Which routes are slowest?", db.sql("""
        SELECT service_name AS service, span_attributes['http.route'] AS route, count(*) AS requests,
               round(quantile_cont(duration_nanos, 0.5) / 1e6, 1) AS p50_ms, round(quantile_cont(duration_nanos, 0.99) / 1e6, 1) AS p99_ms
        FROM traces WHERE span_kind = 'Server' GROUP BY ALL ORDER BY p99_ms DESC LIMIT 5"""))
    show("Which services log errors?", db.sql("""
        SELECT service_name AS service, severity_text AS severity, count(*) AS lines, max(body) AS example
        FROM logs GROUP BY ALL ORDER BY service, severity"""))
    slowest = db.sql("SELECT trace_id FROM traces WHERE is_root ORDER BY duration_nanos DESC LIMIT 1").fetchone()[0]
    show(f"Where did the slowest request spend its time? (trace {slowest})", db.sql(f"""
        SELECT service_name AS service, span_name AS span,
               round((start_time_unix_nano - min(start_time_unix_nano) OVER ()) / 1e6, 1) AS begins_at_ms,
               round(duration_nanos / 1e6, 1) AS takes_ms, events::JSON ->> '$[0].name' AS event
        FROM traces WHERE trace_id = '{slowest}' ORDER BY start_time_unix_nano"""))
    show("And why did requests fail?", db.sql("""
        SELECT span_name AS span, status_message AS status, count(*) AS spans
        FROM traces WHERE status_code = 'Error' GROUP BY ALL ORDER BY spans DESC"""))


def ask_pyiceberg(data):
    catalog = open_catalog(data)
    gauge = catalog.load_table(f"{NAMESPACE}.metrics_gauge")
    cpu = gauge.scan(row_filter="metric_name = 'system.cpu.utilization'", selected_fields=("timestamp", "value")).to_arrow()
    print("\n   How busy was this machine?")
    for row in cpu.sort_by("timestamp").to_pylist()[-12:]:
        print(f"   {row['timestamp']:%H:%M:%S}  {row['value']:4.0%}  {'#' * round(row['value'] * 40)}")
    print("\n   What did the writer commit?")
    for identifier in sorted(catalog.list_tables(NAMESPACE)):
        table = catalog.load_table(identifier)
        summary = table.current_snapshot().summary
        print(f"   {identifier[-1]:22} {summary['total-records']:>8} rows in {summary['total-data-files']:>3} files, "
              f"{len(table.snapshots()):>3} snapshots")


def stored(catalog):
    """Every record in the tables, under the key that the ledger uses."""
    for identifier in catalog.list_tables(NAMESPACE):
        name = identifier[-1]
        scan = catalog.load_table(identifier).scan
        if name == "traces":
            yield from (("span", row["span_id"]) for row in scan(selected_fields=("span_id",)).to_arrow().to_pylist())
        elif name == "logs":
            for row in scan(selected_fields=("log_attributes",)).to_arrow().to_pylist():
                yield "log", dict(row["log_attributes"])["demo.record_id"]
        else:
            fields = ("service_name", "metric_name", "time_unix_nano")
            for row in scan(selected_fields=fields).to_arrow().to_pylist():
                yield "point", "/".join(str(row[field]) for field in fields)


def compare(data, sent):
    want = Counter((entry["signal"], entry["key"]) for entry in sent)
    have = Counter(stored(open_catalog(data)))
    kinds = Counter(signal for signal, _ in want.elements())
    missing, surplus = want - have, have - want
    print(f"   acknowledged    {want.total():>7}   {kinds['span']} spans, {kinds['log']} log records, {kinds['point']} metric points")
    print(f"   in the tables   {have.total():>7}")
    print(f"   missing         {missing.total():>7}")
    print(f"   double          {surplus.total():>7}")
    for name, difference in (("missing", missing), ("double or never acknowledged", surplus)):
        for (kind, key), count in list(difference.items())[:5]:
            print(f"   {name}: {kind} {key}, {count} times")
    return want.total() > 0 and not missing and not surplus


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    if not (pathlib.Path(sys.argv[1]) / "catalog.db").exists():
        sys.exit(f"questions: there is no catalog.db in {sys.argv[1]}; name the writer's data folder")
    catalog = open_catalog(sys.argv[1])
    db = open_duckdb(catalog)
    if len(sys.argv) == 3:
        db.sql(sys.argv[2]).show(max_width=160)
    else:
        print("catalog.list_tables('default.default')")
        print("db.sql('SELECT * FROM traces LIMIT 5')")
