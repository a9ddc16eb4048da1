#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace signaldb::testing {

/// Takes decisions from the front of a fuzz input; an input that is used up gives zeroes.
class FuzzInput {
 public:
  explicit FuzzInput(std::string_view bytes) : rest_(bytes) {}

  [[nodiscard]] std::uint8_t TakeByte() {
    if (rest_.empty()) return 0;
    const auto byte = static_cast<std::uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return byte;
  }
  /// Below `bound`, which is above 0.
  [[nodiscard]] std::uint64_t TakeBelow(std::uint64_t bound) {
    std::uint64_t number = 0;
    for (std::uint64_t reach = bound - 1; reach > 0; reach >>= 8) number = number << 8 | TakeByte();
    return number % bound;
  }
  /// Fewer at the end of the input.
  [[nodiscard]] std::string_view TakeBytes(std::size_t bytes) {
    const std::string_view taken = rest_.substr(0, bytes);
    rest_.remove_prefix(taken.size());
    return taken;
  }
  [[nodiscard]] std::string_view rest() const { return rest_; }
  [[nodiscard]] bool empty() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

}  // namespace signaldb::testing
