#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "signaldb/result.h"

namespace arrow {
class ArrayData;
class DataType;
class RecordBatch;
class Schema;
}  // namespace arrow

namespace signaldb {

/// Consecutive rows of one batch.
struct RowSpan {
  std::uint32_t batch = 0;
  std::int64_t start = 0;
  std::int64_t length = 0;

  friend bool operator==(const RowSpan&, const RowSpan&) = default;
};

/// One row of one batch.
struct RowPick {
  std::uint32_t batch = 0;
  std::uint32_t row = 0;

  friend bool operator==(const RowPick&, const RowPick&) = default;
};

/// Columns of rows that are known without a look at the rows, as these have them.
using KnownColumns = std::map<std::string, std::shared_ptr<arrow::ArrayData>>;

/// Puts rows of many batches together, span by span, a few block copies a column, or row by row.
/// Dictionaries are unified once, over all batches.
///
/// A column may be of Arrow's null type in some batches; one that is null in all rows comes out of
/// that type.
///
/// Fixed-width columns, booleans, strings, dictionary<int32, ...>, lists, maps and structs of these
/// are copied by own loops; columns with any other type inside go through arrow::Concatenate.
///
/// Lifetime: shares the batches. Threads: thread-safe (immutable after Make).
class RowGatherer {
 public:
  /// Errors: kInvalid (batches with different schemas), kUnavailable (memory).
  [[nodiscard]] static Result<RowGatherer> Make(
      std::vector<std::shared_ptr<arrow::RecordBatch>> batches);

  /// The rows of `spans`, in that order. One span alone is returned without a copy.
  /// Errors: kInvalid (a column of strings would exceed 2 GiB: take fewer rows), kUnavailable.
  [[nodiscard]] Result<std::shared_ptr<arrow::RecordBatch>> Gather(
      std::span<const RowSpan> spans) const;
  /// Columns in `known` are taken from there, by name.
  [[nodiscard]] Result<std::shared_ptr<arrow::RecordBatch>> Gather(
      std::span<const RowPick> picks, const KnownColumns& known = {}) const;

 private:
  // A column, or a child of one, over all batches.
  struct Node {
    enum class Kind : std::uint8_t {
      kNulls,  // Nothing else in any batch, as in optional columns that were left out.
      kFixed,
      kBool,
      kText,
      kDictionary,
      kList,
      kStruct,
      kOther,
    };
    Kind kind = Kind::kOther;
    std::shared_ptr<arrow::DataType> type;
    std::int64_t width = 0;                                  // kFixed: bytes.
    std::vector<std::shared_ptr<arrow::ArrayData>> sources;  // By batch.
    std::vector<const std::uint8_t*> values;  // By batch: first value, index or offset.
    bool nullable = false;                    // Any source has nulls.
    bool constant = false;                    // kFixed: every row has the same value.
    std::vector<Node> children;
    std::shared_ptr<arrow::ArrayData> dictionary;     // kDictionary: the unified one.
    std::vector<std::vector<std::int32_t>> renumber;  // By batch; empty: as it is.
  };
  struct Selection;

  [[nodiscard]] static Result<Node> MakeNode(
      std::vector<std::shared_ptr<arrow::ArrayData>> sources);
  [[nodiscard]] static Result<Node> Classify(
      std::vector<std::shared_ptr<arrow::ArrayData>> sources);
  static void PointAtValues(Node& node);
  [[nodiscard]] static bool IsConstant(const Node& node);
  static void Repeat(const Node& node, std::int64_t rows, std::uint8_t* to);
  [[nodiscard]] static Result<Node> MakeChild(const Node& parent, std::size_t child);
  [[nodiscard]] static Status UnifyDictionaries(Node& node);

  [[nodiscard]] Result<std::shared_ptr<arrow::RecordBatch>> GatherColumns(
      const Selection& rows, const KnownColumns& known) const;

  using Gathered = Result<std::shared_ptr<arrow::ArrayData>>;
  [[nodiscard]] static Gathered GatherNode(const Node& node, const Selection& rows);
  [[nodiscard]] static Gathered GatherFixed(const Node& node, const Selection& rows);
  [[nodiscard]] static Gathered GatherIndices(const Node& node, const Selection& rows);
  [[nodiscard]] static Gathered GatherText(const Node& node, const Selection& rows);
  [[nodiscard]] static Gathered GatherList(const Node& node, const Selection& rows);
  [[nodiscard]] static Gathered GatherStruct(const Node& node, const Selection& rows);
  [[nodiscard]] static Gathered MakeNulls(const Node& node, std::int64_t rows);
  [[nodiscard]] static Gathered GatherOther(const Node& node, const Selection& rows);

  std::vector<std::shared_ptr<arrow::RecordBatch>> batches_;
  std::shared_ptr<arrow::Schema> schema_;  // Of what is gathered.
  std::vector<Node> columns_;
};

}  // namespace signaldb
