#include "iceberg/avro/avro_schema.h"

#include <algorithm>
#include <limits>
#include <map>
#include <utility>

#include <fmt/format.h>
#include <rapidjson/document.h>

namespace signaldb {
namespace {

using Json = rapidjson::Value;

std::string_view TextOf(const Json& value) { return {value.GetString(), value.GetStringLength()}; }

/// The text under `key`; empty if it is absent or not a text.
std::string_view MemberText(const Json& object, const char* key) {
  const auto member = object.FindMember(key);
  if (member == object.MemberEnd() || !member->value.IsString()) return {};
  return TextOf(member->value);
}

const Json* MemberOf(const Json& object, const char* key) {
  const auto member = object.FindMember(key);
  return member == object.MemberEnd() ? nullptr : &member->value;
}

std::optional<AvroKind> PrimitiveKind(std::string_view name) {
  constexpr std::pair<std::string_view, AvroKind> kPrimitives[] = {
      {"null", AvroKind::kNull},   {"boolean", AvroKind::kBoolean}, {"int", AvroKind::kInt},
      {"long", AvroKind::kLong},   {"float", AvroKind::kFloat},     {"double", AvroKind::kDouble},
      {"bytes", AvroKind::kBytes}, {"string", AvroKind::kString},
  };
  for (const auto& [text, kind] : kPrimitives) {
    if (text == name) return kind;
  }
  return std::nullopt;
}

std::uint64_t PrimitiveBytesMin(AvroKind kind) {
  switch (kind) {
    case AvroKind::kNull:
      return 0;
    case AvroKind::kFloat:
      return 4;
    case AvroKind::kDouble:
      return 8;
    default:
      return 1;
  }
}

Status Broken(std::string_view what) {
  return Fail(ErrorKind::kCorrupt, fmt::format("avro schema is broken: {}", what));
}

/// Builds the tree from the JSON, depth first. Named types are known from their end on.
class SchemaParser {
 public:
  [[nodiscard]] Result<AvroSchemaPtr> Parse(const Json& json, std::size_t depth) {
    if (depth > kAvroSchemaDepthMax) {
      return Fail(ErrorKind::kCorrupt,
                  fmt::format("avro schema is nested too deeply limit={}", kAvroSchemaDepthMax));
    }
    if (json.IsString()) return Named(TextOf(json));
    AvroSchema schema;
    if (json.IsArray()) {
      SIGNALDB_TRY(ParseUnion(json, depth, schema));
    } else if (json.IsObject()) {
      const Json* type = MemberOf(json, "type");
      if (type == nullptr) return std::unexpected(Broken("a type has no \"type\"").error());
      // {"type": {"type": "array", ...}} says the same as the inner object.
      if (!type->IsString()) return Parse(*type, depth + 1);
      SIGNALDB_TRY(ParseObject(json, TextOf(*type), depth, schema));
    } else {
      return std::unexpected(Broken("a type is neither text, list nor object").error());
    }
    if (schema.nodes > kAvroSchemaNodesMax) {
      return Fail(ErrorKind::kCorrupt,
                  fmt::format("avro schema has too many parts limit={}", kAvroSchemaNodesMax));
    }
    auto shared = std::make_shared<const AvroSchema>(std::move(schema));
    if (json.IsObject()) Remember(json, shared);
    return shared;
  }

 private:
  [[nodiscard]] Result<AvroSchemaPtr> Named(std::string_view name) {
    if (const auto kind = PrimitiveKind(name)) {
      AvroSchema schema;
      schema.kind = *kind;
      schema.bytes_min = PrimitiveBytesMin(*kind);
      return std::make_shared<const AvroSchema>(std::move(schema));
    }
    const auto found = named_.find(name);
    if (found == named_.end()) {
      return Fail(ErrorKind::kCorrupt,
                  fmt::format("avro schema is broken: unknown type name={:.80}", name));
    }
    return found->second;
  }

  void Remember(const Json& json, const AvroSchemaPtr& schema) {
    if (schema->kind != AvroKind::kRecord && schema->kind != AvroKind::kFixed &&
        schema->kind != AvroKind::kEnum) {
      return;
    }
    const std::string_view name = MemberText(json, "name");
    const std::string_view space = MemberText(json, "namespace");
    named_.insert_or_assign(std::string(name), schema);
    if (!space.empty()) named_.insert_or_assign(fmt::format("{}.{}", space, name), schema);
  }

  [[nodiscard]] Status ParseUnion(const Json& json, std::size_t depth, AvroSchema& schema) {
    schema.kind = AvroKind::kUnion;
    if (json.Empty()) return Broken("a union has no branches");
    std::uint64_t branch_min = std::numeric_limits<std::uint64_t>::max();
    for (const Json& branch : json.GetArray()) {
      SIGNALDB_ASSIGN(AvroSchemaPtr child, Parse(branch, depth + 1));
      branch_min = std::min(branch_min, child->bytes_min);
      schema.nodes += child->nodes;
      schema.children.push_back(std::move(child));
    }
    schema.bytes_min = 1 + branch_min;
    return {};
  }

