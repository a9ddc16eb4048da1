#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <rapidjson/document.h>

#include "signaldb/result.h"

namespace signaldb {

/// Deeper documents are refused: the readers of schemas recurse.
inline constexpr int kJsonDepthMax = 128;

/// A JSON object inside a document, with the keys that lead to it, so that every error names the
/// key at fault: "schemas[0].fields[2].type". A key whose value is null counts as absent.
///
/// Lifetime: borrows the document's value.
/// Threads:  thread-compatible.
class JsonObject {
 public:
  /// `path` is empty for the root. Errors: kCorrupt (not an object).
  [[nodiscard]] static Result<JsonObject> Of(const rapidjson::Value& value, std::string path);

  /// The value, or nullptr if absent or null.
  [[nodiscard]] const rapidjson::Value* Find(std::string_view key) const;
  [[nodiscard]] bool Has(std::string_view key) const { return Find(key) != nullptr; }

  // Errors of all below: kCorrupt (absent where it must be there; wrong type; out of range).
  [[nodiscard]] Result<std::int32_t> Int(std::string_view key) const;
  [[nodiscard]] Result<std::int64_t> Long(std::string_view key) const;
  [[nodiscard]] Result<bool> Bool(std::string_view key) const;
  [[nodiscard]] Result<std::string> String(std::string_view key) const;
  [[nodiscard]] Result<std::optional<std::int32_t>> OptionalInt(std::string_view key) const;
  [[nodiscard]] Result<std::optional<std::int64_t>> OptionalLong(std::string_view key) const;
  [[nodiscard]] Result<std::optional<std::string>> OptionalString(std::string_view key) const;
  [[nodiscard]] Result<JsonObject> Object(std::string_view key) const;
  /// The elements of an array of objects; none if absent.
  [[nodiscard]] Result<std::vector<JsonObject>> Objects(std::string_view key) const;
  /// The elements of an array of numbers; none if absent.
  [[nodiscard]] Result<std::vector<std::int32_t>> Ints(std::string_view key) const;
  /// All members of an object of objects; none if absent.
  [[nodiscard]] Result<std::vector<std::pair<std::string, JsonObject>>> Members(
      std::string_view key) const;

  [[nodiscard]] std::string PathOf(std::string_view key) const;
  [[nodiscard]] const rapidjson::Value& value() const { return *value_; }

 private:
  JsonObject(const rapidjson::Value& value, std::string path)
      : value_(&value), path_(std::move(path)) {}

  const rapidjson::Value* value_;
  std::string path_;
};

/// Failures that name the key.
[[nodiscard]] std::unexpected<Error> MissingKey(std::string_view path);
[[nodiscard]] std::unexpected<Error> WrongType(std::string_view path, std::string_view wanted);

/// Parses a whole text. Errors: kCorrupt (not JSON, nested deeper than kJsonDepthMax, not UTF-8).
[[nodiscard]] Status ParseJson(std::string_view text, rapidjson::Document& document);

/// The text of a value, without blanks.
[[nodiscard]] std::string JsonTextOf(const rapidjson::Value& value);

}  // namespace signaldb
