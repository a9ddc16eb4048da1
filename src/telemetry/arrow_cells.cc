#include "telemetry/arrow_cells.h"

#include <algorithm>

#include <arrow/api.h>
#include <fmt/format.h>

namespace signaldb {
namespace {

using arrow::internal::checked_cast;

std::string_view Describe(CellType type) {
  switch (type) {
    case CellType::kText:
      return "text (utf8)";
    case CellType::kBytes:
      return "binary";
    case CellType::kUnsigned:
      return "an unsigned integer";
    case CellType::kSigned:
      return "a signed integer";
    case CellType::kBool:
      return "bool";
    case CellType::kStructs:
      return "a list of structs";
  }
  return "";
}

bool Matches(const arrow::DataType& type, CellType expected) {
  using arrow::Type;
  const Type::type id = type.id();
  switch (expected) {
    case CellType::kText:
      if (id == Type::DICTIONARY) {
        return Matches(*checked_cast<const arrow::DictionaryType&>(type).value_type(), expected);
      }
      return id == Type::STRING || id == Type::LARGE_STRING || id == Type::STRING_VIEW ||
             id == Type::NA;
    case CellType::kBytes:
      if (id == Type::DICTIONARY) {
        return Matches(*checked_cast<const arrow::DictionaryType&>(type).value_type(), expected);
      }
      return id == Type::BINARY || id == Type::LARGE_BINARY || id == Type::BINARY_VIEW ||
             id == Type::FIXED_SIZE_BINARY || id == Type::NA;
    case CellType::kUnsigned:
      return arrow::is_unsigned_integer(id) || id == Type::NA;
    case CellType::kSigned:
      return arrow::is_signed_integer(id) || id == Type::NA;
    case CellType::kBool:
      return id == Type::BOOL || id == Type::NA;
    case CellType::kStructs:
      return id == Type::NA ||
             (id == Type::LIST &&
              checked_cast<const arrow::ListType&>(type).value_type()->id() == Type::STRUCT);
  }
  return false;
}

/// `path` is the column's name as messages give it.
Status Check(const arrow::Array* column, const CellSpec& spec, std::string_view path) {
  if (column == nullptr) {
    if (spec.presence == CellPresence::kOptional) return {};
    return Fail(ErrorKind::kInvalid, fmt::format("column is missing column={}", path));
  }
  if (!Matches(*column->type(), spec.type)) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("column has another type, it has to be {} "
                            "column={} type={}",
                            Describe(spec.type), path, column->type()->ToString()));
  }
  if (spec.presence == CellPresence::kRequired && column->ComputeLogicalNullCount() > 0) {
    return Fail(ErrorKind::kInvalid, fmt::format("column must not hold nulls column={}", path));
  }
  return {};
}

template <typename ArrayType>
std::string_view ViewAt(const arrow::Array& array, std::int64_t row) {
  return static_cast<const ArrayType&>(array).GetView(row);
}

}  // namespace

ArrowCells::ArrowCells(const arrow::Array& column)
    : column_(&column), all_null_(column.type_id() == arrow::Type::NA), first_(column.offset()) {
  if (all_null_) return;
  valid_ = column.null_bitmap_data();
  switch (column.type_id()) {
    case arrow::Type::STRING:
    case arrow::Type::BINARY: {
      const auto& texts = static_cast<const arrow::BinaryArray&>(column);
      ends_ = texts.raw_value_offsets();
      bytes_ = reinterpret_cast<const char*>(texts.raw_data());
      break;
    }
    case arrow::Type::UINT64:
      words_ = static_cast<const arrow::UInt64Array&>(column).raw_values();
      break;
    case arrow::Type::DICTIONARY:
      dictionary_ = std::make_shared<const ArrowCells>(
          *static_cast<const arrow::DictionaryArray&>(column).dictionary());
      break;
    default:
      break;
  }
}

