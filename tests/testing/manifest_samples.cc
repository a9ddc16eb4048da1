#include "testing/manifest_samples.h"

#include <limits>
#include <memory>
#include <string>
#include <utility>

namespace signaldb::testing {
namespace {

constexpr std::int32_t kFirstPartitionId = 1000;

bool Chance(std::mt19937_64& random) { return (random() & 1) != 0; }

std::int64_t Number(std::mt19937_64& random) {
  // Small and large ones alike, so that all lengths of Avro's numbers come up.
  return static_cast<std::int64_t>(random()) >> (random() % 64);
}

std::int64_t Positive(std::mt19937_64& random) {
  return static_cast<std::int64_t>(random() >> (20 + random() % 44));
}

std::string Bytes(std::mt19937_64& random, std::size_t size) {
  std::string out;
  for (std::size_t i = 0; i < size; ++i) out += static_cast<char>(random());
  return out;
}

std::string Text(std::mt19937_64& random) {
  constexpr std::string_view kPieces[] = {
      "a", "Z9", " ", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "\"", "/"};
  std::string out;
  for (std::size_t i = random() % 8; i > 0; --i) out += kPieces[random() % std::size(kPieces)];
  return out;
}

/// The shortest two's complement of a random number of up to 8 bytes.
std::string Decimal(std::mt19937_64& random) {
  const std::int64_t number = Number(random) >> 20;
  std::string out;
  for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(number >> shift);
  while (out.size() > 1 &&
         ((out[0] == '\0' && (out[1] & 0x80) == 0) || (out[0] == '\xFF' && (out[1] & 0x80) != 0))) {
    out.erase(0, 1);
  }
  return out;
}

Literal RandomValue(std::mt19937_64& random, const Type& type) {
  if (random() % 4 == 0) return {};
  switch (type.id()) {
    case TypeId::kBoolean:
      return {Chance(random)};
    case TypeId::kInt:
    case TypeId::kDate:
      return {static_cast<std::int32_t>(Number(random))};
    case TypeId::kFloat:
      return {static_cast<float>(Number(random)) / 8};
    case TypeId::kDouble:
      return {static_cast<double>(Number(random)) / 8};
    case TypeId::kString:
      return {Text(random)};
    case TypeId::kBinary:
      return {Bytes(random, random() % 20)};
    case TypeId::kUuid:
      return {Bytes(random, 16)};
    case TypeId::kFixed:
      return {Bytes(random, static_cast<std::size_t>(type.length()))};
    case TypeId::kDecimal:
      return {Decimal(random)};
    case TypeId::kUnknown:
      return {};
    default:
      return {Number(random)};
  }
}

PartitionField PartitionBy(std::int32_t source_id, std::int32_t place, std::string name,
                           TransformKind kind, std::int32_t parameter = 0) {
  return {.source_id = source_id,
          .field_id = kFirstPartitionId + place,
          .name = std::move(name),
          .transform = {kind, parameter, ""}};
}

PartitionSpec EverySpec(const Schema& schema) {
  PartitionSpec spec;
  std::int32_t place = 0;
  for (const Field& field : schema.fields) {
    spec.fields.push_back(PartitionBy(field.id, place++, field.name, TransformKind::kIdentity));
  }
  // Names that Avro does not allow, and the transforms whose result has another type.
  spec.fields.push_back(PartitionBy(13, place++, "1 day.of", TransformKind::kDay));
  spec.fields.push_back(PartitionBy(2, place++, "int_bucket", TransformKind::kBucket, 16));
  spec.fields.push_back(PartitionBy(4, place++, "nothing", TransformKind::kVoid));
  return spec;
}

}  // namespace

TableMetadata SampleTable() {
  const std::pair<const char*, Type> columns[] = {
      {"flag", Type(TypeId::kBoolean)},      {"int", Type(TypeId::kInt)},
      {"long", Type(TypeId::kLong)},         {"float", Type(TypeId::kFloat)},
      {"double", Type(TypeId::kDouble)},     {"money", Type::Decimal(20, 2)},
      {"money_again", Type::Decimal(20, 2)}, {"date", Type(TypeId::kDate)},
      {"time", Type(TypeId::kTime)},         {"text", Type(TypeId::kString)},
      {"uuid", Type(TypeId::kUuid)},         {"fixed", Type::Fixed(5)},
      {"ts", Type(TypeId::kTimestamp)},      {"tstz", Type(TypeId::kTimestampTz)},
      {"bytes", Type(TypeId::kBinary)},      {"uuid_again", Type(TypeId::kUuid)},
  };
  Schema schema;
  for (const auto& [name, type] : columns) {
    const auto id = static_cast<std::int32_t>(schema.fields.size()) + 1;
    schema.fields.push_back({.id = id, .name = name, .required = false, .type = type});
  }
  TableMetadata table;
  table.table_uuid = "8e8d1f2c-3b1a-4a52-9f46-1a2b3c4d5e6f";
  table.location = "memory://table";
  table.last_column_id = schema.HighestId();
  PartitionSpec every = EverySpec(schema);
  PartitionSpec none{.spec_id = 1, .fields = {}};
  PartitionSpec small{.spec_id = 2,
                      .fields = {PartitionBy(13, 100, "ts_hour", TransformKind::kHour),
                                 PartitionBy(3, 101, "long_bucket", TransformKind::kBucket, 8)}};
  table.schemas.push_back(std::make_shared<const Schema>(std::move(schema)));
  table.partition_specs = {std::make_shared<const PartitionSpec>(std::move(every)),
                           std::make_shared<const PartitionSpec>(std::move(none)),
                           std::make_shared<const PartitionSpec>(std::move(small))};
  table.sort_orders.push_back(std::make_shared<const SortOrder>());
  return table;
}

ManifestEntry RandomEntry(std::mt19937_64& random, const TableMetadata& table, std::int32_t spec_id,
                          int columns) {
  ManifestEntry entry;
  entry.status = static_cast<EntryStatus>(random() % 3);
  entry.snapshot_id = Positive(random);
  entry.sequence_number = Positive(random);
  entry.file_sequence_number = Positive(random);
  DataFile& file = entry.data_file;
  file.file_path = "memory://table/data/" + std::to_string(random()) + Text(random) + ".parquet";
  file.spec_id = spec_id;
  const PartitionSpec& spec = *table.SpecById(spec_id);
  const std::vector<Type> types = PartitionTypes(spec, table.schema()).value();
  for (std::size_t i = 0; i < types.size(); ++i) {
    const bool always_null = spec.fields[i].transform.kind == TransformKind::kVoid;
    file.partition.push_back(always_null ? Literal{} : RandomValue(random, types[i]));
  }
  file.record_count = Positive(random);
  file.file_size_in_bytes = Positive(random);
  for (std::int32_t id = 1; id <= columns; ++id) {
    if (Chance(random)) file.column_sizes[id] = Positive(random);
    if (Chance(random)) file.value_counts[id] = Positive(random);
    if (Chance(random)) file.null_value_counts[id] = Positive(random);
    if (Chance(random)) file.nan_value_counts[id] = Positive(random);
    if (Chance(random)) file.lower_bounds[id] = Bytes(random, random() % 17);
    if (Chance(random)) file.upper_bounds[id] = Bytes(random, random() % 17);
  }
  if (Chance(random)) file.key_metadata = Bytes(random, 9);
  for (std::size_t i = random() % 4; i > 0; --i) file.split_offsets.push_back(Positive(random));
  if (Chance(random)) file.sort_order_id = static_cast<std::int32_t>(random() % 5);
  if (Chance(random)) file.referenced_data_file = Text(random);
  return entry;
}

ManifestFile RandomManifestFile(std::mt19937_64& random) {
  ManifestFile file;
  file.manifest_path = "memory://table/metadata/" + std::to_string(random()) + "-m0.avro";
  file.manifest_length = Positive(random) + 1;
  file.partition_spec_id = static_cast<std::int32_t>(random() % 5);
  file.content = static_cast<ManifestContent>(random() % 2);
  file.sequence_number = Positive(random);
  file.min_sequence_number = Positive(random);
  file.added_snapshot_id = Positive(random);
  file.added_files_count = static_cast<std::int32_t>(random() % 100);
  file.existing_files_count = static_cast<std::int32_t>(random() % 100'000);
  file.deleted_files_count = static_cast<std::int32_t>(random() % 3);
  file.added_rows_count = Positive(random);
  file.existing_rows_count = Positive(random);
  file.deleted_rows_count = Positive(random);
  file.has_partition_summaries = random() % 4 != 0;
  for (std::size_t i = random() % 4; file.has_partition_summaries && i > 0; --i) {
    PartitionFieldSummary& summary = file.partitions.emplace_back();
    summary.contains_null = Chance(random);
    if (Chance(random)) summary.contains_nan = Chance(random);
    if (Chance(random)) summary.lower_bound = Bytes(random, random() % 9);
    if (Chance(random)) summary.upper_bound = Bytes(random, random() % 9);
  }
  if (Chance(random)) file.key_metadata = Bytes(random, 5);
  return file;
}

}  // namespace signaldb::testing
