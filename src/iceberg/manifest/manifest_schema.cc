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

// The texts are one line each in the file; they are cut here only to be readable.
constexpr std::string_view kEntryHeadV1 =
    R"({"type":"record","name":"manifest_entry","fields":[{"name":"status","type":"int")"
    R"(,"field-id":0},{"name":"snapshot_id","type":"long","field-id":1})"
    R"(,{"name":"data_file","type":{"type":"record","name":"r2","fields":[)";
constexpr std::string_view kEntryHeadV2 =
    R"({"type":"record","name":"manifest_entry","fields":[{"name":"status","type":"int")"
    R"(,"field-id":0})"
    R"(,{"name":"snapshot_id","type":["null","long"],"default":null,"field-id":1})"
    R"(,{"name":"sequence_number","type":["null","long"],"default":null,"field-id":3})"
    R"(,{"name":"file_sequence_number","type":["null","long"],"default":null,"field-id":4})"
    R"(,{"name":"data_file","type":)"
    R"({"type":"record","name":"r2","fields":[{"name":"content","type":"int")"
    R"(,"doc":"Contents of the file: 0=data, 1=position deletes, 2=equality deletes")"
    R"(,"field-id":134},)";
constexpr std::string_view kFileHead =
    R"({"name":"file_path","type":"string","doc":"Location URI with FS scheme")"
    R"(,"field-id":100})"
    R"(,{"name":"file_format","type":"string","doc":"File format name: avro, orc)"
    R"(, or parquet","field-id":101},{"name":"partition","type":)"
    R"({"type":"record","name":"r102","fields":[)";
constexpr std::string_view kPartitionTail =
    R"(]},"doc":"Partition data tuple, schema based on the partition spec","field-id":102})"
    R"(,{"name":"record_count","type":"long","doc":"Number of records in the file")"
    R"(,"field-id":103})"
    R"(,{"name":"file_size_in_bytes","type":"long","doc":"Total file size in bytes")"
    R"(,"field-id":104},)";
constexpr std::string_view kBlockSizeV1 =
    R"({"name":"block_size_in_bytes","type":"long","field-id":105},)";
constexpr std::string_view kMetrics =
    R"({"name":"column_sizes","type":["null",{"type":"array","items":)"
    R"({"type":"record","name":"k117_v118","fields":[{"name":"key","type":"int")"
    R"(,"field-id":117},{"name":"value","type":"long","field-id":118}]},"logicalType":"map"}])"
    R"(,"doc":"Map of column id to total size on disk","default":null,"field-id":108})"
    R"(,{"name":"value_counts","type":["null",{"type":"array","items":)"
    R"({"type":"record","name":"k119_v120","fields":[{"name":"key","type":"int")"
    R"(,"field-id":119},{"name":"value","type":"long","field-id":120}]},"logicalType":"map"}])"
    R"(,"doc":"Map of column id to total count, including null and NaN","default":null)"
    R"(,"field-id":109},{"name":"null_value_counts","type":["null",{"type":"array","items":)"
    R"({"type":"record","name":"k121_v122","fields":[{"name":"key","type":"int")"
    R"(,"field-id":121},{"name":"value","type":"long","field-id":122}]},"logicalType":"map"}])"
    R"(,"doc":"Map of column id to null value count","default":null,"field-id":110})"
    R"(,{"name":"nan_value_counts","type":["null",{"type":"array","items":)"
    R"({"type":"record","name":"k138_v139","fields":[{"name":"key","type":"int")"
    R"(,"field-id":138},{"name":"value","type":"long","field-id":139}]},"logicalType":"map"}])"
    R"(,"doc":"Map of column id to number of NaN values in the column","default":null)"
    R"(,"field-id":137},{"name":"lower_bounds","type":["null",{"type":"array","items":)"
    R"({"type":"record","name":"k126_v127","fields":[{"name":"key","type":"int")"
    R"(,"field-id":126})"
    R"(,{"name":"value","type":"bytes","field-id":127}]},"logicalType":"map"}])"
    R"(,"doc":"Map of column id to lower bound","default":null,"field-id":125})"
    R"(,{"name":"upper_bounds","type":["null",{"type":"array","items":)"
    R"({"type":"record","name":"k129_v130","fields":[{"name":"key","type":"int")"
    R"(,"field-id":129})"
    R"(,{"name":"value","type":"bytes","field-id":130}]},"logicalType":"map"}])"
    R"(,"doc":"Map of column id to upper bound","default":null,"field-id":128})"
    R"(,{"name":"key_metadata","type":["null","bytes"],"doc":"Encryption key metadata blob")"
    R"(,"default":null,"field-id":131})"
    R"(,{"name":"split_offsets","type":["null",{"type":"array","items":"long")"
    R"(,"element-id":133}],"doc":"Splittable offsets","default":null,"field-id":132})";
