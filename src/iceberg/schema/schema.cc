#include "iceberg/schema/schema.h"

#include <algorithm>

namespace signaldb {
namespace {

const Field* FindIdIn(const std::vector<Field>& fields, std::int32_t id) {
  for (const Field& field : fields) {
    if (field.id == id) return &field;
    if (const Field* inner = FindIdIn(field.type.fields(), id)) return inner;
  }
  return nullptr;
}

// Names may hold dots themselves, so every field whose name is a prefix is tried.
const Field* FindNameIn(const std::vector<Field>& fields, std::string_view dotted) {
  for (const Field& field : fields) {
    if (field.name == dotted) return &field;
    if (dotted.size() <= field.name.size() || dotted[field.name.size()] != '.' ||
        !dotted.starts_with(field.name)) {
      continue;
    }
    const std::string_view rest = dotted.substr(field.name.size() + 1);
    if (const Field* inner = FindNameIn(field.type.fields(), rest)) return inner;
  }
  return nullptr;
}

bool AppendNameOf(const std::vector<Field>& fields, std::int32_t id, std::string& name) {
  const std::size_t before = name.size();
  for (const Field& field : fields) {
    if (before > 0) name += '.';
    name += field.name;
    if (field.id == id || AppendNameOf(field.type.fields(), id, name)) return true;
    name.resize(before);
  }
  return false;
}

std::int32_t HighestIn(const std::vector<Field>& fields) {
  std::int32_t highest = 0;
  for (const Field& field : fields) {
    highest = std::max({highest, field.id, HighestIn(field.type.fields())});
  }
  return highest;
}

std::vector<std::int32_t> Sorted(std::vector<std::int32_t> ids) {
  std::ranges::sort(ids);
  return ids;
}

}  // namespace

const Field* Schema::FindById(std::int32_t id) const { return FindIdIn(fields, id); }

const Field* Schema::FindByName(std::string_view dotted) const {
  return FindNameIn(fields, dotted);
}

std::string Schema::NameOf(std::int32_t id) const {
  std::string name;
  AppendNameOf(fields, id, name);
  return name;
}

std::int32_t Schema::HighestId() const { return HighestIn(fields); }

bool SameColumns(const Schema& a, const Schema& b) {
  return a.fields == b.fields && Sorted(a.identifier_field_ids) == Sorted(b.identifier_field_ids);
}

}  // namespace signaldb
