#include "service/log_ownership.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/retry.h"
#include "log/state_file.h"
#include "telemetry/table_definition.h"
#include "writer/telemetry_tables.h"

namespace signaldb {
namespace {

constexpr std::string_view kModule = "service";
constexpr std::string_view kNoteName = "destination";
/// A longer note is not ours.
constexpr std::size_t kNoteBytesMax = 16 << 10;

[[nodiscard]] Result<std::optional<std::string>> ReadNote(FileSystem& files,
                                                          const std::string& path) {
  auto file = files.Open(path, OpenMode::kRead);
  if (!file.has_value()) {
    if (file.error().kind == ErrorKind::kNotFound) return std::nullopt;
    return std::unexpected(std::move(file).error());
  }
  std::string text(kNoteBytesMax, '\0');
  SIGNALDB_ASSIGN(const std::size_t count,
                  (*file)->ReadAt(0, std::as_writable_bytes(std::span(text))));
  text.resize(count);
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

[[nodiscard]] Status WriteNote(FileSystem& files, const std::string& path,
                               std::string_view destination) {
  return ReplaceFile(files, path,
                     std::as_bytes(std::span(std::string(destination).append(1, '\n'))));
}

[[nodiscard]] Result<bool> HoldsRecords(DurableLog& log) {
  bool found = false;
  const Status replayed = log.Replay(
      log.trimmed() + 1, [&](Position, std::string_view, std::span<const std::byte>) -> Status {
        found = true;
        return Fail(ErrorKind::kCancelled, "one is enough");
      });
  if (!found) SIGNALDB_TRY(replayed);
  return found;
}

/// The telemetry tables of the catalog, whatever tenant's.
[[nodiscard]] Result<std::vector<TableIdentifier>> TelemetryTables(Catalog& catalog) {
  constexpr std::size_t kLevels = 2;  // tenant, dataset
  std::vector<TableIdentifier> tables;
  SIGNALDB_ASSIGN(const std::vector<Namespace> namespaces, catalog.ListNamespaces());
  for (const Namespace& levels : namespaces) {
    if (levels.size() != kLevels) continue;
    Result<std::vector<TableIdentifier>> found = catalog.ListTables(levels);
    if (!found.has_value() && found.error().kind == ErrorKind::kNotFound) continue;
    if (!found.has_value()) return std::unexpected(std::move(found).error());
    std::ranges::copy_if(*found, std::back_inserter(tables), [](const TableIdentifier& table) {
      return FindDefinition(table.name) != nullptr;
    });
  }
  return tables;
}

[[nodiscard]] Result<SourcePosition> HighestPositionIn(TableCommitter& committer,
                                                       const SourceKey& source,
                                                       const TableIdentifier& id) {
  SIGNALDB_ASSIGN(const LoadedTable table, committer.Load(id));
  SIGNALDB_ASSIGN(const Coverage coverage,
                  CoverageIn(SourceLane(source, LaneOrder::kInOrder), *table.metadata));
  return coverage.above.empty() ? coverage.low : std::max(coverage.low, coverage.above.back().last);
}

}  // namespace

SourceKey LogSourceKey(const Uuid& uuid) { return "log/" + ToString(uuid); }

Status ClaimLog(FileSystem& files, EventListener& events, DurableLog& log, const std::string& dir,
                std::string_view destination) {
  const std::string path = fmt::format("{}/{}", dir, kNoteName);
  SIGNALDB_ASSIGN(const std::optional<std::string> noted, ReadNote(files, path));
  if (noted == destination) return {};
  if (!noted.has_value()) {
    const Status written = WriteNote(files, path, destination);
    if (written.has_value()) return {};
    // A log on a full disk is to be drained all the same; the next start notes it.
    events.Log({.severity = Severity::kWarning,
                .module = kModule,
                .message = "where the log's records go could not be noted",
                .fields = {{"error", written.error().message}}});
    return {};
  }
  SIGNALDB_ASSIGN(const bool holds_records, HoldsRecords(log));
  if (holds_records) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("the log holds records for other tables than those configured; start "
                            "once with the old catalog and warehouse to commit them, or use "
                            "another log.dir (if both are the same under two names, remove {}) "
                            "old=\"{}\" new=\"{}\" log.dir={}",
                            path, *noted, destination, dir));
  }
  events.Log({.severity = Severity::kInfo,
              .module = kModule,
              .message = "the log is empty and goes to other tables from now on",
              .fields = {{"old", *noted}, {"new", std::string(destination)}}});
  return WriteNote(files, path, destination);
}

Result<SourcePosition> HighestPositionInTables(Catalog& catalog, TableCommitter& committer,
                                               EventListener& events, const SourceKey& source) {
  const auto pass_over = [&](std::string what, const Error& error) {
    events.Log({.severity = Severity::kError,
                .module = kModule,
                .message =
                    "cannot be compared with the log; should the log have been put back from "
                    "an older copy, that may go unnoticed",
                .fields = {{"what", std::move(what)}, {"error", error.message}}});
  };
  const Result<std::vector<TableIdentifier>> tables = TelemetryTables(catalog);
  if (!tables.has_value()) {
    if (IsRetryable(tables.error().kind)) return std::unexpected(tables.error());
    pass_over("catalog", tables.error());
    return 0;
  }
  SourcePosition highest = 0;
  for (const TableIdentifier& table : *tables) {
    const Result<SourcePosition> position = HighestPositionIn(committer, source, table);
    if (position.has_value()) {
      highest = std::max(highest, *position);
    } else if (IsRetryable(position.error().kind)) {
      return std::unexpected(position.error());
    } else if (position.error().kind != ErrorKind::kNotFound) {
      pass_over(table.ToText(), position.error());
    }
  }
  return highest;
}

}  // namespace signaldb
