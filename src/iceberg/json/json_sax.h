#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>
#include <variant>

#include <fmt/format.h>
#include <rapidjson/error/en.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

#include "iceberg/json/json_number.h"
#include "signaldb/result.h"

namespace signaldb {

/// Passes what RapidJSON's reader finds on to `Handler`, and gives it numbers, which the reader
/// leaves as text, in the smallest of the types that RapidJSON has for them.
///
/// Lifetime: borrows the handler. Threads: thread-compatible.
template <typename Handler>
class NumberReader {
 public:
  explicit NumberReader(Handler& handler) : handler_(handler) {}

  // The names are those that rapidjson::Reader calls.
  bool Null() { return handler_.Null(); }
  bool Bool(bool value) { return handler_.Bool(value); }
  bool RawNumber(const char* text, rapidjson::SizeType length, bool /*copy*/) {
    const Result<JsonNumber> number = ParseJsonNumber({text, length});
    if (number) return std::visit([this](auto value) { return this->Pass(value); }, *number);
    error_ = number.error();
    return false;
  }
  bool String(const char* text, rapidjson::SizeType length, bool copy) {
    return handler_.String(text, length, copy);
  }
  bool Key(const char* text, rapidjson::SizeType length, bool copy) {
    return handler_.Key(text, length, copy);
  }
  bool StartObject() { return handler_.StartObject(); }
  bool EndObject(rapidjson::SizeType count) { return handler_.EndObject(count); }
  bool StartArray() { return handler_.StartArray(); }
  bool EndArray(rapidjson::SizeType count) { return handler_.EndArray(count); }
  // Numbers come as text.
  bool Int(int) { return false; }
  bool Uint(unsigned) { return false; }
  bool Int64(std::int64_t) { return false; }
  bool Uint64(std::uint64_t) { return false; }
  bool Double(double) { return false; }

  [[nodiscard]] const std::optional<Error>& error() const { return error_; }

 private:
  bool Pass(std::uint64_t value) {
    if (value > std::numeric_limits<unsigned>::max()) return handler_.Uint64(value);
    return handler_.Uint(static_cast<unsigned>(value));
  }
  bool Pass(std::int64_t value) {
    if (value < std::numeric_limits<int>::min()) return handler_.Int64(value);
    return handler_.Int(static_cast<int>(value));
  }
  bool Pass(double value) { return handler_.Double(value); }

  Handler& handler_;
  std::optional<Error> error_;
};

/// Runs RapidJSON's reader over the whole of `stream` into `handler`. Numbers are read exactly and
/// strings must be UTF-8, for texts are copied into the next file as they are.
/// Errors: kCorrupt (not JSON, something after it, a number out of range, or the handler refused).
template <typename Handler>
[[nodiscard]] Status RunJsonReader(rapidjson::MemoryStream& stream, std::size_t size,
                                   Handler& handler) {
  constexpr unsigned kFlags =
      rapidjson::kParseNumbersAsStringsFlag | rapidjson::kParseValidateEncodingFlag;
  rapidjson::Reader reader;
  NumberReader<Handler> numbers(handler);
  const rapidjson::ParseResult result = reader.Parse<kFlags>(stream, numbers);
  if (const auto& error = numbers.error()) {
    return Fail(error->kind, fmt::format("{} offset={}", error->message, result.Offset()));
  }
  if (result.IsError()) {
    return Fail(ErrorKind::kCorrupt,
                fmt::format("text is not the json it should be reason=\"{}\" offset={}",
                            rapidjson::GetParseError_En(result.Code()), result.Offset()));
  }
  // A zero byte looks like the end to the reader.
  if (stream.Tell() != size) {
    return Fail(ErrorKind::kCorrupt,
                fmt::format("text goes on after its json offset={}", stream.Tell()));
  }
  return {};
}

}  // namespace signaldb
