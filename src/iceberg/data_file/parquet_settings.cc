#include "iceberg/data_file/parquet_settings.h"

#include <charconv>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include <arrow/util/compression.h>
#include <fmt/format.h>

namespace signaldb {

namespace {

constexpr std::string_view kCreatedBy = "signaldb-writer version 0.1.0";
constexpr std::string_view kMetricsDefault = "write.metadata.metrics.default";
constexpr std::int64_t kInferredColumnsMax = 100;

std::unexpected<Error> Refuse(std::string_view key, std::string_view value, std::string_view want) {
  return Fail(ErrorKind::kInvalid,
              fmt::format("table property cannot be followed, set it to {} property={} value={}",
                          want, key, value));
}

class PropertyReader {
 public:
  explicit PropertyReader(const Properties& properties) : properties_(properties) {}

  [[nodiscard]] const std::string* Find(const std::string& key) const {
    const auto it = properties_.find(key);
    return it == properties_.end() ? nullptr : &it->second;
  }

  Result<std::int64_t> Positive(const std::string& key, std::int64_t otherwise) const {
    const std::string* text = Find(key);
    if (text == nullptr) return otherwise;
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
    if (error != std::errc{} || end != text->data() + text->size() || value <= 0) {
      return Refuse(key, *text, "a positive whole number");
    }
    return value;
  }

  Result<double> Probability(const std::string& key, double otherwise) const {
    const std::string* text = Find(key);
    if (text == nullptr) return otherwise;
    double value = 0;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
    if (error != std::errc{} || end != text->data() + text->size() || !(value > 0 && value < 1)) {
      return Refuse(key, *text, "a number between 0 and 1");
    }
    return value;
  }

  Result<std::optional<bool>> Flag(const std::string& key) const {
    const std::string* text = Find(key);
    if (text == nullptr) return std::optional<bool>();
    if (*text == "true") return std::optional<bool>(true);
    if (*text == "false") return std::optional<bool>(false);
    return Refuse(key, *text, "true or false");
  }

