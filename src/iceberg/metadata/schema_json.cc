#include "iceberg/metadata/schema_json.h"

#include <set>

#include <fmt/format.h>

#include "iceberg/metadata/table_metadata.h"

namespace signaldb {
namespace {

constexpr std::int32_t kFirstPartitionFieldId = 1000;

Result<Type> ReadType(const JsonObject& parent, std::string_view key);

void WriteFields(JsonWriter& writer, StringSink& sink, const std::vector<Field>& fields);

void WriteType(JsonWriter& writer, StringSink& sink, const Type& type) {
  if (type.is_primitive()) {
    WriteText(writer, type.ToText());
    return;
  }
  const std::vector<Field>& fields = type.fields();
  writer.StartObject();
  WriteKey(writer, "type");
  if (type.id() == TypeId::kStruct) {
    writer.String("struct");
    WriteFields(writer, sink, fields);
  } else if (type.id() == TypeId::kList) {
    writer.String("list");
    WriteKey(writer, "element-id");
    writer.Int(fields[0].id);
    WriteKey(writer, "element");
    WriteType(writer, sink, fields[0].type);
    WriteKey(writer, "element-required");
    writer.Bool(fields[0].required);
  } else {
    writer.String("map");
    WriteKey(writer, "key-id");
    writer.Int(fields[0].id);
    WriteKey(writer, "key");
    WriteType(writer, sink, fields[0].type);
    WriteKey(writer, "value-id");
    writer.Int(fields[1].id);
    WriteKey(writer, "value");
    WriteType(writer, sink, fields[1].type);
    WriteKey(writer, "value-required");
    writer.Bool(fields[1].required);
  }
  writer.EndObject();
}

void WriteFields(JsonWriter& writer, StringSink& sink, const std::vector<Field>& fields) {
  WriteKey(writer, "fields");
  writer.StartArray();
  for (const Field& field : fields) {
    writer.StartObject();
    WriteKey(writer, "id");
    writer.Int(field.id);
    WriteKey(writer, "name");
    WriteText(writer, field.name);
    WriteKey(writer, "required");
    writer.Bool(field.required);
    WriteKey(writer, "type");
    WriteType(writer, sink, field.type);
    if (field.doc) {
      WriteKey(writer, "doc");
      WriteText(writer, *field.doc);
    }
    if (field.initial_default) {
      WriteKey(writer, "initial-default");
      WriteRaw(writer, sink, *field.initial_default);
    }
    if (field.write_default) {
      WriteKey(writer, "write-default");
      WriteRaw(writer, sink, *field.write_default);
    }
    writer.EndObject();
  }
  writer.EndArray();
}

std::optional<std::string> DefaultText(const JsonObject& json, std::string_view key) {
  const rapidjson::Value* value = json.Find(key);
  if (value == nullptr) return std::nullopt;
  return JsonTextOf(*value);
}

Result<Field> ReadField(const JsonObject& json) {
  Field field;
  SIGNALDB_ASSIGN(field.id, json.Int("id"));
  SIGNALDB_ASSIGN(field.name, json.String("name"));
  SIGNALDB_ASSIGN(field.required, json.Bool("required"));
  SIGNALDB_ASSIGN(field.type, ReadType(json, "type"));
  SIGNALDB_ASSIGN(field.doc, json.OptionalString("doc"));
  field.initial_default = DefaultText(json, "initial-default");
  field.write_default = DefaultText(json, "write-default");
  return field;
}

Result<std::vector<Field>> ReadFields(const JsonObject& json) {
  if (!json.Has("fields")) return MissingKey(json.PathOf("fields"));
  SIGNALDB_ASSIGN(const auto objects, json.Objects("fields"));
  std::vector<Field> fields;
  fields.reserve(objects.size());
  for (const JsonObject& object : objects) {
    SIGNALDB_ASSIGN(Field field, ReadField(object));
    fields.push_back(std::move(field));
  }
  return fields;
}

Result<Type> ReadNestedType(const JsonObject& json) {
  SIGNALDB_ASSIGN(const std::string kind, json.String("type"));
  if (kind == "struct") {
    SIGNALDB_ASSIGN(auto fields, ReadFields(json));
    return Type::Struct(std::move(fields));
  }
  if (kind == "list") {
    SIGNALDB_ASSIGN(const auto id, json.Int("element-id"));
    SIGNALDB_ASSIGN(Type element, ReadType(json, "element"));
    SIGNALDB_ASSIGN(const bool required, json.Bool("element-required"));
    return Type::List(id, std::move(element), required);
  }
  if (kind == "map") {
    SIGNALDB_ASSIGN(const auto key_id, json.Int("key-id"));
    SIGNALDB_ASSIGN(Type key, ReadType(json, "key"));
    SIGNALDB_ASSIGN(const auto value_id, json.Int("value-id"));
    SIGNALDB_ASSIGN(Type value, ReadType(json, "value"));
    SIGNALDB_ASSIGN(const bool required, json.Bool("value-required"));
    return Type::Map(key_id, std::move(key), value_id, std::move(value), required);
  }
  return Fail(ErrorKind::kInvalid,
              fmt::format("no such iceberg type type={} key={}", kind, json.PathOf("type")));
}

Result<Type> ReadType(const JsonObject& parent, std::string_view key) {
  const rapidjson::Value* value = parent.Find(key);
  if (value == nullptr) return MissingKey(parent.PathOf(key));
  if (value->IsString()) {
    auto type = Type::FromText({value->GetString(), value->GetStringLength()});
    if (!type) {
      return Fail(type.error().kind,
                  fmt::format("{} key={}", type.error().message, parent.PathOf(key)));
    }
    return type;
  }
  if (!value->IsObject()) return WrongType(parent.PathOf(key), "a type");
  SIGNALDB_ASSIGN(const JsonObject object, parent.Object(key));
  return ReadNestedType(object);
}

Status CheckIds(const std::vector<Field>& fields, const JsonObject& json,
                std::set<std::int32_t>& seen) {
  for (const Field& field : fields) {
    if (!seen.insert(field.id).second) {
      return Fail(ErrorKind::kCorrupt,
                  fmt::format("two columns have the same id column={} id={} key={}", field.name,
                              field.id, json.PathOf("fields")));
    }
    SIGNALDB_TRY(CheckIds(field.type.fields(), json, seen));
  }
  return {};
}

// Version 3 allows `source-ids` for transforms of several columns; one column we can take.
Result<std::int32_t> ReadSourceId(const JsonObject& json) {
  if (json.Has("source-id")) return json.Int("source-id");
  SIGNALDB_ASSIGN(const auto ids, json.Ints("source-ids"));
  if (ids.empty()) return MissingKey(json.PathOf("source-id"));
  if (ids.size() > 1) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("transforms of several columns are not supported key={}",
                            json.PathOf("source-ids")));
  }
  return ids.front();
}

