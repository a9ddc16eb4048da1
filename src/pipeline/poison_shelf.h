#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "base/event_listener.h"
#include "base/file_system.h"
#include "signaldb/result.h"
#include "writer/watermark.h"

namespace signaldb {

/// Keeps messages that can never be written, one file each, with the reason and the original bytes,
/// so that one bad message neither stops its neighbours nor disappears.
///
/// A file "<position>.poison" holds the lines `reason: ...`, `header_bytes: n`, `body_bytes: n`, an
/// empty line, then header and body as they were.
///
/// Threads: confined to the recovery.
class PoisonShelf {
 public:
  /// `dir` is absolute and made on first use.
  PoisonShelf(FileSystem& files, EventListener& events, std::string dir);

  /// Durable when it returns; setting the same position aside again replaces the file. Errors:
  /// kUnavailable.
  [[nodiscard]] Status SetAside(SourcePosition position, std::string_view header,
                                std::span<const std::byte> body, std::string_view reason);

 private:
  FileSystem& files_;
  EventListener& events_;
  const std::string dir_;
};

}  // namespace signaldb
