#include "iceberg/metadata/metadata_properties.h"

#include <algorithm>
#include <array>
#include <string>

#include <arrow/util/utf8.h>
#include <fmt/format.h>

namespace signaldb {
namespace {

// Java answers these from other parts of the metadata and drops them on the next write.
constexpr std::array<std::string_view, 9> kReserved = {
    "format-version",      "uuid",
    "snapshot-count",      "current-snapshot-summary",
    "current-snapshot-id", "current-snapshot-timestamp-ms",
    "current-schema",      "default-partition-spec",
    "default-sort-order",
};

bool SameIgnoringCase(std::string_view a, std::string_view lower) {
  return std::ranges::equal(a, lower, [](char left, char right) {
    return (left >= 'A' && left <= 'Z' ? left - 'A' + 'a' : left) == right;
  });
}

}  // namespace

bool WantsGzip(const Properties& properties) {
  const auto codec = properties.find(kMetadataCodecProperty);
  return codec != properties.end() && SameIgnoringCase(codec->second, "gzip");
}

Status CheckUtf8(std::string_view text, std::string_view what) {
  static const bool kReady = [] {
    arrow::util::InitializeUTF8();
    return true;
  }();
  if (kReady && arrow::util::ValidateUTF8(text)) return {};
  return Fail(ErrorKind::kInvalid, fmt::format("text is not utf-8 in={}", what));
}

Status CheckProperties(const Properties& properties) {
  for (const auto& [key, value] : properties) {
    SIGNALDB_TRY(CheckUtf8(key, "a property's key"));
    SIGNALDB_TRY(CheckUtf8(value, key));
    if (std::ranges::find(kReserved, key) != kReserved.end()) {
      return Fail(ErrorKind::kInvalid,
                  fmt::format("property is reserved, its value follows from the table "
                              "property={}",
                              key));
    }
    if (key == kMetadataCodecProperty && !SameIgnoringCase(value, "gzip") &&
        !SameIgnoringCase(value, "none")) {
      return Fail(ErrorKind::kInvalid,
                  fmt::format("metadata can be packed with gzip or not at all property={} value={}",
                              key, value));
    }
  }
  return {};
}

}  // namespace signaldb
