#include "iceberg/catalog.h"

#include <set>

#include <fmt/format.h>

namespace signaldb {

namespace {

bool HasControlCharacter(std::string_view text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return true;
  }
  return false;
}

}  // namespace

std::string JoinLevels(const Namespace& levels) {
  std::string joined;
  for (const std::string& level : levels) {
    if (!joined.empty()) joined += '.';
    joined += level;
  }
  return joined;
}

Result<Namespace> SplitLevels(std::string_view joined) {
  Namespace levels;
  std::size_t begin = 0;
  while (true) {
    const std::size_t dot = joined.find('.', begin);
    levels.emplace_back(joined.substr(begin, dot - begin));
    if (dot == std::string_view::npos) break;
    begin = dot + 1;
  }
  SIGNALDB_TRY(CheckNamespace(levels));
  return levels;
}

std::string TableIdentifier::ToText() const {
  return levels.empty() ? name : JoinLevels(levels) + "." + name;
}

Status CheckNamespace(const Namespace& levels) {
  if (levels.empty()) return Fail(ErrorKind::kInvalid, "a namespace needs at least one level");
  for (const std::string& level : levels) {
    if (level.empty()) {
      return Fail(ErrorKind::kInvalid,
                  fmt::format("a namespace level is empty namespace={}", JoinLevels(levels)));
    }
    if (level.contains('.') || HasControlCharacter(level)) {
      return Fail(ErrorKind::kInvalid,
                  fmt::format("a namespace level must not hold dots or control characters level={}",
                              level));
    }
  }
  const std::size_t bytes = JoinLevels(levels).size();
  if (bytes > kCatalogNameBytesMax) {
    return Fail(ErrorKind::kInvalid, fmt::format("namespace is too long bytes={} bytes_max={}",
                                                 bytes, kCatalogNameBytesMax));
  }
  return {};
}

Status CheckTableIdentifier(const TableIdentifier& table) {
  SIGNALDB_TRY(CheckNamespace(table.levels));
  if (table.name.empty()) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("a table name is empty namespace={}", JoinLevels(table.levels)));
  }
  if (table.name.contains('.') || HasControlCharacter(table.name)) {
    return Fail(
        ErrorKind::kInvalid,
        fmt::format("a table name must not hold dots or control characters name={}", table.name));
  }
  if (table.name.size() > kCatalogNameBytesMax) {
    return Fail(ErrorKind::kInvalid, fmt::format("table name is too long bytes={} bytes_max={}",
                                                 table.name.size(), kCatalogNameBytesMax));
  }
  return {};
}

Status CheckNamespaceProperties(const Properties& properties) {
  for (const auto& [key, value] : properties) {
    if (key == "exists") {
      return Fail(ErrorKind::kInvalid, "the namespace property \"exists\" is reserved");
    }
    if (key.empty() || key.size() > kCatalogNameBytesMax ||
        value.size() > kNamespacePropertyBytesMax) {
      return Fail(
          ErrorKind::kInvalid,
          fmt::format("namespace property is too long or has no name key={} key_bytes_max={} "
                      "value_bytes={} value_bytes_max={}",
                      key.substr(0, kCatalogNameBytesMax), kCatalogNameBytesMax, value.size(),
                      kNamespacePropertyBytesMax));
    }
  }
  return {};
}

Status CheckPropertyChange(const Properties& set, std::span<const std::string> removed) {
  SIGNALDB_TRY(CheckNamespaceProperties(set));
  for (const std::string& key : removed) {
    SIGNALDB_TRY(CheckNamespaceProperties({{key, ""}}));
    if (set.contains(key)) {
      return Fail(ErrorKind::kInvalid,
                  fmt::format("a namespace property is both set and removed key={}", key));
    }
  }
  return {};
}

Status CheckRename(const TableIdentifier& from, const TableIdentifier& to) {
  SIGNALDB_TRY(CheckTableIdentifier(from));
  SIGNALDB_TRY(CheckTableIdentifier(to));
  if (from == to) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("a table cannot be renamed to itself table={}", from.ToText()));
  }
  return {};
}

Status CheckPointerUpdates(std::span<const PointerUpdate> updates) {
  if (updates.size() > kPointerUpdatesMax) {
    return Fail(ErrorKind::kInvalid, fmt::format("too many tables in one commit tables={} max={}",
                                                 updates.size(), kPointerUpdatesMax));
  }
  std::set<TableIdentifier> seen;
  for (const PointerUpdate& update : updates) {
    SIGNALDB_TRY(CheckTableIdentifier(update.table));
    if (!seen.insert(update.table).second) {
      return Fail(ErrorKind::kInvalid, fmt::format("a table stands twice in one commit table={}",
                                                   update.table.ToText()));
    }
    if (update.next.empty()) {
      return Fail(ErrorKind::kInvalid,
                  fmt::format("a metadata location is empty table={}", update.table.ToText()));
    }
    if (update.next.size() > kMetadataLocationBytesMax) {
      return Fail(
          ErrorKind::kInvalid,
          fmt::format("metadata location is too long for catalogs; choose a shorter table "
                      "location table={} bytes={} bytes_max={}",
                      update.table.ToText(), update.next.size(), kMetadataLocationBytesMax));
    }
  }
  return {};
}

}  // namespace signaldb
