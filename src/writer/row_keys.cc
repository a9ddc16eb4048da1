#include "writer/row_keys.h"

#include <algorithm>
#include <limits>
#include <map>
#include <string_view>
#include <unordered_map>
#include <utility>

#include <arrow/api.h>
#include <arrow/util/bit_util.h>
#include <fmt/format.h>

#include "iceberg/data_file/leaf_values.h"

namespace signaldb {

namespace {

constexpr std::uint64_t kSignBit = std::uint64_t{1} << 63;

// One top-level column over all batches, as leaf values.
struct ColumnView {
  const Field* field = nullptr;
  std::vector<std::shared_ptr<arrow::Array>> arrays;
  std::vector<LeafValues> values;

  [[nodiscard]] bool IsNull(std::size_t batch, std::int64_t row) const {
    return arrays[batch]->IsNull(row);
  }
};

// The table's column of this id in every batch; an absent one is all null.
Result<ColumnView> ViewColumn(const Field& field, const Batches& batches) {
  ColumnView view;
  view.field = &field;
  for (const auto& batch : batches) {
    std::shared_ptr<arrow::Array> array = batch->GetColumnByName(field.name);
    if (array == nullptr) array = std::make_shared<arrow::NullArray>(batch->num_rows());
    SIGNALDB_ASSIGN(array, Conform(field, field.name, std::move(array)));
    view.values.push_back(array->type_id() == arrow::Type::NA ? LeafValues{}
                                                              : LeafValues::Of(field.type, *array));
    view.arrays.push_back(std::move(array));
  }
  return view;
}

const Field* TopLevelField(const Schema& schema, std::int32_t id) {
  for (const Field& field : schema.fields) {
    if (field.id == id) return &field;
  }
  return nullptr;
}

// ---- Partitions ----

Literal LiteralAt(const LeafValues& values, std::int64_t row) {
  const std::int64_t entry = values.EntryOf(row);
  switch (values.physical) {
    case Physical::kBool:
      return Literal{arrow::bit_util::GetBit(values.data, values.bit_offset + entry)};
    case Physical::kInt32:
      return Literal{values.As<std::int32_t>()[entry]};
    case Physical::kInt64:
      return Literal{values.As<std::int64_t>()[entry]};
    case Physical::kFloat:
      return Literal{values.As<float>()[entry]};
    case Physical::kDouble:
      return Literal{values.As<double>()[entry]};
    case Physical::kBytes:
    case Physical::kFixed:
      return Literal{std::string(values.Bytes(entry))};
  }
  std::unreachable();
}

// Length of the time over which the transform surely does not change its value, aligned to the
// epoch; 0 if it may change with every value.
std::int64_t ConstantSpan(const Type& type, const Transform& transform) {
  const bool micros = type.id() == TypeId::kTimestamp || type.id() == TypeId::kTimestampTz;
  const bool nanos = type.id() == TypeId::kTimestampNs || type.id() == TypeId::kTimestampTzNs;
  if (!micros && !nanos) return 0;
  const std::int64_t hour = micros ? 3'600'000'000 : 3'600'000'000'000;
  switch (transform.kind) {
    case TransformKind::kHour:
      return hour;
    case TransformKind::kDay:
    case TransformKind::kMonth:
    case TransformKind::kYear:
      return 24 * hour;
    default:
      return 0;
  }
}

// Values of one partition field, row by row, remembering the last.
class FieldPartitioner {
 public:
  FieldPartitioner(Type type, Transform transform, ColumnView view)
      : type_(std::move(type)),
        transform_(std::move(transform)),
        view_(std::move(view)),
        span_(ConstantSpan(type_, transform_)) {}

  void Start(std::size_t batch) { batch_ = batch; }

