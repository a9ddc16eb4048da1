#include "adapters/sqlite/sqlite_catalog.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <sys/vfs.h>

namespace signaldb {

namespace {

constexpr std::string_view kMemoryPath = ":memory:";

// The layout that Java's JdbcUtil ends with (V1), column by column.
constexpr std::string_view kCreateTables =
    "CREATE TABLE IF NOT EXISTS iceberg_tables("
    "catalog_name VARCHAR(255) NOT NULL,"
    "table_namespace VARCHAR(255) NOT NULL,"
    "table_name VARCHAR(255) NOT NULL,"
    "metadata_location VARCHAR(1000),"
    "previous_metadata_location VARCHAR(1000),"
    "iceberg_type VARCHAR(5),"
    "PRIMARY KEY (catalog_name, table_namespace, table_name))";
constexpr std::string_view kCreateNamespaces =
    "CREATE TABLE IF NOT EXISTS iceberg_namespace_properties("
    "catalog_name VARCHAR(255) NOT NULL,"
    "namespace VARCHAR(255) NOT NULL,"
    "property_key VARCHAR(255),"
    "property_value VARCHAR(1000),"
    "PRIMARY KEY (catalog_name, namespace, property_key))";

constexpr std::string_view kLoadV1 =
    "SELECT metadata_location FROM iceberg_tables WHERE catalog_name = ? AND table_namespace = ? "
    "AND table_name = ? AND (iceberg_type = 'TABLE' OR iceberg_type IS NULL)";
constexpr std::string_view kLoadV0 =
    "SELECT metadata_location FROM iceberg_tables WHERE catalog_name = ? AND table_namespace = ? "
    "AND table_name = ?";

constexpr std::string_view kInsertV1 =
    "INSERT INTO iceberg_tables (catalog_name, table_namespace, table_name, metadata_location, "
    "previous_metadata_location, iceberg_type) VALUES (?,?,?,?,null,'TABLE')";
constexpr std::string_view kInsertV0 =
    "INSERT INTO iceberg_tables (catalog_name, table_namespace, table_name, metadata_location, "
    "previous_metadata_location) VALUES (?,?,?,?,null)";

// Sets the type too: Java up to 1.5.1 cannot commit to rows where it is NULL.
constexpr std::string_view kUpdateV1 =
    "UPDATE iceberg_tables SET metadata_location = ?, previous_metadata_location = ?, "
    "iceberg_type = 'TABLE' WHERE catalog_name = ? AND table_namespace = ? AND table_name = ? AND "
    "metadata_location = ? AND (iceberg_type = 'TABLE' OR iceberg_type IS NULL)";
constexpr std::string_view kUpdateV0 =
    "UPDATE iceberg_tables SET metadata_location = ?, previous_metadata_location = ? WHERE "
    "catalog_name = ? AND table_namespace = ? AND table_name = ? AND metadata_location = ?";

constexpr std::string_view kDeleteV1 =
    "DELETE FROM iceberg_tables WHERE catalog_name = ? AND table_namespace = ? AND table_name = ? "
    "AND (iceberg_type = 'TABLE' OR iceberg_type IS NULL)";
constexpr std::string_view kDeleteV0 =
    "DELETE FROM iceberg_tables WHERE catalog_name = ? AND table_namespace = ? AND table_name = ?";

constexpr std::string_view kListV1 =
    "SELECT table_name FROM iceberg_tables WHERE catalog_name = ? AND table_namespace = ? AND "
    "(iceberg_type = 'TABLE' OR iceberg_type IS NULL) ORDER BY table_name";
constexpr std::string_view kListV0 =
    "SELECT table_name FROM iceberg_tables WHERE catalog_name = ? AND table_namespace = ? ORDER BY "
    "table_name";

// A range instead of LIKE 'ns.%': SQLite's LIKE does not tell upper from lower case.
constexpr std::string_view kNamespaceOfTable =
    "SELECT 1 FROM iceberg_tables WHERE catalog_name = ? AND (table_namespace = ? OR "
    "(table_namespace >= ? AND table_namespace < ?)) LIMIT 1";
constexpr std::string_view kNamespaceOfProperty =
    "SELECT 1 FROM iceberg_namespace_properties WHERE catalog_name = ? AND (namespace = ? OR "
    "(namespace >= ? AND namespace < ?)) LIMIT 1";
constexpr std::string_view kListNamespaces =
    "SELECT table_namespace FROM iceberg_tables WHERE catalog_name = ? UNION "
    "SELECT namespace FROM iceberg_namespace_properties WHERE catalog_name = ?";
constexpr std::string_view kInsertProperty =
    "INSERT INTO iceberg_namespace_properties (catalog_name, namespace, property_key, "
    "property_value) VALUES (?,?,?,?)";

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
  if (options.catalog_name.empty() || options.catalog_name.size() > kCatalogNameBytesMax) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("catalog name must have 1 to {} bytes bytes={}", kCatalogNameBytesMax,
                            options.catalog_name.size()));
  }
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
  SIGNALDB_ASSIGN(connection_, SqliteConnection::Open(settings_));
  Status ready = SettleLocked();
  if (!ready.has_value()) {
    connection_.reset();
    // Nothing of a caller's has been tried yet: an unknown outcome of the settling itself is
    // harmless, the next call settles again.
    if (ready.error().kind == ErrorKind::kUnknownOutcome) {
      ready.error().kind = ErrorKind::kUnavailable;
    }
  }
  return ready;
}

