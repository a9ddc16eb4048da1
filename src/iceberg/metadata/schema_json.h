#pragma once

#include "iceberg/json/json_reader.h"
#include "iceberg/json/json_writer.h"
#include "iceberg/schema/partition_spec.h"
#include "iceberg/schema/schema.h"

namespace signaldb {

// The JSON forms of schemas, partition specs and sort orders. Inside this module only: other
// modules have the functions of table_metadata.h.

void WriteSchema(JsonWriter& writer, StringSink& sink, const Schema& schema);
/// Errors: kCorrupt (wrong shape, an id twice), kInvalid (a type we do not know).
[[nodiscard]] Result<Schema> ReadSchema(const JsonObject& json);

void WritePartitionFields(JsonWriter& writer, const PartitionSpec& spec);
/// Reads the array `key` of `json`. Fields of v1 that have no id get theirs from 1000 on.
/// Errors: kCorrupt, kInvalid (a transform of several columns).
[[nodiscard]] Result<std::vector<PartitionField>> ReadPartitionFields(const JsonObject& json,
                                                                      std::string_view key,
                                                                      std::int32_t format_version);

void WriteSortOrder(JsonWriter& writer, const SortOrder& order);
/// Errors: kCorrupt, kInvalid (a transform of several columns).
[[nodiscard]] Result<SortOrder> ReadSortOrder(const JsonObject& json);

}  // namespace signaldb