  // True if the value may differ from that of the row looked at before.
  Result<bool> Advance(std::int64_t row) {
    const LeafValues& values = view_.values[batch_];
    const bool null = view_.IsNull(batch_, row);
    if (known_ && null && value_.is_null() && raw_null_) return false;
    if (!null && span_ > 0) {
      const std::int64_t raw = values.As<std::int64_t>()[row];
      if (known_ && !raw_null_ && raw >= from_ && raw < to_) return false;
      std::int64_t bucket = raw / span_;
      if (raw % span_ < 0) --bucket;
      from_ = bucket * span_;
      to_ = from_ + span_;
    }
    known_ = true;
    raw_null_ = null;
    Literal raw = null ? Literal{} : LiteralAt(values, row);
    if (span_ == 0 && raw == raw_ && applied_) return false;
    raw_ = std::move(raw);
    applied_ = true;
    SIGNALDB_ASSIGN(value_, transform_.Apply(type_, raw_));
    return true;
  }

  [[nodiscard]] const Literal& value() const { return value_; }
  // Tells values apart.
  [[nodiscard]] std::string Tag(const Type& result) const {
    return value_.is_null() ? std::string("n") : "v" + ToSingleValueBytes(result, value_);
  }

 private:
  Type type_;
  Transform transform_;
  ColumnView view_;
  std::int64_t span_;
  std::size_t batch_ = 0;
  bool known_ = false;
  bool applied_ = false;
  bool raw_null_ = false;
  std::int64_t from_ = 0;
  std::int64_t to_ = 0;
  Literal raw_;
  Literal value_;
};

class Partitioner {
 public:
  Status Prepare(const Schema& schema, const PartitionSpec& spec, const Batches& batches) {
    SIGNALDB_ASSIGN(types_, PartitionTypes(spec, schema));
    for (const PartitionField& field : spec.fields) {
      const Field* source = TopLevelField(schema, field.source_id);
      if (source == nullptr || !source->type.is_primitive()) {
        return Fail(ErrorKind::kInvalid,
                    fmt::format("rows cannot be partitioned by a column that is gone or nested "
                                "field={}",
                                field.name));
      }
      SIGNALDB_ASSIGN(ColumnView view, ViewColumn(*source, batches));
      fields_.emplace_back(source->type, field.transform, std::move(view));
    }
    return {};
  }

  Status Run(const Batches& batches, PartitionIds& ids) {
    std::uint32_t current = 0;
    bool first = true;
    ids.rows.resize(batches.size());
    for (std::size_t b = 0; b < batches.size(); ++b) {
      for (FieldPartitioner& field : fields_) field.Start(b);
      const std::int64_t rows = batches[b]->num_rows();
      ids.rows[b].resize(static_cast<std::size_t>(rows));
      for (std::int64_t row = 0; row < rows; ++row) {
        bool changed = first;
        for (FieldPartitioner& field : fields_) {
          SIGNALDB_ASSIGN(const bool moved, field.Advance(row));
          changed |= moved;
        }
        if (changed) current = IdOfCurrent(ids);
        first = false;
        ids.rows[b][static_cast<std::size_t>(row)] = current;
      }
    }
    if (ids.partitions.size() <= 1) ids.rows.clear();
    return {};
  }

 private:
  std::uint32_t IdOfCurrent(PartitionIds& ids) {
    std::vector<std::string> tag;
    for (std::size_t i = 0; i < fields_.size(); ++i) tag.push_back(fields_[i].Tag(types_[i]));
    const auto [it, added] =
        known_.try_emplace(std::move(tag), static_cast<std::uint32_t>(ids.partitions.size()));
    if (added) {
      PartitionValues values;
      for (const FieldPartitioner& field : fields_) values.push_back(field.value());
      ids.partitions.push_back(std::move(values));
    }
    return it->second;
  }

  std::vector<Type> types_;
  std::vector<FieldPartitioner> fields_;
  std::map<std::vector<std::string>, std::uint32_t> known_;
};

// ---- Sort keys ----

bool IsSortable(const Type& type) {
  switch (PhysicalOf(type)) {
    case Physical::kInt32:
    case Physical::kInt64:
      return type.is_primitive() && type.id() != TypeId::kDecimal;
    case Physical::kBytes:
      return true;
    default:
      return false;
  }
}

// A sort column as one number a row that orders as the column does, nulls included.
struct RankedColumn {
  std::uint64_t count = 0;  // Numbers are below this; 0: any 64-bit number.
  std::vector<std::vector<std::uint64_t>> rows;
};

// Texts are numbered in their order, over all batches. Entries of a dictionary are looked at once.
class TextRanker {
 public:
  explicit TextRanker(const ColumnView& view) : view_(view) {}