// One of two words.
Result<bool> ReadWord(const JsonObject& json, std::string_view key, std::string_view if_true,
                      std::string_view if_false) {
  SIGNALDB_ASSIGN(const std::string word, json.String(key));
  if (word != if_true && word != if_false) {
    return WrongType(json.PathOf(key), fmt::format("{} or {}", if_true, if_false));
  }
  return word == if_true;
}

}  // namespace

void WriteSchema(JsonWriter& writer, StringSink& sink, const Schema& schema) {
  writer.StartObject();
  WriteKey(writer, "type");
  writer.String("struct");
  WriteKey(writer, "schema-id");
  writer.Int(schema.schema_id);
  if (!schema.identifier_field_ids.empty()) {
    WriteKey(writer, "identifier-field-ids");
    writer.StartArray();
    for (const std::int32_t id : schema.identifier_field_ids) writer.Int(id);
    writer.EndArray();
  }
  WriteFields(writer, sink, schema.fields);
  writer.EndObject();
}

Result<Schema> ReadSchema(const JsonObject& json) {
  SIGNALDB_ASSIGN(const std::string kind, json.String("type"));
  if (kind != "struct") return WrongType(json.PathOf("type"), "struct");
  Schema schema;
  SIGNALDB_ASSIGN(const auto id, json.OptionalInt("schema-id"));
  schema.schema_id = id.value_or(0);
  SIGNALDB_ASSIGN(schema.fields, ReadFields(json));
  SIGNALDB_ASSIGN(schema.identifier_field_ids, json.Ints("identifier-field-ids"));
  std::set<std::int32_t> seen;
  SIGNALDB_TRY(CheckIds(schema.fields, json, seen));
  return schema;
}

