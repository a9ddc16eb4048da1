#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>

namespace signaldb {

/// Appends Avro's binary primitives to a string that it borrows.
///
/// Threads: thread-compatible.
class AvroEncoder {
 public:
  explicit AvroEncoder(std::string& out) : out_(out) {}

  void WriteLong(std::int64_t value) {
    auto zigzag =
        (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
    char buffer[10];
    std::size_t size = 0;
    while (zigzag >= 0x80) {
      buffer[size++] = static_cast<char>(zigzag | 0x80);
      zigzag >>= 7;
    }
    buffer[size++] = static_cast<char>(zigzag);
    out_.append(buffer, size);
  }
  /// Int and long have the same form.
  void WriteInt(std::int32_t value) { WriteLong(value); }
  void WriteBoolean(bool value) { out_.push_back(value ? '\1' : '\0'); }
  void WriteFloat(float value) { WriteLittleEndian(std::bit_cast<std::uint32_t>(value)); }
  void WriteDouble(double value) { WriteLittleEndian(std::bit_cast<std::uint64_t>(value)); }
  /// A string or bytes: the length goes first.
  void WriteBytes(std::string_view bytes) {
    WriteLong(static_cast<std::int64_t>(bytes.size()));
    out_.append(bytes);
  }
  /// A fixed: no length.
  void WriteFixed(std::string_view bytes) { out_.append(bytes); }

 private:
  template <typename Unsigned>
  void WriteLittleEndian(Unsigned value) {
    static_assert(std::endian::native == std::endian::little);
    char buffer[sizeof(value)];
    std::memcpy(buffer, &value, sizeof(value));
    out_.append(buffer, sizeof(value));
  }

  std::string& out_;
};

/// Reads Avro's binary primitives from bytes that it borrows, and never past their end.
///
/// A fault sticks: after the first one every read gives zero or nothing and consumes nothing, so a
/// decoder of records checks `ok()` once a record, and loops end because counts read as zero.
///
/// Threads: thread-compatible.
class AvroDecoder {
 public:
  explicit AvroDecoder(std::string_view bytes)
      : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  [[nodiscard]] bool ok() const { return fault_ == nullptr; }
  /// What was wrong, for people; nullptr if nothing was.
  [[nodiscard]] const char* fault() const { return fault_; }
  [[nodiscard]] std::size_t remaining() const { return static_cast<std::size_t>(end_ - at_); }
  /// Where the next read starts; for cutting out what was just read.
  [[nodiscard]] const char* position() const { return at_; }

  /// Notes a fault found by the caller; the first one is kept. `what` is a literal.
  void Fault(const char* what) {
    if (fault_ == nullptr) fault_ = what;
    at_ = end_;
  }

  [[nodiscard]] std::int64_t ReadLong() {
    std::uint64_t zigzag = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (at_ == end_) {
        Fault("the bytes end inside a number");
        return 0;
      }
      const auto byte = static_cast<std::uint8_t>(*at_++);
      zigzag |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) {
        if (shift == 63 && byte > 1) break;
        return static_cast<std::int64_t>(zigzag >> 1) ^ -static_cast<std::int64_t>(zigzag & 1);
      }
    }
    Fault("a number has more than 64 bits");
    return 0;
  }
  [[nodiscard]] std::int32_t ReadInt() {
    const std::int64_t value = ReadLong();
    if (value < std::numeric_limits<std::int32_t>::min() ||
        value > std::numeric_limits<std::int32_t>::max()) {
      Fault("an int has more than 32 bits");
      return 0;
    }
    return static_cast<std::int32_t>(value);
  }
  [[nodiscard]] bool ReadBoolean() {
    const std::string_view byte = ReadFixed(1);
    if (byte.empty()) return false;
    if (static_cast<std::uint8_t>(byte[0]) > 1) Fault("a boolean is neither 0 nor 1");
    return byte[0] == 1;
  }
  [[nodiscard]] float ReadFloat() {
    return std::bit_cast<float>(ReadLittleEndian<std::uint32_t>());
  }
  [[nodiscard]] double ReadDouble() {
    return std::bit_cast<double>(ReadLittleEndian<std::uint64_t>());
  }
  /// A string or bytes. The view lives as long as the borrowed bytes.
  [[nodiscard]] std::string_view ReadBytes() {
    const std::int64_t size = ReadLong();
    if (size < 0) {
      Fault("a length is negative");
      return {};
    }
    return ReadFixed(static_cast<std::uint64_t>(size));
  }
  [[nodiscard]] std::string_view ReadFixed(std::uint64_t size) {
    if (size > remaining()) {
      Fault("a length reaches past the end of the bytes");
      return {};
    }
    const std::string_view bytes(at_, static_cast<std::size_t>(size));
    at_ += size;
    return bytes;
  }
  /// The number of items in the next block of an array or a map; 0 after the last one.
  /// `item_bytes_min`, at least 1, bounds the count by the bytes that are there.
  [[nodiscard]] std::uint64_t ReadBlockCount(std::uint64_t item_bytes_min) {
    std::int64_t count = ReadLong();
    if (count < 0) {
      if (count == std::numeric_limits<std::int64_t>::min()) {
        Fault("a block count is out of range");
        return 0;
      }
      count = -count;
      // The size in bytes lets others skip the block; it must at least be possible.
      const std::int64_t size = ReadLong();
      if (size < 0 || static_cast<std::uint64_t>(size) > remaining()) {
        Fault("the size of a block reaches past the end of the bytes");
        return 0;
      }
    }
    if (static_cast<std::uint64_t>(count) > remaining() / item_bytes_min) {
      Fault("a block counts more items than the bytes can hold");
      return 0;
    }
    return static_cast<std::uint64_t>(count);
  }

 private:
  template <typename Unsigned>
  [[nodiscard]] Unsigned ReadLittleEndian() {
    static_assert(std::endian::native == std::endian::little);
    const std::string_view bytes = ReadFixed(sizeof(Unsigned));
    Unsigned value = 0;
    if (bytes.size() == sizeof(value)) std::memcpy(&value, bytes.data(), bytes.size());
    return value;
  }

  const char* at_;
  const char* end_;
  const char* fault_ = nullptr;
};

}  // namespace signaldb