constexpr std::string_view kEqualityIds =
    R"(,{"name":"equality_ids","type":["null",{"type":"array","items":"int")"
    R"(,"element-id":136}],"doc":"Equality comparison field IDs","default":null)"
    R"(,"field-id":135})";
constexpr std::string_view kSortOrder =
    R"(,{"name":"sort_order_id","type":["null","int"],"doc":"Sort order ID","default":null)"
    R"(,"field-id":140})";
constexpr std::string_view kReferencedDataFile =
    R"(,{"name":"referenced_data_file","type":["null","string"])"
    R"(,"doc":"Fully qualified location (URI with FS scheme) of a data file that all deletes )"
    R"(reference","default":null,"field-id":143})";
constexpr std::string_view kEntryEnd = R"(]},"field-id":2}]})";
constexpr std::string_view kListV1 =
    R"({"type":"record","name":"manifest_file","fields":[{"name":"manifest_path")"
    R"(,"type":"string","doc":"Location URI with FS scheme","field-id":500})"
    R"(,{"name":"manifest_length","type":"long","doc":"Total file size in bytes")"
    R"(,"field-id":501})"
    R"(,{"name":"partition_spec_id","type":"int","doc":"Spec ID used to write")"
    R"(,"field-id":502},{"name":"added_snapshot_id","type":"long")"
    R"(,"doc":"Snapshot ID that added the manifest","field-id":503})"
    R"(,{"name":"added_files_count","type":["null","int"],"doc":"Added entry count")"
    R"(,"default":null,"field-id":504})"
    R"(,{"name":"existing_files_count","type":["null","int"],"doc":"Existing entry count")"
    R"(,"default":null,"field-id":505})"
    R"(,{"name":"deleted_files_count","type":["null","int"],"doc":"Deleted entry count")"
    R"(,"default":null,"field-id":506})"
    R"(,{"name":"partitions","type":["null",{"type":"array","items":)"
    R"({"type":"record","name":"r508","fields":[{"name":"contains_null","type":"boolean")"
    R"(,"doc":"True if any file has a null partition value","field-id":509})"
    R"(,{"name":"contains_nan","type":["null","boolean"])"
    R"(,"doc":"True if any file has a nan partition value","default":null,"field-id":518})"
    R"(,{"name":"lower_bound","type":["null","bytes"])"
    R"(,"doc":"Partition lower bound for all files","default":null,"field-id":510})"
    R"(,{"name":"upper_bound","type":["null","bytes"])"
    R"(,"doc":"Partition upper bound for all files","default":null,"field-id":511}]})"
    R"(,"element-id":508}],"doc":"Summary for each partition","default":null,"field-id":507})"
    R"(,{"name":"added_rows_count","type":["null","long"],"doc":"Added rows count")"
    R"(,"default":null,"field-id":512})"
    R"(,{"name":"existing_rows_count","type":["null","long"],"doc":"Existing rows count")"
    R"(,"default":null,"field-id":513})"
    R"(,{"name":"deleted_rows_count","type":["null","long"],"doc":"Deleted rows count")"
    R"(,"default":null,"field-id":514})"
    R"(,{"name":"key_metadata","type":["null","bytes"],"doc":"Encryption key metadata blob")"
    R"(,"default":null,"field-id":519}]})";
