#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "iceberg/manifest/manifest.h"
#include "iceberg/metadata/table_metadata.h"
#include "iceberg/scan/table_scan.h"
#include "iceberg/schema/literal.h"
#include "iceberg/schema/schema.h"
#include "signaldb/result.h"
#include "signaldb/row_filter.h"

namespace arrow {
class RecordBatch;
}

namespace signaldb {

/// What a condition may come to for the rows of a file; a set, one bit each.
using Outcomes = std::uint8_t;
inline constexpr Outcomes kMayBeTrue = 1;
inline constexpr Outcomes kMayBeFalse = 2;
inline constexpr Outcomes kMayBeUnknown = 4;

/// A RowFilter whose columns and values were found in a schema.
///
/// Lifetime: borrows nothing.
/// Threads:  thread-safe (immutable).
class BoundFilter {
 public:
  /// Errors: kInvalid (a column that is not there or not primitive, a value that is not of its
  /// type; names the column), nested more than 100 deep.
  [[nodiscard]] static Result<BoundFilter> Bind(const RowFilter& filter, const Schema& schema);

  /// Never leaves out what a row may come to: without kMayBeTrue no row of the file matches, with
  /// nothing but kMayBeTrue all do. By counts, bounds and identity partitions. `spec` is the
  /// file's; nullptr: not known.
  /// Errors: kCorrupt (a bound that is none of its column; names the file).
  [[nodiscard]] Result<Outcomes> OutcomesIn(const DataFile& file, const PartitionSpec* spec) const;

  /// One for each row: whether it matches. `rows` has the columns of the schema, in their order.
  [[nodiscard]] std::vector<bool> Matches(const arrow::RecordBatch& rows) const;

  /// Conditions that every matching row fulfils, for PlanFiles.
  [[nodiscard]] std::vector<Predicate> Necessary() const;

 private:
  BoundFilter() = default;
  [[nodiscard]] static Result<BoundFilter> BindPart(const RowFilter& filter, const Schema& schema,
                                                    int depth);
  [[nodiscard]] Result<Outcomes> OutcomesOfColumn(const DataFile& file,
                                                  const PartitionSpec* spec) const;
  [[nodiscard]] std::vector<Outcomes> Evaluate(const arrow::RecordBatch& rows) const;

  RowFilter::Kind kind_ = RowFilter::Kind::kAll;
  int column_ = 0;  // In the schema.
  std::shared_ptr<const Field> field_;
  std::vector<Literal> values_;
  std::vector<BoundFilter> parts_;
};

}  // namespace signaldb
