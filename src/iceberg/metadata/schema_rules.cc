#include "iceberg/metadata/schema_rules.h"

#include <algorithm>
#include <set>
#include <string>

#include <fmt/format.h>

#include "iceberg/metadata/metadata_properties.h"
#include "iceberg/metadata/table_metadata.h"

namespace signaldb {
namespace {

// Ids above are those of metadata columns such as _file and _row_id.
constexpr std::int32_t kFieldIdMax = 2'147'483'447;
constexpr int kTypeDepthMax = 32;

std::unexpected<Error> Refuse(std::string_view why, std::string_view column) {
  return Fail(ErrorKind::kInvalid, fmt::format("{} column={}", why, column));
}

std::string Join(const std::string& path, const std::string& name) {
  return path.empty() ? name : path + "." + name;
}

bool NeedsVersion3(TypeId id) {
  return id == TypeId::kTimestampNs || id == TypeId::kTimestampTzNs || id == TypeId::kUnknown ||
         id == TypeId::kVariant || id == TypeId::kGeometry || id == TypeId::kGeography;
}

struct FieldChecks {
  std::int32_t format_version;
  std::set<std::int32_t> ids{};
};

Status CheckFields(const std::vector<Field>& fields, const std::string& path, int depth,
                   FieldChecks& checks) {
  if (depth > kTypeDepthMax) return Refuse("column is nested too deeply", path);
  std::set<std::string_view> names;
  for (const Field& field : fields) {
    const std::string name = Join(path, field.name);
    SIGNALDB_TRY(CheckUtf8(field.name, "a column's name"));
    SIGNALDB_TRY(CheckUtf8(field.doc.value_or(""), name));
    if (field.name.empty()) return Refuse("column has no name", name);
    if (!names.insert(field.name).second) return Refuse("two columns have the same name", name);
    if (field.id < 1 || field.id > kFieldIdMax) {
      return Refuse(fmt::format("column id is out of range id={}", field.id), name);
    }
    if (!checks.ids.insert(field.id).second) {
      return Refuse(fmt::format("two columns have the same id id={}", field.id), name);
    }
    if (checks.format_version < 3 &&
        (NeedsVersion3(field.type.id()) || field.initial_default || field.write_default)) {
      return Refuse(fmt::format("column needs format version 3 type={}", field.type.ToText()),
                    name);
    }
    SIGNALDB_TRY(CheckFields(field.type.fields(), name, depth + 1, checks));
  }
  return {};
}

Status CheckIdentifiers(const Schema& schema) {
  for (const std::int32_t id : schema.identifier_field_ids) {
    const Field* field = schema.FindById(id);
    if (field == nullptr) return Refuse("identifier is not a column", fmt::to_string(id));
    const TypeId type = field->type.id();
    if (!field->required || !field->type.is_primitive() || type == TypeId::kFloat ||
        type == TypeId::kDouble) {
      return Refuse("identifiers must be required and neither nested nor floating",
                    schema.NameOf(id));
    }
  }
  return {};
}

bool Widens(const Type& from, const Type& to) {
  if (from.id() == TypeId::kInt) return to.id() == TypeId::kLong;
  if (from.id() == TypeId::kFloat) return to.id() == TypeId::kDouble;
  return from.id() == TypeId::kDecimal && to.id() == TypeId::kDecimal &&
         from.scale() == to.scale() && from.precision() <= to.precision();
}

// Compares the schema in force with the one to come, level by level, fields by id.
class Evolution {
 public:
  Evolution(const Schema& before, std::int32_t last_column_id)
      : before_(before), last_column_id_(last_column_id) {}

  [[nodiscard]] Status CheckLevel(const std::vector<Field>& before, const std::vector<Field>& after,
                                  const std::string& path) const {
    for (const Field& old : before) {
      if (std::ranges::find(after, old.id, &Field::id) == after.end()) {
        return Refuse("columns cannot be removed", Join(path, old.name));
      }
    }
    for (const Field& field : after) {
      const auto old = std::ranges::find(before, field.id, &Field::id);
      const std::string name = Join(path, field.name);
      if (old == before.end()) {
        SIGNALDB_TRY(CheckNew(field, name));
      } else {
        SIGNALDB_TRY(CheckChanged(*old, field, name));
      }
    }
    return {};
  }

