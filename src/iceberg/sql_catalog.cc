#include "iceberg/sql_catalog.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include <fmt/format.h>

namespace signaldb {

namespace {

/// A statement for either layout; V0 has no column `iceberg_type`.
struct ByLayout {
  std::string_view v1;
  std::string_view v0;

  [[nodiscard]] std::string_view For(const SqlSession& sql) const {
    return sql.layout() == SqlCatalogLayout::kV1 ? v1 : v0;
  }
};

constexpr ByLayout kLoad = {
    .v1 =
        "SELECT metadata_location FROM iceberg_tables WHERE catalog_name = ? AND "
        "table_namespace = ? AND table_name = ? AND (iceberg_type = 'TABLE' OR iceberg_type IS "
        "NULL)",
    .v0 =
        "SELECT metadata_location FROM iceberg_tables WHERE catalog_name = ? AND "
        "table_namespace = ? AND table_name = ?"};

constexpr ByLayout kInsert = {
    .v1 =
        "INSERT INTO iceberg_tables (catalog_name, table_namespace, table_name, "
        "metadata_location, previous_metadata_location, iceberg_type) VALUES "
        "(?,?,?,?,null,'TABLE')",
    .v0 =
        "INSERT INTO iceberg_tables (catalog_name, table_namespace, table_name, "
        "metadata_location, previous_metadata_location) VALUES (?,?,?,?,null)"};

// Sets the type too: Java up to 1.5.1 cannot commit to rows where it is NULL.
constexpr ByLayout kUpdate = {
    .v1 =
        "UPDATE iceberg_tables SET metadata_location = ?, previous_metadata_location = ?, "
        "iceberg_type = 'TABLE' WHERE catalog_name = ? AND table_namespace = ? AND table_name = "
        "? AND metadata_location = ? AND (iceberg_type = 'TABLE' OR iceberg_type IS NULL)",
    .v0 =
        "UPDATE iceberg_tables SET metadata_location = ?, previous_metadata_location = ? WHERE "
        "catalog_name = ? AND table_namespace = ? AND table_name = ? AND metadata_location = ?"};

constexpr ByLayout kRename = {
    .v1 =
        "UPDATE iceberg_tables SET table_namespace = ?, table_name = ? WHERE catalog_name = ? "
        "AND table_namespace = ? AND table_name = ? AND (iceberg_type = 'TABLE' OR iceberg_type "
        "IS NULL)",
    .v0 =
        "UPDATE iceberg_tables SET table_namespace = ?, table_name = ? WHERE catalog_name = ? "
        "AND table_namespace = ? AND table_name = ?"};

constexpr ByLayout kDelete = {
    .v1 =
        "DELETE FROM iceberg_tables WHERE catalog_name = ? AND table_namespace = ? AND "
        "table_name = ? AND (iceberg_type = 'TABLE' OR iceberg_type IS NULL)",
    .v0 =
        "DELETE FROM iceberg_tables WHERE catalog_name = ? AND table_namespace = ? AND "
        "table_name = ?"};

constexpr ByLayout kList = {
    .v1 =
        "SELECT table_name FROM iceberg_tables WHERE catalog_name = ? AND table_namespace = ? "
        "AND (iceberg_type = 'TABLE' OR iceberg_type IS NULL)",
    .v0 = "SELECT table_name FROM iceberg_tables WHERE catalog_name = ? AND table_namespace = ?"};

// A compared prefix instead of LIKE 'ns.%': SQLite's LIKE does not tell upper from lower case, and
// a range of names depends on the collation of a PostgreSQL database.
constexpr std::string_view kRowOfNamespace =
    "SELECT 1 FROM iceberg_tables WHERE catalog_name = ? AND (table_namespace = ? OR "
    "substr(table_namespace, 1, length(?)) = ?) LIMIT 1";
constexpr std::string_view kPropertyOfNamespace =
    "SELECT 1 FROM iceberg_namespace_properties WHERE catalog_name = ? AND (namespace = ? OR "
    "substr(namespace, 1, length(?)) = ?) LIMIT 1";
constexpr std::string_view kPropertyInsideNamespace =
    "SELECT 1 FROM iceberg_namespace_properties WHERE catalog_name = ? AND "
    "substr(namespace, 1, length(?)) = ? LIMIT 1";
constexpr std::string_view kListNamespaces =
    "SELECT table_namespace FROM iceberg_tables WHERE catalog_name = ? UNION "
    "SELECT namespace FROM iceberg_namespace_properties WHERE catalog_name = ?";
constexpr std::string_view kInsertProperty =
    "INSERT INTO iceberg_namespace_properties (catalog_name, namespace, property_key, "
    "property_value) VALUES (?,?,?,?)";
constexpr std::string_view kUpdateProperty =
    "UPDATE iceberg_namespace_properties SET property_value = ? WHERE catalog_name = ? AND "
    "namespace = ? AND property_key = ?";
constexpr std::string_view kDeleteProperty =
    "DELETE FROM iceberg_namespace_properties WHERE catalog_name = ? AND namespace = ? AND "
    "property_key = ?";
constexpr std::string_view kDeleteProperties =
    "DELETE FROM iceberg_namespace_properties WHERE catalog_name = ? AND namespace = ?";
constexpr std::string_view kListProperties =
    "SELECT property_key, property_value FROM iceberg_namespace_properties WHERE catalog_name = ? "
    "AND namespace = ?";

// Java finds a namespace without properties only by this one, and never shows it.
constexpr std::string_view kExistsKey = "exists";

std::unexpected<Error> NoSuchTable(const TableIdentifier& table, std::string_view catalog_name) {
  return Fail(ErrorKind::kNotFound, fmt::format("no such table in the catalog table={} "
                                                "catalog_name={}",
                                                table.ToText(), catalog_name));
}

}  // namespace

Status CheckCatalogName(std::string_view catalog_name) {
  if (catalog_name.empty() || catalog_name.size() > kCatalogNameBytesMax) {
    return Fail(ErrorKind::kInvalid, fmt::format("catalog name must have 1 to {} bytes bytes={}",
                                                 kCatalogNameBytesMax, catalog_name.size()));
  }
  return {};
}

Result<std::vector<SqlRow>> SqlCatalog::Load(SqlSession& sql, const TableIdentifier& table) {
  return sql.Query(kLoad.For(sql), {catalog_name_, JoinLevels(table.levels), table.name});
}

Result<std::string> SqlCatalog::MetadataLocation(const TableIdentifier& table) {
  SIGNALDB_TRY(CheckTableIdentifier(table));
  std::vector<SqlRow> rows;
  const Status read = Reading([&](SqlSession& sql) -> Status {
    SIGNALDB_ASSIGN(rows, Load(sql, table));
    return {};
  });
  SIGNALDB_TRY(read);
  if (rows.empty()) return NoSuchTable(table, catalog_name_);
  const SqlText& location = rows.at(0).at(0);
  if (!location.has_value() || location->empty()) {
    return Fail(ErrorKind::kCorrupt,
                fmt::format("the catalog has no metadata location table={}", table.ToText()));
  }
  return *location;
}

Status SqlCatalog::Commit(std::span<const PointerUpdate> updates) {
  SIGNALDB_TRY(CheckPointerUpdates(updates));
  if (updates.empty()) return {};
  // Everyone takes the rows in the same order, or two commits over the same tables lock each other
  // out.
  std::vector<const PointerUpdate*> ordered;
  for (const PointerUpdate& update : updates) ordered.push_back(&update);
  std::ranges::sort(ordered, {}, [](const PointerUpdate* update) { return update->table; });
  return Writing([&](SqlSession& sql) -> Status {
    for (const PointerUpdate* update : ordered) SIGNALDB_TRY(Apply(sql, *update));
    return {};
  });
}

Status SqlCatalog::Apply(SqlSession& sql, const PointerUpdate& update) {
  if (!update.expected.has_value()) return Insert(sql, update);
  const std::string levels = JoinLevels(update.table.levels);
  SIGNALDB_ASSIGN(const int changed,
                  sql.Execute(kUpdate.For(sql), {update.next, update.expected, catalog_name_,
                                                 levels, update.table.name, update.expected}));
  if (changed == 1) return {};
  SIGNALDB_ASSIGN(const std::vector<SqlRow> rows, Load(sql, update.table));
  if (rows.empty()) return NoSuchTable(update.table, catalog_name_);
  return Fail(
      ErrorKind::kConflict,
      fmt::format("the table has changed since it was read table={} expected={} found={}",
                  update.table.ToText(), *update.expected, rows.at(0).at(0).value_or("(none)")));
}

Status SqlCatalog::Insert(SqlSession& sql, const PointerUpdate& update) {
  SIGNALDB_TRY(RequireNamespace(sql, update.table.levels));
  const Result<int> inserted =
      sql.Execute(kInsert.For(sql),
                  {catalog_name_, JoinLevels(update.table.levels), update.table.name, update.next});
  if (inserted.has_value()) return {};
  if (inserted.error().kind == ErrorKind::kConflict) {
    return Fail(ErrorKind::kConflict,
                fmt::format("a table or view of this name exists table={}", update.table.ToText()));
  }
  return std::unexpected(inserted.error());
}

Status SqlCatalog::RequireNamespace(SqlSession& sql, const Namespace& levels) {
  SIGNALDB_ASSIGN(const bool exists, Exists(sql, levels));
  if (exists) return {};
  return Fail(ErrorKind::kNotFound,
              fmt::format("no such namespace; create it first namespace={} catalog_name={}",
                          JoinLevels(levels), catalog_name_));
}

Status SqlCatalog::CreateNamespace(const Namespace& levels, const Properties& properties) {
  SIGNALDB_TRY(CheckNamespace(levels));
  SIGNALDB_TRY(CheckNamespaceProperties(properties));
  return Writing([&](SqlSession& sql) -> Status {
    const std::string joined = JoinLevels(levels);
    SIGNALDB_ASSIGN(const bool exists, Exists(sql, levels));
    if (exists) {
      return Fail(ErrorKind::kConflict,
                  fmt::format("namespace exists already namespace={}", joined));
    }
    SIGNALDB_TRY(
        sql.Execute(kInsertProperty, {catalog_name_, joined, std::string(kExistsKey), "true"}));
    for (const auto& [key, value] : properties) {
      SIGNALDB_TRY(sql.Execute(kInsertProperty, {catalog_name_, joined, key, value}));
    }
    return {};
  });
}

Result<bool> SqlCatalog::Exists(SqlSession& sql, const Namespace& levels) {
  const std::string joined = JoinLevels(levels);
  const std::string inside = joined + ".";
  for (const std::string_view statement : {kRowOfNamespace, kPropertyOfNamespace}) {
    SIGNALDB_ASSIGN(const std::vector<SqlRow> rows,
                    sql.Query(statement, {catalog_name_, joined, inside, inside}));
    if (!rows.empty()) return true;
  }
  return false;
}

Result<bool> SqlCatalog::NamespaceExists(const Namespace& levels) {
  SIGNALDB_TRY(CheckNamespace(levels));
  bool exists = false;
  const Status read = Reading([&](SqlSession& sql) -> Status {
    SIGNALDB_ASSIGN(exists, Exists(sql, levels));
    return {};
  });
  SIGNALDB_TRY(read);
  return exists;
}

Result<std::vector<Namespace>> SqlCatalog::ListNamespaces() {
  std::vector<SqlRow> rows;
  const Status read = Reading([&](SqlSession& sql) -> Status {
    SIGNALDB_ASSIGN(rows, sql.Query(kListNamespaces, {catalog_name_, catalog_name_}));
    return {};
  });
  SIGNALDB_TRY(read);
  std::set<Namespace> all;
  for (const SqlRow& row : rows) {
    // Java can make the empty namespace, which we cannot name: left out.
    Result<Namespace> levels = SplitLevels(row.at(0).value_or(""));
    if (levels.has_value()) all.insert(*std::move(levels));
  }
  return std::vector<Namespace>(all.begin(), all.end());
}

Result<std::vector<TableIdentifier>> SqlCatalog::ListTables(const Namespace& levels) {
  SIGNALDB_TRY(CheckNamespace(levels));
  std::vector<SqlRow> rows;
  const Status read = Reading([&](SqlSession& sql) -> Status {
    SIGNALDB_TRY(RequireNamespace(sql, levels));
    SIGNALDB_ASSIGN(rows, sql.Query(kList.For(sql), {catalog_name_, JoinLevels(levels)}));
    return {};
  });
  SIGNALDB_TRY(read);
  std::vector<TableIdentifier> tables;
  tables.reserve(rows.size());
  for (const SqlRow& row : rows) {
    tables.push_back(TableIdentifier{.levels = levels, .name = row.at(0).value_or("")});
  }
  // Here and not by the database, whose order depends on its collation.
  std::ranges::sort(tables);
  return tables;
}

Status SqlCatalog::DropTable(const TableIdentifier& table) {
  SIGNALDB_TRY(CheckTableIdentifier(table));
  return Writing([&](SqlSession& sql) -> Status {
    SIGNALDB_ASSIGN(
        const int changed,
        sql.Execute(kDelete.For(sql), {catalog_name_, JoinLevels(table.levels), table.name}));
    if (changed == 1) return {};
    return NoSuchTable(table, catalog_name_);
  });
}

Status SqlCatalog::RenameTable(const TableIdentifier& from, const TableIdentifier& to) {
  SIGNALDB_TRY(CheckRename(from, to));
  return Writing([&](SqlSession& sql) -> Status {
    SIGNALDB_TRY(RequireNamespace(sql, to.levels));
    const Result<int> changed = sql.Execute(
        kRename.For(sql),
        {JoinLevels(to.levels), to.name, catalog_name_, JoinLevels(from.levels), from.name});
    if (changed.has_value()) {
      if (*changed == 1) return {};
      return NoSuchTable(from, catalog_name_);
    }
    if (changed.error().kind == ErrorKind::kConflict) {
      return Fail(ErrorKind::kConflict,
                  fmt::format("a table or view of the new name exists table={}", to.ToText()));
    }
    return std::unexpected(changed.error());
  });
}

Status SqlCatalog::DropNamespace(const Namespace& levels) {
  SIGNALDB_TRY(CheckNamespace(levels));
  return Writing([&](SqlSession& sql) -> Status {
    SIGNALDB_TRY(RequireNamespace(sql, levels));
    const std::string joined = JoinLevels(levels);
    const std::string inside = joined + ".";
    // Views are inside as well, so the type of the rows does not matter.
    SIGNALDB_ASSIGN(const std::vector<SqlRow> rows,
                    sql.Query(kRowOfNamespace, {catalog_name_, joined, inside, inside}));
    SIGNALDB_ASSIGN(const std::vector<SqlRow> children,
                    sql.Query(kPropertyInsideNamespace, {catalog_name_, inside, inside}));
    if (!rows.empty() || !children.empty()) {
      return Fail(ErrorKind::kConflict,
                  fmt::format("the namespace is not empty; drop what is inside first namespace={}",
                              joined));
    }
    SIGNALDB_TRY(sql.Execute(kDeleteProperties, {catalog_name_, joined}));
    return {};
  });
}

Result<Properties> SqlCatalog::NamespaceProperties(const Namespace& levels) {
  SIGNALDB_TRY(CheckNamespace(levels));
  std::vector<SqlRow> rows;
  const Status read = Reading([&](SqlSession& sql) -> Status {
    SIGNALDB_TRY(RequireNamespace(sql, levels));
    SIGNALDB_ASSIGN(rows, sql.Query(kListProperties, {catalog_name_, JoinLevels(levels)}));
    return {};
  });
  SIGNALDB_TRY(read);
  Properties properties;
  for (const SqlRow& row : rows) {
    const std::string key = row.at(0).value_or("");
    if (key != kExistsKey) properties.insert_or_assign(key, row.at(1).value_or(""));
  }
  return properties;
}

Status SqlCatalog::UpdateNamespaceProperties(const Namespace& levels, const Properties& set,
                                             std::span<const std::string> removed) {
  SIGNALDB_TRY(CheckNamespace(levels));
  SIGNALDB_TRY(CheckPropertyChange(set, removed));
  return Writing([&](SqlSession& sql) -> Status {
    SIGNALDB_TRY(RequireNamespace(sql, levels));
    const std::string joined = JoinLevels(levels);
    for (const std::string& key : removed) {
      SIGNALDB_TRY(sql.Execute(kDeleteProperty, {catalog_name_, joined, key}));
    }
    Properties all = set;
    // Others create namespaces without it; removing their last property must not remove them.
    all.emplace(kExistsKey, "true");
    for (const auto& [key, value] : all) {
      SIGNALDB_ASSIGN(const int changed,
                      sql.Execute(kUpdateProperty, {value, catalog_name_, joined, key}));
      if (changed > 0) continue;
      SIGNALDB_TRY(sql.Execute(kInsertProperty, {catalog_name_, joined, key, value}));
    }
    return {};
  });
}

}  // namespace signaldb
