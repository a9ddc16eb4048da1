#include "writer/encode_texts.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <unordered_set>
#include <utility>

#include <arrow/api.h>

#include "iceberg/arrow_error.h"
#include "telemetry/string_table.h"

namespace signaldb {

namespace {

constexpr std::int64_t kRowsMin = 1'000;
constexpr std::int64_t kSampleSize = 512;
constexpr std::int32_t kTextsMax = 1 << 16;  // And a quarter of the rows.

using Column = std::vector<std::shared_ptr<arrow::Array>>;  // By batch.

// The column in every batch, if it is plain text wherever it is not all null.
std::optional<Column> FindPlainTexts(const Batches& batches, const std::string& name) {
  Column column;
  bool any = false;
  for (const auto& batch : batches) {
    column.push_back(batch->GetColumnByName(name));
    if (column.back() == nullptr) return std::nullopt;
    const arrow::Type::type type = column.back()->type_id();
    if (type != arrow::Type::STRING && type != arrow::Type::NA) return std::nullopt;
    any |= type == arrow::Type::STRING;
  }
  return any ? std::optional(std::move(column)) : std::nullopt;
}

std::int64_t RowsOf(const Column& column) {
  std::int64_t rows = 0;
  for (const auto& array : column) rows += array->length();
  return rows;
}

// Whether half of a sample or more are repetitions.
bool SampleRepeats(const Column& column, std::int64_t rows) {
  const std::int64_t step = std::max<std::int64_t>(1, rows / kSampleSize);
  std::unordered_set<std::string_view> seen;
  std::size_t taken = 0;
  std::int64_t next = 0;  // In rows of the current batch.
  for (const auto& array : column) {
    for (; next < array->length(); next += step) {
      if (array->IsNull(next)) continue;
      ++taken;
      seen.insert(static_cast<const arrow::StringArray&>(*array).GetView(next));
    }
    next -= array->length();
  }
  return 2 * seen.size() <= taken;
}

// Numbers the texts of arrays one after the other.
class Numbering {
 public:
  explicit Numbering(std::int32_t texts_max) : texts_max_(texts_max) {}

  // False if the texts are too many by now.
  Result<bool> Add(const arrow::StringArray& texts) {
    const auto failed = [](const arrow::Status& status) {
      return std::unexpected(ErrorFromArrow(status, "numbering texts"));
    };
    const std::int64_t rows = texts.length();
    auto indices = arrow::AllocateBuffer(rows * 4);
    if (!indices.ok()) return failed(indices.status());
    auto* to = reinterpret_cast<std::int32_t*>((*indices)->mutable_data());
    const std::int64_t nulls = texts.null_count();
    for (std::int64_t row = 0; row < rows; ++row) {
      to[row] = nulls > 0 && texts.IsNull(row) ? 0 : texts_.IndexOf(texts.GetView(row));
      if (texts_.size() > texts_max_) return false;
    }
    std::shared_ptr<arrow::Buffer> validity;
    if (nulls > 0) {
      auto copied = arrow::internal::CopyBitmap(arrow::default_memory_pool(),
                                                texts.null_bitmap_data(), texts.offset(), rows);
      if (!copied.ok()) return failed(copied.status());
      validity = copied.MoveValueUnsafe();
    }
    encoded_.push_back(arrow::ArrayData::Make(arrow::dictionary(arrow::int32(), arrow::utf8()),
                                              rows, {validity, indices.MoveValueUnsafe()}, nulls));
    return true;
  }

  // What was added, with one dictionary.
  Column Finish() && {
    const std::shared_ptr<arrow::ArrayData> dictionary = texts_.Release();
    Column column;
    for (const auto& data : encoded_) {
      data->dictionary = dictionary;
      column.push_back(arrow::MakeArray(data));
    }
    return column;
  }

 private:
  const std::int32_t texts_max_;
  StringTable texts_;
  std::vector<std::shared_ptr<arrow::ArrayData>> encoded_;
};

// Nothing if the texts are too many.
Result<std::optional<Column>> WithDictionary(const Column& column, std::int64_t rows) {
  Numbering numbering(static_cast<std::int32_t>(std::min<std::int64_t>(kTextsMax, rows / 4)));
  for (const auto& array : column) {
    if (array->type_id() == arrow::Type::NA) continue;
    SIGNALDB_ASSIGN(const bool few, numbering.Add(static_cast<const arrow::StringArray&>(*array)));
    if (!few) return std::optional<Column>();
  }
  Column encoded = std::move(numbering).Finish();
  for (std::size_t b = 0; b < column.size(); ++b) {
    if (column[b]->type_id() == arrow::Type::NA) {
      encoded.insert(encoded.begin() + static_cast<std::ptrdiff_t>(b), column[b]);
    }
  }
  return std::optional(std::move(encoded));
}

void Replace(Batches& batches, const std::string& name, const Column& column) {
  for (std::size_t b = 0; b < batches.size(); ++b) {
    const int i = batches[b]->schema()->GetFieldIndex(name);
    auto columns = batches[b]->columns();
    auto fields = batches[b]->schema()->fields();
    columns[static_cast<std::size_t>(i)] = column[b];
    auto& field = fields[static_cast<std::size_t>(i)];
    field = field->WithType(column[b]->type());
    batches[b] = arrow::RecordBatch::Make(arrow::schema(std::move(fields)), column[b]->length(),
                                          std::move(columns));
  }
}

}  // namespace

Result<Batches> EncodeTexts(Batches batches, const std::vector<std::string>& columns) {
  for (const std::string& name : columns) {
    const std::optional<Column> plain = FindPlainTexts(batches, name);
    if (!plain.has_value()) continue;
    const std::int64_t rows = RowsOf(*plain);
    if (rows < kRowsMin || !SampleRepeats(*plain, rows)) continue;
    SIGNALDB_ASSIGN(const std::optional<Column> encoded, WithDictionary(*plain, rows));
    if (encoded.has_value()) Replace(batches, name, *encoded);
  }
  return batches;
}

}  // namespace signaldb
