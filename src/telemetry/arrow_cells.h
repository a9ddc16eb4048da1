#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "signaldb/result.h"

namespace arrow {
class Array;
class RecordBatch;
class StructArray;
}  // namespace arrow

namespace signaldb {

/// What the cells of a wire column are. Senders may encode a type in any of its layouts: text as
/// utf8, large_utf8, utf8_view or a dictionary of one; integers of a sign in any width.
enum class CellType : std::uint8_t {
  kText,
  kBytes,  ///< Text's layouts, for bytes, and fixed size.
  kUnsigned,
  kSigned,
  kBool,
  kStructs,  ///< A list of structs.
};

/// kRequired: must be there and hold no null. kOptional: absent reads as null in every row.
enum class CellPresence : std::uint8_t { kRequired, kOptional };

struct CellSpec {
  std::string_view name;
  CellType type;
  CellPresence presence;
};

/// One column of a batch that was checked by arrow's ValidateFull, read cell by cell.
///
/// Lifetime: borrows the column. Threads: thread-compatible.
class ArrowCells {
 public:
  ArrowCells() = default;  ///< A column of nulls.
  explicit ArrowCells(const arrow::Array& column);

  [[nodiscard]] bool IsNull(std::int64_t row) const {
    if (valid_ == nullptr) return all_null_;
    const auto bit = static_cast<std::size_t>(first_ + row);
    return ((valid_[bit / 8] >> (bit % 8)) & 1) == 0;
  }
  /// Of kText and kBytes.
  [[nodiscard]] std::optional<std::string_view> Text(std::int64_t row) const {
    if (IsNull(row)) return std::nullopt;
    if (ends_ == nullptr) return RareText(row);
    return std::string_view(bytes_ + ends_[row],
                            static_cast<std::size_t>(ends_[row + 1] - ends_[row]));
  }
  /// Empty for null.
  [[nodiscard]] std::string_view TextOrEmpty(std::int64_t row) const {
    return Text(row).value_or(std::string_view());
  }
  /// Of kUnsigned; 0 for null.
  [[nodiscard]] std::uint64_t Unsigned(std::int64_t row) const {
    if (IsNull(row)) return 0;
    return words_ == nullptr ? RareUnsigned(row) : words_[row];
  }
  /// Of kSigned; 0 for null.
  [[nodiscard]] std::int64_t Signed(std::int64_t row) const;
  /// Of kBool; false for null.
  [[nodiscard]] bool Bool(std::int64_t row) const;

  /// Where a cell of kStructs has its structs; an empty range for null.
  struct Range {
    const arrow::StructArray* structs = nullptr;
    std::int64_t begin = 0;
    std::int64_t end = 0;
  };
  [[nodiscard]] Range Structs(std::int64_t row) const;

 private:
  [[nodiscard]] std::optional<std::string_view> RareText(std::int64_t row) const;
  [[nodiscard]] std::uint64_t RareUnsigned(std::int64_t row) const;

  const arrow::Array* column_ = nullptr;
  // What reading the usual layouts takes, found out once for all rows.
  bool all_null_ = true;
  std::int64_t first_ = 0;                        // Of the column, in its bitmap.
  const std::uint8_t* valid_ = nullptr;           // The bitmap; null: all rows are alike.
  const std::int32_t* ends_ = nullptr;            // Of utf8 and binary.
  const char* bytes_ = nullptr;                   // Where they count from.
  const std::uint64_t* words_ = nullptr;          // Of uint64.
  std::shared_ptr<const ArrowCells> dictionary_;  // What the numbers of a dictionary stand for.
};

/// The columns of `batch` as `specs` names them, in that order; `unknown` counts those that no spec
/// names. Errors: kInvalid (a column is missing, has another type, or a null where none may be).
[[nodiscard]] Result<std::vector<ArrowCells>> BindCells(const arrow::RecordBatch& batch,
                                                        std::span<const CellSpec> specs,
                                                        std::int64_t& unknown);

/// The same for the fields of structs; `column` is for messages.
[[nodiscard]] Result<std::vector<ArrowCells>> BindCells(const arrow::StructArray& structs,
                                                        std::span<const CellSpec> specs,
                                                        std::string_view column);

}  // namespace signaldb
