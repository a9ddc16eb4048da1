#include "iceberg/scan/bound_filter.h"

#include <algorithm>
#include <cmath>
#include <compare>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>

#include <arrow/api.h>
#include <arrow/util/decimal.h>
#include <fmt/format.h>

#include "iceberg/schema/decimal_bytes.h"

namespace signaldb {

namespace {

using Kind = RowFilter::Kind;

constexpr int kDepthMax = 100;

std::unexpected<Error> Misfit(const Field& field) {
  return Fail(ErrorKind::kInvalid,
              fmt::format("a filter's value does not fit its column column={} type={}", field.name,
                          field.type.ToText()));
}

std::unexpected<Error> CannotFilter(const Field& field) {
  return Fail(ErrorKind::kInvalid,
              fmt::format("columns of this type cannot be filtered column={} type={}", field.name,
                          field.type.ToText()));
}

Int128 AsInt128(const arrow::Decimal128& value) {
  return (static_cast<Int128>(value.high_bits()) << 64) | static_cast<Int128>(value.low_bits());
}

/// Whole numbers, and text as people write decimals; null if the column cannot hold the number.
Literal DecimalOf(const Type& type, const RowFilter::Value& value) {
  arrow::Decimal128 number;
  std::int32_t scale = 0;
  if (const auto* const whole = std::get_if<std::int64_t>(&value)) {
    number = arrow::Decimal128(*whole);
  } else if (const auto* const text = std::get_if<std::string>(&value)) {
    std::int32_t precision = 0;
    if (!arrow::Decimal128::FromString(*text, &number, &precision, &scale).ok()) return {};
  } else {
    return {};
  }
  const auto scaled = number.Rescale(scale, type.scale());
  if (!scaled.ok() || !scaled->FitsInPrecision(type.precision())) return {};
  return {DecimalToBytes(AsInt128(*scaled))};
}

/// Nor are their rows read, not even to see which are null.
bool CanBeRead(const Type& type) {
  return type.id() != TypeId::kVariant && type.id() != TypeId::kGeometry &&
         type.id() != TypeId::kGeography;
}

bool IsFloating(const Type& type) {
  return type.id() == TypeId::kFloat || type.id() == TypeId::kDouble;
}

/// Values for floats stay doubles, since 0.1 as a float is another number.
Result<Literal> BindValue(const Field& field, const RowFilter::Value& value) {
  const auto* const number = std::get_if<std::int64_t>(&value);
  Literal literal;
  switch (field.type.id()) {
    case TypeId::kBoolean:
      if (const auto* b = std::get_if<bool>(&value)) literal.value = *b;
      break;
    case TypeId::kInt:
    case TypeId::kDate:
      if (number != nullptr && std::in_range<std::int32_t>(*number)) {
        literal.value = static_cast<std::int32_t>(*number);
      }
      break;
    case TypeId::kFloat:
    case TypeId::kDouble:
      if (number != nullptr) literal.value = static_cast<double>(*number);
      if (const auto* d = std::get_if<double>(&value)) literal.value = *d;
      break;
    case TypeId::kLong:
    case TypeId::kTime:
    case TypeId::kTimestamp:
    case TypeId::kTimestampTz:
    case TypeId::kTimestampNs:
    case TypeId::kTimestampTzNs:
      if (number != nullptr) literal.value = *number;
      break;
    case TypeId::kString:
    case TypeId::kBinary:
    case TypeId::kFixed:
    case TypeId::kUuid:
      if (const auto* text = std::get_if<std::string>(&value)) literal.value = *text;
      break;
    case TypeId::kDecimal:
      literal = DecimalOf(field.type, value);
      break;
    default:
      return CannotFilter(field);
  }
  if (literal.is_null()) return Misfit(field);
  if (!IsFloating(field.type) && !IsLiteralOf(field.type, literal)) return Misfit(field);
  return literal;
}

std::partial_ordering Order(const Type& type, const Literal& a, const Literal& b) {
  if (IsFloating(type)) return std::get<double>(a.value) <=> std::get<double>(b.value);
  return Compare(type, a, b);
}

/// The values of a column that are neither null nor NaN; no limit where nothing is known.
struct Range {
  std::optional<Literal> lower;
  std::optional<Literal> upper;
};

Outcomes OutcomesOf(const Type& type, const Range& range, Kind kind, const Literal& value) {
  using std::partial_ordering;
  const auto unknown = partial_ordering::unordered;
  const partial_ordering lower = range.lower ? Order(type, *range.lower, value) : unknown;
  const partial_ordering upper = range.upper ? Order(type, *range.upper, value) : unknown;
  // Whether some value may stand so to the filter's. Without a bound, or with NaN: yes.
  const bool may_be_less = !(lower >= 0);
  const bool may_be_greater = !(upper <= 0);
  const bool may_be_equal = !(lower > 0) && !(upper < 0);
  const auto outcomes = [](bool may_be_true, bool may_be_false) {
    return static_cast<Outcomes>((may_be_true ? kMayBeTrue : 0) | (may_be_false ? kMayBeFalse : 0));
  };
  switch (kind) {
    case Kind::kEqual:
      return outcomes(may_be_equal, may_be_less || may_be_greater);
    case Kind::kLess:
      return outcomes(may_be_less, may_be_equal || may_be_greater);
    case Kind::kLessOrEqual:
      return outcomes(may_be_less || may_be_equal, may_be_greater);
    case Kind::kGreater:
      return outcomes(may_be_greater, may_be_equal || may_be_less);
    default:
      return outcomes(may_be_greater || may_be_equal, may_be_less);
  }
}

bool Holds(Kind kind, std::partial_ordering order) {
  switch (kind) {
    case Kind::kEqual:
      return order == 0;
    case Kind::kLess:
      return order < 0;
    case Kind::kLessOrEqual:
      return order <= 0;
    case Kind::kGreater:
      return order > 0;
    default:
      return order >= 0;
  }
}

Outcomes Not(Outcomes part) {
  return static_cast<Outcomes>((part & kMayBeUnknown) | ((part & kMayBeTrue) ? kMayBeFalse : 0) |
                               ((part & kMayBeFalse) ? kMayBeTrue : 0));
}

/// Every pair of what both sides may come to, as if they had nothing to do with each other.
Outcomes And(Outcomes a, Outcomes b) {
  Outcomes both = 0;
  if ((a & kMayBeTrue) && (b & kMayBeTrue)) both |= kMayBeTrue;
  if (((a & kMayBeFalse) && b != 0) || ((b & kMayBeFalse) && a != 0)) both |= kMayBeFalse;
  const auto not_false = static_cast<Outcomes>(kMayBeTrue | kMayBeUnknown);
  if (((a & kMayBeUnknown) && (b & not_false)) || ((b & kMayBeUnknown) && (a & not_false))) {
    both |= kMayBeUnknown;
  }
  return both;
}

Outcomes Or(Outcomes a, Outcomes b) { return Not(And(Not(a), Not(b))); }

template <typename Map>
auto Find(const Map& map, std::int32_t id) -> std::optional<typename Map::mapped_type> {
  const auto found = map.find(id);
  if (found == map.end()) return std::nullopt;
  return found->second;
}

Result<std::optional<Literal>> BoundOf(const Field& field, const DataFile& file,
                                       const std::map<std::int32_t, std::string>& bounds) {
  const std::optional<std::string> bytes = Find(bounds, field.id);
  if (!bytes.has_value()) return std::optional<Literal>();
  Result<Literal> bound = FromSingleValueBytes(field.type, *bytes);
  if (!bound.has_value()) {
    return Fail(ErrorKind::kCorrupt, fmt::format("{} column={} file={}", bound.error().message,
                                                 field.name, file.file_path));
  }
  if (const auto* f = std::get_if<float>(&bound->value)) bound->value = static_cast<double>(*f);
  return std::optional<Literal>(*std::move(bound));
}

/// The one value of all rows, if the file is partitioned by the column itself.
const Literal* PartitionValueOf(const Field& field, const DataFile& file,
                                const PartitionSpec* spec) {
  if (spec == nullptr || spec->fields.size() != file.partition.size()) return nullptr;
  for (std::size_t i = 0; i < spec->fields.size(); ++i) {
    if (spec->fields[i].source_id != field.id ||
        spec->fields[i].transform.kind != TransformKind::kIdentity || IsFloating(field.type)) {
      continue;
    }
    const Literal& value = file.partition[i];
    if (value.is_null() || IsLiteralOf(field.type, value)) return &value;
  }
  return nullptr;
}

/// Gives `each` the row's number and how its value stands to each of `values`, as `get` has it.
template <typename Get>
std::vector<Outcomes> CompareRows(const arrow::Array& array, Kind kind,
                                  const std::vector<Literal>& values, Get get) {
  std::vector<Outcomes> outcomes(static_cast<std::size_t>(array.length()), kMayBeUnknown);
  for (std::int64_t row = 0; row < array.length(); ++row) {
    if (array.IsNull(row)) continue;
    const bool holds = std::ranges::any_of(values, [&](const Literal& value) {
      return Holds(kind == Kind::kIn ? Kind::kEqual : kind, get(row, value));
    });
    outcomes[static_cast<std::size_t>(row)] = holds ? kMayBeTrue : kMayBeFalse;
  }
  return outcomes;
}

template <typename Stored, typename Wanted>
std::vector<Outcomes> CompareNumbers(const arrow::Array& array, Kind kind,
                                     const std::vector<Literal>& values) {
  const Stored* const stored = array.data()->GetValues<Stored>(1);
  return CompareRows(array, kind, values,
                     [&](std::int64_t row, const Literal& value) -> std::partial_ordering {
                       return static_cast<Wanted>(stored[row]) <=> std::get<Wanted>(value.value);
                     });
}

template <typename Array>
std::vector<Outcomes> CompareTexts(const arrow::Array& array, Kind kind,
                                   const std::vector<Literal>& values) {
  const auto& texts = static_cast<const Array&>(array);
  return CompareRows(
      array, kind, values, [&](std::int64_t row, const Literal& value) -> std::partial_ordering {
        // char_traits compares unsigned, as Iceberg does.
        return texts.GetView(row) <=> std::string_view(std::get<std::string>(value.value));
      });
}

std::vector<Outcomes> CompareDecimals(const arrow::Array& array, Kind kind,
                                      const std::vector<Literal>& values) {
  const auto& decimals = static_cast<const arrow::Decimal128Array&>(array);
  return CompareRows(
      array, kind, values, [&](std::int64_t row, const Literal& value) -> std::partial_ordering {
        const Int128 stored = AsInt128(arrow::Decimal128(decimals.GetValue(row)));
        const Int128 wanted = *DecimalFromBytes(std::get<std::string>(value.value));
        if (stored == wanted) return std::partial_ordering::equivalent;
        return stored < wanted ? std::partial_ordering::less : std::partial_ordering::greater;
      });
}

std::vector<Outcomes> CompareColumn(const Type& type, const arrow::Array& array, Kind kind,
                                    const std::vector<Literal>& values) {
  switch (type.id()) {
    case TypeId::kBoolean:
      return CompareRows(array, kind, values,
                         [&](std::int64_t row, const Literal& value) -> std::partial_ordering {
                           return static_cast<const arrow::BooleanArray&>(array).Value(row) <=>
                                  std::get<bool>(value.value);
                         });
    case TypeId::kInt:
    case TypeId::kDate:
      return CompareNumbers<std::int32_t, std::int32_t>(array, kind, values);
    case TypeId::kFloat:
      return CompareNumbers<float, double>(array, kind, values);
    case TypeId::kDouble:
      return CompareNumbers<double, double>(array, kind, values);
    case TypeId::kString:
    case TypeId::kBinary:
      return CompareTexts<arrow::BinaryArray>(array, kind, values);
    case TypeId::kFixed:
      return CompareTexts<arrow::FixedSizeBinaryArray>(array, kind, values);
    case TypeId::kDecimal:
      return CompareDecimals(array, kind, values);
    case TypeId::kUuid:
      return CompareTexts<arrow::FixedSizeBinaryArray>(
          *static_cast<const arrow::ExtensionArray&>(array).storage(), kind, values);
    default:
      return CompareNumbers<std::int64_t, std::int64_t>(array, kind, values);
  }
}

std::optional<Predicate::Op> OpOf(Kind kind) {
  switch (kind) {
    case Kind::kEqual:
      return Predicate::Op::kEqual;
    case Kind::kLess:
      return Predicate::Op::kLess;
    case Kind::kLessOrEqual:
      return Predicate::Op::kLessOrEqual;
    case Kind::kGreater:
      return Predicate::Op::kGreater;
    case Kind::kGreaterOrEqual:
      return Predicate::Op::kGreaterOrEqual;
    default:
      return std::nullopt;
  }
}

}  // namespace

Result<BoundFilter> BoundFilter::BindPart(const RowFilter& filter, const Schema& schema,
                                          int depth) {
  if (depth > kDepthMax) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("a filter is nested too deeply depth_max={}", kDepthMax));
  }
  BoundFilter bound;
  bound.kind_ = filter.kind();
  for (const RowFilter& part : filter.parts()) {
    SIGNALDB_ASSIGN(BoundFilter one, BindPart(part, schema, depth + 1));
    bound.parts_.push_back(std::move(one));
  }
  if (filter.column().empty() && filter.values().empty() &&
      (filter.kind() == Kind::kAll || !filter.parts().empty())) {
    return bound;
  }
  const auto field = std::ranges::find(schema.fields, filter.column(), &Field::name);
  if (field == schema.fields.end() || !field->type.is_primitive()) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("a filter needs a top-level column of a primitive type column={}",
                            filter.column()));
  }
  if (!CanBeRead(field->type)) return CannotFilter(*field);
  bound.column_ = static_cast<int>(field - schema.fields.begin());
  bound.field_ = std::make_shared<const Field>(*field);
  for (const RowFilter::Value& value : filter.values()) {
    SIGNALDB_ASSIGN(Literal literal, BindValue(*field, value));
    bound.values_.push_back(std::move(literal));
  }
  return bound;
}

