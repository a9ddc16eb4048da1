#include "log/format.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>

#include <fmt/format.h>
#include <xxhash.h>

namespace signaldb {
namespace {

constexpr std::uint64_t kSegmentMagic = 0x3147455342445321ULL;  // "!SDBSEG1"
constexpr std::uint64_t kStateMagic = 0x3141545342445321ULL;    // "!SDBSTA1"
constexpr std::uint32_t kVersion = 1;
constexpr std::uint32_t kSegmentVersion = 2;
constexpr std::uint32_t kIdentityVersion = 2;
constexpr std::size_t kDigits = 20;  // of the largest 64-bit number
constexpr std::string_view kSegmentSuffix = ".seg";
constexpr std::size_t kChecksumBytes = 8;
constexpr std::size_t kIdentityFixedBytes = 64;
constexpr std::size_t kIdentityEntryBytes = 24;
constexpr std::size_t kFrameChecksumAt = 32;
constexpr std::size_t kStateChecksumAt = 40;

static_assert(std::endian::native == std::endian::little,
              "numbers are written as they stand in memory");

/// Fills an array front to back.
template <std::size_t kSize>
class Packer {
 public:
  template <typename T>
  Packer& Put(const T& value) {
    std::memcpy(bytes_.data() + used_, &value, sizeof(value));
    used_ += sizeof(value);
    return *this;
  }
  [[nodiscard]] std::span<const std::byte> filled() const { return std::span(bytes_).first(used_); }
  [[nodiscard]] const std::array<std::byte, kSize>& bytes() const { return bytes_; }

 private:
  std::array<std::byte, kSize> bytes_{};
  std::size_t used_ = 0;
};

/// Takes values from the front of bytes that are known to be long enough.
class Unpacker {
 public:
  explicit Unpacker(std::span<const std::byte> bytes) : bytes_(bytes) {}
  template <typename T>
  [[nodiscard]] T Get() {
    T value;
    std::memcpy(&value, bytes_.data(), sizeof(value));
    bytes_ = bytes_.subspan(sizeof(value));
    return value;
  }

