#pragma once

#include <string_view>

#include "signaldb/result.h"

namespace signaldb {

/// "https://host:9000" taken apart. Refers to the text it was made from.
struct S3Endpoint {
  std::string_view scheme;
  std::string_view host;  ///< And port, without a final slash.
};

/// Both parts are empty if there is no "://".
[[nodiscard]] S3Endpoint PartsOfS3Endpoint(std::string_view endpoint);

/// Whether `endpoint` can be one: empty, or scheme, host and perhaps a port, no more. Asks nobody.
/// Errors: kInvalid.
[[nodiscard]] Status CheckS3Endpoint(std::string_view endpoint);

}  // namespace signaldb
