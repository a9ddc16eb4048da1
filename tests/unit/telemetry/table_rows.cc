#include "table_rows.h"

#include <bit>
#include <cmath>

#include <arrow/api.h>
#include <fmt/format.h>

namespace signaldb::testing {
namespace {

std::string_view TextAt(const arrow::Array& array, std::int64_t i) {
  if (array.type_id() == arrow::Type::DICTIONARY) {
    const auto& dictionary = static_cast<const arrow::DictionaryArray&>(array);
    return static_cast<const arrow::StringArray&>(*dictionary.dictionary())
        .GetView(dictionary.GetValueIndex(i));
  }
  return static_cast<const arrow::StringArray&>(array).GetView(i);
}

std::string MapAt(const arrow::MapArray& array, std::int64_t i) {
  TextMap map;
  for (std::int64_t at = array.value_offset(i); at < array.value_offset(i + 1); ++at) {
    std::optional<std::string> value;
    if (array.items()->IsValid(at)) value = std::string(TextAt(*array.items(), at));
    if (!map.emplace(TextAt(*array.keys(), at), value).second) return "a key stands twice";
  }
  return MapCell(map);
}

std::string CellAt(const arrow::Array& array, std::int64_t i) {
  if (array.IsNull(i)) return NullCell();
  switch (array.type_id()) {
    case arrow::Type::STRING:
    case arrow::Type::DICTIONARY:
      return TextCell(TextAt(array, i));
    case arrow::Type::INT64:
      return NumberCell(static_cast<const arrow::Int64Array&>(array).Value(i));
    case arrow::Type::INT32:
      return NumberCell(static_cast<const arrow::Int32Array&>(array).Value(i));
    case arrow::Type::TIMESTAMP:
      return NumberCell(static_cast<const arrow::TimestampArray&>(array).Value(i));
    case arrow::Type::DATE32:
      return NumberCell(static_cast<const arrow::Date32Array&>(array).Value(i));
    case arrow::Type::DOUBLE:
      return RealCell(static_cast<const arrow::DoubleArray&>(array).Value(i));
    case arrow::Type::BOOL:
      return BoolCell(static_cast<const arrow::BooleanArray&>(array).Value(i));
    case arrow::Type::MAP:
      return MapAt(static_cast<const arrow::MapArray&>(array), i);
    default:
      return "a type that no table has";
  }
}

}  // namespace

std::string NullCell() { return "null"; }
std::string TextCell(std::string_view text) { return fmt::format("'{}'", text); }
std::string NumberCell(std::int64_t number) { return fmt::format("{}", number); }
std::string BoolCell(bool value) { return value ? "true" : "false"; }

std::string RealCell(double number) {
  if (std::isnan(number)) return "NaN";
  return fmt::format("{} (bits {:x})", number, std::bit_cast<std::uint64_t>(number));
}

std::string MapCell(const TextMap& map) {
  std::string cell = "{";
  for (const auto& [key, value] : map) {
    cell += fmt::format("[{}:{}]={} ", key.size(), key, value ? TextCell(*value) : NullCell());
  }
  return cell + "}";
}

std::vector<TableRow> RowsOf(const arrow::RecordBatch& batch) {
  std::vector<TableRow> rows(static_cast<std::size_t>(batch.num_rows()));
  for (int column = 0; column < batch.num_columns(); ++column) {
    for (std::int64_t i = 0; i < batch.num_rows(); ++i) {
      rows[static_cast<std::size_t>(i)][batch.column_name(column)] =
          CellAt(*batch.column(column), i);
    }
  }
  return rows;
}

}  // namespace signaldb::testing
