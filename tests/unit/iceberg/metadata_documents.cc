#include "unit/iceberg/metadata_documents.h"

#include <rapidjson/pointer.h>

namespace signaldb::testing {

std::string Changed(std::string_view document, const char* pointer, std::string_view value) {
  rapidjson::Document json;
  json.Parse(document.data(), document.size());
  SIGNALDB_ASSERT(!json.HasParseError());
  const rapidjson::Pointer path(pointer);
  if (value.empty()) {
    SIGNALDB_ASSERT(path.Erase(json));
  } else {
    rapidjson::Document replacement(&json.GetAllocator());
    replacement.Parse(value.data(), value.size());
    SIGNALDB_ASSERT(!replacement.HasParseError());
    path.Set(json, replacement);
  }
  return JsonTextOf(json);
}

}  // namespace signaldb::testing
