#include "adapters/sqlite/sqlite_catalog.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>
#include <sys/vfs.h>

namespace signaldb {

namespace {

constexpr std::string_view kMemoryPath = ":memory:";

/// Errors: kInvalid if the folder of `path` is on a network file system, whose locks SQLite cannot
/// trust.
Status RefuseNetworkFileSystem(const std::string& path) {
  static constexpr auto kNetworkFileSystems =
      std::to_array<std::pair<std::uint32_t, std::string_view>>({{0x6969U, "nfs"},
                                                                 {0x517BU, "smb"},
                                                                 {0xFF534D42U, "cifs"},
                                                                 {0xFE534D42U, "smb2"},
                                                                 {0x5346414FU, "afs"},
                                                                 {0x00C36400U, "ceph"},
                                                                 {0x0BD00BD0U, "lustre"},
                                                                 {0x47504653U, "gpfs"}});
  const std::size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "."
                             : slash == 0               ? "/"
                                                        : path.substr(0, slash);
  struct statfs info{};
  if (::statfs(folder.c_str(), &info) != 0) {
    return Fail(
        ErrorKind::kUnavailable,
        fmt::format("the folder of the catalog cannot be used; create it folder={}", folder));
  }
  const auto type = static_cast<std::uint32_t>(info.f_type);
  for (const auto& [magic, name] : kNetworkFileSystems) {
    if (type == magic) {
      return Fail(ErrorKind::kInvalid,
                  fmt::format("a sqlite catalog must not be on a network file system; use a local "
                              "disk or another catalog folder={} file_system={}",
                              folder, name));
    }
  }
  return {};
}

Error NamingFile(Error error, const SqliteConnection::Settings& settings) {
  if (!error.message.contains(settings.path)) error.message += " path=" + settings.path;
  return error;
}

class SqliteSession final : public SqlSession {
 public:
  SqliteSession(SqliteConnection& connection, SqlCatalogLayout layout, SqliteStep step)
      : connection_(connection), layout_(layout), step_(step) {}

  [[nodiscard]] Result<std::vector<SqlRow>> Query(
      std::string_view sql, std::initializer_list<SqlText> parameters) override {
    return connection_.Query(sql, parameters, step_);
  }
  [[nodiscard]] Result<int> Execute(std::string_view sql,
                                    std::initializer_list<SqlText> parameters) override {
    return connection_.Execute(sql, parameters, step_);
  }
  [[nodiscard]] SqlCatalogLayout layout() const override { return layout_; }

 private:
  SqliteConnection& connection_;
  const SqlCatalogLayout layout_;
  const SqliteStep step_;
};

}  // namespace

Result<std::string> PathOfSqliteUri(std::string_view uri) {
  if (uri == "sqlite::memory:") return std::string(kMemoryPath);
  static constexpr std::string_view kScheme = "sqlite://";
  if (!uri.starts_with(kScheme) || uri.size() == kScheme.size()) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("not a sqlite catalog; it looks like sqlite:///path/catalog.db or "
                            "sqlite::memory: uri={}",
                            uri));
  }
  const std::string_view path = uri.substr(kScheme.size());
  if (path.contains('\0') || path.ends_with('/')) {
    return Fail(ErrorKind::kInvalid, fmt::format("not the path of a file uri={}", uri));
  }
  return std::string(path);
}

Result<std::unique_ptr<SqliteCatalog>> SqliteCatalog::Open(std::string_view uri,
                                                           SqliteCatalogOptions options) {
  SIGNALDB_TRY(CheckCatalogName(options.catalog_name));
  SIGNALDB_ASSIGN(std::string path, PathOfSqliteUri(uri));
  if (path != kMemoryPath && options.vfs.empty()) SIGNALDB_TRY(RefuseNetworkFileSystem(path));
  SqliteConnection::Settings settings{
      .path = std::move(path), .busy_timeout = options.busy_timeout, .vfs = std::move(options.vfs)};
  std::unique_ptr<SqliteCatalog> catalog(
      new SqliteCatalog(std::move(settings), std::move(options.catalog_name)));
  const std::scoped_lock lock(catalog->mutex_);
  SIGNALDB_TRY(catalog->ConnectLocked());
  return catalog;
}

Status SqliteCatalog::ConnectLocked() {
  auto opened =
      SqliteConnection::Open(settings_, was_connected_ ? SqliteConnection::File::kMustExist
                                                       : SqliteConnection::File::kMayBeNew);
  if (!opened.has_value()) return std::unexpected(NamingFile(std::move(opened).error(), settings_));
  connection_ = *std::move(opened);
  Status ready = SettleLocked();
  if (!ready.has_value()) {
    connection_.reset();
    ready = std::unexpected(NamingFile(std::move(ready).error(), settings_));
    // Nothing of a caller's has been tried yet: an unknown outcome of the settling itself is
    // harmless, the next call settles again.
    if (ready.error().kind == ErrorKind::kUnknownOutcome) {
      ready.error().kind = ErrorKind::kUnavailable;
    }
  }
  was_connected_ |= ready.has_value();
  return ready;
}