Result<BoundFilter> BoundFilter::Bind(const RowFilter& filter, const Schema& schema) {
  return BindPart(filter, schema, 0);
}

Result<Outcomes> BoundFilter::OutcomesOfColumn(const DataFile& file,
                                               const PartitionSpec* spec) const {
  const Field& field = *field_;
  const std::optional<std::int64_t> nulls = Find(file.null_value_counts, field.id);
  bool may_be_null = !field.required && nulls.value_or(1) > 0;
  bool may_be_value = !nulls.has_value() || *nulls < file.record_count;
  Range range;
  SIGNALDB_ASSIGN(range.lower, BoundOf(field, file, file.lower_bounds));
  SIGNALDB_ASSIGN(range.upper, BoundOf(field, file, file.upper_bounds));
  if (const Literal* const all = PartitionValueOf(field, file, spec); all != nullptr) {
    may_be_null = all->is_null();
    may_be_value = !all->is_null();
    if (may_be_value) range = {.lower = *all, .upper = *all};
  }
  if (kind_ == Kind::kIsNull) {
    return static_cast<Outcomes>((may_be_null ? kMayBeTrue : 0) | (may_be_value ? kMayBeFalse : 0));
  }
  Outcomes outcomes = may_be_null ? kMayBeUnknown : Outcomes{0};
  if (!may_be_value) return outcomes;
  // Bounds say nothing of NaN, and no comparison with it is true.
  if (IsFloating(field.type) && Find(file.nan_value_counts, field.id).value_or(1) > 0) {
    outcomes |= kMayBeFalse;
  }
  Outcomes of_values = kMayBeFalse;  // Of no value: false.
  for (const Literal& value : values_) {
    const Outcomes one =
        OutcomesOf(field.type, range, kind_ == Kind::kIn ? Kind::kEqual : kind_, value);
    of_values = Or(of_values, one);
  }
  return static_cast<Outcomes>(outcomes | of_values);
}

