#pragma once

#include <string>

#include "iceberg/catalog.h"

namespace signaldb::testing {

inline TableIdentifier Table(const std::string& name) {
  return TableIdentifier{.levels = {"acme", "prod"}, .name = name};
}

/// An update that creates the table.
inline PointerUpdate Create(const TableIdentifier& table, const std::string& next) {
  return PointerUpdate{.table = table, .expected = std::nullopt, .next = next};
}

/// An update that moves the table from one metadata file to the next.
inline PointerUpdate Swap(const TableIdentifier& table, const std::string& expected,
                          const std::string& next) {
  return PointerUpdate{.table = table, .expected = expected, .next = next};
}

}  // namespace signaldb::testing