 private:
  const Properties& properties_;
};

Result<MetricsMode> ParseMetricsMode(std::string_view key, std::string_view text) {
  using Kind = MetricsMode::Kind;
  if (text == "none") return MetricsMode{Kind::kNone, 0};
  if (text == "counts") return MetricsMode{Kind::kCounts, 0};
  if (text == "full") return MetricsMode{Kind::kFull, 0};
  constexpr std::string_view kPrefix = "truncate(";
  if (text.starts_with(kPrefix) && text.ends_with(')')) {
    const std::string_view digits = text.substr(kPrefix.size(), text.size() - kPrefix.size() - 1);
    std::int32_t length = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
    if (error == std::errc{} && end == digits.data() + digits.size() && length > 0) {
      return MetricsMode{Kind::kTruncate, length};
    }
  }
  return Refuse(key, text, "none, counts, truncate(N) or full");
}

// Primitive columns in the order in which Java gives out inferred metrics: those of a struct first,
// then those of its nested types.
void CollectBreadthFirst(const std::vector<Field>& fields, std::vector<std::int32_t>& ids) {
  for (const Field& field : fields) {
    if (field.type.is_primitive()) ids.push_back(field.id);
  }
  for (const Field& field : fields) {
    if (!field.type.is_primitive()) CollectBreadthFirst(field.type.fields(), ids);
  }
}

bool PreservesOrder(const Transform& transform) {
  switch (transform.kind) {
    case TransformKind::kBucket:
    case TransformKind::kVoid:
    case TransformKind::kUnknown:
      return false;
    default:
      return true;
  }
}

Status FillMetrics(const TableMetadata& metadata, const ParquetLayout& layout,
                   const PropertyReader& reader, std::vector<ColumnSettings>& columns) {
  SIGNALDB_ASSIGN(
      const std::int64_t inferred_max,
      reader.Positive("write.metadata.metrics.max-inferred-column-defaults", kInferredColumnsMax));
  MetricsMode otherwise;
  std::set<std::int32_t> without;
  if (const std::string* text = reader.Find(std::string(kMetricsDefault)); text != nullptr) {
    SIGNALDB_ASSIGN(otherwise, ParseMetricsMode(kMetricsDefault, *text));
  } else {
    std::vector<std::int32_t> ids;
    CollectBreadthFirst(layout.schema.fields, ids);
    if (std::cmp_greater(ids.size(), inferred_max)) {
      without.insert(ids.begin() + inferred_max, ids.end());
    }
  }
  std::set<std::int32_t> sorted;
  for (const SortField& field : metadata.sort_order().fields) {
    if (PreservesOrder(field.transform)) sorted.insert(field.source_id);
  }
  for (const ParquetLeaf& leaf : layout.leaves) {
    MetricsMode& mode = columns[static_cast<std::size_t>(leaf.ordinal)].metrics;
    mode = without.contains(leaf.field->id) ? MetricsMode{MetricsMode::Kind::kNone, 0} : otherwise;
    if (sorted.contains(leaf.field->id) && mode.kind < MetricsMode::Kind::kTruncate) {
      mode = MetricsMode{};
    }
    const std::string key = "write.metadata.metrics.column." + leaf.name;
    if (const std::string* text = reader.Find(key); text != nullptr) {
      SIGNALDB_ASSIGN(mode, ParseMetricsMode(key, *text));
    }
  }
  return {};
}

Status FillColumn(const ParquetLeaf& leaf, const PropertyReader& reader, ColumnSettings& column) {
  const std::string prefix = "write.parquet.";
  const std::string suffix = ".column." + leaf.name;
  SIGNALDB_ASSIGN(const auto dictionary, reader.Flag(prefix + "dict-encoding-enabled" + suffix));
  if (dictionary.has_value()) {
    column.dictionary = *dictionary ? DictionaryUse::kWanted : DictionaryUse::kNever;
  }
  SIGNALDB_ASSIGN(const auto statistics, reader.Flag(prefix + "stats-enabled" + suffix));
  column.statistics = !leaf.repeated && statistics.value_or(true);
  SIGNALDB_ASSIGN(const auto bloom, reader.Flag(prefix + "bloom-filter-enabled" + suffix));
  column.bloom_filter = bloom.value_or(false);
  if (column.bloom_filter && leaf.field->type.id() == TypeId::kBoolean) {
    return Refuse(prefix + "bloom-filter-enabled" + suffix, "true", "false: the column is boolean");
  }
  SIGNALDB_ASSIGN(column.bloom_fpp, reader.Probability(prefix + "bloom-filter-fpp" + suffix, 0.01));
  SIGNALDB_ASSIGN(column.bloom_ndv, reader.Positive(prefix + "bloom-filter-ndv" + suffix, 0));
  return {};
}

Result<parquet::Compression::type> ParseCodec(const PropertyReader& reader) {
  const std::string key = "write.parquet.compression-codec";
  const std::string* text = reader.Find(key);
  if (text == nullptr || *text == "zstd") return parquet::Compression::ZSTD;
  if (*text == "gzip") return parquet::Compression::GZIP;
  if (*text == "snappy") return parquet::Compression::SNAPPY;
  if (*text == "brotli") return parquet::Compression::BROTLI;
  if (*text == "lz4_raw") return parquet::Compression::LZ4;
  if (*text == "uncompressed" || *text == "none") return parquet::Compression::UNCOMPRESSED;
  return Refuse(key, *text, "zstd, gzip, snappy, brotli, lz4_raw or uncompressed");
}

Result<int> ParseLevel(const PropertyReader& reader, parquet::Compression::type codec) {
  const std::string key = "write.parquet.compression-level";
  const std::string* text = reader.Find(key);
  if (text == nullptr || !arrow::util::Codec::SupportsCompressionLevel(codec)) {
    return arrow::util::kUseDefaultCompressionLevel;
  }
  int level = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), level);
  const int level_min = arrow::util::Codec::MinimumCompressionLevel(codec).ValueOr(1);
  const int level_max = arrow::util::Codec::MaximumCompressionLevel(codec).ValueOr(9);
  if (error != std::errc{} || end != text->data() + text->size() || level < level_min ||
      level > level_max) {
    return Refuse(key, *text, fmt::format("a level from {} to {}", level_min, level_max));
  }
  return level;
}

