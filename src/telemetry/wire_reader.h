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
      : x_at(reinterpret_cast<const std::uint8_t*>(message.data())), x_end(x_at + message.size()) {}

  /// Goes to the next field. Its value has to be taken or skipped before the next call.
  [[nodiscard]] bool Next() {
    if (x_at == x_end) return false;
    if (*x_at < 0x80) [[likely]] {
      x_tag = *x_at++;
    } else {
      x_tag = LongTag();
    }
    if ((x_tag >> 3) == 0) [[unlikely]]
      Fail();
    return x_ok;
  }

  [[nodiscard]] std::uint32_t tag() const { return x_tag; }
  [[nodiscard]] bool ok() const { return x_ok; }

  [[nodiscard]] std::uint64_t Varint() {
    if (x_at != x_end && *x_at < 0x80) [[likely]]
      return *x_at++;
    return LongVarint();
  }

  [[nodiscard]] std::uint64_t Fixed64() { return Fixed<std::uint64_t>(); }
  [[nodiscard]] std::uint32_t Fixed32() { return Fixed<std::uint32_t>(); }
  [[nodiscard]] double Double() { return Fixed<double>(); }

  /// The bytes of a length-delimited field: string, bytes, message or packed numbers.
  [[nodiscard]] std::string_view Bytes() {
    std::size_t length = 0;
    if (x_at != x_end && *x_at < 0x80) [[likely]] {
      length = *x_at++;
    } else {
      length = LongLength();
    }
    if (length > static_cast<std::size_t>(x_end - x_at)) [[unlikely]] {
      Fail();
      return {};
    }
    const std::string_view bytes(reinterpret_cast<const char*>(x_at), length);
    x_at += length;
    return bytes;
  }

  /// Whether bytes are left: for packed numbers, which have no keys.
  [[nodiscard]] bool more() const { return x_at != x_end; }

  /// Passes over the current field's value.
  void Skip();

 private:
  template <typename T>
  T Fixed() {
    T value{};
    if (static_cast<std::size_t>(x_end - x_at) < sizeof(T)) [[unlikely]] {
      Fail();
      return value;
    }
    std::memcpy(&value, x_at, sizeof(T));  // Little-endian, as every platform we build for.
    x_at += sizeof(T);
    return value;
  }

  void Fail() {
    x_ok = false;
    x_at = x_end;
  }

  std::uint32_t LongTag();
  std::uint64_t LongVarint();
  std::size_t LongLength();
  void SkipGroup();

  const std::uint8_t* x_at;
  const std::uint8_t* x_end;
  std::uint32_t x_tag = 0;
  bool x_ok = true;
};

/// The value that a sint32 varint stands for.
[[nodiscard]] constexpr std::int32_t ZigZag32(std::uint64_t varint) {
  const auto bits = static_cast<std::uint32_t>(varint);
  return static_cast<std::int32_t>((bits >> 1) ^ (0 - (bits & 1)));
}

}  // namespace signaldb
