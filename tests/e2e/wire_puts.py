"""Arrow Flight puts whose every record carries an id of its own, in the wire schemas v1."""

import itertools
import json
import os
import socket
import struct
import time

import pyarrow as pa
import pyarrow.flight as flight

TEXT, U64 = pa.utf8(), pa.uint64()


def required(name, kind):
    return pa.field(name, kind, nullable=False)


EVENT = pa.struct([required("name", TEXT), required("timestamp_unix_nano", U64), pa.field("attributes_json", TEXT)])
LINK = pa.struct([required("trace_id", TEXT), required("span_id", TEXT), pa.field("attributes_json", TEXT)])

SCHEMAS = {
    "traces": pa.schema(
        [required("trace_id", TEXT), required("span_id", TEXT), ("parent_span_id", TEXT), required("name", TEXT),
         required("service_name", TEXT), required("start_time_unix_nano", U64), required("end_time_unix_nano", U64),
         required("duration_nano", U64), required("span_kind", TEXT), required("status_code", TEXT),
         ("status_message", TEXT), required("is_root", pa.bool_()), ("attributes_json", TEXT), ("resource_json", TEXT),
         ("events", pa.list_(EVENT)), ("links", pa.list_(LINK)), ("trace_state", TEXT), ("resource_schema_url", TEXT),
         ("scope_name", TEXT), ("scope_version", TEXT), ("scope_schema_url", TEXT), ("scope_attributes", TEXT),
         ("span_kind_number", pa.int32()), ("status_code_number", pa.int32()),
         ("dropped_attributes_count", pa.int64()), ("dropped_events_count", pa.int64()),
         ("dropped_links_count", pa.int64())]),
    "logs": pa.schema(
        [required("time_unix_nano", U64), required("observed_time_unix_nano", U64), ("severity_number", pa.int32()),
         ("severity_text", TEXT), ("body", TEXT), ("trace_id", pa.binary()), ("span_id", pa.binary()),
         ("flags", pa.uint32()), ("attributes_json", TEXT), ("resource_json", TEXT), ("scope_json", TEXT),
         ("dropped_attributes_count", pa.uint32()), ("service_name", TEXT), ("event_name", TEXT)]),
    "metrics": pa.schema(
        [required("name", TEXT), ("description", TEXT), ("unit", TEXT), ("start_time_unix_nano", U64),
         required("time_unix_nano", U64), ("attributes_json", TEXT), ("resource_json", TEXT), ("scope_json", TEXT),
         required("metric_type", TEXT), required("data_json", TEXT), ("aggregation_temporality", pa.int32()),
         ("is_monotonic", pa.bool_())]),
}


class Puts:
    """An endless, unique supply: `next(signal, records)` gives (table, ids)."""

    def __init__(self, name):
        self._name = name
        self._numbers = itertools.count()

    def next(self, signal, records=20):
        ids = [f"{self._name}-{next(self._numbers)}" for _ in range(records)]
        rows = [getattr(self, f"_{signal}")(identity) for identity in ids]
        return pa.Table.from_pylist(rows, schema=SCHEMAS[signal]), ids

    def _resource(self):
        return json.dumps({"service.name": self._name, "host.name": "test-host"})

    def _logs(self, identity):
        return {"time_unix_nano": time.time_ns(), "observed_time_unix_nano": 0, "severity_number": 9,
                "body": json.dumps(identity), "trace_id": os.urandom(16), "resource_json": self._resource(),
                "attributes_json": json.dumps({"http.route": "/checkout", "http.status": 200}),
                "scope_json": json.dumps({"name": "scope", "version": "1"}), "service_name": self._name}

    def _traces(self, identity):
        start = time.time_ns()
        return {"trace_id": os.urandom(16).hex(), "span_id": os.urandom(8).hex(), "name": identity,
                "service_name": self._name, "start_time_unix_nano": start, "end_time_unix_nano": start + 1000,
                "duration_nano": 1000, "span_kind": "Server", "status_code": "Ok", "is_root": True,
                "resource_json": self._resource(), "attributes_json": "{}", "span_kind_number": 2,
                "events": [{"name": "e", "timestamp_unix_nano": start, "attributes_json": '{"k":"v"}'}], "links": []}

    def _metrics(self, identity):
        points = [{"time_unix_nano": time.time_ns(), "attributes": {"i": identity}, "flags": 0, "value": 7}]
        return {"name": "test.metric", "description": identity, "time_unix_nano": 0, "metric_type": "gauge",
                "resource_json": self._resource(), "data_json": json.dumps(points)}