Status SqliteCatalog::EnsureConnectedLocked() {
  if (connection_ != nullptr) return {};
  return ConnectLocked();
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
  SIGNALDB_TRY(connection_->Execute(kCreateTables, {}, SqliteStep::kOpen));
  SIGNALDB_TRY(connection_->Execute(kCreateNamespaces, {}, SqliteStep::kOpen));
  SIGNALDB_ASSIGN(const std::vector<SqliteRow> columns,
                  connection_->Query("PRAGMA table_info(iceberg_tables)", {}, SqliteStep::kOpen));
  layout_ =
      std::ranges::any_of(columns, [](const SqliteRow& row) { return row.at(1) == "iceberg_type"; })
          ? Layout::kV1
          : Layout::kV0;
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

Result<std::vector<SqliteRow>> SqliteCatalog::LoadLocked(const TableIdentifier& table,
                                                         SqliteStep step) {
  return connection_->Query(ByLayout(kLoadV1, kLoadV0),
                            {catalog_name_, JoinLevels(table.levels), table.name}, step);
}

Result<std::string> SqliteCatalog::MetadataLocation(const TableIdentifier& table) {
  SIGNALDB_TRY(CheckTableIdentifier(table));
  const std::scoped_lock lock(mutex_);
  SIGNALDB_TRY(EnsureConnectedLocked());
  SIGNALDB_ASSIGN(const std::vector<SqliteRow> rows, LoadLocked(table, SqliteStep::kRead));
  if (rows.empty()) {
    return Fail(ErrorKind::kNotFound,
                fmt::format("no such table in the catalog table={} catalog_name={}", table.ToText(),
                            catalog_name_));
  }
  const SqliteText& location = rows.at(0).at(0);
  if (!location.has_value() || location->empty()) {
    return Fail(ErrorKind::kCorrupt,
                fmt::format("the catalog has no metadata location table={}", table.ToText()));
  }
  return *location;
}

Status SqliteCatalog::Commit(std::span<const PointerUpdate> updates) {
  SIGNALDB_TRY(CheckPointerUpdates(updates));
  if (updates.empty()) return {};
  const std::scoped_lock lock(mutex_);
  SIGNALDB_TRY(EnsureConnectedLocked());
  return InTransactionLocked([&]() -> Status {
    for (const PointerUpdate& update : updates) SIGNALDB_TRY(ApplyLocked(update));
    return {};
  });
}

Status SqliteCatalog::ApplyLocked(const PointerUpdate& update) {
  if (!update.expected.has_value()) return InsertLocked(update);
  const std::string levels = JoinLevels(update.table.levels);
  SIGNALDB_ASSIGN(const int changed,
                  connection_->Execute(ByLayout(kUpdateV1, kUpdateV0),
                                       {update.next, *update.expected, catalog_name_, levels,
                                        update.table.name, *update.expected},
                                       SqliteStep::kStatement));
  if (changed == 1) return {};
  SIGNALDB_ASSIGN(const std::vector<SqliteRow> rows,
                  LoadLocked(update.table, SqliteStep::kStatement));
  if (rows.empty()) {
    return Fail(ErrorKind::kNotFound,
                fmt::format("no such table in the catalog table={}", update.table.ToText()));
  }
  return Fail(
      ErrorKind::kConflict,
      fmt::format("the table has changed since it was read table={} expected={} found={}",
                  update.table.ToText(), *update.expected, rows.at(0).at(0).value_or("(none)")));
}

Status SqliteCatalog::InsertLocked(const PointerUpdate& update) {
  SIGNALDB_ASSIGN(const bool exists, ExistsLocked(update.table.levels, SqliteStep::kStatement));
  if (!exists) {
    return Fail(ErrorKind::kNotFound, fmt::format("no such namespace; create it first namespace={}",
                                                  JoinLevels(update.table.levels)));
  }
  const Result<int> inserted = connection_->Execute(
      ByLayout(kInsertV1, kInsertV0),
      {catalog_name_, JoinLevels(update.table.levels), update.table.name, update.next},
      SqliteStep::kStatement);
  if (inserted.has_value()) return {};
  if (inserted.error().kind == ErrorKind::kConflict) {
    return Fail(ErrorKind::kConflict,
                fmt::format("a table or view of this name exists table={}", update.table.ToText()));
  }
  return std::unexpected(inserted.error());
}

Status SqliteCatalog::CreateNamespace(const Namespace& levels, const Properties& properties) {
  SIGNALDB_TRY(CheckNamespace(levels));
  SIGNALDB_TRY(CheckNamespaceProperties(properties));
  const std::scoped_lock lock(mutex_);
  SIGNALDB_TRY(EnsureConnectedLocked());
  return InTransactionLocked([&]() -> Status {
    const std::string joined = JoinLevels(levels);
    SIGNALDB_ASSIGN(const bool exists, ExistsLocked(levels, SqliteStep::kStatement));
    if (exists) {
      return Fail(ErrorKind::kConflict,
                  fmt::format("namespace exists already namespace={}", joined));
    }
    // Java finds a namespace without properties only by this one.
    SIGNALDB_TRY(connection_->Execute(kInsertProperty, {catalog_name_, joined, "exists", "true"},
                                      SqliteStep::kStatement));
    for (const auto& [key, value] : properties) {
      SIGNALDB_TRY(connection_->Execute(kInsertProperty, {catalog_name_, joined, key, value},
                                        SqliteStep::kStatement));
    }
    return {};
  });
}

Result<bool> SqliteCatalog::ExistsLocked(const Namespace& levels, SqliteStep step) {
  const std::string joined = JoinLevels(levels);
  const std::string inside_begin = joined + ".";
  const std::string inside_end = joined + "/";  // The byte after the dot.
  for (const std::string_view sql : {kNamespaceOfTable, kNamespaceOfProperty}) {
    SIGNALDB_ASSIGN(
        const std::vector<SqliteRow> rows,
        connection_->Query(sql, {catalog_name_, joined, inside_begin, inside_end}, step));
    if (!rows.empty()) return true;
  }
  return false;
}

Result<bool> SqliteCatalog::NamespaceExists(const Namespace& levels) {
  SIGNALDB_TRY(CheckNamespace(levels));
  const std::scoped_lock lock(mutex_);
  SIGNALDB_TRY(EnsureConnectedLocked());
  return ExistsLocked(levels, SqliteStep::kRead);
}

Result<std::vector<Namespace>> SqliteCatalog::ListNamespaces() {
  const std::scoped_lock lock(mutex_);
  SIGNALDB_TRY(EnsureConnectedLocked());
  SIGNALDB_ASSIGN(
      const std::vector<SqliteRow> rows,
      connection_->Query(kListNamespaces, {catalog_name_, catalog_name_}, SqliteStep::kRead));
  std::set<Namespace> all;
  for (const SqliteRow& row : rows) {
    // Java can make the empty namespace, which we cannot name: left out.
    Result<Namespace> levels = SplitLevels(row.at(0).value_or(""));
    if (levels.has_value()) all.insert(*std::move(levels));
  }
  return std::vector<Namespace>(all.begin(), all.end());
}

Result<std::vector<TableIdentifier>> SqliteCatalog::ListTables(const Namespace& levels) {
  SIGNALDB_TRY(CheckNamespace(levels));
  const std::scoped_lock lock(mutex_);
  SIGNALDB_TRY(EnsureConnectedLocked());
  SIGNALDB_ASSIGN(const bool exists, ExistsLocked(levels, SqliteStep::kRead));
  if (!exists) {
    return Fail(ErrorKind::kNotFound,
                fmt::format("no such namespace in the catalog namespace={} catalog_name={}",
                            JoinLevels(levels), catalog_name_));
  }
  SIGNALDB_ASSIGN(const std::vector<SqliteRow> rows,
                  connection_->Query(ByLayout(kListV1, kListV0),
                                     {catalog_name_, JoinLevels(levels)}, SqliteStep::kRead));
  std::vector<TableIdentifier> tables;
  for (const SqliteRow& row : rows) {
    tables.push_back(TableIdentifier{.levels = levels, .name = row.at(0).value_or("")});
  }
  return tables;
}

Status SqliteCatalog::DropTable(const TableIdentifier& table) {
  SIGNALDB_TRY(CheckTableIdentifier(table));
  const std::scoped_lock lock(mutex_);
  SIGNALDB_TRY(EnsureConnectedLocked());
  return InTransactionLocked([&]() -> Status {
    SIGNALDB_ASSIGN(const int changed,
                    connection_->Execute(ByLayout(kDeleteV1, kDeleteV0),
                                         {catalog_name_, JoinLevels(table.levels), table.name},
                                         SqliteStep::kStatement));
    if (changed == 1) return {};
    return Fail(ErrorKind::kNotFound,
                fmt::format("no such table in the catalog table={}", table.ToText()));
  });
}

bool SqliteCatalog::is_v1() const {
  const std::scoped_lock lock(mutex_);
  return layout_ == Layout::kV1;
}

Status SqliteCatalog::UpgradeToV1() {
  const std::scoped_lock lock(mutex_);
  SIGNALDB_TRY(EnsureConnectedLocked());
  const Status upgraded = InTransactionLocked([&]() -> Status {
    SIGNALDB_TRY(CreateTablesLocked());
    if (layout_ == Layout::kV1) return {};
    SIGNALDB_TRY(
        connection_->Execute("ALTER TABLE iceberg_tables ADD COLUMN iceberg_type VARCHAR(5)", {},
                             SqliteStep::kStatement));
    return {};
  });
  if (upgraded.has_value()) layout_ = Layout::kV1;
  return upgraded;
}

}  // namespace signaldb
