#include "writer/column_view.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <arrow/api.h>
#include <arrow/util/bit_util.h>

#include "iceberg/schema/decimal_bytes.h"

namespace signaldb {

namespace {

std::string ShortestDecimal(std::string_view big_endian) {
  const std::optional<Int128> number = DecimalFromBytes(big_endian);
  SIGNALDB_ASSERT(number.has_value());
  return DecimalToBytes(*number);
}

}  // namespace

bool ColumnView::IsNull(std::size_t batch, std::int64_t row) const {
  return arrays[batch]->IsNull(row);
}

bool ColumnView::HasNulls() const {
  return std::ranges::any_of(arrays, [](const auto& array) { return array->null_count() > 0; });
}

std::shared_ptr<arrow::DataType> ColumnView::OneType() const {
  if (conformed || arrays.empty()) return nullptr;
  const std::shared_ptr<arrow::DataType>& type = arrays[0]->type();
  const bool one =
      std::ranges::all_of(arrays, [&](const auto& array) { return array->type()->Equals(*type); });
  return one ? type : nullptr;
}

Literal ColumnView::LiteralAt(std::size_t batch, std::int64_t row) const {
  const LeafValues& leaf = values[batch];
  const bool decimal = field->type.id() == TypeId::kDecimal;
  const std::int64_t entry = leaf.EntryOf(row);
  switch (leaf.physical) {
    case Physical::kBool:
      return Literal{arrow::bit_util::GetBit(leaf.data, leaf.bit_offset + entry)};
    case Physical::kInt32: {
      const std::int32_t value = leaf.As<std::int32_t>()[entry];
      return decimal ? Literal{DecimalToBytes(value)} : Literal{value};
    }
    case Physical::kInt64: {
      const std::int64_t value = leaf.As<std::int64_t>()[entry];
      return decimal ? Literal{DecimalToBytes(value)} : Literal{value};
    }
    case Physical::kFloat:
      return Literal{leaf.As<float>()[entry]};
    case Physical::kDouble:
      return Literal{leaf.As<double>()[entry]};
    case Physical::kBytes:
      return Literal{std::string(leaf.Bytes(entry))};
    case Physical::kFixed:
      return Literal{decimal ? ShortestDecimal(leaf.Bytes(entry)) : std::string(leaf.Bytes(entry))};
  }
  std::unreachable();
}

Result<ColumnView> ViewColumn(const Field& field, const Batches& batches) {
  ColumnView view;
  view.field = &field;
  for (const auto& batch : batches) {
    std::shared_ptr<arrow::Array> found = batch->GetColumnByName(field.name);
    if (found == nullptr) found = std::make_shared<arrow::NullArray>(batch->num_rows());
    SIGNALDB_ASSIGN(std::shared_ptr<arrow::Array> array, Conform(field, field.name, found));
    view.conformed |= array != found;
    view.values.push_back(array->type_id() == arrow::Type::NA ? LeafValues{}
                                                              : LeafValues::Of(field.type, *array));
    view.arrays.push_back(std::move(array));
  }
  return view;
}

const Field* FindTopLevelField(const Schema& schema, std::int32_t id) {
  const auto found =
      std::ranges::find_if(schema.fields, [id](const Field& field) { return field.id == id; });
  return found == schema.fields.end() ? nullptr : &*found;
}

}  // namespace signaldb
