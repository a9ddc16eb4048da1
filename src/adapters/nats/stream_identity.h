#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "adapters/nats/jetstream_api.h"
#include "base/file_system.h"
#include "base/source_position.h"
#include "signaldb/result.h"

namespace signaldb {

/// What was known of a stream and its consumer when they were last seen.
struct KnownStream {
  std::string created;
  SourcePosition last_sequence = 0;
  std::vector<std::string> filters;  ///< Of the consumer, sorted.
  std::string accepted;              ///< What the operator accepted; part of the source's key.
  std::string consumer;              ///< Whose state this is; empty in files of older writers.
  SourcePosition ack_floor = 0;      ///< Of the consumer: all up to here was acknowledged.

  friend bool operator==(const KnownStream&, const KnownStream&) = default;
};

/// Whether the stream is still the one that was known, and what is known of it from here on.
///
/// A sequence must mean one message for ever, since tables remember sequences. So a stream of
/// another creation time, one whose last sequence went back, or a consumer with other filters, is
/// refused until `accept` is what the error message asks for: "<created>" for another stream,
/// "<created>@<last sequence>" for one that went back.
///
/// `known` is nothing at the first sight. Errors: kCorrupt (refused).
[[nodiscard]] Result<KnownStream> Recognise(const std::optional<KnownStream>& known,
                                            const StreamState& stream,
                                            const ConsumerState& consumer, std::string_view accept);

/// What happens when a consumer takes the place of the one that was known: the tables know
/// sequences by consumer, so what it hands out up to the other one's floor is stored a second time.
/// Empty if it begins behind that floor, or is the same.
[[nodiscard]] std::string WarningOfAnother(const std::optional<KnownStream>& known,
                                           const StreamState& stream,
                                           const ConsumerState& consumer);

/// How the tables name the source: "nats/<stream>/<created>/<consumer>"; what was accepted after
/// the stream went back stands behind the creation time.
[[nodiscard]] std::string KeyOf(const std::string& stream, const std::string& consumer,
                                const KnownStream& known);

/// Messages that retention took from the stream before they were delivered to anyone, both ends
/// included. With filters it may hold messages that were not for us.
struct SequenceGap {
  SourcePosition first = 0;
  SourcePosition last = 0;
};

/// The gap between what the consumer was delivered and what the stream still has, above
/// `reported_through`.
[[nodiscard]] std::optional<SequenceGap> FindGap(const StreamState& stream,
                                                 const ConsumerState& consumer,
                                                 SourcePosition reported_through);

/// What the last process of this source knew; nothing if there was none.
/// Errors: kUnavailable, kCorrupt (not such a file; remove it to forget).
[[nodiscard]] Result<std::optional<KnownStream>> ReadKnownStream(FileSystem& files,
                                                                 const std::string& path);
/// Replaces the file. Errors: kUnavailable.
[[nodiscard]] Status WriteKnownStream(FileSystem& files, const std::string& path,
                                      const KnownStream& known);

}  // namespace signaldb
