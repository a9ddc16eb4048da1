// What every catalog promises (src/iceberg/catalog.h) about tables and their pointers.

#include "catalog_conformance.h"

#include <atomic>
#include <string>
#include <thread>
#include <vector>

namespace signaldb::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST_P(CatalogConformance, LoadsWhatWasCreated) {
  ASSERT_THAT(CommitOne(Create(Table("logs"), "memory://a/0.json")), IsOk());
  EXPECT_THAT(catalog_->MetadataLocation(Table("logs")), IsOkAnd("memory://a/0.json"));
  EXPECT_THAT(Second()->MetadataLocation(Table("logs")), IsOkAnd("memory://a/0.json"));
}

TEST_P(CatalogConformance, KnowsNoTableThatWasNeverCreated) {
  EXPECT_THAT(catalog_->MetadataLocation(Table("logs")), IsError(ErrorKind::kNotFound));
  EXPECT_THAT(CommitOne(Swap(Table("logs"), "a", "b")), IsError(ErrorKind::kNotFound));
  EXPECT_THAT(catalog_->DropTable(Table("logs")), IsError(ErrorKind::kNotFound));
}

TEST_P(CatalogConformance, SwapsOnlyFromTheExpectedLocation) {
  ASSERT_THAT(CommitOne(Create(Table("logs"), "0")), IsOk());
  EXPECT_THAT(CommitOne(Swap(Table("logs"), "0", "1")), IsOk());
  EXPECT_THAT(CommitOne(Swap(Table("logs"), "0", "2")), IsError(ErrorKind::kConflict));
  EXPECT_THAT(catalog_->MetadataLocation(Table("logs")), IsOkAnd("1"));
}

TEST_P(CatalogConformance, CreatesATableOnce) {
  ASSERT_THAT(CommitOne(Create(Table("logs"), "0")), IsOk());
  EXPECT_THAT(CommitOne(Create(Table("logs"), "1")), IsError(ErrorKind::kConflict));
  EXPECT_THAT(catalog_->MetadataLocation(Table("logs")), IsOkAnd("0"));
}

TEST_P(CatalogConformance, CreatesNothingInAMissingNamespace) {
  const TableIdentifier table{.levels = {"acme", "test"}, .name = "logs"};
  EXPECT_THAT(CommitOne(Create(table, "0")), IsErrorSaying(ErrorKind::kNotFound, "namespace"));
  EXPECT_THAT(catalog_->NamespaceExists({"acme", "test"}), IsOkAnd(false));
}

TEST_P(CatalogConformance, ChangesAllTablesOrNone) {
  const std::vector<PointerUpdate> create = {Create(Table("a"), "a0"), Create(Table("b"), "b0"),
                                             Create(Table("c"), "c0")};
  ASSERT_THAT(catalog_->Commit(create), IsOk());
  // The one that cannot be applied stands at each place once, for each reason.
  const std::vector<PointerUpdate> good = {
      Swap(Table("a"), "a0", "a1"), Swap(Table("b"), "b0", "b1"), Swap(Table("c"), "c0", "c1")};
  for (std::size_t bad = 0; bad < good.size(); ++bad) {
    SCOPED_TRACE(bad);
    std::vector<PointerUpdate> updates = good;
    updates[bad].expected = "stale";
    EXPECT_THAT(catalog_->Commit(updates), IsError(ErrorKind::kConflict));
    updates[bad].expected = std::nullopt;
    EXPECT_THAT(catalog_->Commit(updates), IsError(ErrorKind::kConflict));
    updates[bad] = Swap(Table("missing"), "x", "y");
    EXPECT_THAT(catalog_->Commit(updates), IsError(ErrorKind::kNotFound));
    for (const std::string& name : std::vector<std::string>{"a", "b", "c"}) {
      EXPECT_THAT(catalog_->MetadataLocation(Table(name)), IsOkAnd(name + "0"));
    }
  }
  EXPECT_THAT(catalog_->Commit(good), IsOk());
  EXPECT_THAT(catalog_->MetadataLocation(Table("c")), IsOkAnd("c1"));
}

