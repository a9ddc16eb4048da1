#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "signaldb/result.h"

namespace signaldb {

/// A message as it comes off the wire.
struct NatsMessage {
  std::string subject;
  std::string reply;                                         ///< Where it is acknowledged.
  std::vector<std::pair<std::string, std::string>> headers;  ///< A name may stand several times.
  std::span<const std::byte> body;
  std::shared_ptr<const void> owner;  ///< Keeps `body` alive.
};

/// What the server sends to one subject that nobody else has.
///
/// Threads: confined to one thread.
class NatsInbox {
 public:
  virtual ~NatsInbox() = default;
  [[nodiscard]] virtual const std::string& subject() const = 0;

  /// The next message, or nothing within `wait`. Errors: kUnavailable (the connection is lost, or
  /// nobody answers on the subject that was asked).
  [[nodiscard]] virtual Result<std::optional<NatsMessage>> Next(Nanos wait) = 0;

  /// Asks the server to send nothing more; what is under way still comes out of Next, then
  /// kCancelled.
  [[nodiscard]] virtual Status Drain() = 0;
};

/// One connection. It never mends itself: when it is lost a new one is made, so that nothing is
/// delivered before the stream has been looked at.
///
/// Threads: thread-safe. Outlives its inboxes.
class NatsLink {
 public:
  virtual ~NatsLink() = default;

  /// Errors: kUnavailable (no answer in time, nobody there, connection lost).
  [[nodiscard]] virtual Result<std::string> Request(const std::string& subject,
                                                    std::string_view body, Nanos timeout) = 0;

  /// Hands to the connection what is to be sent; `reply` may be empty. Errors: kUnavailable.
  [[nodiscard]] virtual Status Publish(const std::string& subject, std::string_view body,
                                       const std::string& reply) = 0;

  /// Waits until the server has read all that was published. Errors: kUnavailable.
  [[nodiscard]] virtual Status Flush(Nanos timeout) = 0;

  /// Errors: kUnavailable.
  [[nodiscard]] virtual Result<std::unique_ptr<NatsInbox>> OpenInbox() = 0;
};

/// Connects to one server. Errors: kUnavailable (away, or does not let us in), kInvalid (a file
/// that cannot be used).
using NatsConnector = std::function<Result<std::unique_ptr<NatsLink>>(const std::string& server)>;

}  // namespace signaldb
