"""The demo's web application: a shop of two services that call each other.

    shop.py web      --port P --stock URL ...    answers customers, sends OTLP over gRPC
    shop.py stock    --port P ...                keeps the stock in SQLite, sends OTLP over HTTP
"""

import argparse
import itertools
import json
import random
import signal
import sqlite3
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry import propagate
from opentelemetry.trace import SpanKind, Status, StatusCode

from telemetry import Telemetry


class Shop:
    """What both services share: a span, a log line and two metrics for every request."""

    def __init__(self, name, telemetry):
        self.telemetry = telemetry
        self.requests = telemetry.meter.create_counter("http.server.requests", "{request}", "Requests answered")
        self.duration = telemetry.meter.create_histogram("http.server.request.duration", "s", "Time to answer")
        self.in_flight = telemetry.meter.create_up_down_counter("http.server.active_requests", "{request}", "Being answered")

    def serve(self, handler):
        route = self.route_of(handler.path)
        context = propagate.extract({name.lower(): value for name, value in handler.headers.items()})
        attributes = {"http.request.method": handler.command, "http.route": route}
        self.in_flight.add(1)
        begun = time.monotonic()
        with self.telemetry.tracer.start_as_current_span(f"{handler.command} {route}", context, SpanKind.SERVER,
                                                         attributes) as span:
            try:
                status, body = self.answer(route, handler.path)
            except Exception as error:  # A request that fails is telemetry too.
                status, body = 500, {"error": str(error)}
                span.record_exception(error)
            span.set_attribute("http.response.status_code", status)
            if status >= 500:
                span.set_status(Status(StatusCode.ERROR, body.get("error")))
            level = "error" if status >= 500 else "info"
            getattr(self.telemetry.log, level)(
                "%s %s -> %d", handler.command, route, status,
                extra={"attributes": {"http.route": route, "http.response.status_code": status}})
            took = time.monotonic() - begun
        labels = {"http.route": route, "http.response.status_code": status}
        self.requests.add(1, labels)
        self.duration.record(took, labels)
        self.in_flight.add(-1)
        return status, body


class Web(Shop):
    def __init__(self, telemetry, stock):
        super().__init__("web", telemetry)
        self.stock = stock
        self.checkouts = itertools.count(1)

    @staticmethod
    def route_of(path):
        if path.startswith("/product/"):
            return "/product/{id}"
        return path if path in ("/", "/cart", "/checkout") else "/{unknown}"

    def answer(self, route, path):
        if route == "/":
            time.sleep(random.uniform(0.001, 0.003))
            return 200, {"shop": "open"}
        if route == "/product/{id}":
            return self.ask_stock(f"/item/{path.rsplit('/', 1)[1]}")
        if route == "/cart":
            time.sleep(random.uniform(0.002, 0.010))
            return 200, {"items": random.randint(0, 5)}
        if route == "/checkout":
            return self.checkout()
        return 404, {"error": "no such page"}

    def checkout(self):
        number = next(self.checkouts)
        status, body = self.ask_stock(f"/reserve/{random.randint(1, 50)}")
        with self.telemetry.tracer.start_as_current_span("charge card", kind=SpanKind.CLIENT) as span:
            slow = number % 25 == 0
            time.sleep(random.uniform(0.15, 0.30) if slow else random.uniform(0.005, 0.015))
            span.add_event("card accepted" if not slow else "bank asked twice", {"payment.provider": "acme-pay"})
        if number % 20 == 0:
            raise RuntimeError("payment provider refused the card")
        return status, body

    def ask_stock(self, path):
        with self.telemetry.tracer.start_as_current_span("GET stock", kind=SpanKind.CLIENT):
            headers = {}
            propagate.inject(headers)
            try:
                with urllib.request.urlopen(urllib.request.Request(self.stock + path, headers=headers), timeout=5) as reply:
                    return reply.status, json.load(reply)
            except urllib.error.HTTPError as error:
                return error.code, json.load(error)


class Stock(Shop):
    def __init__(self, telemetry):
        super().__init__("stock", telemetry)
        self.database = sqlite3.connect(":memory:", check_same_thread=False)
        self.lock = threading.Lock()
        self.database.execute("CREATE TABLE item(id INTEGER PRIMARY KEY, name TEXT, amount INTEGER)")
        self.database.executemany("INSERT INTO item VALUES(?, ?, ?)", [(i, f"thing {i}", 10_000) for i in range(1, 51)])

    @staticmethod
    def route_of(path):
        return "/reserve/{id}" if path.startswith("/reserve/") else "/item/{id}"

    def answer(self, route, path):
        statement = ("UPDATE item SET amount = amount - 1 WHERE id = ? RETURNING name, amount"
                     if route == "/reserve/{id}" else "SELECT name, amount FROM item WHERE id = ?")
        with self.telemetry.tracer.start_as_current_span("sqlite", kind=SpanKind.CLIENT) as span, self.lock:
            span.set_attribute("db.query.text", statement)
            row = self.database.execute(statement, (int(path.rsplit("/", 1)[1]),)).fetchone()
        if row is None:
            return 404, {"error": "no such item"}
        return 200, {"name": row[0], "amount": row[1]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("service", choices=["web", "stock"])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--stock", help="URL of the stock service (web)")
    parser.add_argument("--otlp", required=True, help="host:port of the OTLP receiver")
    parser.add_argument("--ledger", required=True, help="file that notes what was sent")
    options = parser.parse_args()

    transport = "grpc" if options.service == "web" else "http"
    telemetry = Telemetry(f"shop-{options.service}", transport, options.otlp, options.ledger)
    shop = Web(telemetry, options.stock) if options.service == "web" else Stock(telemetry)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            status, body = shop.serve(self)
            payload = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, *_):  # Its lines go out as OTLP logs.
            pass

    server = ThreadingHTTPServer(("127.0.0.1", options.port), Handler)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()
    telemetry.shutdown()


if __name__ == "__main__":
    main()
