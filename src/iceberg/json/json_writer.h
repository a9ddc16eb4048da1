#pragma once

#include <string>
#include <string_view>

#include <rapidjson/writer.h>

namespace signaldb {

/// Lets RapidJSON's writer append to a string, to which ready text can be appended too.
struct StringSink {
  using Ch = char;

  void Put(char c) { text.push_back(c); }
  void Flush() {}

  std::string& text;
};

using JsonWriter = rapidjson::Writer<StringSink>;

/// Writes "key": and leaves the value to the caller.
inline void WriteKey(JsonWriter& writer, std::string_view key) {
  writer.Key(key.data(), static_cast<rapidjson::SizeType>(key.size()));
}

inline void WriteText(JsonWriter& writer, std::string_view text) {
  writer.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
}

/// Copies ready JSON as the next value. RapidJSON's RawValue goes character by character; here it
/// only sets the comma, and the text is copied as one.
inline void WriteRaw(JsonWriter& writer, StringSink& sink, std::string_view json) {
  writer.RawValue("", 0, rapidjson::kObjectType);
  sink.text.append(json);
}

}  // namespace signaldb
