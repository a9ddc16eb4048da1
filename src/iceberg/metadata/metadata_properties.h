#pragma once

#include <string_view>

#include "iceberg/metadata/table_metadata.h"
#include "signaldb/result.h"

namespace signaldb {

// The table properties that metadata itself obeys.
inline constexpr std::string_view kMetadataCodecProperty = "write.metadata.compression-codec";
inline constexpr std::string_view kMetadataPathProperty = "write.metadata.path";
inline constexpr std::string_view kPreviousVersionsProperty =
    "write.metadata.previous-versions-max";

[[nodiscard]] bool WantsGzip(const Properties& properties);

/// Errors: kInvalid (a reserved key, a codec that others cannot read, text that is not UTF-8).
[[nodiscard]] Status CheckProperties(const Properties& properties);

/// Errors: kInvalid (JSON could not hold it). `what` names the text in the message.
[[nodiscard]] Status CheckUtf8(std::string_view text, std::string_view what);

}  // namespace signaldb
