#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "signaldb/result.h"
#include "telemetry/signal.h"
#include "telemetry/source.h"

namespace signaldb {

/// Where a message names its tenant or dataset.
struct NameRule {
  enum class From : std::uint8_t { kFixed, kTopic, kKey, kHeader, kResource };
  From from = From::kFixed;
  std::string of;         ///< The header or attribute.
  std::string otherwise;  ///< The name with kFixed, and of messages that name none. Valid.
};

/// "fixed", "topic", "key", "header:<name>" or "resource:<attribute>". Errors: kInvalid.
[[nodiscard]] Result<NameRule> ParseNameRule(std::string_view text, std::string otherwise);

/// kAuto tells the two apart by the first byte.
enum class KafkaEncoding : std::uint8_t { kAuto, kOtlpProtobuf, kOtlpJson };

/// One topic to read, and what is in it.
struct KafkaTopic {
  std::string topic;
  Signal signal = Signal::kTraces;
  KafkaEncoding encoding = KafkaEncoding::kAuto;
  NameRule tenant;
  NameRule dataset;
  /// Part of the source key. Topics that were deleted and made again count from 0 again, which
  /// librdkafka 2.0.2 cannot tell us: another text here makes them another source.
  std::string incarnation = "0";
};

/// A record of a partition, as it comes off the wire.
struct KafkaRecord {
  std::int64_t offset = 0;
  Nanos received_at{0};
  std::string_view key;
  std::vector<std::pair<std::string_view, std::string_view>> headers;  ///< Names may repeat.
  std::span<const std::byte> value;
  std::shared_ptr<const void> owner;  ///< Keeps `value` alive.
};

/// What the pipeline gets of `record`. A record that can never be rows comes out as one that is
/// `unfit`, with the reason.
[[nodiscard]] SourceMessage ToSourceMessage(const KafkaTopic& topic, const KafkaRecord& record);

}  // namespace signaldb