 private:
  [[nodiscard]] Status CheckNew(const Field& field, const std::string& name) const {
    if (before_.FindById(field.id) != nullptr) {
      return Refuse("columns cannot move into or out of others", name);
    }
    if (field.id <= last_column_id_) {
      return Refuse(fmt::format("column id was used before, take one above {} id={}",
                                last_column_id_, field.id),
                    name);
    }
    // Old rows have no value for it. (The fields inside a new struct are its own affair.)
    if (field.required) return Refuse("new columns must be optional", name);
    return CheckNewChildren(field.type, name);
  }

  [[nodiscard]] Status CheckNewChildren(const Type& type, const std::string& path) const {
    for (const Field& child : type.fields()) {
      const std::string name = Join(path, child.name);
      if (child.id <= last_column_id_) {
        return Refuse(fmt::format("column id was used before, take one above {} id={}",
                                  last_column_id_, child.id),
                      name);
      }
      SIGNALDB_TRY(CheckNewChildren(child.type, name));
    }
    return {};
  }

  [[nodiscard]] Status CheckChanged(const Field& old, const Field& field,
                                    const std::string& name) const {
    if (field.required && !old.required) {
      return Refuse("optional columns cannot become required", name);
    }
    if (field.initial_default != old.initial_default) {
      return Refuse("the initial default of a column cannot change", name);
    }
    if (old.type == field.type) return {};
    if (old.type.id() == field.type.id() && !old.type.is_primitive()) {
      if (old.type.id() == TypeId::kMap && !(old.type.fields()[0] == field.type.fields()[0])) {
        return Refuse("the keys of a map cannot change", name);
      }
      return CheckLevel(old.type.fields(), field.type.fields(), name);
    }
    if (Widens(old.type, field.type)) return {};
    return Refuse(fmt::format("column cannot change its type from={} to={}", old.type.ToText(),
                              field.type.ToText()),
                  name);
  }

  const Schema& before_;
  const std::int32_t last_column_id_;
};

std::optional<std::string> FirstMovedIn(const std::vector<Field>& written,
                                        const std::vector<Field>& now, const std::string& path) {
  for (const Field& field : written) {
    const std::string name = Join(path, field.name);
    const auto same = std::ranges::find(now, field.name, &Field::name);
    if (same == now.end() || same->id != field.id || (same->required && !field.required)) {
      return name;
    }
    if (field.type.is_primitive() || same->type.is_primitive()) {
      if (field.type != same->type && !Widens(field.type, same->type)) return name;
      continue;
    }
    if (field.type.id() != same->type.id()) return name;
    if (auto moved = FirstMovedIn(field.type.fields(), same->type.fields(), name)) return moved;
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> FirstMovedColumn(const Schema& written, const Schema& now) {
  return FirstMovedIn(written.fields, now.fields, "");
}

Status CheckSchema(const Schema& schema, std::int32_t format_version) {
  FieldChecks checks{format_version};
  SIGNALDB_TRY(CheckFields(schema.fields, "", 0, checks));
  return CheckIdentifiers(schema);
}

Status EvolveSchema(TableMetadata& metadata, Schema schema) {
  SIGNALDB_TRY(CheckSchema(schema, metadata.format_version));
  const Schema& current = metadata.schema();
  if (SameColumns(current, schema)) return {};
  SIGNALDB_TRY(
      Evolution(current, metadata.last_column_id).CheckLevel(current.fields, schema.fields, ""));
  std::int32_t highest = 0;
  for (const auto& older : metadata.schemas) {
    if (SameColumns(*older, schema)) {
      metadata.current_schema_id = older->schema_id;
      return {};
    }
    highest = std::max(highest, older->schema_id);
  }
  schema.schema_id = highest + 1;
  metadata.current_schema_id = schema.schema_id;
  metadata.last_column_id = std::max(metadata.last_column_id, schema.HighestId());
  metadata.schemas.push_back(std::make_shared<const Schema>(std::move(schema)));
  return {};
}

}  // namespace signaldb
