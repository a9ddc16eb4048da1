#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace signaldb {

/// A condition on rows, as of SQL's WHERE: a row matches if the condition is true, not if it is
/// unknown because a value is null.
///
///   RowFilter::And(RowFilter::GreaterOrEqual("time", std::int64_t{1'790'000'000'000'000}),
///                  RowFilter::Not(RowFilter::In("service", {"api", "web"})))
///
/// Columns are top-level ones of primitive types. Values by the type of the column:
///   boolean                bool
///   int, long              std::int64_t
///   date                   std::int64_t, days since 1970
///   time, timestamps       std::int64_t, micro- or nanoseconds as the column has them
///   float, double          double or std::int64_t; comparisons with NaN are false
///   decimal                std::string, "-12.50", or a whole number as std::int64_t; no more
///   digits
///                          than the column has
///   string                 std::string, compared by bytes
///   fixed, binary, uuid    std::string, raw bytes; 16 of a uuid
///   unknown                none: its rows are all null
/// Columns of the types variant, geometry and geography cannot be filtered.
///
/// A value. Threads: thread-compatible.
class RowFilter {
 public:
  using Value = std::variant<bool, std::int64_t, double, std::string>;
  enum class Kind : std::uint8_t {
    kAll,
    kEqual,
    kLess,
    kLessOrEqual,
    kGreater,
    kGreaterOrEqual,
    kIsNull,
    kIn,
    kAnd,
    kOr,
    kNot
  };

  /// Every row.
  [[nodiscard]] static RowFilter All() { return RowFilter(Kind::kAll); }
  [[nodiscard]] static RowFilter Equal(std::string column, Value value) {
    return Compared(Kind::kEqual, std::move(column), std::move(value));
  }
  [[nodiscard]] static RowFilter NotEqual(std::string column, Value value) {
    return Not(Equal(std::move(column), std::move(value)));
  }
  [[nodiscard]] static RowFilter Less(std::string column, Value value) {
    return Compared(Kind::kLess, std::move(column), std::move(value));
  }
  [[nodiscard]] static RowFilter LessOrEqual(std::string column, Value value) {
    return Compared(Kind::kLessOrEqual, std::move(column), std::move(value));
  }
  [[nodiscard]] static RowFilter Greater(std::string column, Value value) {
    return Compared(Kind::kGreater, std::move(column), std::move(value));
  }
  [[nodiscard]] static RowFilter GreaterOrEqual(std::string column, Value value) {
    return Compared(Kind::kGreaterOrEqual, std::move(column), std::move(value));
  }
  [[nodiscard]] static RowFilter IsNull(std::string column) {
    RowFilter filter(Kind::kIsNull);
    filter.column_ = std::move(column);
    return filter;
  }
  /// No value: no row.
  [[nodiscard]] static RowFilter In(std::string column, std::vector<Value> values) {
    RowFilter filter(Kind::kIn);
    filter.column_ = std::move(column);
    filter.values_ = std::move(values);
    return filter;
  }
  [[nodiscard]] static RowFilter And(RowFilter left, RowFilter right) {
    return Joined(Kind::kAnd, std::move(left), std::move(right));
  }
  [[nodiscard]] static RowFilter Or(RowFilter left, RowFilter right) {
    return Joined(Kind::kOr, std::move(left), std::move(right));
  }
  [[nodiscard]] static RowFilter Not(RowFilter part) {
    RowFilter filter(Kind::kNot);
    filter.parts_.push_back(std::move(part));
    return filter;
  }

  [[nodiscard]] Kind kind() const { return kind_; }
  /// Empty for kAll, kAnd, kOr, kNot.
  [[nodiscard]] const std::string& column() const { return column_; }
  /// One for comparisons, any number for kIn, else none.
  [[nodiscard]] const std::vector<Value>& values() const { return values_; }
  /// Two for kAnd and kOr, one for kNot, else none.
  [[nodiscard]] const std::vector<RowFilter>& parts() const { return parts_; }

 private:
  explicit RowFilter(Kind kind) : kind_(kind) {}
  static RowFilter Compared(Kind kind, std::string column, Value value) {
    RowFilter filter(kind);
    filter.column_ = std::move(column);
    filter.values_.push_back(std::move(value));
    return filter;
  }
  static RowFilter Joined(Kind kind, RowFilter left, RowFilter right) {
    RowFilter filter(kind);
    filter.parts_.push_back(std::move(left));
    filter.parts_.push_back(std::move(right));
    return filter;
  }

  Kind kind_;
  std::string column_;
  std::vector<Value> values_;
  std::vector<RowFilter> parts_;
};

}  // namespace signaldb