constexpr std::string_view kListV2 =
    R"({"type":"record","name":"manifest_file","fields":[{"name":"manifest_path")"
    R"(,"type":"string","doc":"Location URI with FS scheme","field-id":500})"
    R"(,{"name":"manifest_length","type":"long","doc":"Total file size in bytes")"
    R"(,"field-id":501})"
    R"(,{"name":"partition_spec_id","type":"int","doc":"Spec ID used to write")"
    R"(,"field-id":502})"
    R"(,{"name":"content","type":"int","doc":"Contents of the manifest: 0=data, 1=deletes")"
    R"(,"field-id":517},{"name":"sequence_number","type":"long")"
    R"(,"doc":"Sequence number when the manifest was added","field-id":515})"
    R"(,{"name":"min_sequence_number","type":"long")"
    R"(,"doc":"Lowest sequence number in the manifest","field-id":516})"
    R"(,{"name":"added_snapshot_id","type":"long")"
    R"(,"doc":"Snapshot ID that added the manifest","field-id":503})"
    R"(,{"name":"added_files_count","type":"int","doc":"Added entry count","field-id":504})"
    R"(,{"name":"existing_files_count","type":"int","doc":"Existing entry count")"
    R"(,"field-id":505})"
    R"(,{"name":"deleted_files_count","type":"int","doc":"Deleted entry count")"
    R"(,"field-id":506})"
    R"(,{"name":"added_rows_count","type":"long","doc":"Added rows count","field-id":512})"
    R"(,{"name":"existing_rows_count","type":"long","doc":"Existing rows count")"
    R"(,"field-id":513})"
    R"(,{"name":"deleted_rows_count","type":"long","doc":"Deleted rows count","field-id":514})"
    R"(,{"name":"partitions","type":["null",{"type":"array","items":)"
    R"({"type":"record","name":"r508","fields":[{"name":"contains_null","type":"boolean")"
    R"(,"doc":"True if any file has a null partition value","field-id":509})"
    R"(,{"name":"contains_nan","type":["null","boolean"])"
    R"(,"doc":"True if any file has a nan partition value","default":null,"field-id":518})"
    R"(,{"name":"lower_bound","type":["null","bytes"])"
    R"(,"doc":"Partition lower bound for all files","default":null,"field-id":510})"
    R"(,{"name":"upper_bound","type":["null","bytes"])"
    R"(,"doc":"Partition upper bound for all files","default":null,"field-id":511}]})"
    R"(,"element-id":508}],"doc":"Summary for each partition","default":null,"field-id":507})"
    R"(,{"name":"key_metadata","type":["null","bytes"],"doc":"Encryption key metadata blob")"
    R"(,"default":null,"field-id":519}]})";

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
      return R"("boolean")";
    case TypeId::kInt:
      return R"("int")";
    case TypeId::kLong:
      return R"("long")";
    case TypeId::kFloat:
      return R"("float")";
    case TypeId::kDouble:
      return R"("double")";
    case TypeId::kString:
      return R"("string")";
    case TypeId::kBinary:
      return R"("bytes")";
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
  const std::string partition = PartitionFieldsSchema(spec, types);
  const auto join = [](std::initializer_list<std::string_view> parts) {
    std::string out;
    for (const std::string_view part : parts) out += part;
    return out;
  };
  if (format_version == 1) {
    return join({kEntryHeadV1, kFileHead, partition, kPartitionTail, kBlockSizeV1, kMetrics,
                 kSortOrder, kEntryEnd});
  }
  return join({kEntryHeadV2, kFileHead, partition, kPartitionTail, kMetrics, kEqualityIds,
               kSortOrder, kReferencedDataFile, kEntryEnd});
}

std::string_view ManifestListSchema(std::int32_t format_version) {
  return format_version == 1 ? kListV1 : kListV2;
}

}  // namespace signaldb
