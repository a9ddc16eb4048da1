#pragma once

#include <functional>
#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "iceberg/catalog.h"
#include "testing/matchers.h"
#include "testing/metadata_pointer.h"
#include "testing/temp_dir.h"

namespace signaldb::testing {

/// One catalog, seen through as many handles as a test wants.
struct CatalogBackend {
  std::string name;
  /// Opens it; nothing if it cannot be had here, which `missing` then explains.
  std::function<std::shared_ptr<Catalog>(const std::string& folder)> open;
  /// Whether opening it again for the same folder shows the same tables.
  enum class Handles : std::uint8_t { kOne, kMany } handles = Handles::kOne;
  std::function<std::string()> missing = [] { return std::string(); };
};

/// What every catalog promises (src/iceberg/catalog.h), over each catalog of ours; instantiated
/// where the catalogs are linked in. Begins with the namespace acme.prod, {owner: us}.
class CatalogConformance : public ::testing::TestWithParam<CatalogBackend> {
 protected:
  void SetUp() override {
    if (const std::string why = GetParam().missing(); !why.empty()) GTEST_SKIP() << why;
    catalog_ = GetParam().open(folder_.path());
    ASSERT_NE(catalog_, nullptr);
    ASSERT_THAT(catalog_->CreateNamespace({"acme", "prod"}, {{"owner", "us"}}), IsOk());
  }

  /// Another handle to the same catalog, as another part of the system would hold it.
  std::shared_ptr<Catalog> Second() {
    return GetParam().handles == CatalogBackend::Handles::kMany ? GetParam().open(folder_.path())
                                                                : catalog_;
  }

  [[nodiscard]] Status CommitOne(const PointerUpdate& update) {
    return catalog_->Commit({&update, 1});
  }
  [[nodiscard]] Status CreateIn(const Namespace& levels, const std::string& name) {
    return CommitOne(Create({.levels = levels, .name = name}, "0"));
  }

  TempDir folder_;
  std::shared_ptr<Catalog> catalog_;
};

}  // namespace signaldb::testing
