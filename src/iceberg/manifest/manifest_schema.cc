#include "iceberg/manifest/manifest_schema.h"

#include <algorithm>
#include <array>
#include <set>

#include <fmt/format.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include "signaldb/result.h"

namespace signaldb {
namespace {

// Avro types as JSON texts.
constexpr std::string_view kBoolean = R"("boolean")";
constexpr std::string_view kInt = R"("int")";
constexpr std::string_view kLong = R"("long")";
constexpr std::string_view kBytes = R"("bytes")";
constexpr std::string_view kString = R"("string")";

enum class Need : std::uint8_t { kRequired, kNullable };
using enum Need;

// A field in the order that Java writes its parts in. Some fields have no doc.
std::string AvroField(Need need, std::string_view name, std::string_view type, std::int32_t id,
                      std::string_view doc = {}) {
  const bool nullable = need == kNullable;
  return fmt::format(R"({{"name":"{}","type":{}{}{}{}{}{}{},"field-id":{}}})", name,
                     nullable ? R"(["null",)" : "", type, nullable ? "]" : "",
                     doc.empty() ? "" : R"(,"doc":")", doc, doc.empty() ? "" : R"(")",
                     nullable ? R"(,"default":null)" : "", id);
}

std::string Joined(std::initializer_list<std::string> fields) {
  return fmt::format("{}", fmt::join(fields, ","));
}

std::string Record(std::string_view name, const std::string& fields) {
  return fmt::format(R"({{"type":"record","name":"{}","fields":[{}]}})", name, fields);
}

std::string ListOf(std::string_view element, std::int32_t element_id) {
  return fmt::format(R"({{"type":"array","items":{},"element-id":{}}})", element, element_id);
}

// From column ids, which Avro's own maps do not take for keys.
std::string MapTo(std::string_view value, std::int32_t key_id, std::int32_t value_id) {
  const std::string entry = Joined(
      {AvroField(kRequired, "key", kInt, key_id), AvroField(kRequired, "value", value, value_id)});
  return fmt::format(R"({{"type":"array","items":{},"logicalType":"map"}})",
                     Record(fmt::format("k{}_v{}", key_id, value_id), entry));
}

std::string MetricFields() {
  return Joined({
      AvroField(kNullable, "column_sizes", MapTo(kLong, 117, 118), 108,
                "Map of column id to total size on disk"),
      AvroField(kNullable, "value_counts", MapTo(kLong, 119, 120), 109,
                "Map of column id to total count, including null and NaN"),
      AvroField(kNullable, "null_value_counts", MapTo(kLong, 121, 122), 110,
                "Map of column id to null value count"),
      AvroField(kNullable, "nan_value_counts", MapTo(kLong, 138, 139), 137,
                "Map of column id to number of NaN values in the column"),
      AvroField(kNullable, "lower_bounds", MapTo(kBytes, 126, 127), 125,
                "Map of column id to lower bound"),
      AvroField(kNullable, "upper_bounds", MapTo(kBytes, 129, 130), 128,
                "Map of column id to upper bound"),
      AvroField(kNullable, "key_metadata", kBytes, 131, "Encryption key metadata blob"),
      AvroField(kNullable, "split_offsets", ListOf(kLong, 133), 132, "Splittable offsets"),
  });
}

std::string DataFileFields(std::int32_t format_version) {
  const std::string file = Joined({
      AvroField(kRequired, "file_path", kString, 100, "Location URI with FS scheme"),
      AvroField(kRequired, "file_format", kString, 101, "File format name: avro, orc, or parquet"),
      AvroField(kRequired, "partition", Record("r102", ""), 102,
                "Partition data tuple, schema based on the partition spec"),
      AvroField(kRequired, "record_count", kLong, 103, "Number of records in the file"),
      AvroField(kRequired, "file_size_in_bytes", kLong, 104, "Total file size in bytes"),
  });
  const std::string metrics = MetricFields();
  const std::string sort_order = AvroField(kNullable, "sort_order_id", kInt, 140, "Sort order ID");
  if (format_version == 1) {
    return Joined(
        {file, AvroField(kRequired, "block_size_in_bytes", kLong, 105), metrics, sort_order});
  }
  return Joined({
      AvroField(kRequired, "content", kInt, 134,
                "Contents of the file: 0=data, 1=position deletes, 2=equality deletes"),
      file,
      metrics,
      AvroField(kNullable, "equality_ids", ListOf(kInt, 136), 135, "Equality comparison field IDs"),
      sort_order,
      AvroField(kNullable, "referenced_data_file", kString, 143,
                "Fully qualified location (URI with FS scheme) of a data file that all deletes "
                "reference"),
  });
}

// Without fields in the partition, which depend on the spec.
std::string MakeManifestEntrySchema(std::int32_t format_version) {
  const Need known = format_version == 1 ? kRequired : kNullable;
  std::string fields =
      Joined({AvroField(kRequired, "status", kInt, 0), AvroField(known, "snapshot_id", kLong, 1)});
  if (format_version > 1) {
    fields = Joined({fields, AvroField(kNullable, "sequence_number", kLong, 3),
                     AvroField(kNullable, "file_sequence_number", kLong, 4)});
  }
  const std::string file = Record("r2", DataFileFields(format_version));
  return Record("manifest_entry", Joined({fields, AvroField(kRequired, "data_file", file, 2)}));
}

std::string MakeManifestListSchema(std::int32_t format_version) {
  // Version 2 made the counts required, and put those of rows before the partitions.
  const Need counts = format_version == 1 ? kNullable : kRequired;
  const std::string head = Joined({
      AvroField(kRequired, "manifest_path", kString, 500, "Location URI with FS scheme"),
      AvroField(kRequired, "manifest_length", kLong, 501, "Total file size in bytes"),
      AvroField(kRequired, "partition_spec_id", kInt, 502, "Spec ID used to write"),
  });
  const std::string sequence = Joined({
      AvroField(kRequired, "content", kInt, 517, "Contents of the manifest: 0=data, 1=deletes"),
      AvroField(kRequired, "sequence_number", kLong, 515,
                "Sequence number when the manifest was added"),
      AvroField(kRequired, "min_sequence_number", kLong, 516,
                "Lowest sequence number in the manifest"),
  });
  const std::string files = Joined({
      AvroField(kRequired, "added_snapshot_id", kLong, 503, "Snapshot ID that added the manifest"),
      AvroField(counts, "added_files_count", kInt, 504, "Added entry count"),
      AvroField(counts, "existing_files_count", kInt, 505, "Existing entry count"),
      AvroField(counts, "deleted_files_count", kInt, 506, "Deleted entry count"),
  });
  const std::string partition = Joined({
      AvroField(kRequired, "contains_null", kBoolean, 509,
                "True if any file has a null partition value"),
      AvroField(kNullable, "contains_nan", kBoolean, 518,
                "True if any file has a nan partition value"),
      AvroField(kNullable, "lower_bound", kBytes, 510, "Partition lower bound for all files"),
      AvroField(kNullable, "upper_bound", kBytes, 511, "Partition upper bound for all files"),
  });
  const std::string partitions =
      AvroField(kNullable, "partitions", ListOf(Record("r508", partition), 508), 507,
                "Summary for each partition");
  const std::string rows = Joined({
      AvroField(counts, "added_rows_count", kLong, 512, "Added rows count"),
      AvroField(counts, "existing_rows_count", kLong, 513, "Existing rows count"),
      AvroField(counts, "deleted_rows_count", kLong, 514, "Deleted rows count"),
  });
  const std::string key =
      AvroField(kNullable, "key_metadata", kBytes, 519, "Encryption key metadata blob");
  return Record("manifest_file", format_version == 1
                                     ? Joined({head, files, partitions, rows, key})
                                     : Joined({head, sequence, files, rows, partitions, key}));
}

bool IsAsciiLetter(char32_t c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }
bool IsAsciiDigit(char32_t c) { return c >= '0' && c <= '9'; }

constexpr char32_t kReplacement = 0xFFFD;

/// The code point at the start of `text`, which is not empty, and takes it off. Broken UTF-8 gives
/// the replacement character for each byte.
char32_t TakeCodePoint(std::string_view& text) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t lead = byte(0);
  const std::size_t size = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  constexpr std::array<std::uint8_t, 5> kLeadBits = {0, 0x7F, 0x1F, 0x0F, 0x07};
  char32_t point = lead & kLeadBits[size];
  bool good = size == 1 || (lead >= 0xC2 && size <= text.size());
  for (std::size_t i = 1; good && i < size; ++i) {
    good = (byte(i) & 0xC0) == 0x80;
    point = (point << 6) | (byte(i) & 0x3F);
  }
  text.remove_prefix(good ? size : 1);
  return good ? point : kReplacement;
}

/// The Avro type of a partition value. Avro lets a named type be defined once; PyIceberg does not
/// understand the name where it comes again. So a second use is a type of its own, with the field
/// id in its name, which no reader looks at.
std::string AvroTypeOf(const Type& type, std::int32_t field_id, std::set<std::string>& defined) {
  const auto fixed = [&](std::string name, std::size_t size, std::string_view logical) {
    if (!defined.insert(name).second) name += fmt::format("_{}", field_id);
    return fmt::format(R"({{"type":"fixed","name":"{}","size":{}{}}})", name, size, logical);
  };
  const auto timestamp = [](std::string_view unit, bool adjusted) {
    return fmt::format(R"({{"type":"long","logicalType":"timestamp-{}","adjust-to-utc":{}}})", unit,
                       adjusted);
  };
  switch (type.id()) {
    case TypeId::kBoolean:
      return std::string(kBoolean);
    case TypeId::kInt:
      return std::string(kInt);
    case TypeId::kLong:
      return std::string(kLong);
    case TypeId::kFloat:
      return R"("float")";
    case TypeId::kDouble:
      return R"("double")";
    case TypeId::kString:
      return std::string(kString);
    case TypeId::kBinary:
      return std::string(kBytes);
    case TypeId::kDate:
      return R"({"type":"int","logicalType":"date"})";
    case TypeId::kTime:
      return R"({"type":"long","logicalType":"time-micros"})";
    case TypeId::kTimestamp:
      return timestamp("micros", false);
    case TypeId::kTimestampTz:
      return timestamp("micros", true);
    case TypeId::kTimestampNs:
      return timestamp("nanos", false);
    case TypeId::kTimestampTzNs:
      return timestamp("nanos", true);
    case TypeId::kUuid:
      return fixed("uuid_fixed", 16, R"(,"logicalType":"uuid")");
    case TypeId::kFixed:
      return fixed(fmt::format("fixed_{}", type.length()), static_cast<std::size_t>(type.length()),
                   "");
    case TypeId::kDecimal:
      return fixed(fmt::format("decimal_{}_{}", type.precision(), type.scale()),
                   DecimalBytes(type.precision()),
                   fmt::format(R"(,"logicalType":"decimal","precision":{},"scale":{})",
                               type.precision(), type.scale()));
    default:
      // Transforms give primitives only; what is left has no value but null.
      return R"("null")";
  }
}

std::string QuoteJson(std::string_view text) {
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
  writer.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
  return {buffer.GetString(), buffer.GetSize()};
}

std::string PartitionFieldsSchema(const PartitionSpec& spec, const std::vector<Type>& types) {
  std::string out;
  std::set<std::string> defined;
  for (std::size_t i = 0; i < spec.fields.size(); ++i) {
    const PartitionField& field = spec.fields[i];
    const std::string type = AvroTypeOf(types[i], field.field_id, defined);
    const std::string name = AvroNameOf(field.name);
    if (i > 0) out += ',';
    // Avro refuses a union of null with null.
    out += type == R"("null")"
               ? fmt::format(R"({{"name":"{}","type":"null","default":null)", name)
               : fmt::format(R"({{"name":"{}","type":["null",{}],"default":null)", name, type);
    if (name != field.name) {
      out += fmt::format(R"(,"iceberg-field-name":{})", QuoteJson(field.name));
    }
    out += fmt::format(R"(,"field-id":{}}})", field.field_id);
  }
  return out;
}

}  // namespace

