#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "service/source_blocks.h"
#include "signaldb/result.h"

namespace signaldb {

// What is wrong with a block of a source that can be told without the network, so that
// validate-config says it rather than a process that waits for ever.

/// The elements of a list of servers, without the spaces before them.
[[nodiscard]] std::vector<std::string> SplitServers(std::string_view list);

/// Whether `text` is a list of `host:port`; the port may be missing. Who we are stands in keys of
/// its own, and librdkafka would look up a host of that name.
/// Errors: kInvalid; the message says only what was expected.
[[nodiscard]] Status CheckKafkaBrokers(std::string_view text);

/// Whether `text` is a list of URLs that NATS is spoken at: `nats://` or `tls://`, which may be
/// left out, perhaps a user, a host, perhaps a port. Errors: as CheckKafkaBrokers.
[[nodiscard]] Status CheckNatsServers(std::string_view text);

struct BlockMistake {
  std::string_view key;  ///< Of the block.
  std::string_view what;
};

/// Keys that contradict each other, or need another beside them: access that would not be used, as
/// it stands, or could not be granted.
[[nodiscard]] std::optional<BlockMistake> FindMistake(const KafkaBlock& block);
[[nodiscard]] std::optional<BlockMistake> FindMistake(const NatsBlock& block);

}  // namespace signaldb
