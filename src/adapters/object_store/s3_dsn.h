#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "signaldb/result.h"

namespace signaldb {

/// What a `storage.dsn` for an object store says.
struct S3Dsn {
  std::string warehouse;  ///< "s3://bucket/prefix", no final slash.
  std::optional<std::string> endpoint;
  std::optional<std::string> region;
  std::optional<bool> path_style;
};

/// Whether it begins like s3://, s3a:// or s3n://.
[[nodiscard]] bool IsS3Dsn(std::string_view dsn);

/// Reads "s3://bucket[/prefix][/][?endpoint=URL&region=NAME&path_style=true|false]".
/// Errors: kInvalid (credentials or a host in it, names that S3 does not allow, unknown options).
[[nodiscard]] Result<S3Dsn> ParseS3Dsn(std::string_view dsn);

}  // namespace signaldb
