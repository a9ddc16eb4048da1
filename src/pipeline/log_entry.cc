#include "pipeline/log_entry.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include <fmt/format.h>

#include "telemetry/names.h"

namespace signaldb {

namespace {

constexpr char kVersion = 2;
constexpr std::size_t kNumbers = 5;
constexpr std::size_t kFixedBytes = 3 + 8 * kNumbers;
constexpr std::int64_t kDepthMax = 1'000;  // Nobody configures more; a damaged header might.
constexpr std::size_t kStringBytesMax = 255;

void AppendString(std::string& out, std::string_view text) {
  text = text.substr(0, kStringBytesMax);
  out += static_cast<char>(text.size());
  out += text;
}

void AppendNumber(std::string& out, std::int64_t number) {
  auto bits = static_cast<std::uint64_t>(number);
  for (int i = 0; i < 8; ++i, bits >>= 8) out += static_cast<char>(bits & 0xff);
}

std::int64_t NumberAt(std::string_view bytes, std::size_t index) {
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < 8; ++i) {
    bits |= static_cast<std::uint64_t>(static_cast<std::uint8_t>(bytes[3 + 8 * index + i]))
            << (8 * i);
  }
  return static_cast<std::int64_t>(bits);
}

std::optional<std::string> TakeString(std::string_view& rest) {
  if (rest.empty()) return std::nullopt;
  const auto size = static_cast<std::uint8_t>(rest[0]);
  rest.remove_prefix(1);
  if (rest.size() < size) return std::nullopt;
  std::string text(rest.substr(0, size));
  rest.remove_prefix(size);
  return text;
}

}  // namespace

std::string EncodeLogEntryHeader(const LogEntryHeader& header) {
  std::string out;
  out += kVersion;
  out += static_cast<char>(header.signal);
  out += static_cast<char>(header.encoding);
  AppendNumber(out, header.received_at.count());
  AppendNumber(out, header.depth_max);
  AppendNumber(out, header.attributes_max);
  AppendNumber(out, header.timestamp_min.count());
  AppendNumber(out, header.timestamp_future_max.count());
  AppendString(out, header.tenant);
  AppendString(out, header.dataset);
  AppendString(out, header.request_id);
  return out;
}

Result<LogEntryHeader> DecodeLogEntryHeader(std::string_view bytes) {
  if (bytes.size() < kFixedBytes || bytes[0] != kVersion) {
    return Fail(ErrorKind::kCorrupt,
                fmt::format("log entry has no header of version 2 bytes={}", bytes.size()));
  }
  const auto signal = static_cast<std::uint8_t>(bytes[1]);
  const auto encoding = static_cast<std::uint8_t>(bytes[2]);
  const std::int64_t depth_max = NumberAt(bytes, 1);
  std::string_view rest = bytes.substr(kFixedBytes);
  const auto tenant = TakeString(rest);
  const auto dataset = tenant ? TakeString(rest) : std::nullopt;
  const auto request_id = dataset ? TakeString(rest) : std::nullopt;
  if (!request_id || !rest.empty() || signal > static_cast<std::uint8_t>(Signal::kMetrics) ||
      encoding > static_cast<std::uint8_t>(MessageEncoding::kArrowRows) || depth_max < 0 ||
      depth_max > kDepthMax || !IsValidTenantOrDataset(*tenant) ||
      !IsValidTenantOrDataset(*dataset)) {
    return Fail(ErrorKind::kCorrupt,
                fmt::format("log entry header contradicts itself bytes={}", bytes.size()));
  }
  return LogEntryHeader{.tenant = *tenant,
                        .dataset = *dataset,
                        .signal = static_cast<Signal>(signal),
                        .encoding = static_cast<MessageEncoding>(encoding),
                        .received_at = Nanos(NumberAt(bytes, 0)),
                        .request_id = *request_id,
                        .depth_max = static_cast<int>(depth_max),
                        .attributes_max = NumberAt(bytes, 2),
                        .timestamp_min = Nanos(NumberAt(bytes, 3)),
                        .timestamp_future_max = Nanos(NumberAt(bytes, 4))};
}

}  // namespace signaldb