// Empty unless every field of the order is a plain column of the file: the footer can say no more.
std::vector<parquet::SortingColumn> SortingColumns(const SortOrder& order,
                                                   const ParquetLayout& layout) {
  std::vector<parquet::SortingColumn> columns;
  for (const SortField& field : order.fields) {
    const ParquetLeaf* found = nullptr;
    for (const ParquetLeaf& leaf : layout.leaves) {
      if (leaf.field->id == field.source_id && !leaf.repeated) found = &leaf;
    }
    if (found == nullptr || field.transform.kind != TransformKind::kIdentity) break;
    columns.push_back({found->ordinal, !field.ascending, field.nulls_first});
  }
  return columns;
}

Status RefuseWhatWeCannot(const PropertyReader& reader) {
  const std::vector<std::pair<std::string, std::string>> only = {
      {"write.format.default", "parquet"}, {"write.parquet.page-version", "v1"}};
  for (const auto& [key, value] : only) {
    const std::string* text = reader.Find(key);
    if (text != nullptr && *text != value) return Refuse(key, *text, value);
  }
  for (const std::string key : {"encryption.key-id"}) {
    if (const std::string* text = reader.Find(key); text != nullptr) {
      return Fail(ErrorKind::kInvalid,
                  fmt::format("encrypted tables cannot be written property={}", key));
    }
  }
  return {};
}

}  // namespace

Result<ParquetSettings> ParquetSettings::Make(const TableMetadata& metadata,
                                              const ParquetLayout& layout) {
  const PropertyReader reader(metadata.properties);
  SIGNALDB_TRY(RefuseWhatWeCannot(reader));
  ParquetSettings settings;
  settings.columns.resize(layout.leaves.size());
  SIGNALDB_TRY(FillMetrics(metadata, layout, reader, settings.columns));
  for (const ParquetLeaf& leaf : layout.leaves) {
    SIGNALDB_TRY(
        FillColumn(leaf, reader, settings.columns[static_cast<std::size_t>(leaf.ordinal)]));
  }
  SIGNALDB_ASSIGN(settings.page_bytes_target,
                  reader.Positive("write.parquet.page-size-bytes", settings.page_bytes_target));
  SIGNALDB_ASSIGN(settings.page_rows_max,
                  reader.Positive("write.parquet.page-row-limit", settings.page_rows_max));
  SIGNALDB_ASSIGN(settings.dictionary_bytes_max,
                  reader.Positive("write.parquet.dict-size-bytes", settings.dictionary_bytes_max));
  SIGNALDB_ASSIGN(settings.bloom_bytes_max, reader.Positive("write.parquet.bloom-filter-max-bytes",
                                                            settings.bloom_bytes_max));
  SIGNALDB_ASSIGN(const auto delta, reader.Flag("signaldb.parquet.delta-encoding-enabled"));
  settings.delta = delta.value_or(true);
  SIGNALDB_ASSIGN(settings.codec, ParseCodec(reader));
  SIGNALDB_ASSIGN(settings.level, ParseLevel(reader, settings.codec));
  parquet::WriterProperties::Builder builder;
  builder.created_by(std::string(kCreatedBy))->compression(settings.codec);
  builder.compression_level(settings.level)->enable_page_checksum();
  settings.unsorted = builder.build();
  builder.set_sorting_columns(SortingColumns(metadata.sort_order(), layout));
  settings.sorted = builder.build();
  return settings;
}

}  // namespace signaldb