  [[nodiscard]] Status ParseObject(const Json& json, std::string_view type, std::size_t depth,
                                   AvroSchema& schema) {
    schema.logical_type = MemberText(json, "logicalType");
    if (type == "record") return ParseRecord(json, depth, schema);
    if (type == "array") return ParseCollection(json, "items", AvroKind::kArray, depth, schema);
    if (type == "map") return ParseCollection(json, "values", AvroKind::kMap, depth, schema);
    if (type == "enum") {
      schema.kind = AvroKind::kEnum;
      schema.bytes_min = 1;
      return {};
    }
    if (type == "fixed") {
      const Json* size = MemberOf(json, "size");
      if (size == nullptr || !size->IsUint()) return Broken("a fixed has no size");
      schema.kind = AvroKind::kFixed;
      schema.fixed_size = size->GetUint();
      schema.bytes_min = schema.fixed_size;
      return {};
    }
    SIGNALDB_ASSIGN(const AvroSchemaPtr named, Named(type));
    const std::string logical_type = std::move(schema.logical_type);
    schema = *named;
    schema.logical_type = logical_type;
    return {};
  }

  [[nodiscard]] Status ParseCollection(const Json& json, const char* key, AvroKind kind,
                                       std::size_t depth, AvroSchema& schema) {
    const Json* inner = MemberOf(json, key);
    if (inner == nullptr) return Broken("an array or map does not say what is in it");
    schema.kind = kind;
    SIGNALDB_ASSIGN(AvroSchemaPtr child, Parse(*inner, depth + 1));
    if (kind == AvroKind::kArray && child->bytes_min == 0) {
      return Broken("the items of an array take no bytes");
    }
    schema.nodes += child->nodes;
    schema.bytes_min = 1;
    schema.children.push_back(std::move(child));
    return {};
  }

  [[nodiscard]] Status ParseRecord(const Json& json, std::size_t depth, AvroSchema& schema) {
    const Json* fields = MemberOf(json, "fields");
    if (fields == nullptr || !fields->IsArray()) return Broken("a record has no fields");
    schema.kind = AvroKind::kRecord;
    schema.fields.reserve(fields->Size());
    for (const Json& json_field : fields->GetArray()) {
      const Json* type = json_field.IsObject() ? MemberOf(json_field, "type") : nullptr;
      if (type == nullptr) return Broken("a field of a record has no type");
      AvroField field;
      field.name = MemberText(json_field, "name");
      if (const Json* id = MemberOf(json_field, "field-id"); id != nullptr && id->IsInt()) {
        field.field_id = id->GetInt();
      }
      SIGNALDB_ASSIGN(field.type, Parse(*type, depth + 1));
      schema.nodes += field.type->nodes;
      schema.bytes_min += field.type->bytes_min;
      if (schema.nodes > kAvroSchemaNodesMax) break;
      schema.fields.push_back(std::move(field));
    }
    return {};
  }

