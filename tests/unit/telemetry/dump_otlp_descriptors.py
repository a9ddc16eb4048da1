"""Writes descriptors of OTLP's messages, as the package opentelemetry-proto has them, for protoc.

Strings become bytes, which are the same on the wire: generated classes then take text that is not
UTF-8 as they find it, and the test can say what should become of it.

usage: dump_otlp_descriptors.py OUTPUT
"""

import importlib
import sys

from google.protobuf import descriptor_pb2

MODULES = [
    "common.v1.common",
    "resource.v1.resource",
    "logs.v1.logs",
    "trace.v1.trace",
    "metrics.v1.metrics",
    "collector.logs.v1.logs_service",
    "collector.trace.v1.trace_service",
    "collector.metrics.v1.metrics_service",
]


def strings_to_bytes(message):
    for field in message.field:
        if field.type == field.TYPE_STRING:
            field.type = field.TYPE_BYTES
    for nested in message.nested_type:
        strings_to_bytes(nested)


def main():
    files = descriptor_pb2.FileDescriptorSet()
    for module in MODULES:
        file = files.file.add()
        importlib.import_module(f"opentelemetry.proto.{module}_pb2").DESCRIPTOR.CopyToProto(file)
        del file.service[:]
        for message in file.message_type:
            strings_to_bytes(message)
    with open(sys.argv[1], "wb") as out:
        out.write(files.SerializeToString())


main()
