#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/source_position.h"

namespace signaldb {

/// The messages that were delivered to this process, from their delivery to their acknowledgement.
///
///   Add -> held -> Done -> to be acknowledged -> TakeAcks
///
/// Holds names of replies, never bodies. Threads: thread-safe.
class HeldMessages {
 public:
  enum class Arrival : std::uint8_t { kNew, kHeldAlready };

  /// Notes a delivery. Of a message that is held already only the newest reply is kept: the server
  /// has forgotten the older one.
  Arrival Add(SourcePosition position, std::string reply, Nanos now);

  /// These are in the tables. Unknown ones are ignored.
  void Done(std::span<const SourcePosition> positions);

  /// Replies of what is done, oldest first, at most `most`.
  [[nodiscard]] std::vector<std::string> TakeAcks(std::size_t most);
  /// Puts back what could not be sent.
  void ReturnAcks(std::vector<std::string> replies);

  /// Replies of what is held and was not mentioned to the server for `age`; they count as mentioned
  /// now.
  [[nodiscard]] std::vector<std::string> TakeAging(Nanos now, Nanos age);

  /// Gives a message up and returns its reply.
  [[nodiscard]] std::optional<std::string> Drop(SourcePosition position);
  /// Gives up all that is held; what is done stays.
  [[nodiscard]] std::vector<std::string> DropAll();

  [[nodiscard]] std::size_t held() const;
  [[nodiscard]] std::size_t acks() const;

  /// Waits until there is something to acknowledge, `most` has passed, or `stop` is requested.
  void WaitForAcks(Nanos most, const std::stop_token& stop);

 private:
  struct Held {
    std::string reply;
    Nanos mentioned_at;
  };

  mutable std::mutex mutex_;
  std::condition_variable_any done_;
  std::map<SourcePosition, Held> held_;
  std::deque<std::string> acks_;
};

}  // namespace signaldb
