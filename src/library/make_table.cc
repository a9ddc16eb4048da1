#include "library/make_table.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <arrow/api.h>
#include <fmt/format.h>

#include "iceberg/metadata/snapshot_expiry.h"
#include "iceberg/schema/partition_spec.h"
#include "iceberg/schema/schema.h"
#include "writer/table_files.h"

namespace signaldb {

namespace {

Result<std::int32_t> ColumnId(const Schema& schema, const std::string& column) {
  const Field* field = schema.FindByName(column);
  if (field != nullptr) {
    const bool top = std::ranges::find(schema.fields, field->id, &Field::id) != schema.fields.end();
    if (top && field->type.is_primitive()) return field->id;
    return Fail(ErrorKind::kInvalid,
                fmt::format("a table is divided and sorted by columns that are neither nested nor "
                            "inside others column={} type={}",
                            column, field->type.ToText()));
  }
  return Fail(
      ErrorKind::kInvalid,
      fmt::format("the table is to be divided or sorted by a column it has not column={}", column));
}

// As Iceberg's own writers name partition fields.
std::string PartitionFieldName(const TableOptions::PartitionField& field) {
  if (!field.name.empty()) return field.name;
  std::string transform = field.transform.substr(0, field.transform.find('['));
  if (transform == "identity") return field.column;
  if (transform == "truncate") transform = "trunc";
  return field.column + "_" + transform;
}

// Every commit writes the table's metadata anew, so a history without bounds makes each dearer than
// the one before. Whoever wants files to stay, or says how history is to be kept, is left to it.
void BoundHistory(Properties& properties) {
  const auto says = [&](std::string_view key, std::string_view value) {
    const auto found = properties.find(key);
    return found != properties.end() && found->second == value;
  };
  if (says("gc.enabled", "false")) return;
  properties.emplace("write.metadata.delete-after-commit.enabled", "true");
  properties.emplace("write.metadata.previous-versions-max", "20");
  properties.emplace(kExpireOnCommitProperty, "true");
  if (!says(kExpireOnCommitProperty, "true")) return;
  properties.emplace(kMaxSnapshotsProperty, "100");
}

// What no file could be written for is refused before there is a table.
Status CheckCanBeWritten(NewTable table) {
  table.table_uuid = "00000000-0000-4000-8000-000000000000";
  table.now_ms = 1;
  SIGNALDB_ASSIGN(const TableMetadata metadata, MakeTableMetadata(std::move(table)));
  SIGNALDB_TRY(CheckTableCanBeWritten(metadata));
  return {};
}

}  // namespace

Result<NewTable> MakeTable(const TableOptions& options, const std::string& location) {
  if (options.schema == nullptr) return Fail(ErrorKind::kInvalid, "a new table needs a schema");
  NewTable table;
  table.location = location;
  SIGNALDB_ASSIGN(table.schema, FromArrowSchema(*options.schema));
  for (const TableOptions::PartitionField& field : options.partition_by) {
    SIGNALDB_ASSIGN(const std::int32_t id, ColumnId(table.schema, field.column));
    table.spec.fields.push_back({.source_id = id,
                                 .field_id = 0,
                                 .name = PartitionFieldName(field),
                                 .transform = Transform::FromText(field.transform)});
  }
  for (const TableOptions::SortField& field : options.sort_by) {
    SIGNALDB_ASSIGN(const std::int32_t id, ColumnId(table.schema, field.column));
    table.sort_order.fields.push_back({.transform = {},
                                       .source_id = id,
                                       .ascending = field.ascending,
                                       .nulls_first = field.nulls_first});
  }
  table.properties.insert(options.properties.begin(), options.properties.end());
  // Said in the table, as Java does: programs differ in what they take for granted.
  if (table.properties.emplace("write.parquet.compression-codec", "zstd").second) {
    table.properties.emplace("write.parquet.compression-level", "1");
  }
  BoundHistory(table.properties);
  SIGNALDB_TRY(CheckCanBeWritten(table));
  return table;
}

Result<std::string> FreeLocation(FileIo& io, Random& random, const std::string& location) {
  SIGNALDB_ASSIGN(const std::vector<std::string> there, io.List(location + "/metadata"));
  if (there.empty()) return location;
  return fmt::format("{}-{:016x}", location, random.Next());
}

}  // namespace signaldb