 private:
  std::span<const std::byte> bytes_;
};

[[nodiscard]] std::uint64_t Hash(std::span<const std::byte> bytes, std::uint64_t seed = 0) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

/// Whether the last 8 bytes are the checksum of those before.
[[nodiscard]] bool EndsWithItsChecksum(std::span<const std::byte> bytes) {
  const std::size_t covered = bytes.size() - kChecksumBytes;
  return Unpacker(bytes.subspan(covered)).Get<std::uint64_t>() == Hash(bytes.first(covered));
}

template <std::size_t kSize>
void Append(std::vector<std::byte>& bytes, const Packer<kSize>& packer) {
  bytes.insert(bytes.end(), packer.filled().begin(), packer.filled().end());
}

[[nodiscard]] std::uint64_t FrameChecksum(std::span<const std::byte> fields,
                                          std::uint64_t segment_seed, std::uint64_t offset) {
  Packer<kFrameChecksumAt + 16> covered;
  std::array<std::byte, kFrameChecksumAt> copy{};
  std::ranges::copy(fields.first(kFrameChecksumAt), copy.begin());
  return Hash(covered.Put(copy).Put(segment_seed).Put(offset).bytes());
}

/// A number of exactly kDigits digits.
[[nodiscard]] std::optional<std::uint64_t> ParsePadded(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::string SegmentName(const SegmentId& id) {
  return fmt::format("{:020}-{:020}{}", id.sequence, id.base, kSegmentSuffix);
}

std::optional<SegmentId> ParseSegmentName(std::string_view name) {
  if (name.size() != 2 * kDigits + 1 + kSegmentSuffix.size()) return std::nullopt;
  const auto sequence = ParsePadded(name.substr(0, kDigits));
  const auto base = ParsePadded(name.substr(kDigits + 1, kDigits));
  if (!sequence.has_value() || !base.has_value()) return std::nullopt;
  const SegmentId id{.sequence = *sequence, .base = *base};
  if (SegmentName(id) != name) return std::nullopt;
  return id;
}

std::vector<std::byte> EncodeSegmentHeader(const SegmentHeader& header) {
  const bool is_v1 = header.bytes == kSegmentHeaderBytesV1;
  Packer<kSegmentHeaderBytes> packer;
  packer.Put(kSegmentMagic).Put(is_v1 ? kVersion : kSegmentVersion);
  packer.Put(static_cast<std::uint32_t>(header.bytes)).Put(header.uuid);
  packer.Put(header.id.sequence).Put(header.id.base).Put(header.previous);
  if (!is_v1) packer.Put(header.source);
  packer.Put(Hash(packer.filled()));
  return {packer.filled().begin(), packer.filled().end()};
}

std::optional<SegmentHeader> DecodeSegmentHeader(std::span<const std::byte> bytes) {
  if (bytes.size() < kSegmentHeaderBytesV1) return std::nullopt;
  Unpacker fields(bytes);
  if (fields.Get<std::uint64_t>() != kSegmentMagic) return std::nullopt;
  const auto version = fields.Get<std::uint32_t>();
  if (version != kVersion && version != kSegmentVersion) return std::nullopt;
  SegmentHeader header;
  header.bytes = version == kVersion ? kSegmentHeaderBytesV1 : kSegmentHeaderBytes;
  if (fields.Get<std::uint32_t>() != header.bytes || bytes.size() < header.bytes)
    return std::nullopt;
  if (!EndsWithItsChecksum(bytes.first(header.bytes))) return std::nullopt;
  header.uuid = fields.Get<Uuid>();
  header.id.sequence = fields.Get<std::uint64_t>();
  header.id.base = fields.Get<std::uint64_t>();
  header.previous = fields.Get<std::uint64_t>();
  header.source = version == kVersion ? header.uuid : fields.Get<Uuid>();
  return header;
}

std::uint64_t SegmentSeed(const Uuid& uuid, const SegmentId& id) {
  Packer<32> packer;
  return Hash(packer.Put(uuid).Put(id.sequence).Put(id.base).bytes());
}

std::uint64_t ContentSeed(const Uuid& uuid) { return Hash(std::as_bytes(std::span(uuid))); }

std::uint64_t ContentChecksum(std::uint64_t content_seed, std::string_view header,
                              std::span<const std::byte> body) {
  return Hash(body, Hash(std::as_bytes(std::span(header)), content_seed));
}

std::array<std::byte, kFrameHeaderBytes> EncodeFrameHeader(const FrameHeader& header,
                                                           std::uint64_t segment_seed,
                                                           std::uint64_t offset) {
  Packer<kFrameHeaderBytes> packer;
  packer.Put(kFrameMagic).Put(static_cast<std::uint32_t>(header.type)).Put(header.position);
  packer.Put(header.header_bytes).Put(header.body_bytes).Put(header.content_checksum);
  return packer.Put(FrameChecksum(packer.filled(), segment_seed, offset)).bytes();
}

std::optional<FrameHeader> DecodeFrameHeader(std::span<const std::byte> bytes,
                                             std::uint64_t segment_seed, std::uint64_t offset) {
  if (bytes.size() < kFrameHeaderBytes) return std::nullopt;
  Unpacker fields(bytes);
  if (fields.Get<std::array<std::byte, 4>>() != kFrameMagic) return std::nullopt;
  const auto type = fields.Get<std::uint32_t>();
  FrameHeader header;
  header.position = fields.Get<std::uint64_t>();
  header.header_bytes = fields.Get<std::uint32_t>();
  header.body_bytes = fields.Get<std::uint32_t>();
  header.content_checksum = fields.Get<std::uint64_t>();
  if (fields.Get<std::uint64_t>() != FrameChecksum(bytes, segment_seed, offset))
    return std::nullopt;
  if (type < static_cast<std::uint32_t>(FrameType::kRecord) ||
      type > static_cast<std::uint32_t>(FrameType::kEnd)) {
    return std::nullopt;
  }
  header.type = static_cast<FrameType>(type);
  return header;
}

std::array<std::byte, kStateFileBytes> EncodeStateFile(const StateFile& state) {
  Packer<kStateFileBytes> packer;
  packer.Put(kStateMagic).Put(kVersion).Put(static_cast<std::uint32_t>(state.kind)).Put(state.uuid);
  packer.Put(state.value);
  return packer.Put(Hash(packer.filled())).bytes();
}

std::optional<StateFile> DecodeStateFile(std::span<const std::byte> bytes, StateKind kind) {
  if (bytes.size() != kStateFileBytes) return std::nullopt;
  Unpacker fields(bytes);
  if (fields.Get<std::uint64_t>() != kStateMagic) return std::nullopt;
  if (fields.Get<std::uint32_t>() != kVersion) return std::nullopt;
  if (fields.Get<std::uint32_t>() != static_cast<std::uint32_t>(kind)) return std::nullopt;
  StateFile state{.kind = kind, .uuid = fields.Get<Uuid>(), .value = fields.Get<std::uint64_t>()};
  if (fields.Get<std::uint64_t>() != Hash(bytes.first(kStateChecksumAt))) return std::nullopt;
  return state;
}

std::vector<std::byte> EncodeIdentityFile(const IdentityFile& file) {
  std::vector<std::byte> bytes;
  Packer<kIdentityFixedBytes> fixed;
  fixed.Put(kStateMagic)
      .Put(kIdentityVersion)
      .Put(static_cast<std::uint32_t>(StateKind::kIdentity));
  fixed.Put(file.log).Put(file.lock.device).Put(file.lock.inode).Put(file.lock.born_ns);
  Append(bytes, fixed.Put(std::uint64_t{file.identities.size()}));
  for (const LogIdentity& identity : file.identities) {
    Append(bytes, Packer<kIdentityEntryBytes>().Put(identity.uuid).Put(identity.first));
  }
  Append(bytes, Packer<kChecksumBytes>().Put(Hash(bytes)));
  return bytes;
}

std::optional<IdentityFile> DecodeIdentityFile(std::span<const std::byte> bytes) {
  if (const auto v1 = DecodeStateFile(bytes, StateKind::kIdentity); v1.has_value()) {
    return IdentityFile{.log = v1->uuid, .lock = {}, .identities = {{.uuid = v1->uuid}}};
  }
  constexpr std::size_t kBytesMin = kIdentityFixedBytes + kIdentityEntryBytes + kChecksumBytes;
  if (bytes.size() < kBytesMin || bytes.size() > kIdentityFileBytesMax) return std::nullopt;
  if (!EndsWithItsChecksum(bytes)) return std::nullopt;
  Unpacker fields(bytes);
  if (fields.Get<std::uint64_t>() != kStateMagic) return std::nullopt;
  if (fields.Get<std::uint32_t>() != kIdentityVersion) return std::nullopt;
  if (fields.Get<std::uint32_t>() != static_cast<std::uint32_t>(StateKind::kIdentity))
    return std::nullopt;
  IdentityFile file;
  file.log = fields.Get<Uuid>();
  file.lock.device = fields.Get<std::uint64_t>();
  file.lock.inode = fields.Get<std::uint64_t>();
  file.lock.born_ns = fields.Get<std::int64_t>();
  const auto count = fields.Get<std::uint64_t>();
  if (bytes.size() - kIdentityFixedBytes - kChecksumBytes != count * kIdentityEntryBytes)
    return std::nullopt;
  for (std::uint64_t i = 0; i < count; ++i) {
    LogIdentity& identity = file.identities.emplace_back();
    identity.uuid = fields.Get<Uuid>();
    identity.first = fields.Get<std::uint64_t>();
  }
  return file;
}

}  // namespace signaldb
