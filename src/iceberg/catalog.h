#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "iceberg/table_metadata.h"
#include "signaldb/result.h"

namespace signaldb {

/// Levels of a namespace. No level is empty or contains a dot: SQL catalogs join them with dots.
using Namespace = std::vector<std::string>;

struct TableIdentifier {
  Namespace levels;
  std::string name;

  /// "tenant.dataset.table", for messages.
  [[nodiscard]] std::string ToText() const;
  friend auto operator<=>(const TableIdentifier&, const TableIdentifier&) = default;
};

/// A compare-and-set of one table's pointer.
struct PointerUpdate {
  TableIdentifier table;
  std::optional<std::string>
      expected;  ///< The metadata location it must show now; nothing = the table must not exist.
  std::string next;
};

/// Port: who knows which metadata file is a table's current one.
///
/// Implementation contract: reads are from the primary and never cached. `Commit` applies all
/// updates or none, in one atomic step that survives a power cut. An outcome that is not known is
/// kUnknownOutcome, never anything else. Thread-safe.
class Catalog {
 public:
  virtual ~Catalog() = default;

  /// The current metadata location. Errors: kNotFound (no such table), kUnavailable, kCorrupt.
  [[nodiscard]] virtual Result<std::string> MetadataLocation(const TableIdentifier& table) = 0;

  /// Errors: kConflict (a pointer was not as expected; nothing changed), kNotFound (a table or
  /// namespace is missing), kInvalid (a name or location the catalog cannot hold), kUnavailable
  /// (did not happen), kUnknownOutcome.
  [[nodiscard]] virtual Status Commit(std::span<const PointerUpdate> updates) = 0;

  /// Errors: kConflict (exists), kInvalid (bad name), kUnavailable, kUnknownOutcome.
  [[nodiscard]] virtual Status CreateNamespace(const Namespace& levels,
                                               const Properties& properties) = 0;
  [[nodiscard]] virtual Result<bool> NamespaceExists(const Namespace& levels) = 0;
  [[nodiscard]] virtual Result<std::vector<Namespace>> ListNamespaces() = 0;
  /// Errors: kNotFound (no such namespace).
  [[nodiscard]] virtual Result<std::vector<TableIdentifier>> ListTables(
      const Namespace& levels) = 0;
  /// Forgets the table; its files stay. Errors: kNotFound, kUnavailable, kUnknownOutcome.
  [[nodiscard]] virtual Status DropTable(const TableIdentifier& table) = 0;
};

}  // namespace signaldb
