#include "writer/row_partitions.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include <arrow/api.h>
#include <fmt/format.h>

namespace signaldb {

namespace {

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
    Literal raw = null ? Literal{} : view_.LiteralAt(batch_, row);
    if (span_ == 0 && raw == raw_ && applied_) return false;
    raw_ = std::move(raw);
    applied_ = true;
    SIGNALDB_ASSIGN(value_, transform_.Apply(type_, raw_));
    return true;
  }

  // The row at which the value may differ from that of `row`, which was looked at last.
  [[nodiscard]] std::int64_t SameUntil(std::int64_t row, std::int64_t rows) const {
    if (raw_null_ || span_ == 0 || view_.arrays[batch_]->null_count() > 0) return row + 1;
    const auto* raw = view_.values[batch_].As<std::int64_t>();
    do {
      ++row;
    } while (row < rows && raw[row] >= from_ && raw[row] < to_);
    return row;
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
      const Field* source = FindTopLevelField(schema, field.source_id);
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
    for (std::size_t b = 0; b < batches.size(); ++b) {
      for (FieldPartitioner& field : fields_) field.Start(b);
      const std::int64_t rows = batches[b]->num_rows();
      for (std::int64_t row = 0; row < rows;) {
        bool changed = first;
        std::int64_t end = rows;
        for (FieldPartitioner& field : fields_) {
          SIGNALDB_ASSIGN(const bool moved, field.Advance(row));
          changed |= moved;
          end = std::min(end, field.SameUntil(row, rows));
        }
        if (changed) current = IdOfCurrent(ids);
        first = false;
        if (current != 0) Enter(batches, b, row, end, current, ids);
        row = end;
      }
    }
    return {};
  }

 private:
  // Rows are in the first partition until they are entered in another.
  static void Enter(const Batches& batches, std::size_t batch, std::int64_t from, std::int64_t to,
                    std::uint32_t partition, PartitionIds& ids) {
    if (ids.rows.empty()) {
      for (const auto& each : batches) {
        ids.rows.emplace_back(static_cast<std::size_t>(each->num_rows()));
      }
    }
    std::fill(ids.rows[batch].begin() + from, ids.rows[batch].begin() + to, partition);
  }

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

}  // namespace signaldb
