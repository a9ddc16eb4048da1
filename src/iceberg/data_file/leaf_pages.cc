#include "iceberg/data_file/leaf_pages.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include <arrow/api.h>
#include <arrow/util/bit_util.h>
#include <fmt/format.h>

namespace signaldb {

namespace {

using Bytes = std::vector<std::uint8_t>;
using Positions = std::vector<std::int64_t>;

// One page at one node on the way down: every slot either ends above this node (its level is below
// `level`) or is live and stands for one element of the node's array.
struct Slots {
  std::int64_t rows = 0;
  std::int64_t count = 0;
  std::uint8_t level = 0;  // The definition level of live slots.
  Levels definitions;      // Empty: all slots are live.
  Levels repetitions;
  std::uint8_t repetition_level = 0;
  std::int64_t live = 0;
  std::int64_t first = 0;  // Live slots are consecutive from here on, unless `positions` is set.
  std::shared_ptr<const Positions> positions;

  [[nodiscard]] std::int64_t PositionOf(std::int64_t i) const {
    return positions == nullptr ? first + i : (*positions)[static_cast<std::size_t>(i)];
  }
};

bool HasNullsInRange(const arrow::Array& array, const Slots& slots) {
  if (array.null_bitmap_data() == nullptr || array.null_count() == 0) return false;
  if (slots.positions != nullptr) return true;
  return arrow::internal::CountSetBits(array.null_bitmap_data(), array.offset() + slots.first,
                                       slots.live) != slots.live;
}

// Marks which live slots are null at an optional node.
void DropNulls(const arrow::Array& array, Slots& slots) {
  auto definitions = std::make_shared<Bytes>(static_cast<std::size_t>(slots.count));
  auto positions = std::make_shared<Positions>();
  positions->reserve(static_cast<std::size_t>(slots.live));
  const std::uint8_t* bits = array.null_bitmap_data();
  const auto live_level = static_cast<std::uint8_t>(slots.level + 1);
  std::int64_t live = 0;
  for (std::size_t i = 0; i < definitions->size(); ++i) {
    if (slots.definitions != nullptr && (*slots.definitions)[i] != slots.level) {
      (*definitions)[i] = (*slots.definitions)[i];
      continue;
    }
    const std::int64_t position = slots.PositionOf(live++);
    const bool valid = arrow::bit_util::GetBit(bits, array.offset() + position);
    (*definitions)[i] = valid ? live_level : slots.level;
    if (valid) positions->push_back(position);
  }
  slots.level = live_level;
  slots.live = static_cast<std::int64_t>(positions->size());
  slots.definitions = std::move(definitions);
  slots.positions = std::move(positions);
}

void RaiseLive(Slots& slots) {
  if (slots.definitions != nullptr) {
    auto raised = std::make_shared<Bytes>(*slots.definitions);
    for (std::uint8_t& level : *raised)
      level = static_cast<std::uint8_t>(level + (level == slots.level));
    slots.definitions = std::move(raised);
  }
  ++slots.level;
}

// Steps from a list or map into its elements.
class ListStep {
 public:
  ListStep(const std::int32_t* offsets, const Slots& in) : offsets_(offsets), in_(in) {}

  Slots Run() {
    Measure();
    auto repetitions = std::make_shared<Bytes>(static_cast<std::size_t>(slots_));
    std::shared_ptr<Bytes> definitions;
    if (in_.definitions != nullptr || empty_) {
      definitions = std::make_shared<Bytes>(static_cast<std::size_t>(slots_));
    }
    Fill(repetitions->data(), definitions == nullptr ? nullptr : definitions->data());
    Slots out;
    out.rows = in_.rows;
    out.count = slots_;
    out.level = static_cast<std::uint8_t>(in_.level + 1);
    out.repetition_level = static_cast<std::uint8_t>(in_.repetition_level + 1);
    out.definitions = std::move(definitions);
    out.repetitions = std::move(repetitions);
    out.live = elements_;
    out.first = first_;
    if (!contiguous_) out.positions = Gather();
    return out;
  }

 private:
  void Measure() {
    std::int64_t empties = 0;
    std::int64_t expected = -1;
    for (std::int64_t i = 0; i < in_.live; ++i) {
      const std::int64_t p = in_.PositionOf(i);
      const std::int64_t length = offsets_[p + 1] - offsets_[p];
      empties += length == 0;
      if (length == 0) continue;
      if (expected < 0)
        first_ = offsets_[p];
      else if (offsets_[p] != expected)
        contiguous_ = false;
      expected = offsets_[p + 1];
      elements_ += length;
    }
    empty_ = empties > 0;
    slots_ = elements_ + empties + (in_.count - in_.live);
  }

