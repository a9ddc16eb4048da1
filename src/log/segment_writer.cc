#include "log/segment_writer.h"

#include <utility>

namespace signaldb {

SegmentWriter::SegmentWriter(std::unique_ptr<File> file, std::string path,
                             const SegmentHeader& header)
    : file_(std::move(file)),
      path_(std::move(path)),
      id_(header.id),
      segment_seed_(SegmentSeed(header.uuid, header.id)) {}

Result<SegmentWriter> SegmentWriter::Create(FileSystem& files, const std::string& dir,
                                            const SegmentHeader& header) {
  std::string path = dir + "/" + SegmentName(header.id);
  auto file = files.Open(path, OpenMode::kCreateNew);
  if (!file.has_value()) return Fail(ErrorKind::kUnavailable, std::move(file).error().message);
  SegmentWriter writer(*std::move(file), std::move(path), header);
  SIGNALDB_TRY(writer.Begin(files, dir, header));
  return writer;
}

Status SegmentWriter::Begin(FileSystem& files, const std::string& dir,
                            const SegmentHeader& header) {
  SIGNALDB_TRY(file_->WriteAt(0, EncodeSegmentHeader(header)));
  written_bytes_ = header.bytes;
  SIGNALDB_TRY(Sync());
  if (Status synced = files.SyncDir(dir); !synced.has_value()) {
    return Fail(ErrorKind::kUnavailable, std::move(synced).error().message);
  }
  return {};
}

Status SegmentWriter::Write(std::span<const FrameToWrite> frames) {
  headers_.clear();
  headers_.reserve(frames.size());  // pieces_ points into it
  pieces_.clear();
  std::uint64_t offset = durable_bytes_;
  for (const FrameToWrite& frame : frames) {
    pieces_.emplace_back(
        headers_.emplace_back(EncodeFrameHeader(frame.frame, segment_seed_, offset)));
    if (!frame.header.empty()) pieces_.push_back(std::as_bytes(std::span(frame.header)));
    if (!frame.body.empty()) pieces_.push_back(frame.body);
    offset += frame.frame.frame_bytes();
  }
  written_bytes_ = offset;
  return file_->WritePiecesAt(durable_bytes_, pieces_);
}

Status SegmentWriter::Sync() {
  if (Status synced = file_->Sync(); !synced.has_value()) {
    return Fail(ErrorKind::kUnavailable, std::move(synced).error().message);
  }
  durable_bytes_ = written_bytes_;
  return {};
}

void SegmentWriter::Abandon() && {
  // Only the room matters: recovery ignores these bytes, cut off or not, since the next segment
  // begins at their first position.
  [[maybe_unused]] const Status truncated = file_->Truncate(durable_bytes_);
  file_.reset();
}

}  // namespace signaldb