Status SqliteCatalog::EnsureConnectedLocked() {
  if (connection_ != nullptr) return {};
  return ConnectLocked();
}

Status SqliteCatalog::CheckPlaceLocked() {
  if (settings_.path == kMemoryPath || !connection_->has_moved()) return {};
  // Not opened anew: a file that somebody put there may be older, and its tables would lose rows
  // that are trimmed from their source already.
  return Fail(
      ErrorKind::kUnavailable,
      fmt::format("the catalog's file was removed or replaced while in use; put it back, or "
                  "restart to go on with what is there now path={}",
                  settings_.path));
}

Status SqliteCatalog::SettleLocked() {
  // A commit whose last step failed (the fsync of the folder after the journal's removal) looks
  // applied, yet a power cut can bring the journal back and undo it. Writing once, durably, before
  // anything is read settles it: what we read from here on stays.
  return InTransactionLocked([this]() -> Status {
    SIGNALDB_TRY(CreateTablesLocked());
    SIGNALDB_ASSIGN(const std::vector<SqliteRow> version,
                    connection_->Query("PRAGMA user_version", {}, SqliteStep::kStatement));
    const std::string same = version.at(0).at(0).value_or("0");
    SIGNALDB_TRY(connection_->Query(fmt::format("PRAGMA user_version = {}", same), {},
                                    SqliteStep::kStatement));
    return {};
  });
}

Status SqliteCatalog::CreateTablesLocked() {
  SIGNALDB_TRY(connection_->Execute(kSqlCreateTables, {}, SqliteStep::kOpen));
  SIGNALDB_TRY(connection_->Execute(kSqlCreateNamespaces, {}, SqliteStep::kOpen));
  SIGNALDB_ASSIGN(const std::vector<SqliteRow> columns,
                  connection_->Query("PRAGMA table_info(iceberg_tables)", {}, SqliteStep::kOpen));
  layout_ =
      std::ranges::any_of(columns, [](const SqliteRow& row) { return row.at(1) == "iceberg_type"; })
          ? SqlCatalogLayout::kV1
          : SqlCatalogLayout::kV0;
  return {};
}

Status SqliteCatalog::InTransactionLocked(const std::function<Status()>& body) {
  SIGNALDB_TRY(connection_->Execute("BEGIN IMMEDIATE", {}, SqliteStep::kStatement));
  Status done = body();
  if (done.has_value()) {
    const Result<int> committed = connection_->Execute("COMMIT", {}, SqliteStep::kCommit);
    if (committed.has_value()) return {};
    done = std::unexpected(committed.error());
  }
  AbandonTransactionLocked();
  return done;
}

void SqliteCatalog::AbandonTransactionLocked() {
  // After some errors SQLite has rolled back by itself. If it can not, or if what it holds in
  // memory may differ from the file (no transaction left after a failed COMMIT), only a new
  // connection is trusted: opening it replays a hot journal. A database in memory has no such
  // doubts, and closing it would lose it.
  if (connection_->in_transaction() &&
      connection_->Execute("ROLLBACK", {}, SqliteStep::kStatement).has_value()) {
    return;
  }
  if (settings_.path != kMemoryPath) connection_.reset();
}

Status SqliteCatalog::Reading(const Body& body) {
  const std::scoped_lock lock(mutex_);
  SIGNALDB_TRY(EnsureConnectedLocked());
  SIGNALDB_TRY(CheckPlaceLocked());
  SqliteSession session(*connection_, layout_, SqliteStep::kRead);
  return body(session);
}

Status SqliteCatalog::Writing(const Body& body) {
  const std::scoped_lock lock(mutex_);
  SIGNALDB_TRY(EnsureConnectedLocked());
  SIGNALDB_TRY(CheckPlaceLocked());
  return InTransactionLocked([&]() -> Status {
    SqliteSession session(*connection_, layout_, SqliteStep::kStatement);
    return body(session);
  });
}

bool SqliteCatalog::is_v1() const {
  const std::scoped_lock lock(mutex_);
  return layout_ == SqlCatalogLayout::kV1;
}

Status SqliteCatalog::UpgradeToV1() {
  const std::scoped_lock lock(mutex_);
  SIGNALDB_TRY(EnsureConnectedLocked());
  const Status upgraded = InTransactionLocked([&]() -> Status {
    SIGNALDB_TRY(CreateTablesLocked());
    if (layout_ == SqlCatalogLayout::kV1) return {};
    SIGNALDB_TRY(connection_->Execute(kSqlUpgradeToV1, {}, SqliteStep::kStatement));
    return {};
  });
  if (upgraded.has_value()) layout_ = SqlCatalogLayout::kV1;
  return upgraded;
}

}  // namespace signaldb
