#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "signaldb/result.h"
#include "telemetry/signal.h"

namespace signaldb {

/// What the `app_metadata` of a wire put says, version v1. Texts are trimmed; absent ones empty.
struct PutMetadata {
  std::string signal_type;  ///< "traces", "logs", "metrics" or "profiles".
  std::string tenant;
  std::string dataset;
  /// Of metrics: the table that all rows go to, from `target_table`, else `metric_type`.
  std::optional<TableKind> table;
  std::string entry_id;  ///< `wal_entry_id`: the same in every attempt of the sender.
  std::string source;
  std::string traceparent;

  /// Nothing for profiles, which have no table here.
  [[nodiscard]] std::optional<Signal> signal() const;
};

/// Errors: kInvalid (not a JSON object, another version, or an unknown signal or table).
[[nodiscard]] Result<PutMetadata> ParsePutMetadata(std::string_view json);

}  // namespace signaldb
