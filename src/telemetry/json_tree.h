#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "signaldb/result.h"

namespace signaldb {

/// A parsed JSON text: one flat list of values in the order of the text.
///
/// Exists because OTLP/JSON needs what document types throw away: numbers as they were written
/// (64-bit integers and doubles alike), and a bound on depth without recursion. What is nested
/// deeper than any OTLP value can be is read, checked, and left out.
///
/// Owns its copy of the text. Threads: thread-compatible.
class JsonTree {
 public:
  enum class Kind : std::uint8_t { kNull, kBool, kNumber, kString, kArray, kObject };

  struct Node {
    std::string_view text;  ///< Of strings and numbers; "true" or "false".
    std::uint32_t next;     ///< Index of the value that follows with all its parts behind it.
    Kind kind;
  };

  /// Values that one text may hold.
  static constexpr std::size_t kNodesMax = std::size_t{1} << 24;
  /// Open arrays and objects; deeper ones are left out. 32 nested AnyValues need about 110.
  static constexpr std::size_t kDepthMax = 256;

  /// Errors: kInvalid (not JSON, or more than kNodesMax values).
  [[nodiscard]] static Result<JsonTree> Parse(std::string_view text);

  /// The values: [0] is the root; an object's members are string, value, string, value, ...
  [[nodiscard]] const std::vector<Node>& nodes() const { return nodes_; }

 private:
  JsonTree() = default;

  std::vector<char> text_;  // Strings are unescaped in place; a vector keeps its memory when moved.
  std::vector<Node> nodes_;
};

}  // namespace signaldb
