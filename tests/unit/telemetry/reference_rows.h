#pragma once

#include <map>
#include <string>
#include <vector>

#include "table_rows.h"
#include "telemetry/decode.h"

namespace signaldb::testing {

/// What a request has to become, by the plainest possible reading of the rules: Google's parser
/// for the bytes, a struct a row, no thought of speed.
struct ReferenceRequest {
  bool well_formed = false;
  std::map<TableKind, std::vector<TableRow>> tables;
  std::int64_t rejected = 0;
  std::map<std::string, std::int64_t> notes;  ///< Of clamped times and oddities, by label.
};

[[nodiscard]] ReferenceRequest DecodeByTheBook(Signal signal, const std::string& body,
                                               const DecodeOptions& options);

}  // namespace signaldb::testing
