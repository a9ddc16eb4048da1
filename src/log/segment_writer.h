#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "log/format.h"

namespace signaldb {

/// One frame to write; borrows its content.
struct FrameToWrite {
  FrameHeader frame;
  std::string_view header;
  std::span<const std::byte> body;
};

/// The segment that is being written.
///
/// After an error it must not be used again but for `Abandon`: what the file holds beyond
/// `durable_bytes` is anybody's guess.
///
/// Threads: thread-compatible.
class SegmentWriter {
 public:
  /// Makes the file and its name durable before it returns. After an error the file may be there.
  /// Errors: kUnavailable.
  [[nodiscard]] static Result<SegmentWriter> Create(FileSystem& files, const std::string& dir,
                                                    const SegmentHeader& header);

  /// Writes the frames behind what is durable, in one pass, from where they lie.
  /// Errors: kUnavailable.
  [[nodiscard]] Status Write(std::span<const FrameToWrite> frames);
  /// Makes them durable. Errors: kUnavailable (as far as anyone may rely on).
  [[nodiscard]] Status Sync();
  /// Gives back the room of bytes that never became durable, if that works.
  void Abandon() &&;

  [[nodiscard]] const SegmentId& id() const { return id_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::uint64_t durable_bytes() const { return durable_bytes_; }

 private:
  /// Writes the header, makes it and the name durable.
  [[nodiscard]] Status Begin(FileSystem& files, const std::string& dir,
                             const SegmentHeader& header);

  SegmentWriter(std::unique_ptr<File> file, std::string path, const SegmentHeader& header);

  std::unique_ptr<File> file_;
  std::string path_;
  SegmentId id_;
  std::uint64_t segment_seed_;
  std::uint64_t durable_bytes_ = 0;
  std::uint64_t written_bytes_ = 0;
  std::vector<std::array<std::byte, kFrameHeaderBytes>> headers_;  ///< Of the frames in `pieces_`.
  std::vector<std::span<const std::byte>> pieces_;
};

}  // namespace signaldb
