#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "telemetry/decode.h"
#include "telemetry/decode_tally.h"
#include "telemetry/pod_buffer.h"

namespace signaldb {

/// The parts of singular sub-messages that were sent in several, put together. Protobuf merges such
/// parts, and merging is what joining their bytes means.
using JoinedMessages = std::deque<std::string>;

/// The bytes of a singular sub-message; a second part is joined to the first.
class MessageBytes {
 public:
  void Add(std::string_view part, JoinedMessages& joined) {
    if (present_) [[unlikely]]
      return Join(part, joined);
    view_ = part;
    present_ = true;
  }
  [[nodiscard]] bool present() const { return present_; }
  [[nodiscard]] std::string_view view() const { return view_; }

 private:
  void Join(std::string_view part, JoinedMessages& joined);

  std::string_view view_;
  std::string* joined_ = nullptr;
  bool present_ = false;
};

/// One KeyValue, not looked into any deeper.
struct KeyValueView {
  std::string_view key;
  MessageBytes value;
};

/// If `message` consists of one length-delimited field with the one-byte `tag` and nothing else,
/// puts its bytes into `value`. The shape of nearly every AnyValue.
[[nodiscard]] inline bool IsOnlyField(std::string_view message, unsigned char tag,
                                      std::string_view& value) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(message[i]); };
  if (message.size() < 2 || byte(0) != tag) return false;
  if (byte(1) < 0x80) [[likely]] {
    value = {message.data() + 2, message.size() - 2};
    return byte(1) == value.size();
  }
  if (message.size() < 3 || byte(2) >= 0x80) return false;
  value = {message.data() + 3, message.size() - 3};
  return (byte(1) & 0x7fU) + (byte(2) * 0x80U) == value.size();
}

inline constexpr unsigned char kStringValueTag = 0x0a;

/// Turns AnyValues into text: themselves if they stand alone, JSON if they are structured or part
/// of something structured.
///
/// Rejects (through the tally) what is not UTF-8 or nested deeper than `depth_max`; the text is
/// incomplete then, and the record gets no row. Every byte is looked at all the same, so that a
/// malformed message is always found.
///
/// Lifetime: borrows the tally. Threads: confined to one decoder.
class AnyValueRenderer {
 public:
  /// kString: the value is a string, which stands as it is. kText: rendered from something else.
  enum class Outcome : std::uint8_t { kString, kText, kNull, kMalformed };

  AnyValueRenderer(DecodeTally& tally, const DecodeOptions& options)
      : tally_(tally), depth_max_(options.depth_max), attributes_max_(options.attributes_max) {}

  /// Appends an AnyValue as map value or body.
  [[nodiscard]] Outcome AppendPlain(std::string_view value, TextBuffer& out);

  /// Looks into a KeyValue. False if it is malformed.
  [[nodiscard]] bool ReadKeyValue(std::string_view bytes, KeyValueView& out);

  /// Looks through a KeyValue for its form only. False if it is malformed.
  [[nodiscard]] bool IsWellFormedKeyValue(std::string_view bytes);

  /// An attribute list that becomes a JSON object: Begin, Add each, then AppendObject.
  void BeginList() { list_.clear(); }
  [[nodiscard]] bool AddToList(std::string_view key_value);
  [[nodiscard]] bool list_empty() const { return list_.empty(); }
  [[nodiscard]] bool AppendListAsObject(TextBuffer& out);

  /// Leaves only the last entry of every key from `from` on; notes the others. `depth` is that of
  /// the values. False if malformed.
  [[nodiscard]] bool DropDuplicates(std::vector<KeyValueView>& entries, std::size_t from,
                                    int depth);

  /// Forgets joined messages. Call where no view of them is alive.
  void ForgetJoined() {
    if (!joined_.empty()) joined_.clear();
  }
  [[nodiscard]] JoinedMessages& joined() { return joined_; }

  void CheckUtf8(std::string_view text);

 private:
  struct Parsed;

  [[nodiscard]] bool Parse(std::string_view bytes, Parsed& out);
  [[nodiscard]] bool AppendJson(std::string_view value, TextBuffer& out, int depth);
  [[nodiscard]] bool AppendStructured(const Parsed& value, TextBuffer& out, int depth);
  [[nodiscard]] bool AppendArray(std::string_view array, TextBuffer& out, int depth);
  [[nodiscard]] bool AppendKvlist(std::string_view kvlist, TextBuffer& out, int depth);
  [[nodiscard]] bool AppendMembers(std::vector<KeyValueView>& entries, std::size_t from,
                                   TextBuffer& out, int depth);

  DecodeTally& tally_;
  const int depth_max_;
  const std::int64_t attributes_max_;
  std::vector<KeyValueView> list_;
  std::vector<KeyValueView> members_;  // A stack: of every kvlist that is open.
  TextBuffer discarded_;
  JoinedMessages joined_;
};

}  // namespace signaldb
