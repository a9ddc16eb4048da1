#include "log/segment_reader.h"

#include <algorithm>

namespace signaldb {
namespace {

/// Bytes read at once while searching for the next frame after damage.
constexpr std::size_t kSearchWindowBytes = 64 << 10;

}  // namespace

SegmentReader::SegmentReader(File& file, const Uuid& uuid, const SegmentId& id)
    : file_(&file),
      id_(id),
      segment_seed_(SegmentSeed(uuid, id)),
      content_seed_(ContentSeed(uuid)) {}

Result<SegmentReader> SegmentReader::Make(File& file, const Uuid& uuid, const SegmentId& id) {
  SegmentReader reader(file, uuid, id);
  SIGNALDB_ASSIGN(reader.file_bytes_, file.Size());
  std::array<std::byte, kSegmentHeaderBytes> bytes{};
  SIGNALDB_ASSIGN(const std::size_t count, file.ReadAt(0, bytes));
  reader.header_ = DecodeSegmentHeader(std::span(bytes).first(count));
  if (reader.header_.has_value()) {
    reader.header_bytes_ = reader.header_->bytes;
  } else {
    // It does not say how long it was. A frame's checksum covers where it stands.
    SIGNALDB_ASSIGN(
        const std::optional<FrameHeader> first,
        reader.HeaderAt(std::min<std::uint64_t>(kSegmentHeaderBytesV1, reader.file_bytes_)));
    if (first.has_value()) reader.header_bytes_ = kSegmentHeaderBytesV1;
  }
  reader.offset_ = std::min(reader.header_bytes_, reader.file_bytes_);
  return reader;
}

Result<SegmentItem> SegmentReader::Next() {
  std::uint64_t start = offset_;
  std::uint64_t at = start;
  while (at < file_bytes_) {
    SIGNALDB_ASSIGN(const std::optional<FrameHeader> frame, HeaderAt(at));
    if (!frame.has_value()) {
      SIGNALDB_ASSIGN(at, FindHeader(at + 1));
      continue;
    }
    SIGNALDB_ASSIGN(const bool good, IsGood(at, *frame));
    if (!good) {
      at += frame->frame_bytes();
      continue;
    }
    if (at > start) {
      offset_ = at;  // read again next time: damage is rare
      return SegmentItem{.kind = SegmentItem::Kind::kDamage, .range = {start, at - start}};
    }
    offset_ = at + frame->frame_bytes();
    if (frame->type != FrameType::kHole) return Take(at, *frame);
    start = at = offset_;
  }
  offset_ = file_bytes_;
  if (start == file_bytes_) return SegmentItem{};
  return SegmentItem{.kind = SegmentItem::Kind::kDamage, .range = {start, file_bytes_ - start}};
}

Result<std::optional<FrameHeader>> SegmentReader::HeaderAt(std::uint64_t offset) {
  std::array<std::byte, kFrameHeaderBytes> bytes{};
  SIGNALDB_ASSIGN(const std::size_t count, file_->ReadAt(offset, bytes));
  const auto frame = DecodeFrameHeader(std::span(bytes).first(count), segment_seed_, offset);
  if (frame.has_value() && frame->frame_bytes() > file_bytes_ - offset) return std::nullopt;
  return frame;
}

Result<bool> SegmentReader::IsGood(std::uint64_t offset, const FrameHeader& frame) {
  if (frame.type == FrameType::kHole) return true;
  if (frame.type == FrameType::kEnd) return frame.header_bytes == 0 && frame.body_bytes == 0;
  if (frame.position < id_.base || frame.position <= last_position_) return false;
  content_.resize(std::size_t{frame.header_bytes} + frame.body_bytes);
  SIGNALDB_ASSIGN(const std::size_t count, file_->ReadAt(offset + kFrameHeaderBytes, content_));
  if (count != content_.size()) return false;
  const std::span<const std::byte> content(content_);
  const std::string_view header(reinterpret_cast<const char*>(content.data()), frame.header_bytes);
  return ContentChecksum(content_seed_, header, content.subspan(frame.header_bytes)) ==
         frame.content_checksum;
}

Result<std::uint64_t> SegmentReader::FindHeader(std::uint64_t offset) {
  window_.resize(kSearchWindowBytes);
  while (offset < file_bytes_) {
    SIGNALDB_ASSIGN(const std::size_t count, file_->ReadAt(offset, window_));
    const auto end = window_.begin() + static_cast<std::ptrdiff_t>(count);
    for (auto at = window_.begin();; ++at) {
      at = std::search(at, end, kFrameMagic.begin(), kFrameMagic.end());
      if (at == end) break;
      const std::uint64_t found = offset + static_cast<std::uint64_t>(at - window_.begin());
      SIGNALDB_ASSIGN(const std::optional<FrameHeader> frame, HeaderAt(found));
      if (frame.has_value()) return found;
    }
    if (count < kFrameMagic.size()) break;
    offset += count - (kFrameMagic.size() - 1);  // the magic may straddle two windows
    if (count < window_.size()) break;
  }
  return file_bytes_;
}

SegmentItem SegmentReader::Take(std::uint64_t offset, const FrameHeader& frame) {
  SegmentItem item{.range = {offset, frame.frame_bytes()}, .position = frame.position};
  if (frame.type == FrameType::kEnd) {
    item.kind = SegmentItem::Kind::kEndMark;
    return item;
  }
  last_position_ = frame.position;
  item.kind = SegmentItem::Kind::kRecord;
  const std::span<const std::byte> content(content_);
  item.header = {reinterpret_cast<const char*>(content.data()), frame.header_bytes};
  item.body = content.subspan(frame.header_bytes);
  return item;
}

}  // namespace signaldb
