#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "log/format.h"

namespace signaldb {

/// A stretch of a segment, [offset, offset + bytes).
struct ByteRange {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
};

/// What a segment holds next.
struct SegmentItem {
  enum class Kind : std::uint8_t {
    kRecord,
    kEndMark,  ///< The log was closed here.
    kDamage,   ///< `range` holds nothing good; more may follow it.
    kEnd,      ///< Of the file.
  };
  Kind kind = Kind::kEnd;
  ByteRange range{};
  std::uint64_t position = 0;
  std::string_view header{};          ///< Valid until the next call.
  std::span<const std::byte> body{};  ///< Valid until the next call.
};

/// Reads the frames of one segment in order, steps over damage, and tells what it stepped over.
///
/// Only frames of this very segment at this very offset, with positions that grow, are good.
/// Nothing read from the file is believed, or allocated for, before its checksum or the file's size
/// agrees.
///
/// Threads: thread-compatible.
class SegmentReader {
 public:
  /// `file` must outlive the reader. Errors: kUnavailable (I/O).
  [[nodiscard]] static Result<SegmentReader> Make(File& file, const Uuid& uuid,
                                                  const SegmentId& id);

  /// The file's own header, if it is intact; it may be of another log.
  [[nodiscard]] const std::optional<SegmentHeader>& header() const { return header_; }
  /// Where its frames begin, also when the header is damaged.
  [[nodiscard]] std::uint64_t header_bytes() const { return header_bytes_; }
  [[nodiscard]] std::uint64_t file_bytes() const { return file_bytes_; }

  /// Errors: kUnavailable (I/O).
  [[nodiscard]] Result<SegmentItem> Next();

 private:
  SegmentReader(File& file, const Uuid& uuid, const SegmentId& id);

  /// A frame header at `offset` that fits into the file; nothing if there is none.
  [[nodiscard]] Result<std::optional<FrameHeader>> HeaderAt(std::uint64_t offset);
  /// Reads the content of a record; whether it is as it was written, and in order.
  [[nodiscard]] Result<bool> IsGood(std::uint64_t offset, const FrameHeader& frame);
  /// The first offset at or after `offset` where a frame header stands, else the size of the file.
  [[nodiscard]] Result<std::uint64_t> FindHeader(std::uint64_t offset);
  [[nodiscard]] SegmentItem Take(std::uint64_t offset, const FrameHeader& frame);

  File* file_;
  SegmentId id_;
  std::uint64_t segment_seed_;
  std::uint64_t content_seed_;
  std::uint64_t header_bytes_ = kSegmentHeaderBytes;
  std::uint64_t file_bytes_ = 0;
  std::uint64_t offset_ = 0;
  std::uint64_t last_position_ = 0;
  std::optional<SegmentHeader> header_;
  std::vector<std::byte> content_;
  std::vector<std::byte> window_;
};

}  // namespace signaldb
