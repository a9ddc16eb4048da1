#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace signaldb {

/// Wire types of the protobuf encoding.
enum class WireType : std::uint8_t { kVarint = 0, kFixed64 = 1, kLength = 2, kFixed32 = 5 };

/// A field's key as it stands on the wire: the label of a `case` over WireReader::tag().
[[nodiscard]] constexpr std::uint32_t Tag(std::uint32_t field, WireType type) {
  return (field << 3) | static_cast<std::uint32_t>(type);
}

/// Walks the fields of one protobuf message without copying, allocating or throwing.
///
/// Accepts exactly what Google's C++ parser accepts, unknown groups included; a known field with
/// an unexpected wire type has a tag of its own, so that it falls into the caller's default branch
/// and is skipped as unknown. (protozero was tried first: it throws on groups and on reserved
/// field numbers, which a tolerant receiver has to skip.)
///
///     while (reader.Next()) switch (reader.tag()) { case Tag(1, kLength): ... default:
///     reader.Skip(); } if (!reader.ok()) malformed;
///
/// After a failure Next() is false, values are zero or empty, and ok() stays false.
///
/// Lifetime: borrows the bytes. Threads: thread-compatible.
class WireReader {
 public:
  explicit WireReader(std::string_view message)
      : at_(reinterpret_cast<const std::uint8_t*>(message.data())), end_(at_ + message.size()) {}

  /// Goes to the next field. Its value has to be taken or skipped before the next call.
  [[nodiscard]] bool Next() {
    if (at_ == end_) return false;
    if (*at_ < 0x80) [[likely]] {
      tag_ = *at_++;
    } else {
      tag_ = LongTag();
    }
    if ((tag_ >> 3) == 0) [[unlikely]]
      Fail();
    return ok_;
  }

  [[nodiscard]] std::uint32_t tag() const { return tag_; }
  [[nodiscard]] bool ok() const { return ok_; }

  [[nodiscard]] std::uint64_t Varint() {
    if (at_ != end_ && *at_ < 0x80) [[likely]]
      return *at_++;
    return LongVarint();
  }

  [[nodiscard]] std::uint64_t Fixed64() { return Fixed<std::uint64_t>(); }
  [[nodiscard]] std::uint32_t Fixed32() { return Fixed<std::uint32_t>(); }
  [[nodiscard]] double Double() { return Fixed<double>(); }

  /// The bytes of a length-delimited field: string, bytes, message or packed numbers.
  [[nodiscard]] std::string_view Bytes() {
    std::size_t length = 0;
    if (at_ != end_ && *at_ < 0x80) [[likely]] {
      length = *at_++;
    } else {
      length = LongLength();
    }
    if (length > static_cast<std::size_t>(end_ - at_)) [[unlikely]] {
      Fail();
      return {};
    }
    const std::string_view bytes(reinterpret_cast<const char*>(at_), length);
    at_ += length;
    return bytes;
  }

  /// Whether bytes are left: for packed numbers, which have no keys.
  [[nodiscard]] bool more() const { return at_ != end_; }
  /// How many bytes are left behind the current field's value, once it was taken or skipped.
  [[nodiscard]] std::size_t left() const { return static_cast<std::size_t>(end_ - at_); }

  /// Passes over the current field's value.
  void Skip();

 private:
  template <typename T>
  T Fixed() {
    T value{};
    if (static_cast<std::size_t>(end_ - at_) < sizeof(T)) [[unlikely]] {
      Fail();
      return value;
    }
    std::memcpy(&value, at_, sizeof(T));  // Little-endian, as every platform we build for.
    at_ += sizeof(T);
    return value;
  }

  void Fail() {
    ok_ = false;
    at_ = end_;
  }

  std::uint32_t LongTag();
  std::uint64_t LongVarint();
  std::size_t LongLength();
  void SkipGroup();

  const std::uint8_t* at_;
  const std::uint8_t* end_;
  std::uint32_t tag_ = 0;
  bool ok_ = true;
};

/// The value that a sint32 varint stands for.
[[nodiscard]] constexpr std::int32_t ZigZag32(std::uint64_t varint) {
  const auto bits = static_cast<std::uint32_t>(varint);
  return static_cast<std::int32_t>((bits >> 1) ^ (0 - (bits & 1)));
}

}  // namespace signaldb