void WritePartitionFields(JsonWriter& writer, const PartitionSpec& spec) {
  writer.StartArray();
  for (const PartitionField& field : spec.fields) {
    writer.StartObject();
    WriteKey(writer, "name");
    WriteText(writer, field.name);
    WriteKey(writer, "transform");
    WriteText(writer, field.transform.ToText());
    WriteKey(writer, "source-id");
    writer.Int(field.source_id);
    WriteKey(writer, "field-id");
    writer.Int(field.field_id);
    writer.EndObject();
  }
  writer.EndArray();
}

Result<std::vector<PartitionField>> ReadPartitionFields(const JsonObject& json,
                                                        std::string_view key,
                                                        std::int32_t format_version) {
  if (!json.Has(key)) return MissingKey(json.PathOf(key));
  SIGNALDB_ASSIGN(const auto objects, json.Objects(key));
  std::vector<PartitionField> fields;
  for (const JsonObject& object : objects) {
    PartitionField field;
    SIGNALDB_ASSIGN(field.name, object.String("name"));
    SIGNALDB_ASSIGN(const std::string transform, object.String("transform"));
    field.transform = Transform::FromText(transform);
    SIGNALDB_ASSIGN(field.source_id, ReadSourceId(object));
    SIGNALDB_ASSIGN(const auto field_id, object.OptionalInt("field-id"));
    if (!field_id && format_version > 1) return MissingKey(object.PathOf("field-id"));
    field.field_id =
        field_id.value_or(kFirstPartitionFieldId + static_cast<std::int32_t>(fields.size()));
    fields.push_back(std::move(field));
  }
  return fields;
}

void WriteSortOrder(JsonWriter& writer, const SortOrder& order) {
  writer.StartObject();
  WriteKey(writer, "order-id");
  writer.Int(order.order_id);
  WriteKey(writer, "fields");
  writer.StartArray();
  for (const SortField& field : order.fields) {
    writer.StartObject();
    WriteKey(writer, "transform");
    WriteText(writer, field.transform.ToText());
    WriteKey(writer, "source-id");
    writer.Int(field.source_id);
    WriteKey(writer, "direction");
    writer.String(field.ascending ? "asc" : "desc");
    WriteKey(writer, "null-order");
    writer.String(field.nulls_first ? "nulls-first" : "nulls-last");
    writer.EndObject();
  }
  writer.EndArray();
  writer.EndObject();
}

Result<SortOrder> ReadSortOrder(const JsonObject& json) {
  SortOrder order;
  SIGNALDB_ASSIGN(order.order_id, json.Int("order-id"));
  if (!json.Has("fields")) return MissingKey(json.PathOf("fields"));
  SIGNALDB_ASSIGN(const auto objects, json.Objects("fields"));
  for (const JsonObject& object : objects) {
    SortField field;
    SIGNALDB_ASSIGN(const std::string transform, object.String("transform"));
    field.transform = Transform::FromText(transform);
    SIGNALDB_ASSIGN(field.source_id, ReadSourceId(object));
    SIGNALDB_ASSIGN(field.ascending, ReadWord(object, "direction", "asc", "desc"));
    SIGNALDB_ASSIGN(field.nulls_first, ReadWord(object, "null-order", "nulls-first", "nulls-last"));
    order.fields.push_back(std::move(field));
  }
  return order;
}

std::string SerializeSchema(const Schema& schema) {
  std::string text;
  StringSink sink{text};
  JsonWriter writer(sink);
  WriteSchema(writer, sink, schema);
  return text;
}

std::string SerializePartitionFields(const PartitionSpec& spec) {
  std::string text;
  StringSink sink{text};
  JsonWriter writer(sink);
  WritePartitionFields(writer, spec);
  return text;
}

Result<Schema> ParseSchema(std::string_view json) {
  rapidjson::Document document;
  SIGNALDB_TRY(ParseJson(json, document));
  SIGNALDB_ASSIGN(const JsonObject root, JsonObject::Of(document, ""));
  return ReadSchema(root);
}

}  // namespace signaldb