Result<Outcomes> BoundFilter::OutcomesIn(const DataFile& file, const PartitionSpec* spec) const {
  switch (kind_) {
    case Kind::kAll:
      return Outcomes{kMayBeTrue};
    case Kind::kAnd:
    case Kind::kOr: {
      SIGNALDB_ASSIGN(const Outcomes left, parts_[0].OutcomesIn(file, spec));
      SIGNALDB_ASSIGN(const Outcomes right, parts_[1].OutcomesIn(file, spec));
      return kind_ == Kind::kAnd ? And(left, right) : Or(left, right);
    }
    case Kind::kNot: {
      SIGNALDB_ASSIGN(const Outcomes part, parts_[0].OutcomesIn(file, spec));
      return Not(part);
    }
    default:
      return OutcomesOfColumn(file, spec);
  }
}

std::vector<Outcomes> BoundFilter::Evaluate(const arrow::RecordBatch& rows) const {
  const auto count = static_cast<std::size_t>(rows.num_rows());
  if (kind_ == Kind::kAll) return std::vector<Outcomes>(count, kMayBeTrue);
  if (!parts_.empty()) {
    std::vector<Outcomes> outcomes = parts_[0].Evaluate(rows);
    if (kind_ == Kind::kNot) {
      for (Outcomes& one : outcomes) one = Not(one);
      return outcomes;
    }
    const std::vector<Outcomes> others = parts_[1].Evaluate(rows);
    for (std::size_t i = 0; i < count; ++i) {
      outcomes[i] = kind_ == Kind::kAnd ? And(outcomes[i], others[i]) : Or(outcomes[i], others[i]);
    }
    return outcomes;
  }
  const arrow::Array& array = *rows.column(column_);
  if (kind_ != Kind::kIsNull) return CompareColumn(field_->type, array, kind_, values_);
  std::vector<Outcomes> outcomes(count);
  for (std::size_t i = 0; i < count; ++i) {
    outcomes[i] = array.IsNull(static_cast<std::int64_t>(i)) ? kMayBeTrue : kMayBeFalse;
  }
  return outcomes;
}

std::vector<bool> BoundFilter::Matches(const arrow::RecordBatch& rows) const {
  const std::vector<Outcomes> outcomes = Evaluate(rows);
  std::vector<bool> matches(outcomes.size());
  for (std::size_t i = 0; i < outcomes.size(); ++i) matches[i] = outcomes[i] == kMayBeTrue;
  return matches;
}

std::vector<Predicate> BoundFilter::Necessary() const {
  std::vector<Predicate> all;
  if (kind_ == Kind::kAnd) {
    for (const BoundFilter& part : parts_)
      std::ranges::move(part.Necessary(), std::back_inserter(all));
  }
  const std::optional<Predicate::Op> op = OpOf(kind_);
  // The planner takes floats by their order of bits, which knows two zeros.
  if (op.has_value() && !IsFloating(field_->type)) {
    all.push_back({.column = field_->name, .op = *op, .literal = values_.front()});
  }
  return all;
}

}  // namespace signaldb