std::string AvroNameOf(std::string_view name) {
  if (name.empty()) return "_";
  std::string out;
  const auto escape = [&](char32_t unit) {
    out += fmt::format("_x{:X}", static_cast<std::uint32_t>(unit));
  };
  for (std::string_view rest = name; !rest.empty();) {
    const bool first = rest.size() == name.size();
    const char32_t point = TakeCodePoint(rest);
    if (IsAsciiLetter(point) || point == '_' || (IsAsciiDigit(point) && !first)) {
      out += static_cast<char>(point);
    } else if (IsAsciiDigit(point)) {
      out += '_';
      out += static_cast<char>(point);
    } else if (point <= 0xFFFF) {
      escape(point);
    } else {
      // Java escapes the two UTF-16 units of a surrogate pair.
      escape(0xD800 + ((point - 0x10000) >> 10));
      escape(0xDC00 + ((point - 0x10000) & 0x3FF));
    }
  }
  return out;
}

std::size_t DecimalBytes(std::int32_t precision) {
  constexpr std::array<std::int32_t, 16> kPrecisionMax = {2,  4,  6,  9,  11, 14, 16, 18,
                                                          21, 23, 26, 28, 31, 33, 35, 38};
  const auto* found = std::ranges::lower_bound(kPrecisionMax, precision);
  SIGNALDB_ASSERT(found != kPrecisionMax.end());
  return static_cast<std::size_t>(found - kPrecisionMax.begin()) + 1;
}

std::string ManifestEntrySchema(std::int32_t format_version, const PartitionSpec& spec,
                                const std::vector<Type>& types) {
  SIGNALDB_ASSERT(types.size() == spec.fields.size());
  static const std::string kFirst = MakeManifestEntrySchema(1);
  static const std::string kSecond = MakeManifestEntrySchema(2);
  constexpr std::string_view kBeforePartition = R"("name":"r102","fields":[)";
  std::string schema = format_version == 1 ? kFirst : kSecond;
  schema.insert(schema.find(kBeforePartition) + kBeforePartition.size(),
                PartitionFieldsSchema(spec, types));
  return schema;
}

std::string_view ManifestListSchema(std::int32_t format_version) {
  static const std::string kFirst = MakeManifestListSchema(1);
  static const std::string kSecond = MakeManifestListSchema(2);
  return format_version == 1 ? kFirst : kSecond;
}

}  // namespace signaldb
