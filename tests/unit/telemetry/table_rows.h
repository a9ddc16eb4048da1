#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace arrow {
class RecordBatch;
}

namespace signaldb::testing {

/// One row as column name and value, both readable, so that a difference explains itself. Two
/// values of a type are equal exactly if their texts are.
using TableRow = std::map<std::string, std::string>;
using TextMap = std::map<std::string, std::optional<std::string>>;

[[nodiscard]] std::string NullCell();
[[nodiscard]] std::string TextCell(std::string_view text);
[[nodiscard]] std::string NumberCell(std::int64_t number);
/// Tells -0 from 0; all NaNs are alike.
[[nodiscard]] std::string RealCell(double number);
[[nodiscard]] std::string BoolCell(bool value);
[[nodiscard]] std::string MapCell(const TextMap& map);

/// The rows of a decoded batch. A key that a map has twice makes a cell that equals no other.
[[nodiscard]] std::vector<TableRow> RowsOf(const arrow::RecordBatch& batch);

}  // namespace signaldb::testing
