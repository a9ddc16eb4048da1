#include "adapters/nats/ack_subject.h"

#include <array>
#include <charconv>
#include <cstddef>

namespace signaldb {
namespace {

constexpr std::size_t kTokensShort = 9;
constexpr std::size_t kTokensLong = 11;
constexpr std::size_t kTokensMost = 12;  // A random one may follow; more are of no interest.

template <typename Number>
bool Read(std::string_view text, Number& into) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), into);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

std::optional<AckSubject> ParseAckSubject(std::string_view reply) {
  std::array<std::string_view, kTokensMost> tokens;
  std::size_t count = 0;
  for (std::string_view rest = reply; count < tokens.size();) {
    const std::size_t dot = rest.find('.');
    tokens[count++] = rest.substr(0, dot);
    if (dot == std::string_view::npos) break;
    rest.remove_prefix(dot + 1);
  }
  if (count != kTokensShort && count < kTokensLong) return std::nullopt;
  if (tokens[0] != "$JS" || tokens[1] != "ACK") return std::nullopt;
  const std::size_t at = count == kTokensShort ? 2 : 4;
  AckSubject found{.stream = tokens[at], .consumer = tokens[at + 1]};
  std::int64_t stored_at = 0;
  if (!Read(tokens[at + 2], found.deliveries) || !Read(tokens[at + 3], found.stream_sequence) ||
      !Read(tokens[at + 4], found.consumer_sequence) || !Read(tokens[at + 5], stored_at) ||
      !Read(tokens[at + 6], found.pending) || found.stream_sequence == 0) {
    return std::nullopt;
  }
  found.stored_at = Nanos(stored_at);
  return found;
}

}  // namespace signaldb