  RankedColumn Run(const SortField& order) {
    Collect();
    std::vector<std::pair<std::string_view, std::uint32_t>> sorted(seen_.begin(), seen_.end());
    std::ranges::sort(sorted);
    std::vector<std::uint64_t> rank(sorted.size());
    for (std::size_t i = 0; i < sorted.size(); ++i) {
      const std::size_t at = order.ascending ? i : sorted.size() - 1 - i;
      rank[sorted[i].second] = at + (order.nulls_first ? 1 : 0);
    }
    const std::uint64_t null_rank = order.nulls_first ? 0 : sorted.size();
    RankedColumn ranked{.count = sorted.size() + 1};
    for (std::size_t b = 0; b < ids_.size(); ++b)
      ranked.rows.push_back(RanksOf(b, rank, null_rank));
    return ranked;
  }

 private:
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};

  std::uint32_t IdOf(std::string_view text) {
    return seen_.try_emplace(text, static_cast<std::uint32_t>(seen_.size())).first->second;
  }

  // Ids by dictionary entry, or by row where there is no dictionary.
  void Collect() {
    for (std::size_t b = 0; b < view_.arrays.size(); ++b) {
      const LeafValues& values = view_.values[b];
      const std::int64_t rows = view_.arrays[b]->length();
      const bool dictionary = values.indices != nullptr;
      auto& ids = ids_.emplace_back(
          static_cast<std::size_t>(dictionary ? values.dictionary_size : rows), kNone);
      for (std::int64_t row = 0; row < rows; ++row) {
        if (view_.IsNull(b, row)) continue;
        const std::int64_t entry = values.EntryOf(row);
        std::uint32_t& id = ids[static_cast<std::size_t>(entry)];
        if (id == kNone) id = IdOf(values.Bytes(entry));
      }
    }
  }

  [[nodiscard]] std::vector<std::uint64_t> RanksOf(std::size_t b,
                                                   const std::vector<std::uint64_t>& rank,
                                                   std::uint64_t null_rank) const {
    std::vector<std::uint64_t> ranks(static_cast<std::size_t>(view_.arrays[b]->length()));
    for (std::size_t row = 0; row < ranks.size(); ++row) {
      const auto at = static_cast<std::int64_t>(row);
      if (view_.IsNull(b, at)) {
        ranks[row] = null_rank;
      } else {
        ranks[row] = rank[ids_[b][static_cast<std::size_t>(view_.values[b].EntryOf(at))]];
      }
    }
    return ranks;
  }

