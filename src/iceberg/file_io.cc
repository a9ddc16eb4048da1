#include "iceberg/file_io.h"

namespace signaldb {

Status WriteFile(FileIo& io, const std::string& location, std::string_view bytes) {
  SIGNALDB_ASSIGN(const std::unique_ptr<OutputFile> file, io.Create(location));
  SIGNALDB_TRY(file->Append(std::as_bytes(std::span(bytes))));
  return file->Finish();
}

}  // namespace signaldb
