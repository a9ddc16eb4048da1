#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "telemetry/attribute_columns.h"
#include "telemetry/columns.h"
#include "telemetry/signal.h"

namespace arrow {
class RecordBatch;
class Schema;
}  // namespace arrow

namespace signaldb {

/// What all records of a scope share.
struct ScopeValues {
  SharedAttributes attributes;
  std::string_view name;
  std::string_view version;
  std::string_view schema_url;
  std::uint32_t dropped_attributes = 0;
};

/// What all records of a resource share.
struct ResourceValues {
  SharedAttributes attributes;
  std::string_view service_name;
  std::string_view schema_url;
  std::uint32_t dropped_attributes = 0;
};

/// Puts finished columns where the table's decoded schema has them, by name.
class BatchAssembler {
 public:
  BatchAssembler(TableKind table, std::size_t rows);
  ~BatchAssembler();

  /// Every column of the table once; a wrong name is a broken invariant.
  template <typename Column>
  void Add(std::string_view name, Column& column) {
    const std::size_t at = IndexOf(name);
    Set(at, column.Release(TypeAt(at)));
  }
  [[nodiscard]] std::shared_ptr<arrow::RecordBatch> Finish();

 private:
  [[nodiscard]] std::size_t IndexOf(std::string_view name) const;
  [[nodiscard]] const ArrowType& TypeAt(std::size_t at) const;
  void Set(std::size_t at, ArrowData data);

  std::shared_ptr<arrow::Schema> schema_;
  std::size_t rows_;
  std::vector<ArrowData> columns_;
};

/// The rows of one table while they are decoded: the columns that every table has.
///
/// Columns that rows of a scope or resource share lag behind and are filled in runs when the scope
/// or resource ends: what they hold may stand after the records on the wire, and blocks are cheaper
/// than single values anyway.
///
/// Threads: confined to one decoder.
class Rows {
 public:
  explicit Rows(TableKind kind) : kind_(kind) {}
  virtual ~Rows() = default;
  Rows(const Rows&) = delete;
  Rows& operator=(const Rows&) = delete;

  [[nodiscard]] TableKind kind() const { return kind_; }
  [[nodiscard]] std::size_t size() const { return timestamp_.size(); }
  /// Rows whose scope and resource have not ended yet.
  [[nodiscard]] std::size_t open_in_scope() const { return size() - scope_name_.size(); }
  [[nodiscard]] std::size_t open_in_resource() const { return size() - service_name_.size(); }

  /// Fill the open rows.
  void EndScope(const ScopeValues& scope);
  void EndResource(const ResourceValues& resource);
  /// Keeps the first `rows` rows.
  void Truncate(std::size_t rows);

  /// The rows as a batch; nothing is left here.
  [[nodiscard]] std::shared_ptr<arrow::RecordBatch> Finish();

 protected:
  void PushTimestamp(std::int64_t micros) { timestamp_.Push(micros); }

  virtual void TruncateOwn(std::size_t rows) = 0;
  virtual void FinishOwn(BatchAssembler& batch) = 0;

 private:
  const TableKind kind_;
  FixedColumn<std::int64_t> timestamp_;
  DictionaryColumn service_name_;
  DictionaryColumn resource_schema_url_;
  SharedAttributesColumn resource_attributes_;
  FixedColumn<std::int64_t> resource_dropped_;
  DictionaryColumn scope_name_;
  DictionaryColumn scope_version_;
  DictionaryColumn scope_schema_url_;
  SharedAttributesColumn scope_attributes_;
  FixedColumn<std::int64_t> scope_dropped_;
};

/// A column of microseconds for times where 0 means none.
inline void PushMicrosOrNull(FixedColumn<std::int64_t>& column, std::int64_t stored_nanos) {
  if (stored_nanos == 0) return column.PushNull();
  column.Push(stored_nanos / 1000);
}

}  // namespace signaldb
