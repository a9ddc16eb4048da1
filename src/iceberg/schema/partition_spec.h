#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "iceberg/schema/literal.h"
#include "iceberg/schema/schema.h"
#include "iceberg/schema/type.h"
#include "signaldb/result.h"

namespace signaldb {

enum class TransformKind : std::uint8_t {
  kIdentity,
  kBucket,
  kTruncate,
  kYear,
  kMonth,
  kDay,
  kHour,
  kVoid,
  kUnknown
};

/// A partition or sort transform: "identity", "bucket[16]", "hour", ... Unknown ones are kept by
/// their text (readable, never writable).
struct Transform {
  TransformKind kind = TransformKind::kIdentity;
  std::int32_t parameter = 0;  ///< Buckets, or truncation width.
  std::string unknown_text;

  [[nodiscard]] static Transform FromText(std::string_view text);
  [[nodiscard]] std::string ToText() const;
  /// "day" gives date, as Java has it; void gives the source type; unknown gives kUnknown.
  /// Errors: kInvalid (the transform does not take this type).
  [[nodiscard]] Result<Type> ResultType(const Type& source) const;
  /// Applies to one value; null gives null, void always does. Errors: kInvalid (the transform is
  /// unknown or does not take this type; `value` is not of type `source`; the hour of a time some
  /// 245,000 years from 1970).
  [[nodiscard]] Result<Literal> Apply(const Type& source, const Literal& value) const;
  /// The value as partition folders show it ("2026-08-22-13" for hours, "null").
  [[nodiscard]] std::string ToHumanText(const Type& result, const Literal& value) const;

  friend bool operator==(const Transform&, const Transform&) = default;
};

/// Murmur3 x86 32 with seed 0 (specification, appendix B), of a non-null literal as buckets see it.
[[nodiscard]] std::int32_t BucketHash(const Type& source, const Literal& value);

struct PartitionField {
  std::int32_t source_id = 0;
  std::int32_t field_id = 0;  ///< 1000 and up.
  std::string name;
  Transform transform;

  friend bool operator==(const PartitionField&, const PartitionField&) = default;
};

struct PartitionSpec {
  std::int32_t spec_id = 0;
  std::vector<PartitionField> fields;

  [[nodiscard]] bool unpartitioned() const { return fields.empty(); }
  friend bool operator==(const PartitionSpec&, const PartitionSpec&) = default;
};

/// One value a partition field, in spec order.
using PartitionValues = std::vector<Literal>;

/// The result type of each partition field. A field whose source column is gone has type kUnknown.
/// So has one with an unknown transform. Errors: kInvalid (a transform that does not take its
/// column's type; names both).
[[nodiscard]] Result<std::vector<Type>> PartitionTypes(const PartitionSpec& spec,
                                                       const Schema& schema);

/// "timestamp_hour=2026-08-22-13/id_bucket=3", URL-encoded; empty if unpartitioned. `types` are
/// PartitionTypes' and `values` are of these types.
[[nodiscard]] std::string PartitionPath(const PartitionSpec& spec, const std::vector<Type>& types,
                                        const PartitionValues& values);

struct SortField {
  Transform transform;
  std::int32_t source_id = 0;
  bool ascending = true;
  bool nulls_first = true;

  friend bool operator==(const SortField&, const SortField&) = default;
};

struct SortOrder {
  std::int32_t order_id = 0;  ///< 0 is the unsorted order.
  std::vector<SortField> fields;

  friend bool operator==(const SortOrder&, const SortOrder&) = default;
};

}  // namespace signaldb
