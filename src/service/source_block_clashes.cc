#include "service/source_block_clashes.h"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "adapters/nats/nats_options.h"
#include "service/source_block_checks.h"

namespace signaldb {
namespace {

constexpr std::string_view kKafkaPort = ":9092";
constexpr std::string_view kNatsPort = ":4222";

/// "host:port" in small letters, without scheme and user.
std::string Plain(std::string_view server, std::string_view default_port) {
  std::string plain = ShownServer(server);
  if (const std::size_t scheme = plain.find("://"); scheme != std::string::npos) {
    plain.erase(0, scheme + 3);
  }
  std::ranges::transform(plain, plain.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  const std::size_t address_end = plain.rfind(']');
  const std::size_t colon = plain.find(':', address_end == std::string::npos ? 0 : address_end);
  if (colon == std::string::npos) plain += default_port;
  return plain;
}

bool ShareServers(std::string_view one, std::string_view other, std::string_view default_port) {
  const std::vector<std::string> ones = SplitServers(one);
  const std::vector<std::string> others = SplitServers(other);
  return std::ranges::any_of(ones, [&](const std::string& a) {
    return std::ranges::any_of(others, [&](const std::string& b) {
      return Plain(a, default_port) == Plain(b, default_port);
    });
  });
}

using RoutesClash = std::function<bool(const SourceRoute& one, const SourceRoute& other)>;

/// The numbers of two routes that clash, those of the same list only once.
std::optional<std::pair<std::size_t, std::size_t>> FindPair(const std::vector<SourceRoute>& earlier,
                                                            const std::vector<SourceRoute>& later,
                                                            const RoutesClash& clash) {
  for (std::size_t j = 0; j < later.size(); ++j) {
    const std::size_t end = &earlier == &later ? j : earlier.size();
    for (std::size_t i = 0; i < end; ++i) {
      if (clash(earlier[i], later[j])) return std::pair(i, j);
    }
  }
  return std::nullopt;
}

bool SameTopic(const SourceRoute& one, const SourceRoute& other) { return one.from == other.from; }

bool SubjectsMeet(const SourceRoute& one, const SourceRoute& other) {
  return SubjectsOverlap(one.from, other.from);
}

std::optional<BlockClash> FindClash(const std::vector<KafkaBlock>& blocks) {
  for (std::size_t later = 0; later < blocks.size(); ++later) {
    for (std::size_t earlier = 0; earlier <= later; ++earlier) {
      const bool same = earlier == later;
      if (!same && !ShareServers(blocks[earlier].brokers, blocks[later].brokers, kKafkaPort)) {
        continue;
      }
      const auto pair = FindPair(blocks[earlier].topics, blocks[later].topics, SameTopic);
      if (!pair.has_value()) continue;
      return BlockClash{
          .key = fmt::format("kafka.{}.topics.{}.topic", later, pair->second),
          .what = fmt::format(
              "expected each topic of a cluster once{}, but kafka.{}.topics.{} names \"{}\" too",
              same ? ", with one signal" : ", whatever the group", earlier, pair->first,
              blocks[later].topics[pair->second].from)};
    }
  }
  return std::nullopt;
}

std::optional<BlockClash> FindClash(const std::vector<NatsBlock>& blocks) {
  for (std::size_t later = 0; later < blocks.size(); ++later) {
    const NatsBlock& block = blocks[later];
    if (const auto pair = FindPair(block.subjects, block.subjects, SubjectsMeet)) {
      return BlockClash{
          .key = fmt::format("nats.{}.subjects.{}.subject", later, pair->second),
          .what = fmt::format("expected subjects that do not overlap, but \"{}\" and \"{}\" do",
                              block.subjects[pair->first].from, block.subjects[pair->second].from)};
    }
    for (std::size_t earlier = 0; earlier < later; ++earlier) {
      const NatsBlock& other = blocks[earlier];
      if (block.stream != other.stream || block.durable != other.durable ||
          !ShareServers(block.url, other.url, kNatsPort)) {
        continue;
      }
      return BlockClash{
          .key = fmt::format("nats.{}.durable", later),
          .what = fmt::format("expected each durable consumer of a stream once, but nats.{} reads "
                              "\"{}\" of \"{}\" too; put its subjects there",
                              earlier, block.durable, block.stream)};
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<BlockClash> FindClash(const ServiceConfiguration& values) {
  if (auto clash = FindClash(values.kafka)) return clash;
  return FindClash(values.nats);
}

}  // namespace signaldb
