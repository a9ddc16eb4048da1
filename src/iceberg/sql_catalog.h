#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "iceberg/catalog.h"

namespace signaldb {

/// A column or parameter that is text or NULL; the catalog has no others.
using SqlText = std::optional<std::string>;
using SqlRow = std::vector<SqlText>;

/// Whether the tables have the column `iceberg_type` (V1) or not (V0, what Java creates first).
enum class SqlCatalogLayout : std::uint8_t { kV0, kV1 };

/// The layout that Java's JdbcUtil ends with (V1), column by column.
inline constexpr std::string_view kSqlCreateTables =
    "CREATE TABLE IF NOT EXISTS iceberg_tables("
    "catalog_name VARCHAR(255) NOT NULL,"
    "table_namespace VARCHAR(255) NOT NULL,"
    "table_name VARCHAR(255) NOT NULL,"
    "metadata_location VARCHAR(1000),"
    "previous_metadata_location VARCHAR(1000),"
    "iceberg_type VARCHAR(5),"
    "PRIMARY KEY (catalog_name, table_namespace, table_name))";
inline constexpr std::string_view kSqlCreateNamespaces =
    "CREATE TABLE IF NOT EXISTS iceberg_namespace_properties("
    "catalog_name VARCHAR(255) NOT NULL,"
    "namespace VARCHAR(255) NOT NULL,"
    "property_key VARCHAR(255),"
    "property_value VARCHAR(1000),"
    "PRIMARY KEY (catalog_name, namespace, property_key))";
inline constexpr std::string_view kSqlUpgradeToV1 =
    "ALTER TABLE iceberg_tables ADD COLUMN iceberg_type VARCHAR(5)";

/// One connection, as the catalog's statements see it. Parameters stand as `?`, in order.
///
/// Errors: those of the driver, translated; kConflict for a primary key that exists.
class SqlSession {
 public:
  virtual ~SqlSession() = default;

  [[nodiscard]] virtual Result<std::vector<SqlRow>> Query(
      std::string_view sql, std::initializer_list<SqlText> parameters) = 0;
  /// The same for a statement without rows; returns how many rows it changed.
  [[nodiscard]] virtual Result<int> Execute(std::string_view sql,
                                            std::initializer_list<SqlText> parameters) = 0;
  [[nodiscard]] virtual SqlCatalogLayout layout() const = 0;
};

/// The Iceberg SQL catalog in the tables that Java, PyIceberg and iceberg-rust share: statements
/// and the meaning of their rows, over whichever database a driver reaches. Several tables commit
/// in one database transaction, which every other reader sees as ordinary rows.
///
/// Threads: as the driver's hooks; this class holds no state of its own.
class SqlCatalog : public Catalog {
 public:
  [[nodiscard]] Result<std::string> MetadataLocation(const TableIdentifier& table) final;
  [[nodiscard]] Status Commit(std::span<const PointerUpdate> updates) final;
  [[nodiscard]] Status CreateNamespace(const Namespace& levels, const Properties& properties) final;
  [[nodiscard]] Result<bool> NamespaceExists(const Namespace& levels) final;
  [[nodiscard]] Result<std::vector<Namespace>> ListNamespaces() final;
  [[nodiscard]] Result<std::vector<TableIdentifier>> ListTables(const Namespace& levels) final;
  [[nodiscard]] Status DropTable(const TableIdentifier& table) final;
  [[nodiscard]] Status RenameTable(const TableIdentifier& from, const TableIdentifier& to) final;
  [[nodiscard]] Status DropNamespace(const Namespace& levels) final;
  [[nodiscard]] Result<Properties> NamespaceProperties(const Namespace& levels) final;
  [[nodiscard]] Status UpdateNamespaceProperties(const Namespace& levels, const Properties& set,
                                                 std::span<const std::string> removed) final;

 protected:
  using Body = std::function<Status(SqlSession&)>;

  explicit SqlCatalog(std::string catalog_name) : catalog_name_(std::move(catalog_name)) {}

  /// Runs `body`, which only reads.
  [[nodiscard]] virtual Status Reading(const Body& body) = 0;
  /// Runs `body` inside one transaction: committed durably if it succeeds, rolled back if it fails.
  /// Errors: those of `body`; kUnavailable (did not happen), kUnknownOutcome (no answer to COMMIT).
  [[nodiscard]] virtual Status Writing(const Body& body) = 0;

 private:
  [[nodiscard]] Result<std::vector<SqlRow>> Load(SqlSession& sql, const TableIdentifier& table);
  [[nodiscard]] Status Apply(SqlSession& sql, const PointerUpdate& update);
  [[nodiscard]] Status Insert(SqlSession& sql, const PointerUpdate& update);
  [[nodiscard]] Result<bool> Exists(SqlSession& sql, const Namespace& levels);
  [[nodiscard]] Status RequireNamespace(SqlSession& sql, const Namespace& levels);

  const std::string catalog_name_;
};

/// Errors: kInvalid (empty, or longer than the column).
[[nodiscard]] Status CheckCatalogName(std::string_view catalog_name);

}  // namespace signaldb
