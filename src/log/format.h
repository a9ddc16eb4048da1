#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "base/random.h"

namespace signaldb {

/// The bytes of the log on disk; README.md has them as tables. All numbers are little-endian.
///
/// A frame's checksum covers where it stands (log, segment, offset) beside what it says, so neither
/// stale bytes of another file nor a frame copied within its own are ever taken for a record.

inline constexpr std::size_t kSegmentHeaderBytes = 80;
/// Of segments that do not say which source their records belong to: that of the log's own uuid.
inline constexpr std::size_t kSegmentHeaderBytesV1 = 64;
inline constexpr std::size_t kFrameHeaderBytes = 40;
inline constexpr std::size_t kStateFileBytes = 48;
/// First bytes of every frame; what a search for the next good one looks for.
inline constexpr std::array<std::byte, 4> kFrameMagic{std::byte{0xC5}, std::byte{'S'},
                                                      std::byte{'D'}, std::byte{'F'}};

/// Which file of the log: its number in order of creation, and the first position it may hold.
/// Both stand in its name, so a damaged header costs nothing.
struct SegmentId {
  std::uint64_t sequence = 0;
  std::uint64_t base = 0;

  friend auto operator<=>(const SegmentId&, const SegmentId&) = default;
};

[[nodiscard]] std::string SegmentName(const SegmentId& id);
/// Nothing if `name` is not exactly what SegmentName writes.
[[nodiscard]] std::optional<SegmentId> ParseSegmentName(std::string_view name);

struct SegmentHeader {
  Uuid uuid{};
  SegmentId id{};
  /// The last position that was there when this segment began. Frames missing below it are damage,
  /// bytes after it in older segments are not.
  std::uint64_t previous = 0;
  /// The identity its records belong to, see LogIdentity.
  Uuid source{};
  /// In the file: kSegmentHeaderBytes or kSegmentHeaderBytesV1.
  std::size_t bytes = kSegmentHeaderBytes;

  friend bool operator==(const SegmentHeader&, const SegmentHeader&) = default;
};

/// `header.bytes` bytes.
[[nodiscard]] std::vector<std::byte> EncodeSegmentHeader(const SegmentHeader& header);
/// `bytes` may be longer than the header.
[[nodiscard]] std::optional<SegmentHeader> DecodeSegmentHeader(std::span<const std::byte> bytes);

enum class FrameType : std::uint8_t {
  kRecord = 1,
  kHole = 2,  ///< Its content was damaged and is set aside elsewhere; skipped.
  kEnd = 3,   ///< The log was closed here: nothing before it is a torn tail.
};

struct FrameHeader {
  FrameType type = FrameType::kRecord;
  std::uint64_t position = 0;
  std::uint32_t header_bytes = 0;
  std::uint32_t body_bytes = 0;
  std::uint64_t content_checksum = 0;

  [[nodiscard]] std::uint64_t frame_bytes() const {
    return kFrameHeaderBytes + std::uint64_t{header_bytes} + body_bytes;
  }
  friend bool operator==(const FrameHeader&, const FrameHeader&) = default;
};

/// What ties frames to one segment of one log.
[[nodiscard]] std::uint64_t SegmentSeed(const Uuid& uuid, const SegmentId& id);
/// What ties contents to one log.
[[nodiscard]] std::uint64_t ContentSeed(const Uuid& uuid);
[[nodiscard]] std::uint64_t ContentChecksum(std::uint64_t content_seed, std::string_view header,
                                            std::span<const std::byte> body);

[[nodiscard]] std::array<std::byte, kFrameHeaderBytes> EncodeFrameHeader(const FrameHeader& header,
                                                                         std::uint64_t segment_seed,
                                                                         std::uint64_t offset);
/// Nothing unless these bytes are a frame header of this segment at this offset.
[[nodiscard]] std::optional<FrameHeader> DecodeFrameHeader(std::span<const std::byte> bytes,
                                                           std::uint64_t segment_seed,
                                                           std::uint64_t offset);

/// Positions from `first` on, up to the next identity's, belong to the source `uuid`. A log has
/// several once its folder was copied or put back: what was in it keeps its source, so that tables
/// know it again, and what comes gets a new one, so that they do not take it for something else.
struct LogIdentity {
  Uuid uuid{};
  std::uint64_t first = 1;

  friend bool operator==(const LogIdentity&, const LogIdentity&) = default;
};

/// Each stands for at least one record that is not trimmed, but for the last.
inline constexpr std::size_t kIdentitiesMax = 4096;

/// What the file `identity` says.
struct IdentityFile {
  Uuid log{};     ///< Ties the files of the folder together; never changes.
  FileId lock{};  ///< The lock file at the time; a copy has another one. Empty: not known.
  std::vector<LogIdentity> identities;  ///< Oldest first, at least one.

  friend bool operator==(const IdentityFile&, const IdentityFile&) = default;
};

inline constexpr std::size_t kIdentityFileBytesMax = 72 + 24 * kIdentitiesMax;

[[nodiscard]] std::vector<std::byte> EncodeIdentityFile(const IdentityFile& file);
/// Nothing unless `bytes` is exactly one intact file, of this version or the first one.
[[nodiscard]] std::optional<IdentityFile> DecodeIdentityFile(std::span<const std::byte> bytes);

enum class StateKind : std::uint32_t {
  kIdentity = 1,  ///< Which log this is.
  kCursor = 2,    ///< Up to which position it was trimmed.
};

struct StateFile {
  StateKind kind = StateKind::kIdentity;
  Uuid uuid{};
  std::uint64_t value = 0;

  friend bool operator==(const StateFile&, const StateFile&) = default;
};

[[nodiscard]] std::array<std::byte, kStateFileBytes> EncodeStateFile(const StateFile& state);
/// Nothing unless `bytes` is exactly one intact file of `kind`.
[[nodiscard]] std::optional<StateFile> DecodeStateFile(std::span<const std::byte> bytes,
                                                       StateKind kind);

}  // namespace signaldb
