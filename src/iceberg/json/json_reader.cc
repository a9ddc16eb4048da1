#include "iceberg/json/json_reader.h"

#include <fmt/format.h>
#include <rapidjson/error/en.h>
#include <rapidjson/memorystream.h>

#include "iceberg/json/json_sax.h"
#include "iceberg/json/json_writer.h"

namespace signaldb {
namespace {

// Passes everything on to the document but refuses to go too deep.
class BoundedDepth {
 public:
  explicit BoundedDepth(rapidjson::Document& document) : document_(document) {}

  bool Null() { return document_.Null(); }
  bool Bool(bool value) { return document_.Bool(value); }
  bool Int(int value) { return document_.Int(value); }
  bool Uint(unsigned value) { return document_.Uint(value); }
  bool Int64(std::int64_t value) { return document_.Int64(value); }
  bool Uint64(std::uint64_t value) { return document_.Uint64(value); }
  bool Double(double value) { return document_.Double(value); }
  bool String(const char* text, rapidjson::SizeType length, bool copy) {
    return document_.String(text, length, copy);
  }
  bool Key(const char* text, rapidjson::SizeType length, bool copy) {
    return document_.Key(text, length, copy);
  }
  bool StartObject() { return ++depth_ <= kJsonDepthMax && document_.StartObject(); }
  bool StartArray() { return ++depth_ <= kJsonDepthMax && document_.StartArray(); }
  bool EndObject(rapidjson::SizeType count) {
    --depth_;
    return document_.EndObject(count);
  }
  bool EndArray(rapidjson::SizeType count) {
    --depth_;
    return document_.EndArray(count);
  }

 private:
  rapidjson::Document& document_;
  int depth_ = 0;
};

}  // namespace

std::unexpected<Error> MissingKey(std::string_view path) {
  return Fail(ErrorKind::kCorrupt, fmt::format("json has no value where one must be key={}", path));
}

std::unexpected<Error> WrongType(std::string_view path, std::string_view wanted) {
  return Fail(ErrorKind::kCorrupt, fmt::format("json value is not {} key={}", wanted, path));
}

Result<JsonObject> JsonObject::Of(const rapidjson::Value& value, std::string path) {
  if (!value.IsObject()) return WrongType(path.empty() ? "(root)" : path, "an object");
  return JsonObject(value, std::move(path));
}

const rapidjson::Value* JsonObject::Find(std::string_view key) const {
  const rapidjson::Value name(
      rapidjson::StringRef(key.data(), static_cast<rapidjson::SizeType>(key.size())));
  const auto found = value_->FindMember(name);
  if (found == value_->MemberEnd() || found->value.IsNull()) return nullptr;
  return &found->value;
}

std::string JsonObject::PathOf(std::string_view key) const {
  return path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
}

Result<std::optional<std::int32_t>> JsonObject::OptionalInt(std::string_view key) const {
  const rapidjson::Value* value = Find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->IsInt()) return WrongType(PathOf(key), "an int");
  return value->GetInt();
}

Result<std::optional<std::int64_t>> JsonObject::OptionalLong(std::string_view key) const {
  const rapidjson::Value* value = Find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->IsInt64()) return WrongType(PathOf(key), "a long");
  return value->GetInt64();
}

Result<std::optional<std::string>> JsonObject::OptionalString(std::string_view key) const {
  const rapidjson::Value* value = Find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->IsString()) return WrongType(PathOf(key), "a string");
  return std::string(value->GetString(), value->GetStringLength());
}

Result<std::int32_t> JsonObject::Int(std::string_view key) const {
  SIGNALDB_ASSIGN(const auto value, OptionalInt(key));
  if (!value) return MissingKey(PathOf(key));
  return *value;
}

Result<std::int64_t> JsonObject::Long(std::string_view key) const {
  SIGNALDB_ASSIGN(const auto value, OptionalLong(key));
  if (!value) return MissingKey(PathOf(key));
  return *value;
}

Result<std::string> JsonObject::String(std::string_view key) const {
  SIGNALDB_ASSIGN(auto value, OptionalString(key));
  if (!value) return MissingKey(PathOf(key));
  return std::move(*value);
}

Result<bool> JsonObject::Bool(std::string_view key) const {
  const rapidjson::Value* value = Find(key);
  if (value == nullptr) return MissingKey(PathOf(key));
  if (!value->IsBool()) return WrongType(PathOf(key), "true or false");
  return value->GetBool();
}

Result<JsonObject> JsonObject::Object(std::string_view key) const {
  const rapidjson::Value* value = Find(key);
  if (value == nullptr) return MissingKey(PathOf(key));
  return Of(*value, PathOf(key));
}

Result<std::vector<JsonObject>> JsonObject::Objects(std::string_view key) const {
  std::vector<JsonObject> objects;
  const rapidjson::Value* value = Find(key);
  if (value == nullptr) return objects;
  if (!value->IsArray()) return WrongType(PathOf(key), "an array");
  objects.reserve(value->Size());
  for (rapidjson::SizeType i = 0; i < value->Size(); ++i) {
    SIGNALDB_ASSIGN(JsonObject element, Of((*value)[i], fmt::format("{}[{}]", PathOf(key), i)));
    objects.push_back(std::move(element));
  }
  return objects;
}

Result<std::vector<std::int32_t>> JsonObject::Ints(std::string_view key) const {
  std::vector<std::int32_t> numbers;
  const rapidjson::Value* value = Find(key);
  if (value == nullptr) return numbers;
  if (!value->IsArray()) return WrongType(PathOf(key), "an array");
  for (rapidjson::SizeType i = 0; i < value->Size(); ++i) {
    if (!(*value)[i].IsInt()) return WrongType(fmt::format("{}[{}]", PathOf(key), i), "an int");
    numbers.push_back((*value)[i].GetInt());
  }
  return numbers;
}

Result<std::vector<std::pair<std::string, JsonObject>>> JsonObject::Members(
    std::string_view key) const {
  std::vector<std::pair<std::string, JsonObject>> members;
  if (!Has(key)) return members;
  SIGNALDB_ASSIGN(const JsonObject object, Object(key));
  for (const auto& member : object.value().GetObject()) {
    std::string name(member.name.GetString(), member.name.GetStringLength());
    SIGNALDB_ASSIGN(JsonObject child, Of(member.value, object.PathOf(name)));
    members.emplace_back(std::move(name), std::move(child));
  }
  return members;
}

Status ParseJson(std::string_view text, rapidjson::Document& document) {
  rapidjson::MemoryStream stream(text.data(), text.size());
  Status status;
  auto generate = [&](rapidjson::Document& target) {
    BoundedDepth handler(target);
    status = RunJsonReader(stream, text.size(), handler);
    return status.has_value();
  };
  document.Populate(generate);
  return status;
}

std::string JsonTextOf(const rapidjson::Value& value) {
  std::string text;
  StringSink sink{text};
  JsonWriter writer(sink);
  value.Accept(writer);
  return text;
}

}  // namespace signaldb
