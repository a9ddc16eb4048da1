#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/clock.h"
#include "base/source_position.h"

namespace signaldb {

/// What JetStream says of a delivery, in the subject on which it wants the acknowledgement.
struct AckSubject {
  std::string_view stream;
  std::string_view consumer;
  std::uint64_t deliveries = 0;  ///< Of this message, this one included.
  SourcePosition stream_sequence = 0;
  std::uint64_t consumer_sequence = 0;
  Nanos stored_at{0};  ///< When the stream took the message, since 1970.
  std::uint64_t pending = 0;
};

/// Nothing if `reply` is not such a subject. Both forms are read: nine tokens, and eleven or more
/// where the domain and the account stand in it. Keeps views of `reply`.
[[nodiscard]] std::optional<AckSubject> ParseAckSubject(std::string_view reply);

}  // namespace signaldb