  void Fill(std::uint8_t* repetitions, std::uint8_t* definitions) const {
    const auto repeated = static_cast<std::uint8_t>(in_.repetition_level + 1);
    const auto level = static_cast<std::uint8_t>(in_.level + 1);
    const std::uint8_t* in_repetitions =
        in_.repetitions == nullptr ? nullptr : in_.repetitions->data();
    const std::uint8_t* in_definitions =
        in_.definitions == nullptr ? nullptr : in_.definitions->data();
    std::memset(repetitions, repeated, static_cast<std::size_t>(slots_));
    if (definitions != nullptr) std::memset(definitions, level, static_cast<std::size_t>(slots_));
    std::int64_t live = 0;
    std::int64_t at = 0;
    for (std::int64_t i = 0; i < in_.count; ++i) {
      repetitions[at] = in_repetitions == nullptr ? std::uint8_t{0} : in_repetitions[i];
      if (in_definitions != nullptr && in_definitions[i] != in_.level) {
        definitions[at++] = in_definitions[i];
        continue;
      }
      const std::int64_t p = in_.PositionOf(live++);
      const std::int64_t length = offsets_[p + 1] - offsets_[p];
      if (length == 0) definitions[at] = in_.level;
      at += std::max<std::int64_t>(length, 1);
    }
  }

  std::shared_ptr<const Positions> Gather() const {
    auto positions = std::make_shared<Positions>();
    positions->reserve(static_cast<std::size_t>(elements_));
    for (std::int64_t i = 0; i < in_.live; ++i) {
      const std::int64_t p = in_.PositionOf(i);
      for (std::int64_t v = offsets_[p]; v < offsets_[p + 1]; ++v) positions->push_back(v);
    }
    return positions;
  }

  const std::int32_t* offsets_;
  const Slots& in_;
  std::int64_t slots_ = 0;
  std::int64_t elements_ = 0;
  std::int64_t first_ = 0;
  bool empty_ = false;
  bool contiguous_ = true;
};

class Splitter {
 public:
  Splitter(const Field& field, const ParquetLeaf* leaves) : field_(field), next_(leaves) {
    DeclareLeaves(field_);
    next_ = leaves;
  }

  Status AddPage(const std::shared_ptr<arrow::Array>& column, std::int64_t row, std::int64_t rows) {
    Slots slots;
    slots.rows = slots.count = slots.live = rows;
    slots.first = row;
    leaf_ = 0;
    return Descend(field_, field_.name, column, std::move(slots));
  }

  std::vector<LeafColumn> Take() && { return std::move(columns_); }

 private:
  void DeclareLeaves(const Field& field) {
    if (field.type.id() == TypeId::kUnknown) return;
    if (field.type.is_primitive()) {
      columns_.push_back(LeafColumn{.leaf = next_++, .values = nullptr, .pages = {}});
    }
    for (const Field& child : field.type.fields()) DeclareLeaves(child);
  }

  Status Descend(const Field& field, const std::string& name,
                 const std::shared_ptr<arrow::Array>& array, Slots slots) {
    if (field.type.id() == TypeId::kUnknown) return {};
    if (array == nullptr || array->type_id() == arrow::Type::NA) {
      return Missing(field, name, slots);
    }
    if (!field.required && array->null_count() == array->length()) {
      EmitNulls(field, slots);
      return {};
    }
    SIGNALDB_TRY(ApplyNulls(field, name, *array, slots));
    switch (field.type.id()) {
      case TypeId::kStruct:
        return DescendStruct(field, name, *array, slots);
      case TypeId::kList:
        return DescendList(field, name, *array, slots);
      case TypeId::kMap:
        return DescendMap(field, name, *array, slots);
      default:
        Emit(array, slots);
        return {};
    }
  }

  static Status ApplyNulls(const Field& field, const std::string& name, const arrow::Array& array,
                           Slots& slots) {
    const bool nulls = HasNullsInRange(array, slots);
    if (field.required) {
      if (!nulls) return {};
      Slots probe = slots;
      DropNulls(array, probe);
      if (probe.live == slots.live) return {};
      return Fail(ErrorKind::kInvalid,
                  fmt::format("a required column has a null value column={}", name));
    }
    if (nulls)
      DropNulls(array, slots);
    else
      RaiseLive(slots);
    return {};
  }

  Status Missing(const Field& field, const std::string& name, const Slots& slots) {
    if (field.required && slots.live > 0) {
      return Fail(ErrorKind::kInvalid, fmt::format("a required column is missing column={}", name));
    }
    EmitNulls(field, slots);
    return {};
  }

  // Every leaf under `field` ends where `slots` ends.
  void EmitNulls(const Field& field, const Slots& slots) {
    if (field.type.id() == TypeId::kUnknown) return;
    for (const Field& child : field.type.fields()) EmitNulls(child, slots);
    if (!field.type.is_primitive()) return;
    Slots none = slots;
    none.live = 0;
    none.positions = nullptr;
    // A list's leaves have repetition levels even if no list is there.
    if (columns_[leaf_].leaf->repetition_max > 0 && none.repetitions == nullptr) {
      none.repetitions =
          std::make_shared<Bytes>(static_cast<std::size_t>(none.count), std::uint8_t{0});
    }
    Emit(nullptr, none);
  }

