#pragma once

#include <string>
#include <string_view>

#include <rapidjson/document.h>

#include "iceberg/json/json_reader.h"

namespace signaldb::testing {

/// A table of two snapshots with everything that version 2 has.
inline constexpr std::string_view kV2 = R"json({
  "format-version": 2,
  "table-uuid": "5f8b14d8-0a14-4e6a-8b04-6b1b7d6d9f10",
  "location": "s3://bucket/wh/logs/",
  "last-sequence-number": 2,
  "last-updated-ms": 1700000002000,
  "last-column-id": 6,
  "current-schema-id": 1,
  "schemas": [
    {"type": "struct", "schema-id": 0, "fields": [
      {"id": 1, "name": "ts", "required": true, "type": "timestamptz"}]},
    {"type": "struct", "schema-id": 1, "identifier-field-ids": [1], "fields": [
      {"id": 1, "name": "ts", "required": true, "type": "timestamptz", "doc": "when \"it\" was"},
      {"id": 2, "name": "tags", "required": false, "type": {"type": "map", "key-id": 3,
        "key": "string", "value-id": 4, "value": "decimal(9,2)", "value-required": false}},
      {"id": 5, "name": "ids", "required": false, "type": {"type": "list", "element-id": 6,
        "element": "long", "element-required": true}}]}],
  "default-spec-id": 1,
  "partition-specs": [
    {"spec-id": 0, "fields": []},
    {"spec-id": 1, "fields": [
      {"name": "ts_hour", "transform": "hour", "source-id": 1, "field-id": 1000}]}],
  "last-partition-id": 1000,
  "default-sort-order-id": 1,
  "sort-orders": [
    {"order-id": 0, "fields": []},
    {"order-id": 1, "fields": [
      {"transform": "identity", "source-id": 1, "direction": "desc", "null-order": "nulls-last"}]}],
  "properties": {"owner": "ops", "write.metadata.previous-versions-max": "3"},
  "current-snapshot-id": 3055729675574597004,
  "refs": {
    "main": {"snapshot-id": 3055729675574597004, "type": "branch", "min-snapshots-to-keep": 5},
    "keep": {"snapshot-id": 3051729675574597004, "type": "tag", "max-ref-age-ms": 86400000}},
  "snapshots": [
    {"sequence-number": 1, "snapshot-id": 3051729675574597004, "timestamp-ms": 1700000001000,
     "summary": {"operation": "append", "added-records": "7"},
     "manifest-list": "s3://bucket/wh/logs/metadata/snap-1.avro"},
    {"sequence-number": 2, "snapshot-id": 3055729675574597004,
     "parent-snapshot-id": 3051729675574597004, "timestamp-ms": 1700000002000,
     "summary": {"total-records": "9", "operation": "overwrite"},
     "manifest-list": "s3://bucket/wh/logs/metadata/snap-2.avro", "schema-id": 1,
     "unheard-of": {"deep": [1, {"x": null}]}}],
  "statistics": [{"snapshot-id": 3051729675574597004, "blob-metadata": []}],
  "partition-statistics": [ ],
  "snapshot-log": [
    {"timestamp-ms": 1700000001000, "snapshot-id": 3051729675574597004},
    {"timestamp-ms": 1700000002000, "snapshot-id": 3055729675574597004}],
  "metadata-log": [
    {"timestamp-ms": 1700000000000, "metadata-file": "s3://bucket/wh/logs/metadata/00000-a.json"}],
  "unheard-of": [1.5, true]
})json";

/// The least that version 2 needs.
inline constexpr std::string_view kV2Minimal = R"json({
  "format-version": 2, "table-uuid": "5f8b14d8-0a14-4e6a-8b04-6b1b7d6d9f10",
  "location": "file:///wh/t", "last-sequence-number": 0, "last-updated-ms": 1700000000000,
  "last-column-id": 1, "current-schema-id": 0,
  "schemas": [{"type": "struct", "schema-id": 0, "fields": [
    {"id": 1, "name": "a", "required": false, "type": "int"}]}],
  "default-spec-id": 0, "partition-specs": [{"spec-id": 0, "fields": []}],
  "last-partition-id": 999, "default-sort-order-id": 0,
  "sort-orders": [{"order-id": 0, "fields": []}]
})json";

/// The least that version 1 needs, in its oldest form.
inline constexpr std::string_view kV1Minimal = R"json({
  "format-version": 1, "location": "file:///wh/t", "last-updated-ms": 1700000000000,
  "last-column-id": 2,
  "schema": {"type": "struct", "fields": [
    {"id": 1, "name": "a", "required": true, "type": "long"},
    {"id": 2, "name": "day", "required": false, "type": "date"}]},
  "partition-spec": [{"name": "day", "transform": "identity", "source-id": 2},
                     {"name": "a_bucket", "transform": "bucket[4]", "source-id": 1}],
  "current-snapshot-id": 7,
  "snapshots": [{"snapshot-id": 7, "timestamp-ms": 1700000000000,
                 "manifest-list": "file:///wh/t/metadata/snap-7.avro"}]
})json";

/// Version 3 with row lineage and defaults.
inline constexpr std::string_view kV3 = R"json({
  "format-version": 3, "table-uuid": "5f8b14d8-0a14-4e6a-8b04-6b1b7d6d9f10",
  "location": "file:///wh/t", "last-sequence-number": 4, "last-updated-ms": 1700000000000,
  "last-column-id": 2, "current-schema-id": 0,
  "schemas": [{"type": "struct", "schema-id": 0, "fields": [
    {"id": 1, "name": "a", "required": true, "type": "timestamp_ns"},
    {"id": 2, "name": "b", "required": false, "type": "double", "initial-default": 0.1,
     "write-default": {"1": 1, "2": "bar"}}]}],
  "default-spec-id": 0, "partition-specs": [{"spec-id": 0, "fields": [
    {"name": "a_day", "transform": "day", "source-ids": [1], "field-id": 1000}]}],
  "last-partition-id": 1000, "default-sort-order-id": 0, "sort-orders": [],
  "current-snapshot-id": 7, "next-row-id": 50,
  "encryption-keys": [{"key-id": "k", "encrypted-key-metadata": "AAEC"}],
  "snapshots": [{"sequence-number": 4, "snapshot-id": 7, "timestamp-ms": 1700000000000,
                 "summary": {"operation": "append"}, "first-row-id": 0, "added-rows": 50,
                 "manifest-list": "file:///wh/t/metadata/snap-7.avro", "key-id": "k"}]
})json";

/// `document` with the value at `pointer` ("/schemas/0/type") replaced by the JSON `value`, or
/// removed if `value` is empty.
[[nodiscard]] std::string Changed(std::string_view document, const char* pointer,
                                  std::string_view value);

}  // namespace signaldb::testing