  std::map<std::string, AvroSchemaPtr, std::less<>> named_;
};

}  // namespace

Result<AvroSchemaPtr> ParseAvroSchema(std::string_view json) {
  rapidjson::Document document;
  // Iterative: a hostile schema must not use up the stack before our own limit is reached.
  document.Parse<rapidjson::kParseIterativeFlag>(json.data(), json.size());
  if (document.HasParseError()) return std::unexpected(Broken("not JSON").error());
  return SchemaParser().Parse(document, 0);
}

Result<std::vector<AvroStep>> PlanAvroRecord(const AvroSchema& record,
                                             std::span<const KnownAvroField> known) {
  if (record.kind != AvroKind::kRecord) {
    return Fail(ErrorKind::kCorrupt, "avro schema has another type where a record belongs");
  }
  std::vector<AvroStep> steps;
  steps.reserve(record.fields.size());
  for (const AvroField& field : record.fields) {
    const auto found = std::ranges::find_if(known, [&](const KnownAvroField& candidate) {
      if (field.field_id.has_value()) return candidate.id == *field.field_id;
      return candidate.name == field.name ||
             (!candidate.old_name.empty() && candidate.old_name == field.name);
    });
    const std::int32_t id = found == known.end() ? AvroStep::kSkip : found->id;
    if (id != AvroStep::kSkip &&
        std::ranges::any_of(steps, [&](const AvroStep& step) { return step.id == id; })) {
      return Fail(ErrorKind::kCorrupt,
                  fmt::format("avro schema has a field twice field={} id={}", found->name, id));
    }
    steps.push_back({id, field.type.get()});
  }
  for (const KnownAvroField& field : known) {
    if (field.required && StepType(steps, field.id) == nullptr) {
      return Fail(
          ErrorKind::kCorrupt,
          fmt::format("avro schema lacks a required field field={} id={}", field.name, field.id));
    }
  }
  return steps;
}

const AvroSchema* StepType(std::span<const AvroStep> steps, std::int32_t id) {
  const auto found = std::ranges::find_if(steps, [&](const AvroStep& s) { return s.id == id; });
  return found == steps.end() ? nullptr : WithoutNull(found->type);
}

const AvroSchema* WithoutNull(const AvroSchema* type) {
  if (type->kind != AvroKind::kUnion || type->children.size() != 2) return type;
  const AvroSchema* first = type->children[0].get();
  const AvroSchema* second = type->children[1].get();
  if (first->kind == AvroKind::kNull) return second;
  return second->kind == AvroKind::kNull ? first : type;
}

const AvroSchema& ReadAvroBranch(const AvroSchema& type, AvroDecoder& decoder) {
  static const AvroSchema kNothing;
  const AvroSchema* at = &type;
  while (at->kind == AvroKind::kUnion) {
    const std::int64_t branch = decoder.ReadLong();
    if (branch < 0 || static_cast<std::uint64_t>(branch) >= at->children.size()) {
      decoder.Fault("a union has no such branch");
      return kNothing;
    }
    at = at->children[static_cast<std::size_t>(branch)].get();
  }
  return *at;
}

std::optional<std::int64_t> ReadAvroLong(const AvroSchema& type, AvroDecoder& decoder) {
  const AvroSchema& branch = ReadAvroBranch(type, decoder);
  switch (branch.kind) {
    case AvroKind::kInt:
      return decoder.ReadInt();
    case AvroKind::kLong:
      return decoder.ReadLong();
    case AvroKind::kNull:
      return std::nullopt;
    default:
      decoder.Fault("a field that holds a whole number has another type");
      return std::nullopt;
  }
}

std::optional<std::int32_t> ReadAvroInt(const AvroSchema& type, AvroDecoder& decoder) {
  const AvroSchema& branch = ReadAvroBranch(type, decoder);
  switch (branch.kind) {
    case AvroKind::kInt:
    case AvroKind::kLong:  // PyIceberg writes ids of columns so.
      return decoder.ReadInt();
    case AvroKind::kNull:
      return std::nullopt;
    default:
      decoder.Fault("a field that holds a whole number has another type");
      return std::nullopt;
  }
}

std::optional<bool> ReadAvroBoolean(const AvroSchema& type, AvroDecoder& decoder) {
  const AvroSchema& branch = ReadAvroBranch(type, decoder);
  if (branch.kind == AvroKind::kNull) return std::nullopt;
  if (branch.kind == AvroKind::kBoolean) return decoder.ReadBoolean();
  decoder.Fault("a field that holds a boolean has another type");
  return std::nullopt;
}

std::optional<std::string_view> ReadAvroBytes(const AvroSchema& type, AvroDecoder& decoder) {
  const AvroSchema& branch = ReadAvroBranch(type, decoder);
  switch (branch.kind) {
    case AvroKind::kBytes:
    case AvroKind::kString:
      return decoder.ReadBytes();
    case AvroKind::kFixed:
      return decoder.ReadFixed(branch.fixed_size);
    case AvroKind::kNull:
      return std::nullopt;
    default:
      decoder.Fault("a field that holds text or bytes has another type");
      return std::nullopt;
  }
}

std::optional<std::string> ReadAvroText(const AvroSchema& type, AvroDecoder& decoder) {
  const std::optional<std::string_view> bytes = ReadAvroBytes(type, decoder);
  if (!bytes.has_value()) return std::nullopt;
  return std::string(*bytes);
}

void SkipAvro(const AvroSchema& type, AvroDecoder& decoder) {
  const AvroSchema& branch = ReadAvroBranch(type, decoder);
  switch (branch.kind) {
    case AvroKind::kNull:
    case AvroKind::kUnion:
      return;
    case AvroKind::kBoolean:
      (void)decoder.ReadBoolean();
      return;
    case AvroKind::kInt:
    case AvroKind::kLong:
    case AvroKind::kEnum:
      (void)decoder.ReadLong();
      return;
    case AvroKind::kFloat:
      (void)decoder.ReadFloat();
      return;
    case AvroKind::kDouble:
      (void)decoder.ReadDouble();
      return;
    case AvroKind::kBytes:
    case AvroKind::kString:
      (void)decoder.ReadBytes();
      return;
    case AvroKind::kFixed:
      (void)decoder.ReadFixed(branch.fixed_size);
      return;
    case AvroKind::kRecord:
      for (const AvroField& field : branch.fields) SkipAvro(*field.type, decoder);
      return;
    case AvroKind::kArray:
    case AvroKind::kMap: {
      const AvroSchema& item = *branch.children[0];
      const bool keyed = branch.kind == AvroKind::kMap;
      while (std::uint64_t count = decoder.ReadBlockCount(item.bytes_min + (keyed ? 1 : 0))) {
        for (; count > 0 && decoder.ok(); --count) {
          if (keyed) (void)decoder.ReadBytes();
          SkipAvro(item, decoder);
        }
      }
      return;
    }
  }
}

}  // namespace signaldb
