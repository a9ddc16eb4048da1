#pragma once

#include <string>
#include <string_view>

#include "base/file_system.h"
#include "signaldb/result.h"

namespace signaldb {

/// The absolute, normalised form of `path`, relative to `working_directory` (absolute).
[[nodiscard]] std::string AbsolutePath(std::string_view path, std::string_view working_directory);

/// What a `storage.dsn` names: "file:///absolute/path" without a final slash, or "memory://".
///
/// A file DSN is absolute, but for a first segment that starts with a dot, which is relative to the
/// working directory. Table locations are made from it and read by other engines, so characters
/// that a URI would need to escape are refused.
/// Errors: kInvalid; object stores are refused by name.
[[nodiscard]] Result<std::string> WarehouseOf(std::string_view dsn,
                                              std::string_view working_directory);

/// What a `schema.catalog_uri` names: the absolute path of a SQLite database, or ":memory:".
/// Errors: kInvalid; REST catalogs are refused by name.
[[nodiscard]] Result<std::string> SqlitePathOf(std::string_view uri,
                                               std::string_view working_directory);

/// Where a service keeps what; absolute paths, empty for what is not in files.
struct ServicePlaces {
  std::string log_dir;
  std::string tables_dir;
  std::string sqlite_path;
};

/// Refuses a catalog inside the log's folder, which would be written over one of the log's files,
/// and a log and tables of which one is in the other's folder. Links to folders are followed as far
/// as the folders exist. Errors: kInvalid.
[[nodiscard]] Status CheckPlaces(FileSystem& files, const ServicePlaces& places);

}  // namespace signaldb
