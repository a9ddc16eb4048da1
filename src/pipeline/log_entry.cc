#include "pipeline/log_entry.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include <fmt/format.h>

#include "telemetry/names.h"

namespace signaldb {

namespace {

constexpr char kVersion = 1;
constexpr std::size_t kFixedBytes = 11;
constexpr std::size_t kStringBytesMax = 255;

void AppendString(std::string& out, std::string_view text) {
  text = text.substr(0, kStringBytesMax);
  out += static_cast<char>(text.size());
  out += text;
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
  auto nanos = static_cast<std::uint64_t>(header.received_at.count());
  for (int i = 0; i < 8; ++i, nanos >>= 8) out += static_cast<char>(nanos & 0xff);
  AppendString(out, header.tenant);
  AppendString(out, header.dataset);
  AppendString(out, header.request_id);
  return out;
}

Result<LogEntryHeader> DecodeLogEntryHeader(std::string_view bytes) {
  if (bytes.size() < kFixedBytes || bytes[0] != kVersion) {
    return Fail(ErrorKind::kCorrupt,
                fmt::format("log entry has no header of version 1 bytes={}", bytes.size()));
  }
  const auto signal = static_cast<std::uint8_t>(bytes[1]);
  const auto encoding = static_cast<std::uint8_t>(bytes[2]);
  std::uint64_t nanos = 0;
  for (std::size_t i = 0; i < 8; ++i) {
    nanos |= static_cast<std::uint64_t>(static_cast<std::uint8_t>(bytes[3 + i])) << (8 * i);
  }
  std::string_view rest = bytes.substr(kFixedBytes);
  const auto tenant = TakeString(rest);
  const auto dataset = tenant ? TakeString(rest) : std::nullopt;
  const auto request_id = dataset ? TakeString(rest) : std::nullopt;
  if (!request_id || !rest.empty() || signal > static_cast<std::uint8_t>(Signal::kMetrics) ||
      encoding > static_cast<std::uint8_t>(OtlpEncoding::kJson) ||
      !IsValidTenantOrDataset(*tenant) || !IsValidTenantOrDataset(*dataset)) {
    return Fail(ErrorKind::kCorrupt,
                fmt::format("log entry header contradicts itself bytes={}", bytes.size()));
  }
  return LogEntryHeader{.tenant = *tenant,
                        .dataset = *dataset,
                        .signal = static_cast<Signal>(signal),
                        .encoding = static_cast<OtlpEncoding>(encoding),
                        .received_at = Nanos(static_cast<std::int64_t>(nanos)),
                        .request_id = *request_id};
}

}  // namespace signaldb
