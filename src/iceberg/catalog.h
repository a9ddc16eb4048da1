#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "iceberg/metadata/table_metadata.h"
#include "signaldb/result.h"

namespace signaldb {

/// Levels of a namespace. No level is empty or contains a dot: SQL catalogs join them with dots.
using Namespace = std::vector<std::string>;

/// What the columns of SQL catalogs hold (VARCHAR(255), VARCHAR(1000)); every catalog of ours keeps
/// to it, so that a table can move between catalogs.
inline constexpr std::size_t kCatalogNameBytesMax = 255;
inline constexpr std::size_t kMetadataLocationBytesMax = 1000;
inline constexpr std::size_t kNamespacePropertyBytesMax = 1000;
inline constexpr std::size_t kPointerUpdatesMax = 1024;

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

/// "tenant.dataset", as SQL catalogs store it.
[[nodiscard]] std::string JoinLevels(const Namespace& levels);
/// The other way round. Errors: kInvalid (an empty level: a namespace we cannot name).
[[nodiscard]] Result<Namespace> SplitLevels(std::string_view joined);

/// The rules every catalog holds names and updates to, before it touches anything.
/// Errors: kInvalid (no level; a level that is empty, has a dot or a control character; too long).
[[nodiscard]] Status CheckNamespace(const Namespace& levels);
[[nodiscard]] Status CheckTableIdentifier(const TableIdentifier& table);
/// Errors: kInvalid (a key or value that is empty or too long for SQL catalogs; the reserved key
/// "exists").
[[nodiscard]] Status CheckNamespaceProperties(const Properties& properties);
/// What UpdateNamespaceProperties may be asked.
/// Errors: kInvalid (as CheckNamespaceProperties; a key both set and removed; "exists" removed).
[[nodiscard]] Status CheckPropertyChange(const Properties& set,
                                         std::span<const std::string> removed);
/// Errors: kInvalid (a bad name; both are the same).
[[nodiscard]] Status CheckRename(const TableIdentifier& from, const TableIdentifier& to);
/// Errors: kInvalid (the same table twice, a bad name, a location that is empty or over
/// kMetadataLocationBytesMax, over kPointerUpdatesMax updates).
[[nodiscard]] Status CheckPointerUpdates(std::span<const PointerUpdate> updates);

/// Port: who knows which metadata file is a table's current one.
///
/// Implementation contract: reads are from the primary and never cached. `Commit` applies all
/// updates or none, in one atomic step that survives a power cut. An outcome that is not known is
/// kUnknownOutcome, never anything else; what a read shows after that is durable too. Thread-safe.
class Catalog {
 public:
  virtual ~Catalog() = default;

  /// The current metadata location.
  /// Errors: kNotFound (no such table), kInvalid (bad name), kUnavailable, kCorrupt.
  [[nodiscard]] virtual Result<std::string> MetadataLocation(const TableIdentifier& table) = 0;

  /// No updates: nothing to do.
  /// Errors: kConflict (a pointer was not as expected; nothing changed), kNotFound (a table to
  /// change, or the namespace of one to create, is missing; nothing changed), kInvalid (a name or
  /// location the catalog cannot hold; a table named twice), kUnavailable (did not happen),
  /// kUnknownOutcome.
  [[nodiscard]] virtual Status Commit(std::span<const PointerUpdate> updates) = 0;

  /// Errors: kConflict (exists), kInvalid (bad name, or a property too long), kUnavailable,
  /// kUnknownOutcome.
  [[nodiscard]] virtual Status CreateNamespace(const Namespace& levels,
                                               const Properties& properties) = 0;
  /// True if it was created, or if a table or namespace inside it exists.
  /// Errors: kInvalid, kUnavailable, kCorrupt.
  [[nodiscard]] virtual Result<bool> NamespaceExists(const Namespace& levels) = 0;
  /// Those that were created or hold a table, whole, in order. A parent that was never created and
  /// holds no table itself is not among them. Errors: kUnavailable, kCorrupt.
  [[nodiscard]] virtual Result<std::vector<Namespace>> ListNamespaces() = 0;
  /// Tables directly in `levels`, in order.
  /// Errors: kNotFound (no such namespace), kInvalid, kUnavailable, kCorrupt.
  [[nodiscard]] virtual Result<std::vector<TableIdentifier>> ListTables(
      const Namespace& levels) = 0;
  /// Forgets the table; its files stay.
  /// Errors: kNotFound, kInvalid, kUnavailable, kUnknownOutcome.
  [[nodiscard]] virtual Status DropTable(const TableIdentifier& table) = 0;
  /// Moves the pointer to another name, in one step; the table's files and location stay.
  /// Errors: kNotFound (no such table, or no such namespace to move to), kConflict (a table or view
  /// of the new name exists), kInvalid, kUnavailable, kUnknownOutcome.
  [[nodiscard]] virtual Status RenameTable(const TableIdentifier& from,
                                           const TableIdentifier& to) = 0;

  /// Forgets the namespace and its properties.
  /// Errors: kNotFound, kConflict (a table, view or namespace is inside), kInvalid, kUnavailable,
  /// kUnknownOutcome.
  [[nodiscard]] virtual Status DropNamespace(const Namespace& levels) = 0;
  /// What CreateNamespace and UpdateNamespaceProperties set.
  /// Errors: kNotFound, kInvalid, kUnavailable, kCorrupt.
  [[nodiscard]] virtual Result<Properties> NamespaceProperties(const Namespace& levels) = 0;
  /// Sets some and removes some, all or none; removing what is not there is no error.
  /// Errors: kNotFound, kConflict (someone else set the same key at the same time), kInvalid,
  /// kUnavailable, kUnknownOutcome.
  [[nodiscard]] virtual Status UpdateNamespaceProperties(const Namespace& levels,
                                                         const Properties& set,
                                                         std::span<const std::string> removed) = 0;
};

}  // namespace signaldb
