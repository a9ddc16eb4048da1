#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "service/configuration.h"
#include "service/configuration_keys.h"
#include "signaldb/result.h"

namespace signaldb {

// Arrays of tables in the configuration: `[[kafka]]` with its `topics`, `[[nats]]` with its
// `subjects`. Everywhere but in the file a block is named by its number, as in
// `kafka.0.topics.1.signal`; so environment and command line change or add blocks like any key.

/// Whether `key` is a whole array of tables: "kafka", or "kafka.0.topics".
[[nodiscard]] bool IsBlockList(std::string_view key);

/// The row of the numbered `key`, or null. Its `field` is that of the last block.
[[nodiscard]] const ConfigurationKey* FindBlockKey(std::string_view key);

/// What is wrong with a `key` that FindBlockKey does not know; empty if it is of no block.
[[nodiscard]] std::string ExplainBlockKey(std::string_view key);

/// Whether `text` may be the value of the numbered `key`, which is known.
/// Errors: kInvalid; the message says only what was expected.
[[nodiscard]] Status CheckBlockValue(std::string_view key, std::string_view text);

/// The value of the numbered `key`, which is known, as people may see it: without secrets.
[[nodiscard]] std::string ShownBlockValue(std::string_view key, std::string_view text);

struct BlockValue {
  std::string text;
  std::string origin;
};
using BlockValues = std::map<std::string, BlockValue, std::less<>>;  ///< By numbered key.

/// Makes the blocks of `into` from checked values and defaults, and appends them to `shown`.
/// Errors: kInvalid, naming place and key: numbers with a gap, too many blocks, a key missing, a
/// name given twice.
[[nodiscard]] Status BuildBlocks(BlockValues values, const std::string& working_directory,
                                 ServiceConfiguration& into,
                                 std::vector<ConfigurationValue>& shown);

/// The documentation of all blocks, for ConfigurationReference.
[[nodiscard]] std::string BlockReference();

}  // namespace signaldb