TEST_P(CatalogConformance, CreatesAndChangesInOneCommit) {
  ASSERT_THAT(CommitOne(Create(Table("a"), "a0")), IsOk());
  const std::vector<PointerUpdate> updates = {Swap(Table("a"), "a0", "a1"),
                                              Create(Table("b"), "b0")};
  ASSERT_THAT(catalog_->Commit(updates), IsOk());
  EXPECT_THAT(catalog_->MetadataLocation(Table("b")), IsOkAnd("b0"));
}

TEST_P(CatalogConformance, DoesNothingForNoUpdates) { EXPECT_THAT(catalog_->Commit({}), IsOk()); }

TEST_P(CatalogConformance, RefusesATableNamedTwice) {
  const std::vector<PointerUpdate> updates = {Create(Table("a"), "0"), Create(Table("a"), "1")};
  EXPECT_THAT(catalog_->Commit(updates), IsErrorSaying(ErrorKind::kInvalid, "twice"));
}

TEST_P(CatalogConformance, HoldsLocationsUpToTheLimit) {
  const std::string longest(kMetadataLocationBytesMax, 'x');
  EXPECT_THAT(CommitOne(Create(Table("a"), longest)), IsOk());
  EXPECT_THAT(catalog_->MetadataLocation(Table("a")), IsOkAnd(longest));
  EXPECT_THAT(CommitOne(Swap(Table("a"), longest, longest + "x")),
              IsErrorSaying(ErrorKind::kInvalid, "too long"));
  EXPECT_THAT(CommitOne(Swap(Table("a"), longest, "")), IsError(ErrorKind::kInvalid));
}

