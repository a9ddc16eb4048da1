#pragma once

#include <map>
#include <mutex>
#include <string>

#include "iceberg/catalog.h"

namespace signaldb {

/// A catalog that lives and dies with the process: for tests, trials and embedding.
///
/// Owns:     names and pointers.
/// Threads:  thread-safe; every call is one step under one mutex, so no outcome is ever unknown.
class MemoryCatalog final : public Catalog {
 public:
  [[nodiscard]] Result<std::string> MetadataLocation(const TableIdentifier& table) override;
  [[nodiscard]] Status Commit(std::span<const PointerUpdate> updates) override;
  [[nodiscard]] Status CreateNamespace(const Namespace& levels,
                                       const Properties& properties) override;
  [[nodiscard]] Result<bool> NamespaceExists(const Namespace& levels) override;
  [[nodiscard]] Result<std::vector<Namespace>> ListNamespaces() override;
  [[nodiscard]] Result<std::vector<TableIdentifier>> ListTables(const Namespace& levels) override;
  [[nodiscard]] Status DropTable(const TableIdentifier& table) override;
  [[nodiscard]] Status RenameTable(const TableIdentifier& from, const TableIdentifier& to) override;
  [[nodiscard]] Status DropNamespace(const Namespace& levels) override;
  [[nodiscard]] Result<Properties> NamespaceProperties(const Namespace& levels) override;
  [[nodiscard]] Status UpdateNamespaceProperties(const Namespace& levels, const Properties& set,
                                                 std::span<const std::string> removed) override;

 private:
  [[nodiscard]] bool ExistsLocked(const Namespace& levels) const;
  [[nodiscard]] Status CheckExpectedLocked(const PointerUpdate& update) const;

  mutable std::mutex mutex_;
  std::map<Namespace, Properties> namespaces_;
  std::map<TableIdentifier, std::string> pointers_;
};

}  // namespace signaldb
