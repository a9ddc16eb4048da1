#include "service/locations.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <optional>
#include <utility>

#include <fmt/format.h>

namespace signaldb {
namespace {

constexpr std::string_view kFileScheme = "file://";
constexpr std::string_view kSqliteScheme = "sqlite://";

struct Foreign {
  std::string_view scheme;
  std::string_view name;
};

constexpr auto kForeignStores = std::to_array<Foreign>({{"gs://", "Google Cloud Storage"},
                                                        {"abfs://", "Azure storage"},
                                                        {"abfss://", "Azure storage"}});
constexpr auto kForeignCatalogs =
    std::to_array<Foreign>({{"http://", "a REST catalog"}, {"https://", "a REST catalog"}});

template <std::size_t N>
Status RefuseForeign(std::string_view text, const std::array<Foreign, N>& known,
                     std::string_view instead) {
  for (const auto& [scheme, name] : known) {
    if (text.starts_with(scheme)) {
      return Fail(ErrorKind::kInvalid,
                  fmt::format("{} is not supported in this build, use {}", name, instead));
    }
  }
  return {};
}

std::optional<FileId> IdOf(FileSystem& files, const std::string& path) {
  const auto entry = files.Stat(path);
  // What cannot be looked at cannot be used either; whoever uses it says why.
  if (!entry.has_value() || !entry->has_value()) return std::nullopt;
  return (*entry)->id;
}

bool IsInside(FileSystem& files, const std::string& path, const std::string& folder) {
  if (path.empty() || folder.empty()) return false;
  const std::optional<FileId> id = IdOf(files, folder);
  for (std::string at = path;; at = ParentDir(at)) {
    if (at == folder || (id.has_value() && IdOf(files, at) == id)) return true;
    if (at == "/") return false;
  }
}

bool NeedsEscaping(char c) {
  return c == '%' || c == '?' || c == '#' || static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

}  // namespace

std::string AbsolutePath(std::string_view path, std::string_view working_directory) {
  std::string normal =
      (std::filesystem::path(working_directory) / path).lexically_normal().string();
  // Two leading slashes are one to Linux, but not to URIs.
  while (normal.starts_with("//")) normal.erase(0, 1);
  while (normal.size() > 1 && normal.ends_with('/')) normal.pop_back();
  return normal;
}

Result<std::string> WarehouseOf(std::string_view dsn, std::string_view working_directory) {
  if (dsn == "memory://") return std::string(dsn);
  SIGNALDB_TRY(RefuseForeign(dsn, kForeignStores, "file:///path or s3://bucket/prefix"));
  if (!dsn.starts_with("file:///") || dsn.size() == kFileScheme.size() + 1) {
    return Fail(ErrorKind::kInvalid,
                "expected \"file:///absolute/path\", \"s3://bucket/prefix\" or \"memory://\"");
  }
  std::string_view path = dsn.substr(kFileScheme.size());
  const bool is_relative = path.starts_with("/.");
  if (is_relative) path.remove_prefix(1);
  const std::string absolute = AbsolutePath(path, working_directory);
  if (std::ranges::any_of(absolute, NeedsEscaping)) {
    return Fail(ErrorKind::kInvalid,
                "expected a path without % ? # and control characters, which table locations "
                "cannot hold");
  }
  return std::string(kFileScheme) + absolute;
}

Result<std::string> SqlitePathOf(std::string_view uri, std::string_view working_directory) {
  if (uri == "sqlite::memory:" || uri == "sqlite://:memory:") return ":memory:";
  SIGNALDB_TRY(
      RefuseForeign(uri, kForeignCatalogs, "sqlite://path or postgres://user@host/database"));
  const std::string_view path =
      uri.starts_with(kSqliteScheme) ? uri.substr(kSqliteScheme.size()) : "";
  if (path.empty() || path.ends_with('/') || path.find('\0') != path.npos) {
    return Fail(ErrorKind::kInvalid,
                "expected \"sqlite://relative.db\", \"sqlite:///absolute.db\", "
                "\"sqlite::memory:\" or \"postgres://user@host:5432/database\"");
  }
  return AbsolutePath(path, working_directory);
}

Status CheckPlaces(FileSystem& files, const ServicePlaces& places) {
  if (IsInside(files, places.sqlite_path, places.log_dir)) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("the catalog must not be in the folder of the log; choose another "
                            "schema.catalog_uri catalog={} log.dir={}",
                            places.sqlite_path, places.log_dir));
  }
  if (IsInside(files, places.tables_dir, places.log_dir) ||
      IsInside(files, places.log_dir, places.tables_dir)) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("tables and log must not be in one another's folder; choose another "
                            "storage.dsn or log.dir tables={} log.dir={}",
                            places.tables_dir, places.log_dir));
  }
  return {};
}

}  // namespace signaldb