  Status DescendStruct(const Field& field, const std::string& name, const arrow::Array& array,
                       const Slots& slots) {
    if (array.type_id() != arrow::Type::STRUCT) return Misfit(name, "struct", array);
    const auto& fields = static_cast<const arrow::StructArray&>(array);
    const auto& type = static_cast<const arrow::StructType&>(*array.type());
    for (const Field& child : field.type.fields()) {
      const int index = type.GetFieldIndex(child.name);
      SIGNALDB_TRY(Descend(child, name + "." + child.name,
                           index < 0 ? nullptr : fields.field(index), slots));
    }
    return {};
  }

  Status DescendList(const Field& field, const std::string& name, const arrow::Array& array,
                     const Slots& slots) {
    if (array.type_id() != arrow::Type::LIST) return Misfit(name, "list", array);
    const auto& list = static_cast<const arrow::ListArray&>(array);
    const Field& element = field.type.fields()[0];
    return Descend(element, name + "." + element.name, list.values(),
                   ListStep(list.raw_value_offsets(), slots).Run());
  }

  Status DescendMap(const Field& field, const std::string& name, const arrow::Array& array,
                    const Slots& slots) {
    if (array.type_id() != arrow::Type::MAP) return Misfit(name, "map", array);
    const auto& map = static_cast<const arrow::MapArray&>(array);
    const Slots entries = ListStep(map.raw_value_offsets(), slots).Run();
    const Field& key = field.type.fields()[0];
    const Field& value = field.type.fields()[1];
    SIGNALDB_TRY(Descend(key, name + "." + key.name, map.keys(), entries));
    return Descend(value, name + "." + value.name, map.items(), entries);
  }

  static Status Misfit(const std::string& name, const char* want, const arrow::Array& array) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("the rows do not fit the table column={} want={} have={}", name, want,
                            array.type()->ToString()));
  }

  void Emit(const std::shared_ptr<arrow::Array>& array, const Slots& slots) {
    LeafColumn& column = columns_[leaf_++];
    if (array != nullptr) column.values = array;
    column.pages.push_back(LeafPage{.rows = slots.rows,
                                    .slots = slots.count,
                                    .definition = slots.level,
                                    .definitions = slots.definitions,
                                    .repetitions = slots.repetitions,
                                    .count = slots.live,
                                    .first = slots.first,
                                    .positions = slots.positions});
  }

  const Field& field_;
  const ParquetLeaf* next_;
  std::vector<LeafColumn> columns_;
  std::size_t leaf_ = 0;
};

// Rough size of the widest leaf's values as they will stand in pages.
std::int64_t WidestLeafBytes(const arrow::ArrayData& data, std::int64_t first, std::int64_t count) {
  if (data.dictionary != nullptr) return count * 2;
  const std::int64_t at = data.offset + first;
  switch (data.type->id()) {
    case arrow::Type::STRING:
    case arrow::Type::BINARY: {
      const auto* offsets = data.GetValues<std::int32_t>(1, at);
      return count == 0 ? 0 : offsets[count] - offsets[0] + 4 * count;
    }
    case arrow::Type::LIST:
    case arrow::Type::MAP: {
      const auto* offsets = data.GetValues<std::int32_t>(1, at);
      return count == 0
                 ? 0
                 : WidestLeafBytes(*data.child_data[0], offsets[0], offsets[count] - offsets[0]);
    }
    case arrow::Type::STRUCT: {
      std::int64_t widest = 0;
      for (const auto& child : data.child_data) {
        widest = std::max(widest, WidestLeafBytes(*child, at, count));
      }
      return widest;
    }
    default:
      return count * 8;
  }
}

}  // namespace

Result<std::vector<LeafColumn>> SplitIntoLeaves(const Field& field,
                                                const std::shared_ptr<arrow::Array>& column,
                                                std::int64_t rows, const PageLimits& limits,
                                                const ParquetLeaf* leaves) {
  std::int64_t page_rows = limits.rows_max;
  if (column != nullptr && rows > 0) {
    const std::int64_t bytes = std::max<std::int64_t>(WidestLeafBytes(*column->data(), 0, rows), 1);
    const std::int64_t pages = (bytes + limits.bytes_target - 1) / limits.bytes_target;
    page_rows = std::min(page_rows, std::max<std::int64_t>(1, (rows + pages - 1) / pages));
  }
  Splitter splitter(field, leaves);
  for (std::int64_t row = 0; row < rows; row += page_rows) {
    SIGNALDB_TRY(splitter.AddPage(column, row, std::min(page_rows, rows - row)));
  }
  return std::move(splitter).Take();
}

}  // namespace signaldb