TEST_P(CatalogConformance, RefusesNamesThatOtherCatalogsCannotHold) {
  const std::string longest(kCatalogNameBytesMax, 'n');
  struct Case {
    std::string name;
    TableIdentifier table;
  };
  const Case cases[] = {
      {"no level", {.levels = {}, .name = "t"}},
      {"empty level", {.levels = {"acme", ""}, .name = "t"}},
      {"dot in a level", {.levels = {"acme.prod"}, .name = "t"}},
      {"control character in a level", {.levels = {"ac\nme"}, .name = "t"}},
      {"NUL in a level", {.levels = {std::string("a\0b", 3)}, .name = "t"}},
      {"too long with its dot", {.levels = {longest.substr(1), "x"}, .name = "t"}},
      {"empty table", {.levels = {"acme", "prod"}, .name = ""}},
      {"dot in the table", {.levels = {"acme", "prod"}, .name = "a.b"}},
      {"NUL in the table", {.levels = {"acme", "prod"}, .name = std::string("a\0", 2)}},
      {"long table", {.levels = {"acme", "prod"}, .name = longest + "n"}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_THAT(CommitOne(Create(c.table, "0")), IsError(ErrorKind::kInvalid));
    EXPECT_THAT(catalog_->MetadataLocation(c.table), IsError(ErrorKind::kInvalid));
    EXPECT_THAT(catalog_->DropTable(c.table), IsError(ErrorKind::kInvalid));
  }
  EXPECT_THAT(CommitOne(Create(Table(longest), "0")), IsOk());
}

TEST_P(CatalogConformance, HoldsNamesThatLookLikeSql) {
  for (const std::string& name :
       std::vector<std::string>{"'; DROP TABLE iceberg_tables; --", "a\"b", "100%", "a_b", "ä"}) {
    ASSERT_THAT(CommitOne(Create(Table(name), name + "0")), IsOk());
  }
  EXPECT_THAT(catalog_->MetadataLocation(Table("100%")), IsOkAnd("100%0"));
  EXPECT_THAT(catalog_->MetadataLocation(Table("1000")), IsError(ErrorKind::kNotFound));
  EXPECT_THAT(catalog_->MetadataLocation(Table("A_B")), IsError(ErrorKind::kNotFound));
}

TEST_P(CatalogConformance, DropsATableAndLetsItBeCreatedAgain) {
  ASSERT_THAT(CommitOne(Create(Table("logs"), "0")), IsOk());
  ASSERT_THAT(catalog_->DropTable(Table("logs")), IsOk());
  EXPECT_THAT(catalog_->MetadataLocation(Table("logs")), IsError(ErrorKind::kNotFound));
  EXPECT_THAT(CommitOne(Create(Table("logs"), "1")), IsOk());
}

TEST_P(CatalogConformance, ListsTablesOfOneNamespaceInOrder) {
  ASSERT_THAT(catalog_->CreateNamespace({"acme", "prod", "eu"}, {}), IsOk());
  ASSERT_THAT(CommitOne(Create(Table("spans"), "0")), IsOk());
  ASSERT_THAT(CommitOne(Create(Table("logs"), "0")), IsOk());
  const TableIdentifier inner{.levels = {"acme", "prod", "eu"}, .name = "metrics"};
  ASSERT_THAT(CommitOne(Create(inner, "0")), IsOk());
  EXPECT_THAT(catalog_->ListTables({"acme", "prod"}),
              IsOkAnd(ElementsAre(Table("logs"), Table("spans"))));
  EXPECT_THAT(catalog_->ListTables({"acme", "prod", "eu"}), IsOkAnd(ElementsAre(inner)));
  EXPECT_THAT(catalog_->ListTables({"acme"}), IsOkAnd(IsEmpty()));
  EXPECT_THAT(catalog_->ListTables({"other"}), IsError(ErrorKind::kNotFound));
}

TEST_P(CatalogConformance, KnowsNamespacesAndTheirParents) {
  EXPECT_THAT(catalog_->NamespaceExists({"acme", "prod"}), IsOkAnd(true));
  EXPECT_THAT(catalog_->NamespaceExists({"acme"}), IsOkAnd(true));
  for (const Namespace& levels :
       {Namespace{"acm"}, Namespace{"acme", "pro"}, Namespace{"acme", "prod", "x"},
        Namespace{"ACME"}, Namespace{"acme_prod"}, Namespace{"acme%"}}) {
    SCOPED_TRACE(JoinLevels(levels));
    EXPECT_THAT(catalog_->NamespaceExists(levels), IsOkAnd(false));
  }
}

TEST_P(CatalogConformance, CreatesANamespaceOnce) {
  EXPECT_THAT(catalog_->CreateNamespace({"acme", "prod"}, {}), IsError(ErrorKind::kConflict));
  EXPECT_THAT(catalog_->CreateNamespace({"acme", "test"}, {}), IsOk());
  EXPECT_THAT(catalog_->ListNamespaces(),
              IsOkAnd(ElementsAre(Namespace{"acme", "prod"}, Namespace{"acme", "test"})));
}

TEST_P(CatalogConformance, RefusesNamespacePropertiesThatSqlCannotHold) {
  const std::string longest(kNamespacePropertyBytesMax, 'v');
  EXPECT_THAT(catalog_->CreateNamespace({"a"}, {{"exists", "no"}}), IsError(ErrorKind::kInvalid));
  EXPECT_THAT(catalog_->CreateNamespace({"a"}, {{"", "x"}}), IsError(ErrorKind::kInvalid));
  EXPECT_THAT(catalog_->CreateNamespace({"a"}, {{"k", longest + "v"}}),
              IsError(ErrorKind::kInvalid));
  EXPECT_THAT(catalog_->CreateNamespace({"a"}, {{"k", longest}}), IsOk());
}

// Every thread moves the pointer from what it just read; the values must form one chain.
TEST_P(CatalogConformance, LetsOneOfManyThreadsWinEachSwap) {
  constexpr int kThreads = 4;
  constexpr int kSwaps = 25;
  ASSERT_THAT(CommitOne(Create(Table("n"), "0")), IsOk());
  std::atomic<int> wrong = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&, handle = i % 2 == 0 ? catalog_ : Second()] {
        for (int won = 0; won < kSwaps;) {
          const Result<std::string> now = handle->MetadataLocation(Table("n"));
          if (!now.has_value()) {
            wrong += now.error().kind != ErrorKind::kUnavailable;
            continue;
          }
          const PointerUpdate update = Swap(Table("n"), *now, std::to_string(std::stoi(*now) + 1));
          const Status status = handle->Commit({&update, 1});
          if (status.has_value()) {
            ++won;
          } else {
            wrong += status.error().kind != ErrorKind::kConflict &&
                     status.error().kind != ErrorKind::kUnavailable;
          }
        }
      });
    }
  }
  EXPECT_EQ(wrong, 0);
  EXPECT_THAT(catalog_->MetadataLocation(Table("n")), IsOkAnd(std::to_string(kThreads * kSwaps)));
}

}  // namespace
}  // namespace signaldb::testing