  const ColumnView& view_;
  std::unordered_map<std::string_view, std::uint32_t> seen_;
  std::vector<std::vector<std::uint32_t>> ids_;
};

// Integers keep their order as unsigned numbers. Nulls are told apart by RankNulls.
RankedColumn RankIntegers(const ColumnView& view, const SortField& order) {
  RankedColumn ranked;
  for (std::size_t b = 0; b < view.arrays.size(); ++b) {
    std::vector<std::uint64_t> ranks(static_cast<std::size_t>(view.arrays[b]->length()));
    const LeafValues& values = view.values[b];
    for (std::size_t row = 0; row < ranks.size(); ++row) {
      const auto at = static_cast<std::int64_t>(row);
      if (view.IsNull(b, at)) {
        ranks[row] = order.nulls_first ? 0 : std::numeric_limits<std::uint64_t>::max();
        continue;
      }
      const std::int64_t value = values.physical == Physical::kInt32
                                     ? values.As<std::int32_t>()[at]
                                     : values.As<std::int64_t>()[at];
      const std::uint64_t number = static_cast<std::uint64_t>(value) ^ kSignBit;
      ranks[row] = order.ascending ? number : ~number;
    }
    ranked.rows.push_back(std::move(ranks));
  }
  return ranked;
}

bool HasNulls(const ColumnView& view) {
  return std::ranges::any_of(view.arrays,
                             [](const auto& array) { return array->null_count() > 0; });
}

// Counts numbers from the smallest that there is: those of a cut, times above all, are close
// together, and then go into one word with their neighbours.
RankedColumn FromSmallest(RankedColumn column) {
  std::uint64_t least = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t most = 0;
  for (const auto& rows : column.rows) {
    for (const std::uint64_t number : rows) {
      least = std::min(least, number);
      most = std::max(most, number);
    }
  }
  if (least > most || most - least == std::numeric_limits<std::uint64_t>::max()) return column;
  column.count = most - least + 1;
  for (auto& rows : column.rows) {
    for (std::uint64_t& number : rows) number -= least;
  }
  return column;
}

// Null or not, as a key of its own in front of integers that have nulls.
RankedColumn RankNulls(const ColumnView& view, const SortField& order) {
  RankedColumn ranked{.count = 2};
  for (std::size_t b = 0; b < view.arrays.size(); ++b) {
    std::vector<std::uint64_t> ranks(static_cast<std::size_t>(view.arrays[b]->length()));
    for (std::size_t row = 0; row < ranks.size(); ++row) {
      const bool null = view.IsNull(b, static_cast<std::int64_t>(row));
      ranks[row] = null != order.nulls_first ? 1 : 0;
    }
    ranked.rows.push_back(std::move(ranks));
  }
  return ranked;
}

// Puts neighbouring small numbers into one word.
std::vector<RankedColumn> Combine(std::vector<RankedColumn> columns) {
  std::vector<RankedColumn> combined;
  for (RankedColumn& column : columns) {
    const bool fits =
        !combined.empty() && combined.back().count > 0 && column.count > 0 &&
        combined.back().count <= std::numeric_limits<std::uint64_t>::max() / column.count;
    if (!fits) {
      combined.push_back(std::move(column));
      continue;
    }
    RankedColumn& into = combined.back();
    for (std::size_t b = 0; b < into.rows.size(); ++b) {
      for (std::size_t row = 0; row < into.rows[b].size(); ++row) {
        into.rows[b][row] = into.rows[b][row] * column.count + column.rows[b][row];
      }
    }
    into.count *= column.count;
  }
  return combined;
}

SortKeys Interleave(const std::vector<RankedColumn>& columns, const Batches& batches) {
  SortKeys keys;
  keys.words = columns.size();
  for (std::size_t b = 0; b < batches.size(); ++b) {
    const auto rows = static_cast<std::size_t>(batches[b]->num_rows());
    std::vector<std::uint64_t>& words = keys.rows.emplace_back(rows * keys.words);
    for (std::size_t w = 0; w < keys.words; ++w) {
      for (std::size_t row = 0; row < rows; ++row) {
        words[row * keys.words + w] = columns[w].rows[b][row];
      }
    }
  }
  return keys;
}

}  // namespace

Result<PartitionIds> FindPartitions(const Schema& schema, const PartitionSpec& spec,
                                    const Batches& batches) {
  PartitionIds ids;
  if (spec.unpartitioned()) {
    ids.partitions.emplace_back();
    return ids;
  }
  Partitioner partitioner;
  SIGNALDB_TRY(partitioner.Prepare(schema, spec, batches));
  SIGNALDB_TRY(partitioner.Run(batches, ids));
  return ids;
}

Result<std::optional<SortKeys>> FindSortKeys(const Schema& schema, const SortOrder& order,
                                             const Batches& batches) {
  std::vector<RankedColumn> columns;
  for (const SortField& sort : order.fields) {
    const Field* field = TopLevelField(schema, sort.source_id);
    if (field == nullptr || sort.transform.kind != TransformKind::kIdentity ||
        !IsSortable(field->type)) {
      return std::optional<SortKeys>();
    }
    SIGNALDB_ASSIGN(const ColumnView view, ViewColumn(*field, batches));
    if (PhysicalOf(field->type) == Physical::kBytes) {
      columns.push_back(TextRanker(view).Run(sort));
    } else {
      if (HasNulls(view)) columns.push_back(RankNulls(view, sort));
      columns.push_back(RankIntegers(view, sort));
    }
  }
  if (columns.empty()) return std::optional<SortKeys>();
  for (RankedColumn& column : columns) {
    if (column.count == 0) column = FromSmallest(std::move(column));
  }
  return std::optional<SortKeys>(Interleave(Combine(std::move(columns)), batches));
}

}  // namespace signaldb
