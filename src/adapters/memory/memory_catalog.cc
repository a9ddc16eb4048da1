#include "adapters/memory/memory_catalog.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

namespace signaldb {

namespace {

bool StartsWith(const Namespace& levels, const Namespace& prefix) {
  return levels.size() >= prefix.size() && std::equal(prefix.begin(), prefix.end(), levels.begin());
}

std::unexpected<Error> NoSuchNamespace(const Namespace& levels) {
  return Fail(ErrorKind::kNotFound,
              fmt::format("no such namespace namespace={}", JoinLevels(levels)));
}

}  // namespace

Result<std::string> MemoryCatalog::MetadataLocation(const TableIdentifier& table) {
  SIGNALDB_TRY(CheckTableIdentifier(table));
  const std::scoped_lock lock(mutex_);
  const auto found = pointers_.find(table);
  if (found == pointers_.end()) {
    return Fail(ErrorKind::kNotFound, fmt::format("no such table table={}", table.ToText()));
  }
  return found->second;
}

Status MemoryCatalog::CheckExpectedLocked(const PointerUpdate& update) const {
  const auto found = pointers_.find(update.table);
  if (!update.expected.has_value()) {
    if (found != pointers_.end()) {
      return Fail(ErrorKind::kConflict,
                  fmt::format("table exists already table={}", update.table.ToText()));
    }
    if (!ExistsLocked(update.table.levels)) {
      return Fail(ErrorKind::kNotFound,
                  fmt::format("no such namespace; create it first namespace={}",
                              JoinLevels(update.table.levels)));
    }
    return {};
  }
  if (found == pointers_.end()) {
    return Fail(ErrorKind::kNotFound, fmt::format("no such table table={}", update.table.ToText()));
  }
  if (found->second != *update.expected) {
    return Fail(ErrorKind::kConflict,
                fmt::format("the table has changed since it was read table={} expected={} found={}",
                            update.table.ToText(), *update.expected, found->second));
  }
  return {};
}

Status MemoryCatalog::Commit(std::span<const PointerUpdate> updates) {
  SIGNALDB_TRY(CheckPointerUpdates(updates));
  const std::scoped_lock lock(mutex_);
  for (const PointerUpdate& update : updates) SIGNALDB_TRY(CheckExpectedLocked(update));
  for (const PointerUpdate& update : updates) pointers_[update.table] = update.next;
  return {};
}

Status MemoryCatalog::CreateNamespace(const Namespace& levels, const Properties& properties) {
  SIGNALDB_TRY(CheckNamespace(levels));
  SIGNALDB_TRY(CheckNamespaceProperties(properties));
  const std::scoped_lock lock(mutex_);
  if (ExistsLocked(levels)) {
    return Fail(ErrorKind::kConflict,
                fmt::format("namespace exists already namespace={}", JoinLevels(levels)));
  }
  namespaces_.emplace(levels, properties);
  return {};
}

bool MemoryCatalog::ExistsLocked(const Namespace& levels) const {
  const auto child = namespaces_.lower_bound(levels);
  if (child != namespaces_.end() && StartsWith(child->first, levels)) return true;
  return std::ranges::any_of(
      pointers_, [&](const auto& entry) { return StartsWith(entry.first.levels, levels); });
}

Result<bool> MemoryCatalog::NamespaceExists(const Namespace& levels) {
  SIGNALDB_TRY(CheckNamespace(levels));
  const std::scoped_lock lock(mutex_);
  return ExistsLocked(levels);
}

Result<std::vector<Namespace>> MemoryCatalog::ListNamespaces() {
  const std::scoped_lock lock(mutex_);
  std::set<Namespace> all;
  for (const auto& [levels, properties] : namespaces_) all.insert(levels);
  for (const auto& [table, location] : pointers_) all.insert(table.levels);
  return std::vector<Namespace>(all.begin(), all.end());
}

Result<std::vector<TableIdentifier>> MemoryCatalog::ListTables(const Namespace& levels) {
  SIGNALDB_TRY(CheckNamespace(levels));
  const std::scoped_lock lock(mutex_);
  if (!ExistsLocked(levels)) return NoSuchNamespace(levels);
  std::vector<TableIdentifier> tables;
  for (const auto& [table, location] : pointers_) {
    if (table.levels == levels) tables.push_back(table);
  }
  return tables;
}

Status MemoryCatalog::DropTable(const TableIdentifier& table) {
  SIGNALDB_TRY(CheckTableIdentifier(table));
  const std::scoped_lock lock(mutex_);
  if (pointers_.erase(table) == 0) {
    return Fail(ErrorKind::kNotFound, fmt::format("no such table table={}", table.ToText()));
  }
  return {};
}

Status MemoryCatalog::RenameTable(const TableIdentifier& from, const TableIdentifier& to) {
  SIGNALDB_TRY(CheckRename(from, to));
  const std::scoped_lock lock(mutex_);
  const auto found = pointers_.find(from);
  if (found == pointers_.end()) {
    return Fail(ErrorKind::kNotFound, fmt::format("no such table table={}", from.ToText()));
  }
  SIGNALDB_TRY(CheckExpectedLocked({.table = to, .expected = std::nullopt, .next = {}}));
  pointers_.emplace(to, std::move(found->second));
  pointers_.erase(found);
  return {};
}

Status MemoryCatalog::DropNamespace(const Namespace& levels) {
  SIGNALDB_TRY(CheckNamespace(levels));
  const std::scoped_lock lock(mutex_);
  if (!ExistsLocked(levels)) return NoSuchNamespace(levels);
  const bool holds_tables = std::ranges::any_of(
      pointers_, [&](const auto& entry) { return StartsWith(entry.first.levels, levels); });
  const auto child = namespaces_.upper_bound(levels);
  if (holds_tables || (child != namespaces_.end() && StartsWith(child->first, levels))) {
    return Fail(ErrorKind::kConflict,
                fmt::format("the namespace is not empty; drop what is inside first namespace={}",
                            JoinLevels(levels)));
  }
  namespaces_.erase(levels);
  return {};
}

Result<Properties> MemoryCatalog::NamespaceProperties(const Namespace& levels) {
  SIGNALDB_TRY(CheckNamespace(levels));
  const std::scoped_lock lock(mutex_);
  if (!ExistsLocked(levels)) return NoSuchNamespace(levels);
  const auto found = namespaces_.find(levels);
  return found == namespaces_.end() ? Properties{} : found->second;
}

Status MemoryCatalog::UpdateNamespaceProperties(const Namespace& levels, const Properties& set,
                                                std::span<const std::string> removed) {
  SIGNALDB_TRY(CheckNamespace(levels));
  SIGNALDB_TRY(CheckPropertyChange(set, removed));
  const std::scoped_lock lock(mutex_);
  if (!ExistsLocked(levels)) return NoSuchNamespace(levels);
  Properties& properties = namespaces_[levels];
  for (const std::string& key : removed) properties.erase(key);
  for (const auto& [key, value] : set) properties.insert_or_assign(key, value);
  return {};
}

}  // namespace signaldb
