#include "pipeline/poison_shelf.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace signaldb {

PoisonShelf::PoisonShelf(FileSystem& files, EventListener& events, std::string dir)
    : files_(files), events_(events), dir_(std::move(dir)) {}

Status PoisonShelf::SetAside(SourcePosition position, std::string_view header,
                             std::span<const std::byte> body, std::string_view reason) {
  SIGNALDB_TRY(files_.MakeDirs(dir_));
  const std::string path = fmt::format("{}/{:020}.poison", dir_, position);
  const std::string temporary = path + ".tmp";
  SIGNALDB_ASSIGN(const auto left_over, files_.Stat(temporary));
  if (left_over) SIGNALDB_TRY(files_.Remove(temporary));
  {
    SIGNALDB_ASSIGN(const std::unique_ptr<File> file, files_.Open(temporary, OpenMode::kCreateNew));
    std::string line(reason);  // A reason may quote what was sent.
    std::ranges::replace_if(line, [](char c) { return c == '\n' || c == '\r'; }, ' ');
    std::string start = fmt::format("reason: {}\nheader_bytes: {}\nbody_bytes: {}\n\n", line,
                                    header.size(), body.size());
    start += header;
    SIGNALDB_TRY(file->WriteAt(0, std::as_bytes(std::span(start))));
    SIGNALDB_TRY(file->WriteAt(start.size(), body));
    SIGNALDB_TRY(file->Sync());
  }
  SIGNALDB_TRY(files_.Rename(temporary, path));
  SIGNALDB_TRY(files_.SyncDir(dir_));
  events_.Count("signaldb_writer_poison_messages_total", 1, {{"reason", "undecodable"}});
  events_.Log({.severity = Severity::kError,
               .module = "pipeline",
               .message = "message can never be written and was set aside with its bytes",
               .fields = {{"position", std::to_string(position)},
                          {"file", path},
                          {"reason", std::string(reason)}}});
  return {};
}

}  // namespace signaldb