class Client:
    """Puts as a sender of the contract does it."""

    def __init__(self, address, key=None, tls_root_certs=None):
        scheme = "grpc" if tls_root_certs is None else "grpc+tls"
        self._client = flight.FlightClient(f"{scheme}://{address}", tls_root_certs=tls_root_certs)
        headers = [(b"authorization", f"Bearer {key}".encode())] if key else []
        self._headers = headers

    def options(self, *headers, timeout=20):
        return flight.FlightCallOptions(timeout=timeout, headers=[*self._headers, *headers])

    def put(self, signal, table, batches_of=None, descriptor=None, **metadata):
        """Raises what the server answers; returns when the rows are durable."""
        keys = {"schema_version": "v1", "signal_type": signal, **metadata}
        writer, reader = self.begin(table.schema, descriptor)
        with writer:
            for number, batch in enumerate(table.to_batches(max_chunksize=batches_of)):
                if number == 0:
                    writer.write_with_metadata(batch, json.dumps(keys).encode())
                else:
                    writer.write_batch(batch)
            writer.done_writing()
            result = reader.read()
            assert result is not None and result.size == 0, "one PutResult without app_metadata"
            assert reader.read() is None

    def begin(self, schema, descriptor=None):
        compression = pa.ipc.IpcWriteOptions(compression="lz4")
        options = flight.FlightCallOptions(timeout=20, headers=self._headers, write_options=compression)
        return self._client.do_put(descriptor or flight.FlightDescriptor.for_command(b""), schema, options)

    def flush(self, tenant="default", dataset=None):
        scope = [(b"x-tenant-id", tenant.encode())]
        if dataset is not None:
            scope.append((b"x-dataset-id", dataset.encode()))
        return list(self._client.do_action(flight.Action("flush", b""), self.options(*scope, timeout=60)))

    @property
    def raw(self):
        return self._client

    def close(self):
        self._client.close()


def flight_messages(table, metadata):
    """The FlightData messages of a put as senders of the contract write them: no descriptor, metadata with the schema."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as stream:
        stream.write_table(table)
    messages = []
    for message in pa.ipc.MessageReader.open_stream(sink.getvalue()):
        fields = [(2, message.metadata.to_pybytes()), (1000, message.body.to_pybytes() if message.body else b"")]
        if not messages:
            fields.insert(1, (3, json.dumps(metadata).encode()))
        messages.append(b"".join(_varint(number << 3 | 2) + _varint(len(value)) + value for number, value in fields))
    return messages


def _varint(number):
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(encoded + bytes([number]))


def raw_put(channel, messages, compression=None):
    """The call of a DoPut on bytes; iterate over it for the results."""
    put = channel.stream_stream("/arrow.flight.protocol.FlightService/DoPut")
    return put(iter(messages), timeout=20, compression=compression)


def zstd_put(address, messages):
    """A DoPut whose gRPC messages are compressed with zstd, which no gRPC library for Python or C++ can send.

    Speaks just enough HTTP/2 for that, and waits for the end of the answer: the frames after the request's.
    """
    def frame(kind, flags, stream, payload):
        return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload

    def literal(name, value):
        return b"\x00" + b"".join(bytes([len(text)]) + text for text in (name.encode(), value.encode()))

    headers = b"".join(literal(name, value) for name, value in (
        (":method", "POST"), (":scheme", "http"), (":path", "/arrow.flight.protocol.FlightService/DoPut"),
        (":authority", address), ("content-type", "application/grpc"), ("te", "trailers"), ("grpc-encoding", "zstd"),
        ("grpc-accept-encoding", "identity,zstd")))
    body = b""
    for message in messages:
        compressed = pa.compress(message, codec="zstd", asbytes=True)
        body += struct.pack(">BI", 1, len(compressed)) + compressed
    host, port = address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"") + frame(1, 4, 1, headers)
                           + frame(0, 1, 1, body))
        received = connection.makefile("rb")
        answer = b""
        while True:
            head = received.read(9)
            payload = received.read(int.from_bytes(head[:3], "big"))
            kind, flags, stream = head[3], head[4], int.from_bytes(head[5:9], "big")
            if kind == 4 and not flags & 1:
                connection.sendall(frame(4, 1, 0, b""))
            if stream == 1:
                answer += payload
                if flags & 1 and kind in (0, 1):
                    return answer