std::optional<std::string_view> ArrowCells::RareText(std::int64_t row) const {
  switch (column_->type_id()) {
    case arrow::Type::LARGE_STRING:
    case arrow::Type::LARGE_BINARY:
      return ViewAt<arrow::LargeBinaryArray>(*column_, row);
    case arrow::Type::STRING_VIEW:
    case arrow::Type::BINARY_VIEW:
      return ViewAt<arrow::BinaryViewArray>(*column_, row);
    case arrow::Type::FIXED_SIZE_BINARY:
      return ViewAt<arrow::FixedSizeBinaryArray>(*column_, row);
    case arrow::Type::DICTIONARY:
      return dictionary_->Text(
          static_cast<const arrow::DictionaryArray&>(*column_).GetValueIndex(row));
    default:
      return std::nullopt;
  }
}

std::uint64_t ArrowCells::RareUnsigned(std::int64_t row) const {
  switch (column_->type_id()) {
    case arrow::Type::UINT8:
      return static_cast<const arrow::UInt8Array&>(*column_).Value(row);
    case arrow::Type::UINT16:
      return static_cast<const arrow::UInt16Array&>(*column_).Value(row);
    default:
      return static_cast<const arrow::UInt32Array&>(*column_).Value(row);
  }
}

std::int64_t ArrowCells::Signed(std::int64_t row) const {
  if (IsNull(row)) return 0;
  switch (column_->type_id()) {
    case arrow::Type::INT8:
      return static_cast<const arrow::Int8Array&>(*column_).Value(row);
    case arrow::Type::INT16:
      return static_cast<const arrow::Int16Array&>(*column_).Value(row);
    case arrow::Type::INT32:
      return static_cast<const arrow::Int32Array&>(*column_).Value(row);
    default:
      return static_cast<const arrow::Int64Array&>(*column_).Value(row);
  }
}

bool ArrowCells::Bool(std::int64_t row) const {
  return !IsNull(row) && static_cast<const arrow::BooleanArray&>(*column_).Value(row);
}

ArrowCells::Range ArrowCells::Structs(std::int64_t row) const {
  if (IsNull(row)) return {};
  const auto& lists = static_cast<const arrow::ListArray&>(*column_);
  return {.structs = static_cast<const arrow::StructArray*>(lists.values().get()),
          .begin = lists.value_offset(row),
          .end = lists.value_offset(row + 1)};
}

Result<std::vector<ArrowCells>> BindCells(const arrow::RecordBatch& batch,
                                          std::span<const CellSpec> specs, std::int64_t& unknown) {
  std::vector<ArrowCells> cells;
  cells.reserve(specs.size());
  std::int64_t found = 0;
  for (const CellSpec& spec : specs) {
    const std::vector<int> at = batch.schema()->GetAllFieldIndices(std::string(spec.name));
    if (at.size() > 1) {
      return Fail(ErrorKind::kInvalid, fmt::format("column is there twice column={}", spec.name));
    }
    found += static_cast<std::int64_t>(at.size());
    const arrow::Array* column = at.empty() ? nullptr : batch.column(at.front()).get();
    SIGNALDB_TRY(Check(column, spec, spec.name));
    cells.push_back(column == nullptr ? ArrowCells() : ArrowCells(*column));
  }
  unknown = batch.num_columns() - found;
  return cells;
}

Result<std::vector<ArrowCells>> BindCells(const arrow::StructArray& structs,
                                          std::span<const CellSpec> specs,
                                          std::string_view column) {
  std::vector<ArrowCells> cells;
  cells.reserve(specs.size());
  for (const CellSpec& spec : specs) {
    const int at = structs.struct_type()->GetFieldIndex(std::string(spec.name));
    // Of null structs the fields may be null: so only their types are checked.
    const arrow::Array* field = at < 0 ? nullptr : structs.field(at).get();
    const CellSpec of_any{spec.name, spec.type, at < 0 ? spec.presence : CellPresence::kOptional};
    SIGNALDB_TRY(Check(field, of_any, fmt::format("{}.{}", column, spec.name)));
    cells.push_back(field == nullptr ? ArrowCells() : ArrowCells(*field));
  }
  return cells;
}

}  // namespace signaldb
