#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "iceberg/schema/type.h"
#include "signaldb/result.h"

namespace arrow {
class Schema;
}

namespace signaldb {

/// A table's columns with their ids. A value; compared by content without the schema id.
struct Schema {
  std::int32_t schema_id = 0;
  std::vector<Field> fields;
  std::vector<std::int32_t> identifier_field_ids;

  /// The field with this id at any depth, or nullptr. Pointers live as long as this schema.
  [[nodiscard]] const Field* FindById(std::int32_t id) const;
  /// The top-level or nested field by its dotted name ("a.b", "map.key", "list.element"), or
  /// nullptr.
  [[nodiscard]] const Field* FindByName(std::string_view dotted) const;
  /// The dotted name of the field with this id; empty if there is none.
  [[nodiscard]] std::string NameOf(std::int32_t id) const;
  /// The highest id at any depth; 0 if empty.
  [[nodiscard]] std::int32_t HighestId() const;
};

/// True if the columns are the same, ids and identifier fields included.
[[nodiscard]] bool SameColumns(const Schema& a, const Schema& b);

/// The schema as Arrow and our Parquet files have it; every field, nested ones too, carries
/// `PARQUET:field_id`. uuid becomes Arrow's uuid extension type (so that Parquet says UUID),
/// unknown becomes null. Errors: kInvalid (a type we cannot write: variant, geometry, geography;
/// the message names the column).
[[nodiscard]] Result<std::shared_ptr<arrow::Schema>> ToArrowSchema(const Schema& schema);

/// The Iceberg schema of Arrow columns. Ids are taken from `PARQUET:field_id` if all fields have
/// one; if none has, they are assigned as Java does: level by level, from 1. Dictionaries count as
/// their value type, small and unsigned integers as the next larger one. Errors: kInvalid (a type
/// Iceberg has not, such as uint64 or time in nanoseconds; duplicate ids; ids on some columns only;
/// the message names the column).
[[nodiscard]] Result<Schema> FromArrowSchema(const arrow::Schema& schema);

}  // namespace signaldb
